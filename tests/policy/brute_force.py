"""The meaning of a policy by trying every topic: slow, obvious, and sharing no code with the product.

A universe is all topics over a few levels, up to a depth beyond the deepest filter, with levels that no filter
mentions. A set of topics is an int with a bit for each topic, so that unions and differences are one operation.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from functools import cache, cached_property
from itertools import product

from mqttseg.errors import Reason
from mqttseg.policy.model import Action, Conduit, Mode, Policy, Role, Rule, Segment, Width

Verdict = tuple[bool, Reason, bool, bool]  # allowed, reason, observed, narrowed


class Universe:
    """All topics over some levels."""

    def __init__(self, levels: Iterable[str], depth: int) -> None:
        split = [parts for size in range(1, depth + 1) for parts in product(levels, repeat=size) if parts != ("",)]
        self.topics = ["/".join(parts) for parts in split]
        self.bit = {topic: 1 << number for number, topic in enumerate(self.topics)}
        self._dollar = self._topics(parts[0].startswith("$") for parts in split)
        self._long = [self._topics(len(parts) >= size for parts in split) for size in range(depth + 2)]
        self._at = {
            (place, level): self._topics(len(parts) > place and parts[place] == level for parts in split)
            for level in levels
            for place in range(depth)
        }
        self.of = cache(self._of)
        self.everything = self.of("#")

    @staticmethod
    def _topics(chosen: Iterable[bool]) -> int:
        return int("".join("01"[one] for one in chosen)[::-1], 2)

    def _of(self, filter: str) -> int:  # noqa: A002
        """The topics that a filter matches, from the words of MQTT 3.1.1, section 4.7."""
        found = ~self._dollar if filter[0] in "+#" else ~0
        levels = filter.split("/")
        many = levels[-1] == "#"
        texts = levels[:-1] if many else levels
        for place, level in enumerate(texts):
            found &= self._long[place + 1] if level == "+" else self._at.get((place, level), 0)
        return found & (self._long[len(texts)] if many else self._long[len(texts)] & ~self._long[len(texts) + 1])


class Reference:
    """A policy's meaning for the topics of a universe. ``ids``: every device id there is."""

    def __init__(self, policy: Policy, universe: Universe, ids: Iterable[str]) -> None:
        self.policy = policy
        self.universe = universe
        self.ids = tuple(ids)

        self.place = cache(self._place)
        self.namespace = cache(self._namespace)
        self.is_rest = cache(self._is_rest)
        self.crossing = cache(self._crossing)

    def _place(self, device_id: str) -> tuple[Segment, Role] | None:
        entry = self.policy.devices.get(device_id)
        listed = self._listed(device_id, self.policy.segments.values())
        if entry is not None and entry.segment is not None:
            segment = self.policy.segments[entry.segment]
            listed = self._listed(device_id, [segment]) or (segment, segment.base)
        if entry is not None and entry.role is not None and listed is not None:
            return listed[0], listed[0].roles[entry.role]
        return listed

    @staticmethod
    def _listed(device_id: str, segments: Iterable[Segment]) -> tuple[Segment, Role] | None:
        exact, globs = [], []
        for segment in sorted(segments, key=lambda s: any(rule.filter == "#" for rule in s.namespace)):
            for role in [*segment.roles.values(), segment.base]:
                exact += [(segment, role) for m in role.members if m.pattern == device_id]
                globs += [(segment, role) for m in role.members if fnmatch.fnmatchcase(device_id, m.pattern)]
        return next(iter(exact + globs), None)

    @cached_property
    def members(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in self.policy.segments}
        for device_id in self.ids:
            placed = self.place(device_id)
            if placed:
                found[placed[0].name].append(device_id)
        return found

    def of_members(self, text: str, segment: str) -> int:
        """A filter in which ``${device}`` is any member."""
        if "${device}" not in text:
            return self.universe.of(text)
        return _union(self.universe.of(text.replace("${device}", member)) for member in self.members[segment])

    def _namespace(self, name: str) -> int:
        segment = self.policy.segments[name]
        if self.is_rest(name):
            return self.universe.everything & ~self.foreign(name)
        return _union(self.of_members(f"{rule.filter}/#", name) for rule in segment.namespace)

    def foreign(self, name: str) -> int:
        return _union(self.namespace(other) for other in self.policy.segments if other != name)

    def _is_rest(self, name: str) -> bool:
        return any(rule.filter == "#" for rule in self.policy.segments[name].namespace)

    def enforces(self, name: str) -> bool:
        return (self.policy.segments[name].mode or self.policy.mode) is Mode.ENFORCE

    def owner_of_conduit_topic(self, conduit: Conduit, rule: Rule) -> str | None:
        ends = [conduit.origin.segment, conduit.target.segment]
        for name in [e for e in ends if not self.is_rest(e)] + [e for e in ends if self.is_rest(e)]:
            inside = self.universe.everything if self.is_rest(name) else self.namespace(name)
            if self.of_members(rule.filter, name) & ~inside == 0:
                return name
        return None

    def _crossing(self, name: str, role: str, action: Action, trial: bool) -> int:
        found = 0
        for conduit in self.policy.conduits.values():
            if (conduit.mode is Mode.OBSERVE) is not trial or conduit.origin.segment == conduit.target.segment:
                continue
            for rule in conduit.topics:
                owner = self.owner_of_conduit_topic(conduit, rule)
                end, gives = conduit.target, Action.RECEIVE
                if owner == conduit.target.segment:
                    end, gives = conduit.origin, Action.PUBLISH
                if owner is not None and end.segment == name and end.role in (None, role) and gives is action:
                    topics = self.of_members(rule.filter, owner)
                    found |= topics & self.namespace(owner) if self.is_rest(owner) else topics
        return found

    def granted(self, segment: Segment, role: Role, device_id: str, action: Action) -> int:
        if role.publish is None and role.subscribe is None:
            own = self.namespace(segment.name)
        else:
            listed = (role.publish if action is Action.PUBLISH else role.subscribe) or ()
            own = _union(self.universe.of(rule.filter.replace("${device}", device_id)) for rule in listed)
            if self.is_rest(segment.name):
                own &= ~self.foreign(segment.name)
        return own | self.crossing(segment.name, role.name, action, False)

    def verdict(self, device_id: str, action: Action, text: str) -> Verdict:
        subscribing = action is Action.SUBSCRIBE
        wanted = self.universe.of(text) if subscribing else self.universe.bit[text]
        placed = self.place(device_id)
        dollar = text.startswith("$")
        system = text.split("/", maxsplit=1)[0] == "$SYS"
        if dollar and (action is Action.PUBLISH or not system or placed is None):
            return False, Reason.SYSTEM_TOPIC, False, False
        if placed is None:
            mode = self.policy.mode
            return False, Reason.NO_SEGMENT, mode is Mode.OBSERVE and not self._protected(wanted, None), False
        segment, role = placed
        direction = Action.PUBLISH if action is Action.PUBLISH else Action.RECEIVE
        denied = _union(self.universe.of(r.filter.replace("${device}", device_id)) for r in (*segment.deny, *role.deny))
        granted = self.granted(segment, role, device_id, direction)
        trial = self.crossing(segment.name, role.name, direction, True)
        allowed, reason, observed, narrowed = self._judge(
            wanted, granted, denied, trial, segment, narrow=subscribing and segment.width is Width.NARROW
        )
        if system and reason in (Reason.NOT_GRANTED, Reason.OUTSIDE_SEGMENT):
            reason = Reason.SYSTEM_TOPIC
        if system and not subscribing and wanted & ~granted:
            reason = Reason.SYSTEM_TOPIC
        observing = (segment.mode or self.policy.mode) is Mode.OBSERVE and not dollar
        if not allowed and observing and not self._protected(wanted, segment.name) and not observed:
            observed, narrowed = True, False
        return allowed, reason, observed, narrowed

    def _judge(
        self, wanted: int, granted: int, denied: int, trial: int, segment: Segment, *, narrow: bool
    ) -> tuple[bool, Reason, bool, bool]:
        if wanted & ~granted == 0 and wanted & denied == 0:
            return True, Reason.OK, False, False
        if wanted & ~denied == 0:
            return False, Reason.DENIED_BY_RULE, False, False
        if wanted & trial and wanted & ~(granted | trial) == 0 and wanted & denied == 0:
            return False, Reason.OUTSIDE_SEGMENT, True, False
        if wanted & granted & ~denied:
            return (True, Reason.OK, False, True) if narrow else (False, Reason.FILTER_TOO_WIDE, False, False)
        if narrow and wanted & trial & ~denied:
            return False, Reason.OUTSIDE_SEGMENT, True, True
        own = wanted & self.namespace(segment.name)
        return False, Reason.NOT_GRANTED if own else Reason.OUTSIDE_SEGMENT, False, False

    def _protected(self, wanted: int, own: str | None) -> bool:
        protected = _union(self.namespace(name) for name in self.policy.segments if name != own and self.enforces(name))
        return wanted & ~protected == 0


def _union(sets: Iterable[int]) -> int:
    found = 0
    for topics in sets:
        found |= topics
    return found
