"""A device that stopped sending: longer than it ever pauses at this time of day, in hours in which it usually sends."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import UTC, datetime

from mqttseg.observe.detect.settings import GoneSilent

HOUR = 3600.0
SLOTS = 48
"""Hours of a working day, then those of a weekend day, UTC."""

_MOST_DAYS = 20
"""Days that an hour is known for count so much and no more: then the older ones fade."""

_ENOUGH_DAYS = 2
_USUAL = 0.5
_FADE = 0.95
"""What is left of the longest pause after a day."""

_NEAR = 2
"""Hours before and after that are like this one."""

_LONGEST = 72
"""Hours of silence that are looked at: whoever is silent for longer was told of, or is off."""

_AGAIN = 300.0
"""Seconds until a silence that is not too long is looked at again."""


class Presence:
    """When one device sends. ``latest``: when it last did. ``told``: of this silence."""

    __slots__ = ("_again", "_hour", "_was_active", "active", "known", "latest", "longest", "told")

    def __init__(self, longest: Iterable[float] = (), known: Iterable[int] = (), active: Iterable[int] = ()) -> None:
        self.longest = array("f", longest) or array("f", [0.0] * SLOTS)
        self.known = bytearray(known) or bytearray(SLOTS)
        self.active = bytearray(active) or bytearray(SLOTS)
        self.latest = 0.0
        self.told = False
        self._again = 0.0
        self._hour = -1
        self._was_active = False

    def heard(self, now: float) -> None:
        """It sent something. The pause of a silence that was told of is not usual."""
        if now // HOUR >= self._hour:
            self.pass_time(now)
        if self.latest and not self.told:
            slot = slot_of(int(now // HOUR))
            pause = now - self.latest
            if pause > self.longest[slot]:
                self.longest[slot] = pause if pause < HOUR else self._in_usual_hours(now, unknown=True)
        self.latest, self.told, self._was_active = now, False, True

    def pass_time(self, now: float) -> None:
        """Hours have passed: it was active in them, or not."""
        hour = int(now // HOUR)
        if self._hour < 0:
            self._hour = hour + 1  # of the first hour only a part was seen
            return
        for passed in range(max(self._hour, hour - _LONGEST), hour):
            self._close_hour(slot_of(passed))
        self._hour = max(hour, self._hour)

    def _close_hour(self, slot: int) -> None:
        if self.known[slot] >= _MOST_DAYS:
            self.known[slot] //= 2
            self.active[slot] //= 2
        self.known[slot] += 1
        self.active[slot] += self._was_active
        self.longest[slot] *= _FADE
        self._was_active = False

    def silence(self, rule: GoneSilent, now: float) -> float | None:
        """For how many seconds it is silent, when that is too long for it."""
        silent = now - self.latest
        if silent <= rule.at_least or now < self._again or self.told or not self.latest:
            return None
        self._again = now + _AGAIN
        longest = max(rule.at_least, rule.times * max(self._pause_at(self.latest), self._pause_at(now)))
        return silent if silent > longest and self._in_usual_hours(now) > longest else None

    def _pause_at(self, at: float) -> float:
        """The longest pause about this time of day."""
        hour = int(at // HOUR)
        return max(self.longest[slot_of(near)] for near in range(hour - _NEAR, hour + _NEAR + 1))

    def _in_usual_hours(self, now: float, *, unknown: bool = False) -> float:
        """The seconds of the silence in hours in which it usually sends; ``unknown``: whether any other counts."""
        last = int(now // HOUR)
        hours = range(max(int(self.latest // HOUR), last - _LONGEST), last + 1)
        return sum(_overlap(hour, self.latest, now) for hour in hours if self._is_usual(slot_of(hour), unknown))

    def _is_usual(self, slot: int, unknown: bool) -> bool:
        if self.known[slot] < _ENOUGH_DAYS:
            return unknown
        return self.active[slot] > _USUAL * self.known[slot]


def slot_of(hour: int) -> int:
    """Which of the hours that are told apart an hour since 1970 is."""
    day, of_day = divmod(hour, 24)
    weekend = (day + 3) % 7 >= 5  # 1970 began on a Thursday
    return of_day + 24 * weekend


def _overlap(hour: int, begin: float, end: float) -> float:
    return max(0.0, min(end, (hour + 1) * HOUR) - max(begin, hour * HOUR))


def clock(at: float) -> str:
    """A moment, for a sentence."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
