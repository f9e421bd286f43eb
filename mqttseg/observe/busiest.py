"""Which devices are behind most of the traffic just now.

Owns the sums of the last harvest. Refuses to remember more: flows do that.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from typing import Final

from mqttseg.observe.flows import Direction, Traffic
from mqttseg.observe.snapshot import Busy

NAMED: Final = 20
"""Devices that are named."""


class Busiest:
    """Takes what passed since it was last told; ``devices`` are those with most messages then, first the busiest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told_at = clock()
        self.devices: tuple[Busy, ...] = ()

    def __call__(self, passed: Sequence[Traffic]) -> None:
        """Take a harvest."""
        now = self._clock()
        seconds, self._told_at = max(now - self._told_at, 1e-3), now
        sums: dict[str, list[int]] = {}
        for item in passed:
            if item.direction is not Direction.SUBSCRIBE:
                total = sums.setdefault(item.device, [0, 0])
                total[item.direction is Direction.RECEIVE] += item.count
        first = heapq.nlargest(NAMED, sums.items(), key=lambda entry: (sum(entry[1]), entry[0]))
        self.devices = tuple(
            Busy(device, round(published / seconds, 1), round(received / seconds, 1))
            for device, (published, received) in first
        )
