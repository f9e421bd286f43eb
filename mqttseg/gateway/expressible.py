"""What a target cannot say.

Owns the rule of every renderer: what cannot be expressed is an error that names the line it comes from, never a rule
that lets more through. An operator whose switch does the pinning says so (``pinned_elsewhere``), and then only that is
left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mqttseg.errors import ConfigurationError, Problem
from mqttseg.gateway.plan import Plan

_SWITCH = "let the switch pin devices (port isolation, port security, source guard) and pass --pinned-elsewhere"


def refuse(problems: Iterable[Problem]) -> None:
    """Raise ConfigurationError if there is any problem."""
    if found := list(dict.fromkeys(problems)):
        raise ConfigurationError(sorted(found, key=lambda p: (p.source.file, p.source.line, p.source.column)))


def without_ports(plan: Plan) -> Plan:
    """The plan without switch and bridge ports, for an operator who pins devices elsewhere."""
    groups = tuple(replace(g, devices=tuple(replace(d, port=None) for d in g.devices)) for g in plan.groups)
    return replace(plan, ports=(), groups=groups)


def ports(plan: Plan, target: str) -> Iterator[Problem]:
    """For targets that see only what is routed."""
    why = f"{target} sees no frames between the ports of one switch"
    if plan.ports:
        what = f"network.ports names {', '.join(plan.ports)}, and {why}"
        yield Problem(plan.source, what, f"{_SWITCH}, or use nftables")
    for _, device in plan.devices():
        if device.port:
            what = f"{device.device} is pinned to the port {device.port}, and {why}"
            yield Problem(device.source, what, f"{_SWITCH}, or use nftables")


def hardware_addresses(plan: Plan, target: str) -> Iterator[Problem]:
    """For targets that know a device by its IP address alone, which others can take."""
    for _, device in plan.devices():
        what = f"{device.device} is known by its MAC address {device.mac}, which {target} cannot ask for"
        yield Problem(device.source, what, _SWITCH)


def observation(plan: Plan, target: str) -> Iterator[Problem]:
    """For targets that cannot let through and record what would be refused."""
    for group in plan.groups:
        if group.observe:
            what = f"the segment {group.segment} is in observe mode, which {target} cannot express"
            yield Problem(group.source, what, "set mode: enforce on it, or use nftables")
        for reach in group.reaches:
            if reach.observed and not group.observe:
                what = f"the conduit {reach.name} is in observe mode, which {target} cannot express"
                yield Problem(reach.source, what, "set mode: enforce on it, or use nftables")


def own_services(plan: Plan, target: str) -> Iterator[Problem]:
    """For targets that cannot name the gateway itself."""
    for group in plan.groups:
        for reach in group.reaches:
            if reach.to is None:
                what = f"{group.name} may use {reach.name} of the gateway itself, whose address {target} does not know"
                yield Problem(reach.source, what, f"say where it lives: network.services: {{{reach.name}: [ADDRESS]}}")
