"""What waits to be written, and the thread that writes it.

To add costs the adder next to nothing: the thread is woken once for all that comes within GATHER, for each waking
makes the event loop give way to it. Refuses to know what is written, and where.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Event as Signal
from threading import Thread
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

GATHER: Final = 0.02
"""Seconds from the first item to the moment at which it is written, with all that came meanwhile."""


class Backlog(Generic[Item]):
    """At most ``bound`` items. ``write`` is called on the thread, with one after the other, and must not raise."""

    def __init__(self, name: str, write: Callable[[Item], object], bound: int) -> None:
        self._write = write
        self._bound = bound
        self._waiting: deque[Item] = deque()
        self._wake = Signal()
        self._closing = Signal()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, item: Item) -> bool:
        """Take an item; False when there is no room. Never waits. For one thread, or with a lock of its own."""
        if len(self._waiting) >= self._bound:
            return False
        self._waiting.append(item)
        if not self._wake.is_set():
            self._wake.set()
        return True

    def close(self, patience: float | None = None) -> bool:
        """Write what waits, and end the thread. False when that took longer than so many seconds."""
        self._closing.set()
        self._wake.set()
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._closing.wait(GATHER)
            self._wake.clear()  # before it is emptied: what comes from here on wakes again
            self._empty()
        self._empty()

    def _empty(self) -> None:
        waiting = self._waiting
        while waiting:
            self._write(waiting[0])
            waiting.popleft()  # only now: what is being written still takes room
