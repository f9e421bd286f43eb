"""Addresses for devices whose inventory entry leaves them open.

Pure. Owns who gets which: what was seen with the device's own MAC address, or what the device proved to the broker with
its certificate. An address that two identities claim goes to neither, whoever was first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from mqttseg.gateway.plan import Address
from mqttseg.gateway.sightings import Sighting
from mqttseg.policy.model import Device

Learned = Mapping[str, Sequence[Address]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An address that was seen and is given to nobody."""

    address: Address
    why: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """The addresses by device, what was refused, and who is on the network without being in the inventory."""

    learned: Learned
    refused: tuple[Refusal, ...]
    strangers: tuple[Sighting, ...]


def learn(
    devices: Iterable[Device], sightings: Iterable[Sighting], proven: Mapping[Address, frozenset[str]], before: Learned
) -> Lesson:
    """Addresses for the devices that leave theirs open.

    ``proven``: the devices that the broker saw at an address. ``before``: what was learned earlier; it is kept in a
    family in which a device was not seen again.
    """
    known = list(devices)
    by_mac = {device.mac: device for device in known if device.mac}
    claims: defaultdict[Address, set[str]] = defaultdict(set)
    strangers: list[Sighting] = []
    for one in sightings:
        device = by_mac.get(one.mac)
        claims[one.address].add(device.id if device else f"the MAC address {one.mac}")
        if device is None:
            strangers.append(one)
    for address, ids in proven.items():
        claims[address] |= ids
    for device in known:
        for text in device.addresses:
            if (address := ip_address(text)) in claims:
                claims[address].add(device.id)
    refused = [Refusal(a, f"claimed by {' and '.join(sorted(ids))}") for a, ids in claims.items() if len(ids) > 1]
    open_to_learn = [device for device in known if device.learned]
    seen = _by_device(claims, {device.id for device in open_to_learn})
    taken = {address for address, ids in claims.items() if len(ids) > 1}
    learned = {d.id: _together(seen.get(d.id, []), before.get(d.id, ()), taken | set(claims)) for d in open_to_learn}
    return Lesson({d: a for d, a in learned.items() if a}, tuple(refused), tuple(strangers))


def _by_device(claims: Mapping[Address, set[str]], wanted: set[str]) -> dict[str, list[Address]]:
    found: defaultdict[str, list[Address]] = defaultdict(list)
    for address, ids in claims.items():
        if len(ids) == 1 and not address.is_link_local:
            (device,) = ids
            if device in wanted:
                found[device].append(address)
    return found


def _together(seen: Sequence[Address], before: Sequence[Address], claimed: set[Address]) -> tuple[Address, ...]:
    """What is seen now; in a family in which nothing is, what was before and nobody claims by now."""
    families = {address.version for address in seen}
    kept = [a for a in before if a.version not in families and a not in claimed]
    return tuple(sorted([*seen, *kept], key=lambda a: (a.version, int(a))))
