"""How late the broker's event loop was: whatever holds it makes every device wait.

Owns the sums. Refuses to know the loop: whoever measures tells how late it was, in seconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Seconds. The loop is never to be held for longer than 50 ms."""


@dataclass(slots=True)
class Lag:
    """A histogram: ``counts[i]`` times late by at most ``BOUNDS[i]``, the last one: by more."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def add(self, late: float) -> None:
        """It was so late."""
        late = max(late, 0.0)
        self.counts[bisect_left(BOUNDS, late)] += 1
        self.seconds += late

    def copy(self) -> Lag:
        """As it is now."""
        return Lag(self.counts.copy(), self.seconds)

    def buckets(self) -> Iterator[tuple[str, int]]:
        """Upper bound as text, and how often it was no later than that."""
        total = 0
        for bound, count in zip((*BOUNDS, None), self.counts, strict=True):
            total += count
            yield "+Inf" if bound is None else str(bound), total
