"""Whether a peer has been silent for too long. One timer per connection, moved on only when it fires."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Watchdog:
    """Calls ``silent`` once nothing was heard for the patience given, in seconds; again each time while it is so."""

    __slots__ = ("_heard_at", "_loop", "_patience", "_silent", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, patience: float, silent: Callable[[], None]) -> None:
        self._loop = loop
        self._silent = silent
        self._patience = patience
        self._heard_at = loop.time()
        self._timer = loop.call_later(patience, self._check)

    def heard(self) -> None:
        """Something came."""
        self._heard_at = self._loop.time()

    def expect(self, patience: float) -> None:
        """From now on be patient for so long."""
        self._patience = patience
        self.cancel()
        self.heard()
        self._timer = self._loop.call_later(patience, self._check)

    def cancel(self) -> None:
        """Stop watching."""
        self._timer.cancel()

    def _check(self) -> None:
        left = self._heard_at + self._patience - self._loop.time()
        if left <= 0:
            self.heard()
            left = self._patience
            self._timer = self._loop.call_later(left, self._check)
            self._silent()
        else:
            self._timer = self._loop.call_later(left, self._check)
