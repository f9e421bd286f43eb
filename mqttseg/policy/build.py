"""Fitting files turned into the values of model.py, each with its place.

Owns the step from keys to values: what a left-out key means. Refuses to judge: it takes only what fits its shape
(shape.py), and whether the values make sense together is checked afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mqttseg.errors import Source
from mqttseg.policy.document import Node
from mqttseg.policy.fields import parse_attempt
from mqttseg.policy.model import (
    Conduit,
    Device,
    End,
    Expectation,
    Isolation,
    Limits,
    Member,
    Mode,
    Network,
    OnDenied,
    Policy,
    Role,
    Rule,
    Segment,
    Service,
    Width,
)
from mqttseg.policy.schema import (
    AllowEntry,
    ConduitEntry,
    DeviceEntry,
    DevicesFile,
    DeviceTest,
    IsolatedTest,
    LimitsEntry,
    NetworkEntry,
    PolicyFile,
    RoleEntry,
    SegmentEntry,
)


def build_policy(file: PolicyFile, node: Node, devices: Mapping[str, Device]) -> Policy:
    """The whole policy as values. ``node`` is the tree that ``file`` was made from."""
    tests = list(zip(file.tests, _items(node, "tests"), strict=True))
    return Policy(
        source=node.source,
        trust_domain=file.trust_domain,
        segments={name: _segment(name, entry, _entry(node, "segments", name)) for name, entry in file.segments.items()},
        mode=Mode(file.mode),
        conduits={name: _conduit(name, entry, _entry(node, "conduits", name)) for name, entry in file.conduits.items()},
        network=_network(file.network, node.entries["network"]) if file.network else None,
        expectations=tuple(one for test, place in tests for one in _expectations(test, place)),
        isolations=tuple(Isolation(tuple(t.isolated), p.source) for t, p in tests if isinstance(t, IsolatedTest)),
        devices=devices,
    )


def build_devices(file: DevicesFile, node: Node) -> dict[str, Device]:
    """The inventory as values."""
    return {name: _device(name, entry, _entry(node, "devices", name)) for name, entry in file.devices.items()}


def _entry(node: Node, key: str, name: str) -> Node:
    return node.entries[key].entries[name]


def _items(node: Node, key: str) -> Sequence[Node]:
    """The nodes of a list; one value that stands for a list is its own."""
    child = node.child(key)
    if child is None:
        return ()
    return child.items if isinstance(child.value, list) else (child,)


def _rules(texts: Sequence[str], node: Node, key: str) -> tuple[Rule, ...]:
    return tuple(Rule(text, place.source) for text, place in zip(texts, _items(node, key), strict=True))


def _role(name: str, entry: RoleEntry, node: Node, *, deny: bool = True) -> Role:
    written = entry.model_fields_set
    members = zip(entry.members, _items(node, "members"), strict=True)
    return Role(
        name=name,
        source=node.place,
        members=tuple(Member(text, place.source) for text, place in members),
        publish=_rules(entry.publish, node, "publish") if "publish" in written else None,
        subscribe=_rules(entry.subscribe, node, "subscribe") if "subscribe" in written else None,
        deny=_rules(entry.deny, node, "deny") if deny else (),
    )


def _segment(name: str, entry: SegmentEntry, node: Node) -> Segment:
    return Segment(
        name=name,
        source=node.place,
        namespace=_rules(entry.namespace, node, "namespace") or (Rule(name, node.place),),
        base=_role("", entry, node, deny=False),
        roles={role: _role(role, one, _entry(node, "roles", role)) for role, one in entry.roles.items()},
        deny=_rules(entry.deny, node, "deny"),
        mode=Mode(entry.mode) if entry.mode else None,
        width=Width(entry.subscriptions),
        on_denied=OnDenied(entry.on_denied),
        limits=_limits(entry.limits),
        allow=_services(entry.network, node),
        description=entry.description,
    )


def _limits(entry: LimitsEntry) -> Limits:
    return Limits(entry.messages_per_second, entry.burst, entry.payload, entry.subscriptions)


def _services(entry: AllowEntry, node: Node) -> tuple[Service, ...]:
    network = node.child("network")
    places = _items(network, "allow") if network else ()
    return tuple(
        Service(place.source, name=one)
        if isinstance(one, str)
        else Service(place.source, to=one.to, tcp=tuple(one.tcp), udp=tuple(one.udp))
        for one, place in zip(entry.allow, places, strict=True)
    )


def _end(text: str) -> End:
    segment, _, role = text.partition("/")
    return End(segment, role or None)


def _conduit(name: str, entry: ConduitEntry, node: Node) -> Conduit:
    return Conduit(
        name=name,
        source=node.place,
        origin=_end(entry.origin),
        target=_end(entry.target),
        topics=_rules(entry.topics, node, "topics"),
        until=entry.until,
        mode=Mode(entry.mode) if entry.mode else None,
        allow=_services(entry.network, node),
        description=entry.description,
    )


def _network(entry: NetworkEntry, node: Node) -> Network:
    return Network(
        source=node.place,
        interfaces=tuple(entry.interfaces),
        ports=tuple(entry.ports),
        subnets={name: tuple(subnets) for name, subnets in entry.subnets.items()},
        broker_addresses=tuple(entry.broker.addresses) if entry.broker else (),
        broker_ports=tuple(entry.broker.ports) if entry.broker else (),
        services={name: tuple(addresses) for name, addresses in entry.services.items()},
        admin=tuple(entry.admin),
    )


def _expectations(test: DeviceTest | IsolatedTest, node: Node) -> Iterator[Expectation]:
    if isinstance(test, IsolatedTest):
        return
    for can, key, attempts in ((True, "can", test.can), (False, "cannot", test.cannot)):
        for text, place in zip(attempts, _items(node, key), strict=True):
            yield Expectation(test.device, can, *parse_attempt(text), place.source)


def _device(device_id: str, entry: DeviceEntry, node: Node) -> Device:
    learned = entry.addresses == "learned"
    return Device(
        id=device_id,
        source=node.place,
        segment=entry.segment,
        role=entry.role,
        interface=entry.interface,
        port=entry.port,
        mac=entry.mac,
        addresses=() if isinstance(entry.addresses, str) else tuple(entry.addresses),
        learned=learned,
        model=entry.model,
        firmware=entry.firmware,
        labels=dict(entry.labels),
    )


def place_of(node: Node, *path: str) -> Source:
    """Where a value stands, or the nearest value around it that exists."""
    for step in path:
        child = node.child(step)
        if child is None:
            return node.place
        node = child
    return node.source
