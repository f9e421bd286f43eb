"""What a policy says beside rights, taken apart into single facts, so that two policies can be compared.

Owns which facts there are, their names and how their values are told. Rights are compared as sets of topics instead
(surplus.py), and what has no effect (descriptions, order, layout) is no fact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mqttseg.errors import Source
from mqttseg.policy.model import Conduit, Policy, Role, Rule, Segment, Service


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a policy says. ``about`` and ``key`` name it; the value is as an operator would write it."""

    about: str
    key: str
    value: str
    source: Source


def facts(policy: Policy) -> Iterator[Fact]:
    """Every fact, in file order. A thing that can be said several times has its value in its key."""
    yield Fact("policy", "trust_domain", policy.trust_domain, policy.source)
    yield Fact("policy", "mode", str(policy.mode), policy.source)
    for segment in policy.segments.values():
        yield from _of_segment(policy, segment)
    for conduit in policy.conduits.values():
        yield from _of_conduit(conduit)
    yield from _of_network(policy)
    yield from _of_tests(policy)


def _of_segment(policy: Policy, segment: Segment) -> Iterator[Fact]:
    about, source = f"segment {segment.name}", segment.source
    yield Fact(about, "", "", source)
    yield from _listed(about, "namespace", segment.namespace)
    yield Fact(about, "mode", str(segment.mode or policy.mode), source)
    yield Fact(about, "subscriptions", str(segment.width), source)
    yield Fact(about, "on_denied", str(segment.on_denied), source)
    for key in ("messages_per_second", "burst", "payload", "subscriptions"):
        limit = getattr(segment.limits, key)
        yield Fact(about, f"limits.{key}", "unlimited" if limit is None else str(limit), source)
    yield from _services(about, segment.allow)
    yield from _members(about, segment.base)
    for role in segment.roles.values():
        yield Fact(f"role {segment.name}/{role.name}", "", "", role.source)
        yield from _members(f"role {segment.name}/{role.name}", role)


def _members(about: str, role: Role) -> Iterator[Fact]:
    for member in role.members:
        yield Fact(about, f"member {member.pattern}", "", member.source)


def _of_conduit(conduit: Conduit) -> Iterator[Fact]:
    about, source = f"conduit {conduit.name}", conduit.source
    yield Fact(about, "", "", source)
    yield Fact(about, "from", str(conduit.origin), source)
    yield Fact(about, "to", str(conduit.target), source)
    yield Fact(about, "until", conduit.until.isoformat() if conduit.until else "no end", source)
    yield Fact(about, "mode", str(conduit.mode or "enforce"), source)
    yield from _listed(about, "topic", conduit.topics)
    yield from _services(about, conduit.allow)


def _of_network(policy: Policy) -> Iterator[Fact]:
    network = policy.network
    if network is None:
        return
    lists: dict[str, Sequence[object]] = {
        "interface": network.interfaces,
        "broker address": network.broker_addresses,
        "broker port": network.broker_ports,
        "admin": network.admin,
        **{f"service {name}": addresses for name, addresses in network.services.items()},
    }
    yield Fact("network", "", "", network.source)
    for key, values in lists.items():
        yield from (Fact("network", f"{key} {value}", "", network.source) for value in values)


def _of_tests(policy: Policy) -> Iterator[Fact]:
    for test in policy.expectations:
        what = f"{test.device} {'can' if test.can else 'cannot'} {test.action} {test.topic}"
        yield Fact("tests", what, "", test.source)
    for isolation in policy.isolations:
        yield Fact("tests", f"isolated: {', '.join(sorted(isolation.segments))}", "", isolation.source)


def _listed(about: str, key: str, rules: Sequence[Rule]) -> Iterator[Fact]:
    yield from (Fact(about, f"{key} {rule.filter}", "", rule.source) for rule in rules)


def _services(about: str, allow: Sequence[Service]) -> Iterator[Fact]:
    for service in allow:
        ports = ", ".join(f"{name} {port}" for name in ("tcp", "udp") for port in getattr(service, name))
        what = service.name or f"{service.to} {ports}".rstrip()
        yield Fact(about, f"network.allow {what}", "", service.source)
