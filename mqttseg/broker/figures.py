"""The running broker's figures: gathered on its loop, and asked for by the threads that serve them.

Owns where each number is found, and the measuring of how late the loop is. Refuses to know what the numbers are for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Final, Protocol

from mqttseg import __version__
from mqttseg.broker.service import Service
from mqttseg.observe.figures import BackendFigures, Figures, Sum
from mqttseg.observe.lag import Lag
from mqttseg.observe.recorder import Recorder

ANSWER: Final = 5.0
"""Seconds in which the loop must answer; a scrape waits no longer."""

MEASURE: Final = 0.1
"""Seconds between two measurements of how late the loop is."""


class Counting(Protocol):
    """A backend that has figures."""

    def figures(self) -> BackendFigures:
        """What it counts, now."""


class Gauges:
    """Reads one broker. Make it on the broker's loop; ``read`` is for other threads."""

    def __init__(self, service: Service, backend: Counting, recorder: Recorder) -> None:
        self._loop = asyncio.get_running_loop()
        self._service = service
        self._backend = backend
        self._recorder = recorder
        self._started = datetime.now(UTC)
        self.lag = Lag()

    def read(self) -> Figures:
        """The figures of now. Raises TimeoutError when the loop does not answer, MqttsegError before the start."""

        async def look() -> Figures:
            return self.look()

        return asyncio.run_coroutine_threadsafe(look(), self._loop).result(ANSWER)

    def look(self) -> Figures:
        """The figures of now, on the broker's loop: what costs a walk is one over connections and one over sessions."""
        service = self._service
        return Figures(
            version=__version__,
            started=self._started,
            backend=self._backend.figures(),
            connections=connections_by_segment(service),
            events=dict(service.tally.events),
            decisions=dict(service.tally.decisions),
            traffic={(who, str(way)): Sum(*total) for (who, way), total in service.guard.traffic.totals.items()},
            events_kept=self._recorder.kept,
            events_lost=self._recorder.lost,
            quarantined=len(service.quarantines.entries),
            revision=service.revision,
            certificate_end=service.site.certificate_end,
            lag=self.lag.copy(),
        )

    async def measure(self) -> None:
        """Goes on measuring how late the loop is, until cancelled."""
        while True:
            due = self._loop.time() + MEASURE
            await asyncio.sleep(MEASURE)
            self.lag.add(self._loop.time() - due)


def connections_by_segment(service: Service) -> dict[str, int]:
    """Connected sessions of each segment of the policy, and of none (""): on the broker's loop."""
    monitors = (connection.monitor for connection in service.guard.roster)
    found = Counter(monitor.segment or "" for monitor in monitors if monitor is not None)
    return {name: found[name] for name in ("", *service.compiled.policy.segments) if name or found[name]}
