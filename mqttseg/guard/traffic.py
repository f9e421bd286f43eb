"""What is decided of the topics of a session, and how much passed on each: counted where it is judged.

Owns the counts until somebody asks for them: ``Guard.harvest``. Does no I/O, and refuses to know who asks, and when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import TypeAlias

from mqttseg.guard.verdict import is_large
from mqttseg.observe.flows import Direction, Traffic
from mqttseg.policy.compiled import Rights
from mqttseg.policy.decide import Decision

TOPICS_KEPT = 1024
"""Topics a session keeps decided, in each direction; then it starts over."""

UNTOLD = 65_536
"""Devices and topics whose traffic waits to be asked for. What comes beyond that counts for ``ANY``."""

UNTOLD_OF_ONE = 4096
"""Of one device: one that makes up topics must not have the others' count for ``ANY``."""

ANY = "#"
"""The topic of what is counted without its topic."""


class JudgedTopic:
    """The decision on one topic of a session. ``free``: what is like nearly all messages needs no more thought.

    ``count`` messages, with payloads of ``bytes`` in all, passed since that was last told.
    """

    __slots__ = ("bytes", "count", "decision", "free")

    def __init__(self, decision: Decision, *, free: bool) -> None:
        self.decision = decision
        self.free = free
        self.count = 0
        self.bytes = 0


class JudgedTopics:
    """One direction of one session. What passed is told to ``tell`` when asked for, and before it is forgotten."""

    __slots__ = ("_direction", "_large", "_tell", "rights", "topics")

    def __init__(self, rights: Rights, direction: Direction, tell: Callable[[Traffic], None]) -> None:
        self.rights = rights
        self.topics: dict[str, JudgedTopic] = {}
        self._direction = direction
        self._tell = tell
        self._large: JudgedTopic | None = None

    def keep(self, topic: str, decision: Decision, *, free: bool) -> JudgedTopic:
        """Remember what was decided. A large topic is not remembered (rule 8), and counts for ``ANY``."""
        if is_large(topic):
            self._harvest_large()
            self._large = JudgedTopic(decision, free=False)
            return self._large
        if len(self.topics) >= TOPICS_KEPT:
            self.forget()
        judged = self.topics[topic] = JudgedTopic(decision, free=free)
        return judged

    def forget(self) -> None:
        """Every topic is to be judged again."""
        self.harvest()
        self.topics.clear()

    def change_rights(self, rights: Rights) -> None:
        """The policy changed (rule 7)."""
        self.forget()  # what passed did so under the rights before
        self.rights = rights

    def harvest(self) -> None:
        """Tell what passed since it was last told."""
        self._harvest_large()
        for topic, judged in self.topics.items():
            if judged.count:
                self._harvest(topic, judged)

    def _harvest_large(self) -> None:
        if self._large is not None and self._large.count:
            self._harvest(ANY, self._large)

    def _harvest(self, topic: str, judged: JudgedTopic) -> None:
        count, size, observed = judged.count, judged.bytes, not judged.decision.allowed
        self._tell(traffic_of(self.rights, self._direction, topic, count=count, size=size, observed=observed))
        judged.count = judged.bytes = 0


def traffic_of(
    rights: Rights, direction: Direction, topic: str, *, count: int = 1, size: int = 0, observed: bool = False
) -> Traffic:
    """What passed, as a value, which is kept: so a large topic counts for ``ANY`` (rule 8)."""
    topic = ANY if is_large(topic) else topic
    segment = None if rights.placement is None else rights.placement.segment.name
    return Traffic(rights.device_id, segment, direction, topic, count, size, observed)


_Key: TypeAlias = tuple[str, str | None, Direction, str, bool]


class UntoldTraffic:
    """Sums of what passed, of all devices, until it is asked for."""

    def __init__(self) -> None:
        self._sums: dict[_Key, tuple[int, int]] = {}
        self._of_device: Counter[str] = Counter()
        self.totals: dict[tuple[str, Direction], tuple[int, int]] = {}
        """By segment ("" is none) and direction: times and bytes that were allowed, since the start."""

    def add(self, traffic: Traffic) -> None:
        """Add what passed."""
        if not traffic.observed:
            whose = traffic.segment or "", traffic.direction
            times, bytes_ = self.totals.get(whose, (0, 0))
            self.totals[whose] = times + traffic.count, bytes_ + traffic.bytes
        device = traffic.device
        key = (device, traffic.segment, traffic.direction, traffic.topic, traffic.observed)
        if key not in self._sums:
            if len(self._sums) >= UNTOLD or self._of_device[device] >= UNTOLD_OF_ONE:
                key = (device, traffic.segment, traffic.direction, ANY, traffic.observed)
            self._of_device[device] += key not in self._sums
        count, size = self._sums.get(key, (0, 0))
        self._sums[key] = (count + traffic.count, size + traffic.bytes)

    def take(self, most: int | None = None) -> list[Traffic]:
        """What was added first, up to so many sums, or all; from here on they count as told."""
        taken = list(islice(self._sums, most))
        return [self._pop(key) for key in taken]

    def _pop(self, key: _Key) -> Traffic:
        count, size = self._sums.pop(key)
        self._of_device[key[0]] -= 1
        if not self._of_device[key[0]]:
            del self._of_device[key[0]]
        return Traffic(*key[:4], count, size, key[4])
