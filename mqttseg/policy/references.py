"""Names in a policy that must be the name of something: segments, roles, services.

Owns the proof that every name leads somewhere. Names that were written but did not fit their shape count as known:
their own problem is reported already, and a second one at every mention would bury it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from mqttseg.errors import Problem, Source
from mqttseg.policy.build import place_of
from mqttseg.policy.document import Node
from mqttseg.policy.membership import Membership
from mqttseg.policy.model import Conduit, Device, Isolation, Policy, Segment, Service
from mqttseg.policy.schema import PolicyFile
from mqttseg.policy.services import SERVICES
from mqttseg.policy.shape import Fitted


@dataclass(frozen=True, slots=True)
class References:
    """The names that a policy file knows."""

    policy: Policy
    fitted: Fitted[PolicyFile]

    def problems(self) -> Iterator[Problem]:
        """Names in policy.yaml that lead nowhere."""
        for conduit in self.policy.conduits.values():
            yield from self._of_conduit(conduit)
        for isolation in self.policy.isolations:
            yield from self._of_isolation(isolation)
        for services in self._allowed():
            for service in services:
                yield from self._of_service(service)

    def _allowed(self) -> Iterator[tuple[Service, ...]]:
        yield from (segment.allow for segment in self.policy.segments.values())
        yield from (conduit.allow for conduit in self.policy.conduits.values())

    def of_device(self, device: Device, node: Node) -> Problem | None:
        """What leads nowhere in an inventory entry. ``node`` is the root of devices.yaml."""
        if device.segment and (found := self._segment(device.segment, _within(node, device, "segment"))):
            return found
        if device.role and device.segment:
            return self._role(device.segment, device.role, _within(node, device, "role"))
        return None

    def of_device_role(self, device: Device, membership: Membership, node: Node) -> Problem | None:
        """What leads nowhere when an entry names a role but leaves the segment to the members lists."""
        if not device.role or device.segment:
            return None
        place = _within(node, device, "role")
        segment = membership.segment_of(device.id)
        if segment is None:
            what = f"{device.id} has the role {device.role}, but belongs to no segment"
            return Problem(place, what, "add segment: here, or list it as a member")
        return self._role(segment, device.role, place)

    def is_placeable(self, device: Device) -> bool:
        """Whether the segment and the role that an entry names did parse, too."""
        segment = self.policy.segments.get(device.segment or "")
        if segment is None:
            return device.segment is None and device.role is None
        return device.role is None or device.role in segment.roles

    def knows_namespace(self, segment: Segment) -> bool:
        """Whether all that decides about the segment's topics did parse."""
        node = self.fitted.node.entries["segments"].entries[segment.name]
        needed = {"namespace"}
        if any("${device}" in rule.filter for rule in segment.namespace):
            needed |= {"members", "roles"}
        return all(self.fitted.is_whole(node, key) for key in needed)

    def _of_conduit(self, conduit: Conduit) -> Iterator[Problem]:
        for key, end in (("from", conduit.origin), ("to", conduit.target)):
            place = place_of(self.fitted.node, "conduits", conduit.name, key)
            problem = self._segment(end.segment, place)
            if problem is None and end.role is not None:
                problem = self._role(end.segment, end.role, place)
            if problem is not None:
                yield problem
        if conduit.origin.segment == conduit.target.segment:
            what = f"the conduit {conduit.name} leads from {conduit.origin.segment} to itself"
            remedy = "inside a segment, grant topics to its roles instead"
            yield Problem(place_of(self.fitted.node, "conduits", conduit.name, "to"), what, remedy)

    def _of_isolation(self, isolation: Isolation) -> Iterator[Problem]:
        for name in isolation.segments:
            if problem := self._segment(name, isolation.source):
                yield problem
        if len(set(isolation.segments)) < len(isolation.segments):
            yield Problem(isolation.source, "the test isolates a segment from itself", "name each segment once")

    def _of_service(self, service: Service) -> Iterator[Problem]:
        if service.name is not None and service.name not in SERVICES:
            remedy = _suggestion(service.name, SERVICES) + ", or write {to: ADDRESS, tcp: PORT}"
            yield Problem(service.source, f"there is no service {service.name}", remedy)

    def _segment(self, name: str, place: Source) -> Problem | None:
        if self._is_written("segments", name=name):
            return None
        return Problem(place, f"there is no segment {name}", _suggestion(name, self.policy.segments))

    def _role(self, segment: str, role: str, place: Source) -> Problem | None:
        if segment not in self.policy.segments or self._is_written("segments", segment, "roles", name=role):
            return None
        roles = self.policy.segments[segment].roles
        return Problem(place, f"the segment {segment} has no role {role}", _suggestion(role, roles))

    def _is_written(self, *path: str, name: str) -> bool:
        """Whether a mapping of the file has, or had, an entry of that name."""
        node: Node | None = self.fitted.node
        for step in path:
            if node is None or (id(node), step) in self.fitted.cut:
                return True  # the whole mapping is lost: whatever it held is known
            node = node.child(step)
        return node is not None and (name in node.entries or (id(node), name) in self.fitted.cut)


def _within(node: Node, device: Device, key: str) -> Source:
    return place_of(node, "devices", device.id, key)


def _suggestion(name: str, known: Iterable[str] | Mapping[str, object]) -> str:
    names = list(known)
    if close := get_close_matches(name, names, n=1):
        return f"did you mean {close[0]}?"
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"use one of: {shown}" if names else "none is defined yet"
