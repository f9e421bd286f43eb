"""How much one device sends, against what it sent before: a median and a spread that a few outliers cannot move."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from statistics import median
from zlib import crc32

from mqttseg.observe.detect.settings import Unusual

WINDOW = 300.0
"""Seconds that are counted as one."""

WINDOWS = 288
"""Windows that are remembered, those in which the device sent something: a day of one that always does."""

ENOUGH = 24
"""Windows without which nothing can be said."""

_SIGMA = 1.4826
_TAIL = 1.645
"""What makes the median absolute deviation, and the distance of median and 95th percentile, standard deviations of a
normal distribution."""

_LEAST = 0.5
"""Of the median: no device is so regular that less counts as a deviation."""

UNUSUAL_EVERY = 12
"""Of so many windows one that is over the limit is remembered: a lasting change is usual after most of a day, and no
attacker makes it so sooner."""


class Amount:
    """One amount of one device: the sum of the window that is open, its limit, and the windows before."""

    __slots__ = ("_next", "_spared", "limit", "past", "sum", "told")

    def __init__(self, past: Iterable[float] = ()) -> None:
        self.past = array("f", list(past)[-WINDOWS:])
        self._next = len(self.past) % WINDOWS
        self._spared = 0
        self.sum = 0.0
        self.told = False
        self.limit = float("inf")

    def add(self, amount: float) -> bool:
        """Count; true when the limit is exceeded, once for each window."""
        self.sum += amount
        if self.sum <= self.limit or self.told:
            return False
        self.told = True
        return True

    def turn(self, rule: Unusual) -> None:
        """The next window."""
        if self.sum > self.limit:
            self._spared = (self._spared + 1) % UNUSUAL_EVERY
            if self._spared == 1:
                self._remember(self.limit)
        elif self.sum:
            self._remember(self.sum)
        self.sum, self.told, self.limit = 0.0, False, limit(rule, self.past)

    def _remember(self, value: float) -> None:
        if len(self.past) < WINDOWS:
            self.past.append(value)
        else:
            self.past[self._next] = value
        self._next = (self._next + 1) % WINDOWS


def limit(rule: Unusual, past: array[float]) -> float:
    """Beyond which an amount is unusual; infinite when too little is known."""
    if len(past) < ENOUGH:
        return float("inf")
    ordered = sorted(past)
    middle = median(ordered)
    deviation = median(abs(value - middle) for value in ordered)
    tail = ordered[int(0.95 * (len(ordered) - 1))] - middle
    spread = max(_SIGMA * deviation, tail / _TAIL, _LEAST * middle)
    return max(middle + rule.deviations * spread, float(rule.at_least))


class Amounts:
    """Messages and bytes that one device published."""

    __slots__ = ("_ends", "bytes", "messages")

    def __init__(self, messages: Iterable[float] = (), size: Iterable[float] = ()) -> None:
        self.messages = Amount(messages)
        self.bytes = Amount(size)
        self._ends = 0.0

    def turn(self, rate: Unusual, payload: Unusual, device: str, now: float) -> bool:
        """Begin the next window if it is time; each device at a moment of its own, so that not all do at once."""
        if now < self._ends:
            return False
        self.messages.turn(rate)
        self.bytes.turn(payload)
        self._ends = now - (now + crc32(device.encode()) % WINDOW) % WINDOW + WINDOW
        return True
