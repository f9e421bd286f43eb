"""A running broker in numbers, as one value: what metrics are made of.

Owns the shape. Refuses to know where the numbers are gathered and under which names they are shown. No device, client
id, address or topic is in it: segments are the finest there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mqttseg.observe.lag import Lag
from mqttseg.observe.tally import Decision


@dataclass(frozen=True, slots=True)
class Sum:
    """Messages, and the bytes of their payloads."""

    count: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class BackendFigures:
    """What the backend knows. ``received`` and ``sent``: messages by QoS; empty where it does not count them."""

    sessions: int
    retained: int
    queued: int
    dropped: int | None = None
    received: Mapping[int, int] = field(default_factory=dict)
    sent: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figures:
    """One moment of a running broker; sums are since its start.

    ``connections`` by segment ("" is none), ``traffic`` by segment and direction. ``revision`` is that of the policy,
    ``certificate_end`` when the broker's certificate expires.
    """

    version: str
    started: datetime
    backend: BackendFigures
    connections: Mapping[str, int]
    events: Mapping[tuple[str, str], int]
    decisions: Mapping[Decision, int]
    traffic: Mapping[tuple[str, str], Sum]
    events_kept: int
    events_lost: int
    quarantined: int
    revision: int
    certificate_end: datetime
    lag: Lag
