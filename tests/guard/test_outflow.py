"""What waits for a device: bounded, dropped or refused, and written in pieces that the transport can count."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from mqttseg.guard.outflow import CHUNK, Outflow, SlowReader
from mqttseg.wire.packets import Pingresp, Publish, PublishRun

LIMIT = 4 * CHUNK


class Transport:
    """Takes so many bytes, then asks for a pause, as a real one does from within ``write``."""

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.written: list[bytes] = []
        self.outflow: Outflow | None = None

    def set_write_buffer_limits(self, *, high: int) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self.takes -= len(data)
        if self.takes <= 0 and self.outflow is not None:
            self.outflow.pause()


class Loop:
    """Remembers what is to be done in the next turn."""

    def __init__(self) -> None:
        self.due: list[Any] = []

    def call_soon(self, act: Any) -> None:
        self.due.append(act)

    def turn(self) -> None:
        due, self.due = self.due, []
        for act in due:
            act()


def outflow(takes: int) -> tuple[Outflow, Transport, Loop, list[bool]]:
    transport, loop, told = Transport(takes), Loop(), cast("list[bool]", [])
    flow = Outflow(cast("asyncio.AbstractEventLoop", loop), cast("asyncio.Transport", transport), LIMIT, told.append)
    transport.outflow = flow
    return flow, transport, loop, told


def message(size: int, qos: int = 0) -> Publish:
    return Publish("t", b"", qos=qos, packet_id=1 if qos else 0, frame=bytes(size))


def test_packets_of_one_turn_are_one_write() -> None:
    flow, transport, loop, _ = outflow(takes=LIMIT)
    for _ in range(3):
        flow.send(Pingresp())
    assert transport.written == []
    loop.turn()
    assert transport.written == [bytes.fromhex("d000") * 3]


def test_burst_of_one_turn_is_bounded_for_a_reader_that_does_not_read() -> None:
    flow, transport, _, told = outflow(takes=1)
    for _ in range(1000):
        flow.send(message(CHUNK // 2))
    assert sum(map(len, transport.written)) <= CHUNK
    assert told == [True]
    assert flow.dropped > 900


def test_no_write_is_larger_than_what_the_transport_can_count() -> None:
    flow, transport, loop, _ = outflow(takes=1 << 30)
    for _ in range(20):
        flow.send(message(CHUNK // 3))
    loop.turn()
    assert max(map(len, transport.written)) <= CHUNK
    assert sum(map(len, transport.written)) == 20 * (CHUNK // 3)


def test_reader_that_catches_up_is_told_of_and_served_again() -> None:
    flow, transport, _, told = outflow(takes=1)
    while not flow.full:
        flow.send(message(CHUNK))
    transport.takes = 1 << 30
    flow.resume()
    assert told == [True, False]
    flow.send(message(1))
    assert flow.dropped == 0


def test_what_may_not_be_dropped_ends_the_connection_past_twice_the_limit() -> None:
    flow, _, _, _ = outflow(takes=1)
    for _ in range(2 * LIMIT // CHUNK + 1):
        flow.send(message(CHUNK, qos=1))
    with pytest.raises(SlowReader):
        flow.send(message(CHUNK, qos=1))


def test_run_of_messages_is_written_as_it_came_and_counted_message_by_message_when_it_is_dropped() -> None:
    flow, transport, loop, _ = outflow(takes=10)
    flow.send(PublishRun("t", bytes(10), 5, 0))
    loop.turn()
    assert transport.written == [bytes(10)]
    flow.send(message(LIMIT + 1, qos=1))
    flow.send(PublishRun("t", bytes(10), 5, 0))
    assert (flow.full, flow.dropped) == (True, 5)
