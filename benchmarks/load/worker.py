"""One process of the generator: takes its share on stdin, does as the lines after it say, and answers each.

``connect`` and ``subscribe`` are answered with the seconds they took, ``count`` with the connections that are up,
``run`` with a tally when the ledger says that it is over.
"""

from __future__ import annotations

import gc
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter

from benchmarks.load.ledger import Count, Ledger, Phase
from benchmarks.load.line import Contexts, Line
from benchmarks.load.parts import Reader, Score, Writer
from benchmarks.load.plan import SHARE, TALLY, Share, Tally

AT_ONCE = 16
"""Connections that are being opened at the same time."""

NAP = 0.0005
"""Seconds to wait for something to read when there is nothing to write: a small part of what a window lasts."""

PATIENCE = 60.0
_WAITS = 200_000


class Worker:
    """A share being carried out."""

    def __init__(self, share: Share) -> None:
        plan = share.plan
        self._share, self._plan = share, plan
        self._ledger = Ledger(Path(share.ledger), plan.writers + plan.readers)
        self._score = score = Score()
        self._writers = [Writer(plan, share.first + i, part, score) for i, part in enumerate(plan.publishers)]
        self._readers = [Reader(share.total, part, score) for part in plan.subscribers]
        contexts = Contexts(plan.ca)
        seats = [part.seat for part in plan.subscribers] + [part.seat for part in plan.publishers]
        self._lines: list[Line] = [*self._readers, *self._writers]
        self._contexts = [contexts.of(seat) for seat in seats]
        self._turn_of = 0

    # Before the run

    def connect(self) -> float:
        """Open all connections; the seconds it took."""
        pairs = zip(self._lines, self._contexts, strict=True)
        seconds = _all([(line, line.open(self._plan.port, context)) for line, context in pairs])
        self._poll = select.epoll()
        self._by_descriptor = {line.socket.fileno(): line for line in self._lines}
        for descriptor in self._by_descriptor:
            self._poll.register(descriptor, select.EPOLLIN)
        return seconds

    def subscribe(self) -> float:
        """Make all subscriptions; the seconds it took."""
        return _all([(reader, reader.subscribe(reader.filters, self._plan.qos)) for reader in self._readers])

    def count(self) -> float:
        """How many connections are up."""
        while self._read(0):
            pass
        return sum(not line.closed for line in self._lines)

    # The run

    def run(self) -> Tally:
        """Write and read until it is over."""
        gc.freeze()
        gc.disable()
        ledger, step = self._ledger, self._step()
        while (phase := ledger.phase) != Phase.END:
            wait = step() if phase in (Phase.SEND, Phase.MEASURE) else NAP * 4
            if phase == Phase.MEASURE and self._score.waits is None:
                self._score.waits = []
            self._read(wait)
            self._note()
        return self._tally()

    def _step(self) -> Callable[[], float]:
        """What writes in one turn, and says how long to wait after it."""
        if not self._writers:
            return lambda: 0.05
        return self._pacing() if self._plan.rate else self._press

    def _press(self) -> float:
        """Each writer writes once, if it may; in turn, where the window closes on some."""
        room, wrote = self._plan.window - self._ledger.outstanding(), False
        writers, count = self._writers, len(self._writers)
        for offset in range(count):
            writer = writers[(self._turn_of + offset) % count]
            if room < min(writer.owed, self._plan.window):
                self._turn_of = (self._turn_of + offset) % count
                break
            if writer.may_write():
                writer.write_batch()
                room -= writer.owed
                wrote = True
        return 0.0 if wrote else NAP

    def _pacing(self) -> Callable[[], float]:
        """Write on schedule, whatever comes back: a slow broker must not slow its own measurement down."""
        writers, step = self._writers, self._plan.batch / self._plan.rate / len(self._writers)
        due, turn = perf_counter(), 0

        def pace() -> float:
            nonlocal due, turn
            while due <= (now := perf_counter()):
                writer = writers[turn % len(writers)]
                if writer.may_write():
                    writer.write_batch()
                due, turn = due + step, turn + 1
            return due - now

        return pace

    def _read(self, wait: float) -> int:
        events = self._poll.poll(wait)
        for descriptor, _ in events:
            line = self._by_descriptor[descriptor]
            line.readable()
            if line.closed:
                self._poll.unregister(descriptor)
        return len(events)

    def _note(self) -> None:
        put, slot, score = self._ledger.put, self._share.slot, self._score
        if self._writers:
            put(slot, Count.OWED, score.owed)
            put(slot, Count.SENT, score.sent)
            put(slot, Count.ACKNOWLEDGED, score.acknowledged)
        else:
            put(slot, Count.RECEIVED, score.received)

    def _tally(self) -> Tally:
        score, closed = self._score, sum(line.closed for line in self._lines)
        return Tally(score.duplicated, score.reordered, closed, tuple((score.waits or ())[:_WAITS]))


def _all(jobs: Sequence[tuple[Line, Iterator[None]]]) -> float:
    """Do all of them, a few at once; seconds."""
    start, waiting, poll = perf_counter(), iter(jobs), select.epoll()
    under_way: dict[int, Iterator[None]] = {}

    def begin() -> None:
        for line, job in waiting:
            if next(job, _DONE) is not _DONE:
                under_way[line.socket.fileno()] = job
                poll.register(line.socket.fileno(), select.EPOLLIN)
                return

    for _ in range(AT_ONCE):
        begin()
    while under_way:
        if not (events := poll.poll(PATIENCE)):
            raise TimeoutError(f"{len(under_way)} connections wait for the broker in vain")
        for descriptor, _ in events:
            if next(under_way[descriptor], _DONE) is _DONE:
                del under_way[descriptor]
                poll.unregister(descriptor)
                begin()
    poll.close()
    return perf_counter() - start


_DONE = object()


def _main() -> None:
    worker = Worker(SHARE.validate_json(sys.stdin.buffer.readline()))
    print("prepared", flush=True)
    for line in sys.stdin:
        command = line.strip()
        if command == "run":
            print(TALLY.dump_json(worker.run()).decode(), flush=True)
        else:
            print(
                {"connect": worker.connect, "subscribe": worker.subscribe, "count": worker.count}[command](), flush=True
            )


if __name__ == "__main__":
    _main()
