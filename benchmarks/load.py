"""The load generator: a process of its own that takes a plan on stdin and gives an outcome on stdout.

Each message carries its publisher's number, its own, and when it was written; so what is lost, duplicated or
reordered is counted at the receivers, exactly. One write is one TLS record and one send: in a turn of the event loop
a publisher writes once. That this process is not the bottleneck is seen from its CPU share, which is part of every
outcome, and from the throughput of a relay under the same load, which does nothing but TLS.
"""

from __future__ import annotations

import asyncio
import statistics
import struct
import sys
from dataclasses import dataclass
from time import perf_counter, perf_counter_ns, process_time

import psutil
import uvloop

from benchmarks import plan as plans
from benchmarks.plan import OUTCOME, PLAN, Outcome, Plan
from benchmarks.station import PUBACK, PUBCOMP, PUBREC, PUBREL, Contexts, Station
from mqttseg.wire.encode import publish_frame

STAMP = struct.Struct(">IQQ")
"""Number of the publisher, of the message, and nanoseconds when it was written."""

STALL = 1.0
"""Seconds without a delivery after which what is outstanding counts as lost, and the window opens again."""

DRAIN = 5.0
LATENCIES_KEPT = 200_000
IDS = 0xFFFF


class Publisher(Station):
    """Writes numbered messages, as long as it has fewer than ``in_flight`` unacknowledged."""

    def __init__(self, run: Run, number: int, source: plans.Publisher) -> None:
        super().__init__(source.seat)
        plan = run.plan
        self.receivers = source.receivers
        self.sent = 0
        self._run = run
        self._number = number
        self._qos = plan.qos
        self._room = plan.in_flight if plan.qos else sys.maxsize
        frame = publish_frame(source.topic.encode(), bytes(plan.payload), plan.qos, packet_id=1 if plan.qos else 0)
        self._head = frame[: len(frame) - plan.payload - (2 if plan.qos else 0)]
        self._tail = bytes(plan.payload - STAMP.size)
        self._packet_id = 0

    def ready(self, count: int) -> bool:
        """Whether it may write so many messages now."""
        return self._room >= count and self.writable

    def write(self, count: int) -> None:
        """Write so many messages at once."""
        self._room -= count if self._qos else 0
        self.transport.write(b"".join([self._frame() for _ in range(count)]))

    def _frame(self) -> bytes:
        stamp = STAMP.pack(self._number, self.sent, perf_counter_ns())
        self.sent += 1
        if not self._qos:
            return self._head + stamp + self._tail
        self._packet_id = self._packet_id % IDS + 1
        return self._head + self._packet_id.to_bytes(2, "big") + stamp + self._tail

    def on_answer(self, kind: int, packet_id: int) -> None:
        if kind == PUBREC:
            self.transport.write(_answer(PUBREL, packet_id))
        elif kind in (PUBACK, PUBCOMP):
            self._room += 1

    def read_done(self) -> None:
        self._run.wake()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._run.wake()


class Subscriber(Station):
    """Counts what it gets, by publisher, and acknowledges it."""

    def __init__(self, run: Run, ear: plans.Subscriber) -> None:
        super().__init__(ear.seat)
        self.filter = ear.filter
        self._run = run
        self._next = [0] * len(run.plan.publishers)
        self._missing: list[set[int]] = [set() for _ in run.plan.publishers]
        self._acks: list[bytes] = []

    def on_publish(self, data: bytes, at: int, body: int) -> None:
        start = body + 2 + (data[body] << 8 | data[body + 1])
        qos = data[at] >> 1 & 3
        if qos:
            self._acks.append(_answer(PUBACK if qos == 1 else PUBREC, data[start] << 8 | data[start + 1]))
            start += 2
        number, sequence, written = STAMP.unpack_from(data, start)
        if sequence == self._next[number]:
            self._next[number] = sequence + 1
        else:
            self._irregular(number, sequence)
        self._run.delivered(written)

    def _irregular(self, number: int, sequence: int) -> None:
        expected, missing = self._next[number], self._missing[number]
        if sequence > expected:
            missing.update(range(expected, sequence))
            self._next[number] = sequence + 1
        elif sequence in missing:
            missing.discard(sequence)
            self._run.reordered += 1
        else:
            self._run.duplicated += 1

    def on_answer(self, kind: int, packet_id: int) -> None:
        if kind == PUBREL:
            self._acks.append(_answer(PUBCOMP, packet_id))

    def read_done(self) -> None:
        if self._acks:
            self.transport.write(b"".join(self._acks))
            self._acks.clear()
        self._run.wake()


