"""What a group may reach, sorted as firewalls judge it.

Owns the kinds of destination, and joining networks that overlap: overlapping intervals are an error to some targets and
a waste to the others. Knows no target's language.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from ipaddress import collapse_addresses

from mqttseg.gateway.plan import Group, Network, Reach, Transport


class Kind(StrEnum):
    """Why a destination is allowed, which decides how it is judged. The value is the prefix of a set's name."""

    PEER = "con"  # a device, through a conduit
    SEEN_PEER = "ocon"  # the same through a conduit in observe mode
    SERVER = "dst"  # the broker, a service, a destination
    SEEN_SERVER = "odst"

    @property
    def is_peer(self) -> bool:
        return self in {Kind.PEER, Kind.SEEN_PEER}

    @property
    def is_seen(self) -> bool:
        """Let through and recorded."""
        return self in {Kind.SEEN_PEER, Kind.SEEN_SERVER}


def kind_of(reach: Reach) -> Kind:
    """The kind of a destination."""
    if reach.crossing:
        return Kind.SEEN_PEER if reach.observed else Kind.PEER
    return Kind.SEEN_SERVER if reach.observed else Kind.SERVER


def of_kind(group: Group, kind: Kind, version: int) -> Sequence[Reach]:
    """The destinations of one kind and IP version that a group may reach, but for those on the gateway itself."""
    return [r for r in group.reaches if kind_of(r) is kind and r.to is not None and r.to.version == version]


def collapsed(reaches: Sequence[Reach]) -> list[tuple[Network, Transport, int]]:
    """The same destinations with no network inside another, by protocol and port. All are of one IP version."""
    by_port: dict[tuple[Transport, int], list[Network]] = {}
    for reach in reaches:
        if reach.to is not None:
            by_port.setdefault((reach.transport, reach.port), []).append(reach.to)
    return [
        (network, transport, port)
        for (transport, port), networks in by_port.items()
        for network in collapse_addresses(networks)  # type: ignore[type-var]  # all of one version
    ]
