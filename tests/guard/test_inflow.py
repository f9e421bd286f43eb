"""A device's turn: so many packets, or so long, and never more than there is."""

from __future__ import annotations

import pytest

from mqttseg.guard.inflow import PACKETS_PER_TURN, SECONDS_PER_TURN, Inflow
from mqttseg.wire.decode import Decoder
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import Packet, Publish


class Loop:
    """A clock that each packet moves on by what it weighs, and the turns that were asked for."""

    def __init__(self, weight: float) -> None:
        self.now, self.turns, self.handled, self.times_heard = 0.0, 0, 0, 0
        self._weight = weight
        self.inflow = Inflow(
            Decoder(from_client=True, max_packet=1 << 20),
            self.handle,
            heard=self.heard,
            pause=lambda _: None,
            yield_turn=self.yield_turn,
            clock=lambda: self.now,
        )

    def handle(self, _: Packet) -> None:
        self.now += self._weight
        self.handled += 1

    def heard(self) -> None:
        self.times_heard += 1

    def yield_turn(self) -> None:
        self.turns += 1


@pytest.mark.parametrize(
    ("weight", "wanted"), [(0.0, PACKETS_PER_TURN), (SECONDS_PER_TURN * 2, 1), (SECONDS_PER_TURN / 4, 5)]
)
def test_turn_ends_after_so_many_packets_or_so_long(weight: float, wanted: int) -> None:
    loop = Loop(weight)
    loop.inflow.feed(encode(Publish("a", b"")) * (2 * PACKETS_PER_TURN))
    assert (loop.handled, loop.turns) == (wanted, 1)
    loop.inflow.take_turn()
    assert (loop.handled, loop.turns) == (2 * wanted, 2)


def test_packets_that_came_meanwhile_follow_in_order() -> None:
    loop = Loop(SECONDS_PER_TURN * 2)
    for _ in range(3):
        loop.inflow.feed(encode(Publish("a", b"")))
    while loop.inflow.waits:
        loop.inflow.take_turn()
    assert loop.handled == 3


def test_device_is_heard_once_for_many_packets_and_not_before_one_is_whole() -> None:
    loop, frame = Loop(0.0), encode(Publish("a", b"payload"))
    for byte in frame[:-1]:
        loop.inflow.feed(bytes((byte,)))
    assert loop.times_heard == 0
    loop.inflow.feed(frame[-1:] + frame * 10)
    assert (loop.times_heard, loop.handled) == (1, 11)
