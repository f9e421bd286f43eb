"""Denials of one device: too many of them, or of too many different topics."""

from __future__ import annotations

from mqttseg.observe.detect.settings import DenialBurst, TopicScan
from mqttseg.observe.shapes import shape_of


class Denials:
    """What one device was denied lately: a level that leaks away, and at most ``topics`` shapes."""

    __slots__ = ("_at", "_level", "_shapes", "_since")

    def __init__(self) -> None:
        self._level = 0.0
        self._at = 0.0
        self._shapes: set[int] = set()
        self._since = 0.0

    def burst(self, rule: DenialBurst, count: int, now: float) -> str | None:
        """Count denials; says what is wrong once there are too many, and then begins anew."""
        leaked = (now - self._at) * rule.denials / rule.within
        self._level = max(0.0, self._level - leaked) + count
        self._at = now
        if self._level < rule.denials:
            return None
        self._level = 0.0
        return f"{rule.denials} denials or more within {rule.within:g} s"

    def scan(self, rule: TopicScan, topic: str, device: str, now: float) -> str | None:
        """Count a denied topic by its shape: one that carries a number or a date is not a new one each time."""
        if not self._shapes or now - self._since > rule.within:
            self._shapes, self._since = set(), now
        self._shapes.add(hash(shape_of(topic, device)))
        if len(self._shapes) < rule.topics:
            return None
        self._shapes = set()
        return f"{rule.topics} different topics denied within {now - self._since:.0f} s, the last one {topic[:100]!r}"
