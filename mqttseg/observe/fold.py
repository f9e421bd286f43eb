"""Repeated events told once, with a count: an attacker who tries the same thing all day fills no disk.

Time is a parameter, in seconds of any steady clock.
"""

from __future__ import annotations

from dataclasses import replace

from mqttseg.observe.events import ACTIONS, Event, Kind, Outlet

WINDOW = 10.0
"""Seconds in which the same event again is only counted."""

BURST = 200
"""Different events of one device in one window that are told one by one; the rest is told by number."""

_COMINGS = frozenset({Kind.CONNECT, Kind.DISCONNECT, Kind.CUT})
_Key = tuple[object, ...]


class Fold:
    """Passes the first of equal events on at once, and their number when the window ends. None is lost.

    What an operator or the broker did about a device is passed on each time: somebody will ask who, and why.
    """

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._counts: dict[_Key, tuple[Event, int]] = {}
        self._told: dict[str | None, int] = {}
        self._ends = 0.0

    def tell(self, event: Event, now: float) -> None:
        """Take an event that happened at ``now``."""
        self.tick(now)
        if event.kind in ACTIONS:
            self._outlet(event)
            return
        told = self._told.get(event.device, 0)
        key = _key(event) if told < BURST else _coarse_key(event)
        known = self._counts.get(key)
        if known is not None:
            self._counts[key] = known[0], known[1] + event.count
            return
        self._counts[key] = event, 0
        self._told[event.device] = told + 1
        self._outlet(event)

    def tick(self, now: float) -> None:
        """Time goes on: a window that has ended is told."""
        if now >= self._ends:
            self.flush()
            self._ends = now + WINDOW

    def flush(self) -> None:
        """Tell the counts that are still owed."""
        owed = [replace(event, count=count, repeated=True) for event, count in self._counts.values() if count]
        self._counts.clear()
        self._told.clear()
        for event in owed:
            self._outlet(event)


def _key(event: Event) -> _Key:
    """From where somebody comes matters, its port does not; a stranger's addresses are told by number."""
    host = (event.address or "").rpartition(":")[0] if event.kind in _COMINGS else ""
    return event.kind, event.reason, event.device, event.client_id, event.action, event.topic, event.detail, host


def _coarse_key(event: Event) -> _Key:
    return event.kind, event.reason, event.device
