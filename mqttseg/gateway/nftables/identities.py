"""Every element of a ruleset that says who a device is: in which set of which table, and what follows from it.

Owns these elements, for the renderer that writes them all and for a change in place of some of them. Everything else in
a ruleset follows from the policy alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mqttseg.gateway.nftables.destinations import destinations
from mqttseg.gateway.nftables.text import quoted
from mqttseg.gateway.plan import Address, Bound, Group, Plan

Identities: TypeAlias = Mapping[tuple[str, str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Element:
    """One element. ``verdict`` is the chain that a map leads to; empty in a set."""

    family: str
    holder: str
    key: str
    verdict: str = ""

    def __str__(self) -> str:
        return f"{self.key} : goto {self.verdict}" if self.verdict else self.key


def identity_elements(plan: Plan) -> Iterator[Element]:
    """The elements of both tables, in order."""
    wide = wide_versions(plan)
    origins = {group.name for group in plan.groups if leads_to_peers(group)}
    linked = has_ports(plan)
    for group, device in plan.devices():
        for address in device.addresses:
            yield from _routed(group, device, address, is_wide=address.version in wide)
            if group.name in origins:
                yield Element("inet", f"origin{address.version}", str(address), f"ans_{group.name}")
            if linked:
                yield from _bridged(group, device, address)
        if linked:
            yield _pin(device)
    if linked:
        yield from _meetings(plan)
    yield from _far_ends(plan, ("inet", "bridge") if linked else ("inet",))


def identities_by_holder(plan: Plan) -> Identities:
    """The same as text, by family and set or map."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for element in identity_elements(plan):
        found[element.family, element.holder].append(str(element))
    return found


def wide_versions(plan: Plan) -> frozenset[int]:
    """The IP versions in which some destination is more than one address, so that it may hold devices."""
    return frozenset(d.version for group in plan.groups for d in destinations(group) if d.is_wide)


def leads_to_peers(group: Group) -> bool:
    """Whether a conduit leads from the group to devices."""
    return any(reach.crossing for reach in group.reaches)


def has_ports(plan: Plan) -> bool:
    """Whether ports are named, so that frames between them can be judged."""
    return bool(plan.ports)


def _routed(group: Group, device: Bound, address: Address, *, is_wide: bool) -> Iterator[Element]:
    version = address.version
    who = f"{quoted(device.interface)} . {device.mac} . {address}"
    yield Element("inet", f"dev{version}", who, f"seg_{group.name}")
    yield Element("inet", f"peer{version}", str(address), f"re_{group.name}")
    if is_wide:
        yield Element("inet", f"device{version}", str(address))


def _bridged(group: Group, device: Bound, address: Address) -> Iterator[Element]:
    version = address.version
    yield Element("bridge", f"bind{version}", f"{device.mac} . {address}")
    if version == 6:  # as nft writes a field that it has no name for
        yield Element("bridge", "target6", f"{device.mac} . {int(address):#034x}")
    yield Element("bridge", f"dev{version}", str(address), f"seg_{group.name}")
    yield Element("bridge", f"peer{version}", str(address), f"re_{group.name}")
    if group.observe:
        yield Element("bridge", f"seen{version}", str(address))


def _pin(device: Bound) -> Element:
    if device.port:
        return Element("bridge", "mac_port", f"{device.mac} . {quoted(device.port)}")
    return Element("bridge", "mac_any", device.mac)


def _far_ends(plan: Plan, families: Sequence[str]) -> Iterator[Element]:
    """Devices that conduits lead to."""
    for group in plan.groups:
        for found in destinations(group):
            if found.kind.is_peer:
                yield from (Element(family, found.name, key) for family in families for key in found.elements)


def _meetings(plan: Plan) -> Iterator[Element]:
    """Devices that may ask for each other's MAC address: joined by a conduit, or observed."""
    found: dict[Address, None] = {}
    for group in plan.groups:
        ends = [r.to.network_address for r in group.reaches if r.crossing and r.to is not None]
        if ends or group.observe:
            found |= dict.fromkeys(a for device in group.devices for a in device.addresses)
            found |= dict.fromkeys(ends)
    yield from (Element("bridge", f"met{address.version}", str(address)) for address in found)
