"""What a group may reach, as elements of nftables sets.

Owns sorting reaches by kind and family, and joining networks that overlap: two overlapping intervals in one set are an
error to nft.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import collapse_addresses

from mqttseg.gateway.plan import Group, Network, Reach


class Kind(StrEnum):
    """Why a destination is allowed, which decides how it is judged. The value is the prefix of the set's name."""

    PEER = "con"  # a device, through a conduit
    SEEN_PEER = "ocon"  # the same through a conduit in observe mode
    SERVER = "dst"  # the broker, a service, a destination
    SEEN_SERVER = "odst"

    @property
    def is_peer(self) -> bool:
        return self in {Kind.PEER, Kind.SEEN_PEER}


@dataclass(frozen=True, slots=True)
class Destinations:
    """The destinations of one kind and family that a group may reach."""

    kind: Kind
    version: int
    group: str
    elements: tuple[str, ...]
    is_wide: bool  # some element is more than one address

    @property
    def name(self) -> str:
        return f"{self.kind}{self.version}_{self.group}"

    @property
    def type(self) -> str:
        address = "ipv4_addr" if self.version == 4 else "ipv6_addr"
        return f"type {address} . inet_proto . inet_service;"

    @property
    def match(self) -> str:
        """Towards the destination."""
        return f"{_field(self.version)} daddr . meta l4proto . th dport @{self.name}"

    @property
    def answer(self) -> str:
        """Back from it."""
        return f"{_field(self.version)} saddr . meta l4proto . th sport @{self.name}"


def destinations(group: Group) -> Iterator[Destinations]:
    """The sets of a group, in the order in which they are asked: peers first."""
    for kind in Kind:
        for version in (4, 6):
            found = [r for r in group.reaches if _kind(r) is kind and r.to is not None and r.to.version == version]
            if found:
                yield _joined(kind, version, group.name, found)


def local_services(group: Group) -> tuple[str, ...]:
    """What the gateway itself serves to a group: ``inet_proto . inet_service``."""
    return tuple(dict.fromkeys(f"{r.transport} . {r.port}" for r in group.reaches if r.to is None))


def _kind(reach: Reach) -> Kind:
    if reach.crossing:
        return Kind.SEEN_PEER if reach.observed else Kind.PEER
    return Kind.SEEN_SERVER if reach.observed else Kind.SERVER


def _joined(kind: Kind, version: int, group: str, reaches: list[Reach]) -> Destinations:
    by_port: dict[tuple[str, int], list[Network]] = {}
    for reach in reaches:
        if reach.to is not None:
            by_port.setdefault((reach.transport, reach.port), []).append(reach.to)
    joined = [
        (network, transport, port)
        for (transport, port), networks in by_port.items()
        for network in collapse_addresses(networks)  # type: ignore[type-var]  # all of one version
    ]
    elements = tuple(f"{_literal(network)} . {transport} . {port}" for network, transport, port in joined)
    return Destinations(kind, version, group, elements, any(network.num_addresses > 1 for network, _, _ in joined))


def _literal(network: Network) -> str:
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _field(version: int) -> str:
    return "ip" if version == 4 else "ip6"
