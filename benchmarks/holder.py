"""Holds many idle connections, in a process of its own: connects them, then does as the lines on stdin say.

It answers each line with the seconds it took: first of all for connecting; ``subscribe`` subscribes each connection
to one filter. At the end of stdin, or after a bounded time, it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType

import uvloop
from pydantic import TypeAdapter

from benchmarks.plan import Subscriber
from benchmarks.station import Contexts, Station

AT_ONCE = 32
"""Connections that are being opened at the same time."""

LONGEST = 900.0
"""Seconds after which it ends, whatever happens."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who connects, and the filter that each will subscribe to."""

    port: int
    ca: str
    members: tuple[Subscriber, ...]


CROWD: TypeAdapter[Crowd] = TypeAdapter(Crowd)


class Held:
    """A crowd in its process, for the benchmark that started it."""

    def __init__(self, crowd: Crowd) -> None:
        command = [sys.executable, "-m", "benchmarks.holder"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.connecting = self._ask(CROWD.dump_json(crowd))

    def __enter__(self) -> Held:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._process.terminate()
        self._process.communicate()

    def subscribe(self) -> float:
        """Subscribe each connection to its filter; seconds it took."""
        return self._ask(b"subscribe")

    def still_there(self) -> int:
        """How many connections are up."""
        return round(self._ask(b"count"))

    def _ask(self, line: bytes) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the connections could not be held: see stderr")
        return float(answer)


async def _hold() -> None:
    crowd = CROWD.validate_json(await _line())
    stations = [Station(member.seat) for member in crowd.members]
    contexts = Contexts(crowd.ca)
    by_station = dict(zip(stations, crowd.members, strict=True))
    _tell(await _all(stations, lambda s: contexts.open(s, by_station[s].seat, crowd.port)))
    while (line := await _line()) == b"subscribe" or line == b"count":
        if line == b"count":
            _tell(sum(not station.lost.done() for station in stations))
        else:
            _tell(await _all(stations, lambda s: s.subscribe(by_station[s].filter, 0)))


async def _all(stations: Sequence[Station], act: Callable[[Station], Coroutine[None, None, None]]) -> float:
    """Do it for each, a few at once; seconds."""
    start = perf_counter()
    waiting: Iterator[Station] = iter(stations)

    async def work() -> None:
        for station in waiting:
            await act(station)

    async with asyncio.TaskGroup() as group:
        for number in range(AT_ONCE):
            group.create_task(work(), name=f"worker {number}")
    return perf_counter() - start


async def _line() -> bytes:
    line: bytes = await asyncio.to_thread(sys.stdin.buffer.readline)
    return line.strip()


def _tell(number: float) -> None:
    print(number, flush=True)


if __name__ == "__main__":
    with contextlib.suppress(TimeoutError):
        uvloop.run(asyncio.wait_for(_hold(), LONGEST))
