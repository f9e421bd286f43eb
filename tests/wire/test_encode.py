"""Claims about writing: the bytes of every packet, and that nothing is written which a peer may refuse."""

from __future__ import annotations

import pytest

from mqttseg.errors import InternalError
from mqttseg.wire.encode import encode, publish_frame
from mqttseg.wire.lengths import MAX_REMAINING, length_bytes, remaining_length
from mqttseg.wire.packets import (
    Connack,
    Connect,
    Packet,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
    Will,
)
from tests.wire.decoding import outcome
from tests.wire.packet_cases import LEGAL, NO_FILTERS, Legal

UNWRITABLE: list[tuple[str, Packet]] = [
    ("level 5", Connect("t", level=5)),
    ("password without user name", Connect("t", password=b"p")),
    ("client id too long", Connect("t" * 65536)),
    ("client id too long in UTF-8", Connect("é" * 32768)),
    ("surrogate in client id", Connect("\ud800")),
    ("U+0000 in client id", Connect("a\0b")),
    ("keep-alive over two bytes", Connect("t", keep_alive=65536)),
    ("negative keep-alive", Connect("t", keep_alive=-1)),
    ("will with wildcard", Connect("t", will=Will("a/#", b""))),
    ("will with QoS 3", Connect("t", will=Will("a", b"", 3))),
    ("will payload too long", Connect("t", will=Will("a", bytes(65536)))),
    ("refusal with a session", Connack(True, 5)),
    ("code 6", Connack(False, 6)),
    ("empty topic", Publish("", b"")),
    ("topic with wildcard", Publish("a/+", b"")),
    ("topic too long", Publish("t" * 65536, b"")),
    ("QoS 3", Publish("a", b"", 3, packet_id=1)),
    ("QoS 0 with packet id", Publish("a", b"", packet_id=1)),
    ("QoS 0 with DUP", Publish("a", b"", dup=True)),
    ("QoS 1 without packet id", Publish("a", b"", 1)),
    ("packet id over two bytes", Publish("a", b"", 1, packet_id=65536)),
    ("puback of 0", Puback(0)),
    ("subscribe, no filter", Subscribe(1, ())),
    ("subscribe, QoS 3", Subscribe(1, (("a", 3),))),
    ("subscribe, packet id 0", Subscribe(0, (("a", 0),))),
    ("suback, no code", Suback(1, ())),
    ("suback, reserved code", Suback(1, (3,))),
    ("unsubscribe, no filter", Unsubscribe(1, ())),
    *((f"filter {bad}", Unsubscribe(1, (bad,))) for bad in sorted({*NO_FILTERS, ""})),
]


@pytest.mark.parametrize("case", LEGAL, ids=lambda case: case.name)
def test_packet_is_written_as_the_specification_says(case: Legal) -> None:
    assert encode(case.packet) == case.data


@pytest.mark.parametrize(("name", "packet"), UNWRITABLE, ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_peer_may_refuse_is_not_written(name: str, packet: Packet) -> None:
    with pytest.raises(InternalError):
        encode(packet)


def test_encode_does_not_look_at_the_frame() -> None:
    assert encode(Publish("a", b"2", frame=publish_frame(b"b", b"1"))) == publish_frame(b"a", b"2")


@pytest.mark.parametrize("size", [0, 120, 121, 122, 123, 124, 16_378, 16_379, 70_000, 2_100_000])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_publish_of_every_size_is_read_back(size: int, qos: int) -> None:
    packet = Publish("a/b", b"x" * size, qos, packet_id=qos and 77)
    assert outcome([encode(packet)], max_packet=3_000_000).packets == [packet]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        # table 2.4 of the specification
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2_097_151, "ffff7f"),
        (2_097_152, "80808001"),
        (MAX_REMAINING, "ffffff7f"),
    ],
)
def test_remaining_length_is_that_of_table_2_4(value: int, written: str) -> None:
    data = bytes.fromhex(written)
    assert length_bytes(value) == data
    assert remaining_length(data, 0) == (value, len(data))
    assert all(remaining_length(data[:size], 0) is None for size in range(len(data)))
