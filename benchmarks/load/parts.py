"""The two parts that a connection plays: it writes numbered messages, or it counts what it gets.

Each message carries its publisher's number, its own, and when it was written; so what is lost, duplicated or
reordered is counted at the receivers, exactly.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from time import perf_counter_ns

from benchmarks.load.line import PUBACK, PUBCOMP, PUBREC, PUBREL, Line
from benchmarks.load.plan import Plan, Publisher, Subscriber
from mqttseg.wire.encode import publish_frame

STAMP = struct.Struct(">IQQ")
"""Number of the publisher, of the message, and nanoseconds when it was written."""

_IDS = 0xFFFF


@dataclass(slots=True)
class Score:
    """What all connections of one process counted together: to add up over thousands of them would cost."""

    sent: int = 0
    acknowledged: int = 0
    owed: int = 0
    received: int = 0
    duplicated: int = 0
    reordered: int = 0
    waits: list[int] | None = None
    """Nanoseconds from write to receipt, once there is a list for them."""


class Writer(Line):
    """Writes numbered messages, as long as it has fewer than ``in_flight`` unacknowledged."""

    def __init__(self, plan: Plan, number: int, part: Publisher, score: Score) -> None:
        super().__init__(part.seat)
        self.owed = part.receivers * plan.batch
        self._batch, self._score = plan.batch, score
        self._sent = self._unacknowledged = 0
        self._number, self._qos = number, plan.qos
        self._in_flight = plan.in_flight if plan.qos else 0
        frame = publish_frame(part.topic.encode(), bytes(plan.payload), plan.qos, packet_id=1 if plan.qos else 0)
        self._frames = bytearray(frame * plan.batch)
        self._stamps = [len(frame) * (place + 1) - plan.payload for place in range(plan.batch)]

    def may_write(self) -> bool:
        """Whether a batch may be written now."""
        if self._qos and self._unacknowledged + self._batch > self._in_flight:
            return False
        return self.ready

    def write_batch(self) -> None:
        """Write a batch: one record."""
        frames, now, score = self._frames, perf_counter_ns(), self._score
        for at in self._stamps:
            STAMP.pack_into(frames, at, self._number, self._sent, now)
            if self._qos:
                frames[at - 2 : at] = (self._sent % _IDS + 1).to_bytes(2, "big")
            self._sent += 1
        self._unacknowledged += self._batch
        score.sent += self._batch
        score.owed += self.owed
        self.write(frames)

    def on_answer(self, kind: int, packet_id: int) -> None:
        if kind == PUBREC:
            self.write(answer(PUBREL, packet_id))
        elif kind in (PUBACK, PUBCOMP):
            self._unacknowledged -= 1
            self._score.acknowledged += 1


class Reader(Line):
    """Counts what it gets, by publisher, and acknowledges it."""

    def __init__(self, publishers: int, part: Subscriber, score: Score) -> None:
        super().__init__(part.seat)
        self.filters, self._score = part.filters, score
        self._now = 0
        self._next = [0] * publishers
        self._missing: dict[int, set[int]] = {}
        self._acks: list[bytes] = []

    def readable(self) -> None:
        self._now = perf_counter_ns()
        super().readable()
        if self._acks:
            self.write(b"".join(self._acks))
            self._acks.clear()

    def on_publish(self, data: bytes, at: int, body: int) -> None:
        start = body + 2 + (data[body] << 8 | data[body + 1])
        qos = data[at] >> 1 & 3
        if qos:
            self._acks.append(answer(PUBACK if qos == 1 else PUBREC, data[start] << 8 | data[start + 1]))
            start += 2
        number, sequence, written = STAMP.unpack_from(data, start)
        score = self._score
        score.received += 1
        if sequence == self._next[number]:
            self._next[number] = sequence + 1
        else:
            self._irregular(number, sequence)
        if score.waits is not None:
            score.waits.append(self._now - written)

    def _irregular(self, number: int, sequence: int) -> None:
        expected, missing = self._next[number], self._missing.setdefault(number, set())
        if sequence > expected:
            missing.update(range(expected, sequence))
            self._next[number] = sequence + 1
        elif sequence in missing:
            missing.remove(sequence)
            self._score.reordered += 1
        else:
            self._score.duplicated += 1

    def on_answer(self, kind: int, packet_id: int) -> None:
        if kind == PUBREL:
            self._acks.append(answer(PUBCOMP, packet_id))


def answer(kind: int, packet_id: int) -> bytes:
    """An acknowledgement."""
    return bytes((kind << 4 | (2 if kind == PUBREL else 0), 2, packet_id >> 8, packet_id & 0xFF))
