"""Allowed traffic, as values: what passed since it was last asked for, and what is known of it for good.

Refuses to know where it is counted and where it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Direction(StrEnum):
    """What a device did with a topic."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"  # then the topic is a filter
    RECEIVE = "receive"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one device did with one topic since this was last told. ``bytes`` are those of payloads.

    ``observed``: it is not allowed, and passed only because of observe mode.
    """

    device: str
    segment: str | None
    direction: Direction
    topic: str
    count: int
    bytes: int = 0
    observed: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """What one device does with topics of one shape (shapes.py), since it was first seen.

    ``example`` is one real topic of the shape. Of ``count`` times, ``observed`` passed only because of observe mode.
    """

    device: str
    segment: str | None
    direction: Direction
    shape: str
    example: str
    count: int
    bytes: int
    observed: int
    first_seen: datetime
    last_seen: datetime
