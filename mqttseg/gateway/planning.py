"""A policy and its inventory to a plan, or every reason why there is none.

Pure. Owns who reaches what: the broker, the services of the segment, the conduits that have a network part. A segment's
own destinations never include a device: a peer is reached through a conduit or not at all (crossings.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network

from mqttseg.errors import ConfigurationError, Problem
from mqttseg.gateway.binding import Bindings
from mqttseg.gateway.plan import Address, Bound, Group, Network, Plan, Reach, Transport
from mqttseg.policy.compiled import Compiled
from mqttseg.policy.model import Conduit, Mode, Role, Segment, Service
from mqttseg.policy.model import Network as NetworkPart
from mqttseg.policy.services import SERVICES


def plan_network(compiled: Compiled, learned: Mapping[str, Sequence[Address]] | None = None) -> Plan:
    """The network's half of a policy. Conduits that ``compiled`` left out, because they ended, give nothing.

    ``learned``: addresses of devices whose inventory entry says ``addresses: learned``; those of others are ignored.
    Raises ConfigurationError with every problem.
    """
    network = compiled.policy.network
    if network is None or not network.interfaces or not network.broker_addresses:
        raise ConfigurationError(_missing(compiled, network))
    bindings = Bindings.of(compiled, network, learned or {})
    planner = _Planner(compiled, network, bindings)
    groups = tuple(planner.groups())
    if problems := [*bindings.problems, *planner.problems]:
        raise ConfigurationError(sorted(problems, key=lambda p: (p.source.file, p.source.line, p.source.column)))
    return Plan(
        source=network.source,
        interfaces=network.interfaces,
        groups=groups,
        admin=tuple(map(ip_network, network.admin)),
        ports=tuple(dict.fromkeys([*network.ports, *(d.port for d in compiled.policy.devices.values() if d.port)])),
        unbound=bindings.unbound,
        subnets={name: tuple(map(ip_network, nets)) for name, nets in network.subnets.items()},
        valid_until=compiled.valid_until,
    )


def _missing(compiled: Compiled, network: NetworkPart | None) -> Iterator[Problem]:
    policy = compiled.policy
    if network is None:
        what = "the policy has no network section, so there is nothing to plan for a gateway"
        yield Problem(policy.source, what, "add network: with interfaces: and broker: (docs/policy.md)")
        return
    if not network.interfaces:
        yield Problem(
            network.source, "network names no interfaces", "add interfaces: [br-iot], those that face devices"
        )
    if not network.broker_addresses:
        remedy = "add broker: {addresses: [...]}, as the devices see it"
        yield Problem(network.source, "network does not say where the broker is", remedy)


class _Planner:
    """What each group of devices may reach."""

    def __init__(self, compiled: Compiled, network: NetworkPart, bindings: Bindings) -> None:
        self.policy = compiled.policy
        self.network = network
        self.bindings = bindings
        self.conduits = compiled.conduits
        self.problems: list[Problem] = []

    def groups(self) -> Iterator[Group]:
        for segment in self.policy.segments.values():
            apart = [role for role in segment.roles.values() if self._has_own_conduit(segment, role)]
            names = {role.name for role in apart}
            rest = [d for role, d in self.bindings.members(segment.name) if role.name not in names]
            yield self._group(segment, None, rest)
            for role in apart:
                own = [d for placed, d in self.bindings.members(segment.name) if placed.name == role.name]
                yield self._group(segment, role, own)

    def _has_own_conduit(self, segment: Segment, role: Role) -> bool:
        return any(c.allow and c.origin.segment == segment.name and c.origin.role == role.name for c in self.conduits)

    def _group(self, segment: Segment, role: Role | None, devices: list[Bound]) -> Group:
        reaches = [*self._broker(), *self._services(segment)]
        for conduit in self.conduits:
            if conduit.origin.segment == segment.name and conduit.origin.role in {None, role and role.name}:
                reaches += self._conduit(conduit)
        return Group(
            segment=segment.name,
            role=role.name if role else "",
            observe=(segment.mode or self.policy.mode) is Mode.OBSERVE,
            devices=tuple(devices),
            reaches=tuple(dict.fromkeys(reaches)),
            source=role.source if role else segment.source,
        )

    def _broker(self) -> Iterator[Reach]:
        for address in self.network.broker_addresses:
            for port in self.network.broker_ports:
                yield Reach(ip_network(address), Transport.TCP, port, "broker", self.network.source)

    def _services(self, segment: Segment) -> Iterator[Reach]:
        for service in segment.allow:
            for to in self._places(service):
                self._check_no_device(service, to, "and a segment's destinations lead to no device")
                yield from _reaches(service, to, service.name or "destination")

    def _places(self, service: Service) -> Sequence[Network | None]:
        """Where a service lives; None is the gateway itself."""
        if service.name is None:
            return (ip_network(service.to or ""),)
        return [ip_network(address) for address in self.network.services.get(service.name, ())] or [None]

    def _conduit(self, conduit: Conduit) -> Iterator[Reach]:
        observed = self._is_observed(conduit)
        for service in conduit.allow:
            within = ip_network(service.to) if service.to else None
            hosts = [host for host in self._ends(conduit) if within is None or _lies_in(host, within)]
            for host in hosts:
                yield from _reaches(service, host, conduit.name, observed=observed, crossing=True)
            if within is not None and within not in hosts:
                self._check_no_device(service, within, f"not of {conduit.target}, where the conduit leads")
                yield from _reaches(service, within, conduit.name, observed=observed)

    def _is_observed(self, conduit: Conduit) -> bool:
        return (conduit.mode or self.policy.segments[conduit.origin.segment].mode or self.policy.mode) is Mode.OBSERVE

    def _ends(self, conduit: Conduit) -> Iterator[Network]:
        """The devices at the far end of a conduit."""
        for role, device in self.bindings.members(conduit.target.segment):
            if conduit.target.role in {None, role.name}:
                yield from map(ip_network, device.addresses)

    def _check_no_device(self, service: Service, to: Network | None, whose: str) -> None:
        """A single address of a device, written as a destination, would cross without a conduit that says so."""
        if to is None or to.num_addresses > 1 or (holder := self.bindings.holder(to.network_address)) is None:
            return
        what = f"{to.network_address} is the device {holder.device}, {whose}"
        self.problems.append(Problem(service.source, what, "let a conduit lead to the device's segment"))


def _lies_in(host: Network, within: Network) -> bool:
    return host.version == within.version and host.network_address in within


def _reaches(
    service: Service, to: Network | None, name: str, *, observed: bool = False, crossing: bool = False
) -> Iterator[Reach]:
    known = SERVICES[service.name] if service.name else service
    for transport, ports in ((Transport.TCP, known.tcp), (Transport.UDP, known.udp)):
        for port in ports:
            yield Reach(to, transport, port, name, service.source, observed, crossing)
