"""What a group may reach, as elements of nftables sets, one set for each kind and family."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mqttseg.gateway.plan import Group, Network, Reach
from mqttseg.gateway.reaching import Kind, collapsed, of_kind


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
        return f"{field_of(self.version)} daddr . meta l4proto . th dport @{self.name}"

    @property
    def answer(self) -> str:
        """Back from it."""
        return f"{field_of(self.version)} saddr . meta l4proto . th sport @{self.name}"


def destinations(group: Group) -> Iterator[Destinations]:
    """The sets of a group, in the order in which they are asked: peers first."""
    for kind in Kind:
        for version in (4, 6):
            if found := of_kind(group, kind, version):
                yield _joined(kind, version, group.name, found)


def local_services(group: Group) -> tuple[str, ...]:
    """What the gateway itself serves to a group: ``inet_proto . inet_service``."""
    return tuple(dict.fromkeys(f"{r.transport} . {r.port}" for r in group.reaches if r.to is None))


def _joined(kind: Kind, version: int, group: str, reaches: Sequence[Reach]) -> Destinations:
    joined = collapsed(reaches)
    elements = tuple(f"{_literal(network)} . {transport} . {port}" for network, transport, port in joined)
    return Destinations(kind, version, group, elements, any(network.num_addresses > 1 for network, _, _ in joined))


def _literal(network: Network) -> str:
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def field_of(version: int) -> str:
    """How nft names the header of an IP version."""
    return "ip" if version == 4 else "ip6"