def _answer(kind: int, packet_id: int) -> bytes:
    flags = 2 if kind == PUBREL else 0
    return bytes((kind << 4 | flags, 2)) + packet_id.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of a run."""

    at: float
    received: int
    own_cpu: float
    broker_cpu: float


class Run:
    """A plan being carried out."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.received = self.duplicated = self.reordered = self.stalls = 0
        self._loop = asyncio.get_running_loop()
        self._broker = psutil.Process(plan.watch) if plan.watch else None
        self._publishers = [Publisher(self, number, source) for number, source in enumerate(plan.publishers)]
        self._subscribers = [Subscriber(self, ear) for ear in plan.subscribers]
        self._owed = 0
        self._latencies: list[int] = []
        self._measuring = self._sending = self._scheduled = False
        self._open = self._loop.create_future()

    # What the stations tell

    def delivered(self, written: int) -> None:
        """A message arrived."""
        self.received += 1
        if self._measuring and len(self._latencies) < LATENCIES_KEPT:
            self._latencies.append(perf_counter_ns() - written)

    def wake(self) -> None:
        """There may be room to write again."""
        if self._sending and not self._scheduled and not self.plan.rate:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Each publisher writes once, if it may."""
        self._scheduled = False
        batch, wrote = self.plan.batch, False
        for publisher in self._publishers:
            if self._owed - self.received < self.plan.window and publisher.ready(batch):
                self._write(publisher)
                wrote = True
        if wrote:
            self.wake()

    def _write(self, publisher: Publisher) -> None:
        publisher.write(self.plan.batch)
        self._owed += self.plan.batch * publisher.receivers

    # The course of a run

    async def carry_out(self) -> Outcome:
        """Connect everyone, warm up, measure, drain."""
        await self._connect()
        self._sending = True
        chores = [self._loop.create_task(self._watch_stalls(), name="watch for stalls"), *self._pacers()]
        self.wake()
        await asyncio.sleep(self.plan.warm_up)
        before = self._mark()
        self._measuring = True
        await asyncio.sleep(self.plan.seconds)
        after = self._mark()
        self._sending = self._measuring = False
        for chore in chores:
            chore.cancel()
        await self._drain()
        return self._outcome(before, after)

    async def _connect(self) -> None:
        contexts, port = Contexts(self.plan.ca), self.plan.port
        for subscriber, ear in zip(self._subscribers, self.plan.subscribers, strict=True):
            await contexts.open(subscriber, ear.seat, port)
            await subscriber.subscribe(subscriber.filter, self.plan.qos)
        for publisher, source in zip(self._publishers, self.plan.publishers, strict=True):
            await contexts.open(publisher, source.seat, port)

    def _pacers(self) -> list[asyncio.Task[None]]:
        if not self.plan.rate:
            return []
        return [self._loop.create_task(self._pace(p), name="pace a publisher") for p in self._publishers]

    async def _pace(self, publisher: Publisher) -> None:
        """Write on schedule, whatever comes back: a slow broker must not slow its own measurement down."""
        due, step = self._loop.time(), self.plan.batch / self.plan.rate
        while True:
            due += step
            await asyncio.sleep(due - self._loop.time())
            if publisher.ready(self.plan.batch):
                self._write(publisher)

    async def _watch_stalls(self) -> None:
        seen = -1
        while True:
            await asyncio.sleep(STALL)
            if self.received == seen and self._owed - self.received >= self.plan.window:
                self.stalls += 1
                self._owed = self.received
                self.wake()
            seen = self.received

    async def _drain(self) -> None:
        end = self._loop.time() + DRAIN
        while self.received < self._expected() and self._loop.time() < end:  # noqa: ASYNC110  # an event would cost
            await asyncio.sleep(0.05)

    def _expected(self) -> int:
        return sum(publisher.sent * publisher.receivers for publisher in self._publishers)

    def _mark(self) -> Mark:
        times = self._broker.cpu_times() if self._broker else None
        return Mark(perf_counter(), self.received, process_time(), times.user + times.system if times else 0.0)

    def _outcome(self, before: Mark, after: Mark) -> Outcome:
        seconds = after.at - before.at
        ranks = statistics.quantiles(self._latencies, n=100) if len(self._latencies) > 1 else [0.0] * 99
        return Outcome(
            rate=(after.received - before.received) / seconds,
            sent=sum(publisher.sent for publisher in self._publishers),
            received=self.received,
            lost=self._expected() - (self.received - self.duplicated),
            duplicated=self.duplicated,
            reordered=self.reordered,
            stalls=self.stalls,
            p50=ranks[49] / 1e6,
            p99=ranks[98] / 1e6,
            generator_cpu=(after.own_cpu - before.own_cpu) / seconds,
            broker_cpu=(after.broker_cpu - before.broker_cpu) / seconds,
        )


async def _main() -> None:
    plan = PLAN.validate_json(sys.stdin.buffer.read())
    outcome = await asyncio.wait_for(Run(plan).carry_out(), plan.warm_up + plan.seconds + plans.GRACE)
    sys.stdout.buffer.write(OUTCOME.dump_json(outcome))


if __name__ == "__main__":
    uvloop.run(_main())
