"""What passed, on its way from the guard to whoever keeps it: now and then, and once more at the end.

Owns when, and that the loop is not held meanwhile. Refuses to know where it is kept, and what is made of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Protocol

from mqttseg.guard.guard import Guard
from mqttseg.guard.sweep import TURN
from mqttseg.observe.flows import Traffic

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two harvests: so much of the flows is lost when the process is killed."""

LAST_TRIES = 100
_PAUSE = 0.02
"""How often, and with how many seconds between, a busy keeper is asked at the end whether it is done."""

AT_ONCE = 500
"""Sums taken between two looks at the clock."""


class Keeper(Protocol):
    """Keeps traffic, one batch at a time (observe.recorder)."""

    @property
    def takes_traffic(self) -> bool:
        """Whether it is done with the batch before; until then traffic is better counted on where it is."""

    def note(self, traffic: Sequence[Traffic]) -> None:
        """Take a batch; only when ``takes_traffic``. Must not wait."""


class Harvest:
    """Hands what passed to ``keeper``, and the same to each of ``listeners``, which must not wait either."""

    def __init__(self, keeper: Keeper, listeners: Sequence[Callable[[Sequence[Traffic]], None]] = ()) -> None:
        self._keeper = keeper
        self._listeners = listeners
        self._taken: list[Traffic] = []

    async def once(self, guard: Guard) -> None:
        """Harvest, with a turn for everybody else after each TURN seconds. A keeper that is busy is left alone."""
        if self._keeper.takes_traffic:
            await guard.tell_in_turns()
            await self._take_in_turns(guard)
            self._hand_on()

    async def _take_in_turns(self, guard: Guard) -> None:
        end = perf_counter() + TURN
        while some := guard.traffic.take(AT_ONCE):
            self._taken += some
            if perf_counter() > end:
                await asyncio.sleep(0)
                end = perf_counter() + TURN

    async def finish(self, guard: Guard) -> None:
        """The last one, before the guard closes, after which nothing passes any more."""
        self._taken += guard.harvest()
        for _ in range(LAST_TRIES):
            if self._keeper.takes_traffic:
                break
            await asyncio.sleep(_PAUSE)
        if self._keeper.takes_traffic:
            self._hand_on()
        elif self._taken:
            log.error("the disk does not answer: what passed last is not kept for `mqttseg flows`")

    def _hand_on(self) -> None:
        taken, self._taken = self._taken, []
        for listener in self._listeners:
            listener(taken)
        if taken:
            self._keeper.note(taken)
