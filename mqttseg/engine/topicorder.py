"""Topics in order, and the walk of a filter over them: what is the next topic that it matches?

Owns the order of topics, which is that of their levels. A walk remembers one place in it and nothing else, so it can
stop anywhere and go on, though topics came and went meanwhile. It leaps over what cannot match, so it looks at each
topic at most once, however many wildcards the filter has. Refuses to know what is kept per topic.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Final

LEVEL: Final = "\0"
"""Between levels, in keys: no topic may contain it [MQTT-1.5.3-2], and it is below all characters of topics."""
_BEHIND: Final = "\1"
"""Behind a key and everything below it."""
_BEHIND_SYSTEM: Final = chr(ord("$") + 1)


class TopicOrder:
    """A set of topics, in order."""

    def __init__(self) -> None:
        self._keys: list[str] = []

    def add(self, topic: str) -> None:
        """Add a topic that is not there."""
        insort(self._keys, topic.replace("/", LEVEL))

    def remove(self, topic: str) -> None:
        """Remove a topic that is there."""
        del self._keys[bisect_left(self._keys, topic.replace("/", LEVEL))]

    def first(self, place: str) -> str | None:
        """The key at this place or, if there is none, the next one; None at the end."""
        at = bisect_left(self._keys, place)
        return self._keys[at] if at < len(self._keys) else None


class Walk:
    """The way of one filter over a TopicOrder. ``place`` is where it goes on, None at the end."""

    __slots__ = ("_wanted", "place")

    def __init__(self, topic_filter: str) -> None:
        self._wanted = topic_filter.split("/")
        self.place: str | None = self._join([], 0)

    def step(self, order: TopicOrder) -> str | None:
        """Look at one topic. Returns it when the filter matches it."""
        key = None if self.place is None else order.first(self.place)
        if key is None:
            self.place = None
            return None
        levels = key.split(LEVEL)
        matched = self._look(levels)
        return "/".join(levels) if matched else None

    def _look(self, levels: list[str]) -> bool:
        """Whether the filter matches; ``place`` is then the first one behind that can match."""
        for depth, wanted in enumerate(self._wanted):
            if depth == 0 and wanted in {"+", "#"} and levels[0].startswith("$"):  # [MQTT-4.7.2-1]
                self.place = _BEHIND_SYSTEM
                return False
            if wanted == "#":  # "sport/#" matches "sport" too (4.7.1.2)
                self.place = LEVEL.join(levels) + LEVEL
                return True
            if depth == len(levels) or (wanted != "+" and levels[depth] < wanted):
                self.place = self._join(levels[:depth], depth)
                return False
            if wanted != "+" and levels[depth] > wanted:
                self.place = self._leap(levels, depth)
                return False
        depth = len(self._wanted)
        self.place = LEVEL.join(levels[:depth]) + _BEHIND
        return depth == len(levels)

    def _join(self, levels: list[str], depth: int) -> str:
        """The first place below ``levels`` that the rest of the filter, from ``depth`` on, can match."""
        below = []
        for wanted in self._wanted[depth:]:
            if wanted == "#":
                break
            if wanted == "+":
                below.append("")
                break
            below.append(wanted)
        return LEVEL.join([*levels, *below])

    def _leap(self, levels: list[str], depth: int) -> str | None:
        """The place behind all that has the same name as here at the last ``+`` above ``depth``."""
        for above in range(depth - 1, -1, -1):
            if self._wanted[above] == "+":
                return LEVEL.join(levels[: above + 1]) + _BEHIND
        return None
