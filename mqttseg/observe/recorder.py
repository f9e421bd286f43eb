"""Events and flows on their way from the event loop to the file: a bounded queue, and a thread that empties it.

Whoever tells never waits. What happens within ``GATHER`` seconds is one batch, so that one transaction serves all of
it: that much is lost when the process is killed. Refuses to know SQL (store.py), and what a failing file means
(writer.py): a batch that could not be kept is kept later.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Event as Signal
from threading import Thread
from typing import Final

from mqttseg.errors import Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Traffic
from mqttseg.observe.store import Told
from mqttseg.observe.writer import Writer

trouble = logging.getLogger("mqttseg.store")

WAITING: Final = 10_000
"""Events that may wait for the file; more are counted and dropped, loudly."""

BATCH: Final = 5000
GATHER: Final = 0.25
RETRY: Final = 5.0
LOOK: Final = 60.0
"""Seconds: what is gathered into one batch; between two tries at a failing file; between two looks at age and size."""

_LAST_WORDS: Final = 10.0
"""Seconds that a disk has for what waits when the broker stops."""


class Recorder:
    """An outlet for events and traffic that ends in a file. ``kept`` and ``lost``: events so far."""

    def __init__(self, writer: Writer, clock: Callable[[], float] = time.time) -> None:
        self._writer = writer
        self._clock = clock
        self._events: deque[Told] = deque()
        self._traffic: Sequence[Traffic] = ()
        self._full = False
        self._counted = 0
        self.kept = 0
        self.lost = 0
        self._wake = Signal()
        self._closing = Signal()
        self._thread = Thread(target=self._run, name="mqttseg-recorder", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Take an event; never waits."""
        if len(self._events) >= WAITING:
            self._drop()
            return
        self._full = False
        self._events.append((self._now(), event))
        self._wake.set()

    @property
    def takes_traffic(self) -> bool:
        """Whether the traffic that was told before is kept; until then it is better counted on where it is."""
        return not self._traffic

    def note(self, traffic: Sequence[Traffic]) -> None:
        """Take what passed since this was last called. Only when ``takes_traffic``; never waits."""
        if self._traffic:
            raise ValueError("the traffic that was told before is not kept yet")
        self._traffic = traffic
        self._wake.set()

    def close(self) -> None:
        """Keep what waits, and close the file. A disk that takes too long is not waited for."""
        self._closing.set()
        self._wake.set()
        self._thread.join(_LAST_WORDS)
        if self._thread.is_alive():
            trouble.error("the disk does not answer: the last events are not kept for `mqttseg events`")

    def _now(self) -> int:
        return round(self._clock() * 1000)

    def _drop(self) -> None:
        self.lost += 1
        if not self._full:
            self._full = True
            trouble.error("events come faster than they can be kept for `mqttseg events`, and are being lost")

    # On the thread

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(LOOK)
            self._closing.wait(GATHER)
            self._wake.clear()
            self._empty()
        self._empty()  # what came while the last batch was written
        self._writer.close()

    def _empty(self) -> None:
        """Write until nothing waits. An empty batch, too: it looks at age and size."""
        while True:
            batch = [self._events.popleft() for _ in range(min(BATCH, len(self._events)))]
            traffic = self._traffic
            self._keep(batch, traffic)
            if traffic:  # else there may be some by now
                self._traffic = ()
            if not self._events:
                return

    def _keep(self, batch: list[Told], traffic: Sequence[Traffic]) -> None:
        """Write a batch, however long it takes; once the broker stops, one more try is all there is."""
        last = False
        while True:
            missing = self.lost - self._counted
            if self._write([*batch, *self._loss(missing)], traffic):
                self._counted += missing
                self.kept += len(batch)
                return
            if last:
                self.lost += len(batch)
                trouble.error("%d events are not kept for `mqttseg events`: the file failed to the end", self.lost)
                return
            last = self._closing.wait(RETRY)

    def _write(self, batch: list[Told], traffic: Sequence[Traffic]) -> bool:
        try:
            return self._writer.write(batch, traffic, self._now())
        except Exception:  # noqa: BLE001  # a thread's boundary: the next batch must go on
            trouble.exception("a batch of events could not be kept; the next ones are")
            self.lost += len(batch)
            return True

    def _loss(self, missing: int) -> list[Told]:
        """Says in the file itself that something is missing there."""
        if not missing:
            return []
        detail = "events are missing here: they came faster than they could be kept; the audit file has them"
        return [(self._now(), Event(Kind.ERROR, Reason.INTERNAL_ERROR, count=missing, detail=detail))]
