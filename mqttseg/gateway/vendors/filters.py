"""The plan as filters of terms, which is what access lists are made of.

Pure, and knows no vendor. Owns the order of terms: conduits, then no device to a device, then servers, then nothing. A
stateless filter tells an answer by its source address and port and, for TCP, by not opening a connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network

from mqttseg.gateway.plan import Group, Network, Plan, Transport
from mqttseg.gateway.reaching import Kind, collapsed, of_kind


@dataclass(frozen=True, slots=True)
class Term:
    """One rule. Empty networks are anybody; ``permit`` False drops. ``icmp`` are types of ICMPv6."""

    name: str
    comment: str
    permit: bool = True
    source: tuple[Network, ...] = ()
    destination: tuple[Network, ...] = ()
    protocol: str = ""
    source_port: int | None = None
    destination_port: int | None = None
    established: bool = False
    icmp: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """Terms that are asked in order. ``way``: from devices, to devices, or between them."""

    way: str
    version: int
    terms: tuple[Term, ...]


def stateless(plan: Plan, version: int) -> tuple[Filter, ...]:
    """For routers that judge each packet alone: what comes in from devices, and what goes out to them."""
    writer = _Writer(plan, version)
    return (
        writer.filter("from", writer.from_devices()),
        writer.filter("to", writer.to_devices()),
    )


def stateful(plan: Plan, version: int) -> tuple[Filter, ...]:
    """For firewalls that know connections: who may open one."""
    writer = _Writer(plan, version)
    return (
        writer.filter("between", [*writer.reaching(peers=True), _DENY_ALL]),
        writer.filter("from", [*writer.reaching(peers=False), _DENY_ALL]),
        writer.filter("to", [*writer.administrators(), _DENY_ALL]),
    )


def towards_broker(plan: Plan) -> tuple[Filter, ...]:
    """For what the broker runs on: which devices may open a connection to it. Addresses of both versions."""
    found = [
        Term(f"{g.name} broker", "", source=_hosts(g, None), protocol="tcp", destination_port=port)
        for g in plan.groups
        if g.devices
        for port in dict.fromkeys(r.port for r in g.reaches if r.name == "broker" and r.source == plan.source)
    ]
    return (Filter("from", 0, _numbered("mqttseg-broker", [*found, _DENY_ALL])),)


_DENY_ALL = Term("", "everything else", permit=False)


@dataclass(frozen=True, slots=True)
class _Writer:
    plan: Plan
    version: int

    def filter(self, way: str, terms: Sequence[Term]) -> Filter:
        return Filter(way, self.version, _numbered(f"mqttseg-{way}{self.version}", terms))

    @property
    def devices(self) -> tuple[Network, ...]:
        return tuple(host for group in self.plan.groups for host in _hosts(group, self.version))

    @property
    def admin(self) -> tuple[Network, ...]:
        return tuple(network for network in self.plan.admin if network.version == self.version)

    def from_devices(self) -> list[Term]:
        others = [Term("", "devices", permit=False, destination=self.devices)] if self.devices else []
        first = [*self._link_in(), *self._answers_to_admin(), *self._between(), *others]
        return [*first, *self.reaching(peers=False), _DENY_ALL]

    def to_devices(self) -> list[Term]:
        others = [Term("", "devices", permit=False, source=self.devices)] if self.devices else []
        first = [*self._link_out(), *self.administrators(), *self._between(), *others]
        return [*first, *self._answers(peers=False), _DENY_ALL]

    def reaching(self, *, peers: bool) -> Iterator[Term]:
        """What devices may open."""
        for group, (network, transport, port), name in self._destinations(peers=peers):
            source = _hosts(group, self.version)
            term = Term("", f"{group.name} {name}", source=source, destination=(network,), protocol=transport)
            yield replace(term, destination_port=port)

    def administrators(self) -> Iterator[Term]:
        if self.admin and self.devices:
            for protocol in Transport:
                yield Term("", "admin", source=self.admin, destination=self.devices, protocol=protocol)

    def _between(self) -> Iterator[Term]:
        """Conduits both ways. What is dropped next is from a device to a device, whatever follows."""
        yield from self.reaching(peers=True)
        yield from self._answers(peers=True)

    def _answers(self, *, peers: bool) -> Iterator[Term]:
        for term in self.reaching(peers=peers):
            back = replace(term, source=term.destination, destination=term.source, comment=f"{term.comment} answers")
            is_tcp = term.protocol == Transport.TCP
            yield replace(back, source_port=term.destination_port, destination_port=None, established=is_tcp)

    def _answers_to_admin(self) -> Iterator[Term]:
        if self.admin and self.devices:
            yield Term("", "admin", source=self.devices, destination=self.admin, protocol="tcp", established=True)

    def _link_in(self) -> Iterator[Term]:
        yield from self._dhcp("dhcp", client_speaks=True)
        if self.version == 6:
            yield Term("", "link", protocol="icmpv6", icmp=(*_NEIGHBOURS, "router-solicit"))

    def _link_out(self) -> Iterator[Term]:
        yield from self._dhcp("dhcp", client_speaks=False)
        if self.version == 6:
            yield Term("", "link", protocol="icmpv6", icmp=(*_NEIGHBOURS, "router-advertisement"))

    def _dhcp(self, comment: str, *, client_speaks: bool) -> Iterator[Term]:
        client, server = (68, 67) if self.version == 4 else (546, 547)
        speaks, hears = (client, server) if client_speaks else (server, client)
        yield Term("", comment, protocol="udp", source_port=speaks, destination_port=hears)

    def _destinations(self, *, peers: bool) -> Iterator[tuple[Group, tuple[Network, Transport, int], str]]:
        for group in self.plan.groups:
            if not _hosts(group, self.version):
                continue  # a term without a source would be anybody's
            for kind in Kind:
                if kind.is_peer is peers:
                    for found in collapsed(of_kind(group, kind, self.version)):
                        yield group, found, kind.name.lower()


_NEIGHBOURS = ("neighbor-solicit", "neighbor-advertisement")


def _hosts(group: Group, version: int | None) -> tuple[Network, ...]:
    addresses = (address for device in group.devices for address in device.addresses)
    return tuple(ip_network(address) for address in addresses if version in {None, address.version})


def _numbered(prefix: str, terms: Sequence[Term]) -> tuple[Term, ...]:
    """Names that no other term has, begin with a letter and are no word of any target's."""
    return tuple(replace(term, name=f"{prefix}-{number}") for number, term in enumerate(terms, 1))
