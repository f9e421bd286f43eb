"""Any bytes whatever end at most the connection that they came on: rule 9. What is checked stands in offstage.py."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqttseg.wire.encode import encode
from mqttseg.wire.packets import (
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscribe,
    Unsubscribe,
    Will,
)
from tests.support.offstage import Stagehand, attack

STAGEHAND = Stagehand.new()
TOPICS = st.sampled_from(["cameras/x", "cameras", "hvac/all/x", "hvac/x", "$SYS/x", "x", "/", "cameras/" + "/" * 200])
FILTERS = st.sampled_from(["#", "+/#", "cameras/#", "cameras/+", "hvac/all/#", "$SYS/#", "$share/g/cameras/#", "+"])
IDS = st.integers(1, 4)
QOS = st.integers(0, 2)
WILLS = st.none() | st.builds(Will, TOPICS, st.just(b"will"), QOS, st.booleans())
CLIENT_IDS = st.sampled_from(["cam-1", "cam-1/a", "bms-1", "", "#", "cam-1/+", "cam-2"])


@st.composite
def publishes(draw: st.DrawFn) -> Publish:
    qos = draw(QOS)
    return Publish(draw(TOPICS), b"x", qos, draw(st.booleans()), packet_id=draw(IDS) if qos else 0)


CONNECTS = st.builds(Connect, CLIENT_IDS, st.booleans(), st.integers(0, 3), WILLS)
PACKETS: st.SearchStrategy[Packet] = st.one_of(
    publishes(),
    CONNECTS,
    st.builds(Subscribe, IDS, st.lists(st.tuples(FILTERS, QOS), min_size=1, max_size=3).map(tuple)),
    st.builds(Unsubscribe, IDS, st.lists(FILTERS, min_size=1, max_size=3).map(tuple)),
    st.builds(Puback, IDS),
    st.builds(Pubrec, IDS),
    st.builds(Pubrel, IDS),
    st.builds(Pubcomp, IDS),
    st.builds(Pingreq),
    st.builds(Disconnect),
)
HELLO = encode(Connect("cam-1", will=Will("cameras/will", b"gone"))) + encode(Subscribe(1, (("cameras/#", 0),)))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A packet with some of its bytes replaced, left out or put in."""
    data = bytearray(encode(draw(PACKETS)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(data)


@st.composite
def split(draw: st.DrawFn, stream: st.SearchStrategy[bytes]) -> list[bytes]:
    """A stream of bytes as it may arrive."""
    data = draw(stream)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    return [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)]


STREAMS = st.lists(st.one_of(PACKETS.map(encode), mutated(), st.binary(max_size=8)), max_size=8).map(b"".join)


@settings(max_examples=60, deadline=None)
@given(split(STREAMS))
def test_any_bytes_before_connect(pieces: list[bytes]) -> None:
    attack(STAGEHAND, pieces)


@settings(max_examples=100, deadline=None)
@given(split(STREAMS))
def test_any_bytes_after_connect(pieces: list[bytes]) -> None:
    attack(STAGEHAND, [HELLO, *pieces])


@settings(max_examples=60, deadline=None)
@given(split(st.lists(PACKETS, max_size=12).map(lambda packets: b"".join(map(encode, packets)))))
def test_any_legal_packets_after_connect_in_one_write(pieces: list[bytes]) -> None:
    attack(STAGEHAND, [HELLO + b"".join(pieces)])


def test_thousands_of_packets_in_one_write() -> None:
    attack(STAGEHAND, [HELLO + encode(Publish("cameras/x", b"x", 1, packet_id=1)) * 2000 + encode(Pingreq())])


@pytest.mark.full
@settings(max_examples=8_000, deadline=None)
@given(split(STREAMS), st.booleans())
def test_any_bytes_at_length(pieces: list[bytes], connected: bool) -> None:
    attack(STAGEHAND, [HELLO, *pieces] if connected else pieces)
