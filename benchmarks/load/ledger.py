"""Counters that the generator's processes share: each writes its own and reads everybody's.

A word of 8 bytes is written whole, and each has one writer, so no lock is needed; a reader may see a moment ago.
"""

from __future__ import annotations

import mmap
from enum import IntEnum
from pathlib import Path


class Phase(IntEnum):
    """What the processes are to do now; only the one that leads them says so."""

    IDLE = 0
    SEND = 1
    MEASURE = 2
    DRAIN = 3
    END = 4


class Count(IntEnum):
    """What each process counts: messages written and acknowledged, deliveries owed for them, deliveries received."""

    SENT = 0
    ACKNOWLEDGED = 1
    OWED = 2
    RECEIVED = 3


_PHASE, _FORGIVEN, _FIRST = 0, 1, 2


class Ledger:
    """The counters of ``slots`` processes, in a file that all of them map."""

    def __init__(self, path: Path, slots: int) -> None:
        with path.open("r+b") as file:
            self._words = memoryview(mmap.mmap(file.fileno(), self.size(slots))).cast("q")
        self._owed = tuple(self._at(slot, Count.OWED) for slot in range(slots))
        self._received = tuple(self._at(slot, Count.RECEIVED) for slot in range(slots))
        self._slots = slots

    @staticmethod
    def size(slots: int) -> int:
        """Bytes that the file must have."""
        return 8 * (_FIRST + len(Count) * slots)

    @staticmethod
    def _at(slot: int, count: Count) -> int:
        return _FIRST + slot * len(Count) + count

    @property
    def phase(self) -> int:
        """What to do now."""
        return self._words[_PHASE]

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._words[_PHASE] = phase

    def put(self, slot: int, count: Count, value: int) -> None:
        """Write down a count of one's own."""
        self._words[self._at(slot, count)] = value

    def total(self, count: Count) -> int:
        """A count of all processes together."""
        return sum(self._words[self._at(slot, count)] for slot in range(self._slots))

    def outstanding(self) -> int:
        """Deliveries that are owed and neither received nor given up."""
        words, due = self._words, -self._words[_FORGIVEN]
        for at in self._owed:
            due += words[at]
        for at in self._received:
            due -= words[at]
        return due

    def forgive(self) -> None:
        """Give up what is outstanding, so that the window opens again."""
        self._words[_FORGIVEN] += self.outstanding()
