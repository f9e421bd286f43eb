"""What the gateway must let through, as values that know no vendor.

Owns the shapes of the plan. How a policy becomes one is planning.py's; how one is written for a target, each
renderer's. Everything that the plan does not name is denied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

from mqttseg.errors import Source

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


class Transport(StrEnum):
    """The protocols that have ports."""

    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True)
class Bound:
    """A device that the gateway can tell from all others: by interface, MAC address and IP address together."""

    device: str
    interface: str
    mac: str
    addresses: tuple[Address, ...]
    source: Source
    port: str | None = None  # the switch or bridge port it is plugged into, where the inventory says so
    model: str | None = None
    learned: bool = False  # its addresses come from the network, not from the inventory

    @property
    def v4(self) -> tuple[IPv4Address, ...]:
        return tuple(address for address in self.addresses if isinstance(address, IPv4Address))

    @property
    def v6(self) -> tuple[IPv6Address, ...]:
        return tuple(address for address in self.addresses if isinstance(address, IPv6Address))


@dataclass(frozen=True, slots=True)
class Unbound:
    """A device that gets nothing on the network, and why: something about it is not known (yet).

    ``learned``: its addresses are expected from the network; ``gateway sync`` fills them in.
    """

    device: str
    segment: str
    why: str
    source: Source
    learned: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """A destination that devices may open connections to. ``to`` None: the gateway itself.

    ``observed``: what would be refused were its conduit enforced, so it is let through and recorded.
    """

    to: Network | None
    transport: Transport
    port: int
    name: str  # broker, a service's name, or the conduit's
    source: Source
    observed: bool = False
    crossing: bool = False  # to a device of another segment: only a conduit makes these


@dataclass(frozen=True, slots=True)
class Group:
    """Devices of one segment that may reach the same: the whole segment, or one role with conduits of its own."""

    segment: str
    role: str  # "" for everybody whose role has no conduit of its own
    observe: bool
    devices: tuple[Bound, ...]
    reaches: tuple[Reach, ...]
    source: Source

    @property
    def name(self) -> str:
        """``SEGMENT`` or ``SEGMENT.ROLE``: unlike any other group's, since names of the policy hold no dot."""
        return f"{self.segment}.{self.role}" if self.role else self.segment


@dataclass(frozen=True, slots=True)
class Plan:
    """The network's half of a policy, until ``valid_until`` (then a conduit ends: plan again)."""

    source: Source
    interfaces: tuple[str, ...]
    groups: tuple[Group, ...]
    admin: tuple[Network, ...]
    ports: tuple[str, ...] = ()  # bridge or switch ports that face devices, bound or not
    unbound: tuple[Unbound, ...] = ()
    subnets: Mapping[str, tuple[Network, ...]] = field(default_factory=dict)
    valid_until: datetime | None = None

    def devices(self) -> Iterator[tuple[Group, Bound]]:
        """Every bound device with its group, in order."""
        for group in self.groups:
            for device in group.devices:
                yield group, device
