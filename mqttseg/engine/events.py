"""What the engine tells its host, as values.

Owns the events and the counting of losses, so that a flood of losses is not a flood of events. Refuses to know
who listens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Cause(StrEnum):
    """Why messages were lost."""

    SLOW_READER = "slow-reader"
    """QoS 0, and the device's buffer was full."""
    QUEUE_FULL = "queue-full"
    """QoS 1 or 2, and the session's queue was full."""


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """A session of this key exists from now on; ``present`` when an earlier one was resumed."""

    key: str
    clean: bool
    present: bool


@dataclass(frozen=True, slots=True)
class SessionTakenOver:
    """A new connection of this key came while the old one had not ended."""

    key: str


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The connection is gone; ``kept`` when the session waits for the device to return."""

    key: str
    kept: bool


@dataclass(frozen=True, slots=True)
class SessionExpired:
    """The session of an absent device was removed with ``messages`` that it was still owed."""

    key: str
    messages: int


@dataclass(frozen=True, slots=True)
class MessagesDropped:
    """Messages owed to this session were lost: the first at once, the rest summed up per tick."""

    key: str
    cause: Cause
    count: int


@dataclass(frozen=True, slots=True)
class RetainedRefused:
    """A message was delivered but not retained: the bound on retained messages is reached."""

    topic: str
    origin: str | None


@dataclass(frozen=True, slots=True)
class IncomingRefused:
    """A QoS 2 message was neither taken nor acknowledged: the device has too many that it does not release."""

    key: str
    topic: str


@dataclass(frozen=True, slots=True)
class StoreFailed:
    """A commit failed: what waits for it stays unacknowledged until a later commit succeeds."""

    detail: str


@dataclass(frozen=True, slots=True)
class StoreRecovered:
    """Commits succeed again; what waited has been acknowledged."""


EngineEvent: TypeAlias = (
    SessionStarted
    | SessionTakenOver
    | SessionEnded
    | SessionExpired
    | MessagesDropped
    | RetainedRefused
    | IncomingRefused
    | StoreFailed
    | StoreRecovered
)
Listener: TypeAlias = Callable[[EngineEvent], None]


class Losses:
    """Counts lost messages per session and cause, and says so once per tick."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._counts: dict[tuple[str, Cause], int] = {}
        self.total = 0

    def add(self, key: str, cause: Cause, count: int = 1) -> None:
        """So many messages are lost."""
        self.total += count
        known = self._counts.get((key, cause))
        if known is None:
            self._counts[key, cause] = 0
            self._listener(MessagesDropped(key, cause, count))
        else:
            self._counts[key, cause] = known + count

    def tick(self) -> None:
        """Report what was lost since the last tick; a session that lost nothing since is forgotten."""
        counts, self._counts = self._counts, {}
        for (key, cause), count in counts.items():
            if count:
                self._counts[key, cause] = 0
                self._listener(MessagesDropped(key, cause, count))
