"""A running broker at one moment, as values: what an operator is shown.

Owns the shapes. Refuses to know where they are gathered, and how they are printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """Which policy decides. ``revision`` counts from 1 at the start of the broker, up with every change."""

    file: str
    revision: int
    since: datetime
    mode: str
    segments: int
    conduits: int
    devices: int


@dataclass(frozen=True, slots=True)
class Busy:
    """What passed of one device lately, in messages per second."""

    device: str
    published: float
    received: float


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a certificate expires. ``device`` is connected with it; None: it is the broker's own."""

    device: str | None
    until: datetime


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """How the broker is doing. ``sessions`` are all that it keeps, ``connected`` those whose device is there.

    ``segments`` counts connections by segment ("" is none); ``denied`` and ``observed`` decisions, by reason:
    refused, and let through by observe mode; both, as ``counters``, since the start. ``expiring``: the certificates in
    use that end first.
    """

    version: str
    pid: int
    started: datetime
    listening: tuple[str, ...]
    policy: PolicyInForce
    connected: int
    sessions: int
    retained: int
    quarantined: int
    counters: Mapping[str, int] = field(default_factory=dict)
    segments: Mapping[str, int] = field(default_factory=dict)
    denied: Mapping[str, int] = field(default_factory=dict)
    observed: Mapping[str, int] = field(default_factory=dict)
    busiest: tuple[Busy, ...] = ()
    expiring: tuple[Expiry, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """One session. ``address`` is where its device is connected from, None while it is away; ``queued``: messages."""

    client_id: str
    device: str
    segment: str | None
    role: str | None
    address: str | None
    subscriptions: int
    queued: int


@dataclass(frozen=True, slots=True)
class Done:
    """What an operator's action did. ``connections`` were cut; ``trouble`` is what did not work, in words."""

    connections: int = 0
    trouble: tuple[str, ...] = ()
