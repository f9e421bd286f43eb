"""Which devices the gateway can tell apart, and which it cannot.

Pure. Owns the binding of a device to interface, MAC and IP addresses, and the proof that no two devices, nor a device
and a server that the policy names, claim the same. A device about which something is missing is unbound: it gets
nothing. Where addresses are learned from the network, they come as a parameter, and one that is claimed is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from mqttseg.errors import Problem
from mqttseg.gateway.plan import Address, Bound, Network, Unbound
from mqttseg.policy.compiled import Compiled
from mqttseg.policy.model import Device, Role
from mqttseg.policy.model import Network as NetworkPart

_LINK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}")  # no wildcard, quote or escape of any target's language


@dataclass(slots=True)
class Bindings:
    """Who is where. ``problems`` is what the operator must correct before there can be a plan."""

    network: NetworkPart
    subnets: Mapping[str, tuple[Network, ...]]
    reserved: Mapping[Address, str]  # addresses of servers that no device may claim, and what they are
    problems: list[Problem] = field(default_factory=list)
    _members: dict[str, list[tuple[Role, Bound]]] = field(default_factory=dict)
    _unbound: list[Unbound] = field(default_factory=list)
    _holders: dict[Address, Bound] = field(default_factory=dict)

    @classmethod
    def of(cls, compiled: Compiled, network: NetworkPart, learned: Mapping[str, Sequence[Address]]) -> Bindings:
        """Bind every device of the inventory."""
        subnets = {name: tuple(map(ip_network, nets)) for name, nets in network.subnets.items()}
        bindings = cls(network, subnets, dict(_servers(network)))
        bindings._check_links()
        devices = compiled.policy.devices.values()
        for device in sorted(devices, key=lambda d: d.learned):  # what is written comes first: nothing learned beats it
            bindings._bind(compiled, device, tuple(learned.get(device.id, ())) if device.learned else ())
        return bindings

    @property
    def unbound(self) -> tuple[Unbound, ...]:
        return tuple(self._unbound)

    def members(self, segment: str) -> Sequence[tuple[Role, Bound]]:
        """The bound devices of a segment with their roles."""
        return self._members.get(segment, ())

    def holder(self, address: Address) -> Bound | None:
        """The device that has the address."""
        return self._holders.get(address)

    def _check_links(self) -> None:
        named = [*self.network.interfaces, *self.network.ports, *self.network.subnets]
        for name in dict.fromkeys(named):
            if not _LINK_NAME.fullmatch(name):
                what = f"the interface name {name!r} cannot be written safely for a firewall"
                self.problems.append(Problem(self.network.source, what, "use letters, digits and . _ - @ only"))
        for name in self.network.subnets:
            if name not in self.network.interfaces:
                what = f"subnets names {name}, which is not one of the interfaces"
                self.problems.append(Problem(self.network.source, what, f"use one of: {self._interfaces()}"))

    def _bind(self, compiled: Compiled, device: Device, learned: tuple[Address, ...]) -> None:
        if device.port is not None and not _LINK_NAME.fullmatch(device.port):
            what = f"the port name {device.port!r} of {device.id} cannot be written safely for a firewall"
            self.problems.append(Problem(device.source, what, "use letters, digits and . _ - @ only"))
        placement = compiled.placement(device.id)
        if placement is None:
            if device.mac or device.addresses or device.interface or device.learned:
                what = f"{device.id} is in no segment, so the gateway has no place for it"
                remedy = "add segment:, or list it as a member in the policy"
                self.problems.append(Problem(device.source, what, remedy))
            return
        interface = device.interface or (self.network.interfaces[0] if len(self.network.interfaces) == 1 else None)
        addresses = tuple(ip_address(text) for text in device.addresses) or tuple(
            address for address in learned if interface and not self.refusal(interface, address)
        )
        why = self._missing(device, interface, addresses)
        if why or interface is None or device.mac is None:
            self._unbound.append(Unbound(device.id, placement.segment.name, why, device.source, device.learned))
            return
        bound = Bound(
            device.id,
            interface,
            device.mac,
            addresses,
            device.source,
            port=device.port,
            model=device.model,
            learned=device.learned,
        )
        self.problems += self._problems(bound)
        self._members.setdefault(placement.segment.name, []).append((placement.role, bound))
        for address in addresses:
            self._holders.setdefault(address, bound)

    def refusal(self, interface: str, address: Address) -> str:
        """Why a device there cannot have an address; empty when it can.

        A device does not get another's address, nor a server's, by using it.
        """
        if holder := self._holders.get(address):
            return f"which {holder.device} has too ({holder.source})"
        if server := self.reserved.get(address):
            return f"which is {server} ({self.network.source})"
        nets = self.subnets.get(interface, ())
        if nets and not any(address in net for net in nets):
            return f"outside the subnets of {interface}: {', '.join(map(str, nets))}"
        return _unusable(address)

    @staticmethod
    def _missing(device: Device, interface: str | None, addresses: Sequence[Address]) -> str:
        lacks = []
        if interface is None:
            lacks.append("interface")
        if device.mac is None:
            lacks.append("MAC address")
        if not addresses:
            lacks.append("address learned yet" if device.learned else "address")
        return f"no {', no '.join(lacks)}" if lacks else ""

    def _problems(self, bound: Bound) -> Iterator[Problem]:
        if bound.interface not in self.network.interfaces:
            what = f"{bound.device} is at the interface {bound.interface}, which network.interfaces does not name"
            yield Problem(bound.source, what, f"use one of: {self._interfaces()}")
        for address in bound.addresses:
            if why := self.refusal(bound.interface, address):
                what = f"{bound.device} has the address {address}, {why}"
                yield Problem(bound.source, what, "give it an address of its own, or correct the network section")

    def _interfaces(self) -> str:
        return ", ".join(self.network.interfaces)


def _servers(network: NetworkPart) -> Iterator[tuple[Address, str]]:
    for address in network.broker_addresses:
        yield ip_address(address), "the broker's"
    for name, addresses in network.services.items():
        for address in addresses:
            yield ip_address(address), f"the service {name}'s"
    for text in network.admin:
        admin = ip_network(text)
        if admin.num_addresses == 1:
            yield admin.network_address, "an admin host's"


def _unusable(address: Address) -> str:
    """Why an address cannot be a device's own as its gateway sees it; empty when it can."""
    if address.is_multicast:
        return "a multicast address"
    if address.is_loopback or address.is_unspecified:
        return "an address of no network"
    if address.is_link_local and address.version == 6:
        return "a link-local address, which no gateway forwards"
    if int(address) == 0xFFFFFFFF and address.version == 4:
        return "the broadcast address"
    return ""
