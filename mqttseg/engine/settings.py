"""The numbers the engine keeps to.

Owns every bound of the engine and its default. Refuses to know where the values come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Durability(StrEnum):
    """What an acknowledgement promises."""

    COMMIT = "commit"
    """Acknowledged means on disk: it survives kill -9 and power loss."""
    RELAXED = "relaxed"
    """Acknowledged at once, on disk within a tick: a crash may lose the last tick."""
    OFF = "off"
    """Nothing is written: sessions live as long as the process."""


class Drop(StrEnum):
    """Which message goes when a session's queue is full."""

    NEWEST = "newest"
    OLDEST = "oldest"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Bounds of the engine. Bytes are of topic and payload; times are seconds.

    ``retained_share``: bytes that the sessions of one owner may have retained, those whose keys are the same up to the
    first slash.

    ``session_expiry`` None keeps the session of an absent device for ever. ``unacknowledged`` bounds what waits for a
    store that fails. Topics and filters of more than ``levels`` levels are not retained and not subscribed.
    """

    durability: Durability = Durability.COMMIT
    in_flight: int = 100
    queue_messages: int = 1000
    queue_bytes: int = 16 * 2**20
    drop: Drop = Drop.NEWEST
    incoming: int = 1000
    retained_messages: int = 100_000
    retained_bytes: int = 256 * 2**20
    retained_share: int = 32 * 2**20
    session_expiry: float | None = None
    routes: int = 32_768
    levels: int = 201
    unacknowledged: int = 10_000
