"""The policy as values: what the operator wrote, parsed once, frozen.

Owns the shapes. Refuses to know YAML (load.py), topic algebra (topics.py) and decisions (decide.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mqttseg.errors import Source


class Mode(StrEnum):
    """``enforce`` refuses what is not allowed; ``observe`` records it and lets it through."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class Width(StrEnum):
    """What happens to a filter wider than the rights: refused, or accepted and delivered narrowly."""

    EXACT = "exact"
    NARROW = "narrow"


class OnDenied(StrEnum):
    """What a device gets for a PUBLISH outside its rights: its acknowledgement, or the door (rule 4)."""

    ACKNOWLEDGE = "acknowledge"
    DISCONNECT = "disconnect"


class Action(StrEnum):
    """What a device tries. ``receive`` is the delivery of one message to it."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"
    RECEIVE = "receive"


@dataclass(frozen=True, slots=True)
class Rule:
    """One filter of the policy as written (``${device}`` unexpanded), and where."""

    filter: str
    source: Source

    def __str__(self) -> str:
        return f"{self.filter} ({self.source})"

    def as_json(self) -> dict[str, object]:
        """For programs: the filter and its place."""
        return {"filter": self.filter, **self.source.as_json()}


@dataclass(frozen=True, slots=True)
class Limits:
    """A segment's limits for each of its devices; None is unlimited. Payload in bytes."""

    messages_per_second: float | None = None
    burst: int | None = None
    payload: int | None = None
    subscriptions: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A device id or a glob over ids (``*`` any run, ``?`` any one character)."""

    pattern: str
    source: Source

    @property
    def is_glob(self) -> bool:
        return "*" in self.pattern or "?" in self.pattern


@dataclass(frozen=True, slots=True)
class Service:
    """One entry of ``network.allow``: a named service, or a destination with protocol and port."""

    source: Source
    name: str | None = None
    to: str | None = None
    tcp: tuple[int, ...] = ()
    udp: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """A set of rights inside a segment.

    ``publish`` and ``subscribe`` both None: the whole namespace. One of them None: nothing in that direction.
    """

    name: str
    source: Source
    members: tuple[Member, ...] = ()
    publish: tuple[Rule, ...] | None = None
    subscribe: tuple[Rule, ...] | None = None
    deny: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """A zone (IEC 62443). ``base`` holds the rights and members of devices without a named role (its name is "")."""

    name: str
    source: Source
    namespace: tuple[Rule, ...]
    base: Role
    roles: Mapping[str, Role] = field(default_factory=dict)
    deny: tuple[Rule, ...] = ()
    mode: Mode | None = None
    width: Width = Width.EXACT
    on_denied: OnDenied = OnDenied.ACKNOWLEDGE
    limits: Limits = Limits()
    allow: tuple[Service, ...] = ()
    description: str = ""

    @property
    def owns_rest(self) -> bool:
        """Whether it owns every topic that no other segment owns; its globs then yield to all others, too."""
        return any(rule.filter == "#" for rule in self.namespace)


@dataclass(frozen=True, slots=True)
class End:
    """One end of a conduit: a segment, or one role of it (role None: every member)."""

    segment: str
    role: str | None = None

    def __str__(self) -> str:
        return self.segment if self.role is None else f"{self.segment}/{self.role}"


@dataclass(frozen=True, slots=True)
class Conduit:
    """A named, one-way message flow between segments (IEC 62443). ``until`` is timezone-aware."""

    name: str
    source: Source
    origin: End
    target: End
    topics: tuple[Rule, ...]
    until: datetime | None = None
    mode: Mode | None = None
    allow: tuple[Service, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """The gateway's half of the policy, kept as written for the gateway package."""

    source: Source
    interfaces: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    subnets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    broker_addresses: tuple[str, ...] = ()
    broker_ports: tuple[int, ...] = ()
    services: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    admin: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expectation:
    """``device`` must (``can``) or must not do ``action`` on ``topic`` (a filter for subscribe)."""

    device: str
    can: bool
    action: Action
    topic: str
    source: Source


@dataclass(frozen=True, slots=True)
class Isolation:
    """No device of one segment can reach, or be reached by, a device of another in this list."""

    segments: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Device:
    """An inventory entry of devices.yaml. ``learned``: its addresses come from the network."""

    id: str
    source: Source
    segment: str | None = None
    role: str | None = None
    interface: str | None = None
    port: str | None = None
    mac: str | None = None
    addresses: tuple[str, ...] = ()
    learned: bool = False
    model: str | None = None
    firmware: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole, checked policy. Mappings keep file order."""

    source: Source
    trust_domain: str
    segments: Mapping[str, Segment]
    mode: Mode = Mode.ENFORCE
    conduits: Mapping[str, Conduit] = field(default_factory=dict)
    network: Network | None = None
    expectations: tuple[Expectation, ...] = ()
    isolations: tuple[Isolation, ...] = ()
    devices: Mapping[str, Device] = field(default_factory=dict)
