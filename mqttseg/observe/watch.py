"""The detector on a thread of its own: fed by the event stream and the harvest of traffic, it holds nobody up.

Owns the queue, the clock and when baselines are written down. Refuses to know the rules (detect/), and what is done
about what is found.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import Final

from mqttseg.observe.detect.detector import Detection, Detector
from mqttseg.observe.detect.memory import Memory
from mqttseg.observe.detect.settings import Settings
from mqttseg.observe.events import Event
from mqttseg.observe.flows import Traffic

trouble = logging.getLogger("mqttseg.detect")

WAITING: Final = 10_000
"""Events that may wait; more are not looked at, which is told."""

HARVESTS: Final = 3

GATHER: Final = 0.25
"""Seconds between two looks at what came."""

LOOK: Final = 60.0
SAVE: Final = 600.0
"""Seconds between two looks at who is silent, and between two writings of what is usual."""

_LAST_WORDS: Final = 10.0


class Watch:
    """An outlet for events, traffic and certificates; ``found`` is called on its thread, and must neither block nor
    raise."""

    def __init__(
        self, settings: Settings, file: Path, found: Callable[[Detection], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._memory = Memory(file)
        self._detector = Detector(settings, self._memory.load())
        self._found = found
        self._clock = clock
        self._events: deque[tuple[float, Event]] = deque()
        self._traffic: deque[tuple[float, Sequence[Traffic]]] = deque(maxlen=HARVESTS)
        self._certificates: Iterable[tuple[str, datetime]] = ()
        self._full = False
        self._look_at = self._save_at = clock()
        self._closing = Signal()
        self._thread = Thread(target=self._run, name="mqttseg-detect", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Take an event; never waits."""
        if len(self._events) >= WAITING:
            if not self._full:
                self._full = True
                trouble.error("events come faster than detection can look at them, and some are not looked at")
            return
        self._full = False
        self._events.append((self._clock(), event))

    def hear(self, traffic: Sequence[Traffic]) -> None:
        """Take what passed since this was last called; never waits."""
        self._traffic.append((self._clock(), traffic))

    def check_certificates(self, until: Iterable[tuple[str, datetime]]) -> None:
        """Take the devices that are connected, and the ends of their certificates; never waits."""
        self._certificates = until

    def close(self) -> None:
        """Look at what waits, and write down what is usual."""
        self._closing.set()
        self._thread.join(_LAST_WORDS)

    # On the thread

    def _run(self) -> None:
        while not self._closing.wait(GATHER):
            self._guarded()
        self._guarded()
        self._save()

    def _guarded(self) -> None:
        try:
            for detection in self._detections():
                self._found(detection)
            if self._clock() >= self._save_at + SAVE:
                self._save_at = self._clock()
                self._save()
        except Exception:  # noqa: BLE001  # a thread's boundary: the next look must go on
            trouble.exception("detection failed; it goes on")

    def _detections(self) -> Iterator[Detection]:
        for _ in range(len(self._events)):
            at, event = self._events.popleft()
            yield from self._detector.see(event, at)
        while self._traffic:
            at, traffic = self._traffic.popleft()
            yield from self._detector.hear(traffic, at)
        certificates, self._certificates = self._certificates, ()
        now = self._clock()
        for device, until in certificates:
            yield from self._detector.check_certificate(device, until, now)
        if now >= self._look_at + LOOK:
            self._look_at = now
            yield from self._detector.pass_time(now)

    def _save(self) -> None:
        changed, self._detector.changed = self._detector.changed, set()
        if changed and not self._memory.save(self._detector.known, changed):
            self._detector.changed |= changed
