"""How fast a device may send: a token bucket. Time is a parameter."""

from __future__ import annotations


class TokenBucket:
    """``rate`` tokens per second, at most ``burst`` at once (rule 8). One device's sessions share one bucket."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = max(burst, 1)
        self._tokens = float(self._burst)
        self._at = now

    def take(self, now: float) -> float:
        """Take a token, there or not; returns the seconds to wait before the next one may be taken, 0.0 for none."""
        self._refill(now)
        self._tokens -= 1.0
        return self._missing()

    def wait(self, now: float) -> float:
        """The seconds to wait before a token may be taken, 0.0 for none."""
        self._refill(now)
        return self._missing()

    def _refill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now

    def _missing(self) -> float:
        return 0.0 if self._tokens >= 1.0 else (1.0 - self._tokens) / self._rate
