"""Claims about reading: what is legal, what is refused and by which clause, how bytes may arrive, what is held."""

from __future__ import annotations

import sys
import tracemalloc

import pytest

from mqttseg.errors import ProtocolError, Reason
from mqttseg.wire.decode import Decoder, PacketTooLarge
from mqttseg.wire.encode import encode, publish_frame
from mqttseg.wire.packets import Connect, Packet, Pingreq, Publish, PublishRun, Subscribe, Will
from mqttseg.wire.publish import MAX_TOPIC_FIELD, MAX_TOPICS, RUN_BYTES, PublishReader
from tests.wire.decoding import LIMIT, cut, outcome
from tests.wire.packet_cases import FILTERS, LEGAL, MALFORMED, NO_FILTERS, OTHER_LEVELS, Legal, Malformed, raw

SESSION: list[Packet] = [
    Connect("thermo-1", keep_alive=30, will=Will("hvac/thermo-1/gone", b"1")),
    Subscribe(1, (("hvac/thermo-1/cmd/#", 1),)),
    Publish("hvac/thermo-1/temp", b"21.5"),
    Publish("hvac/thermo-1/temp", b"x" * 200, 1, packet_id=7),
    Pingreq(),
    Publish("hvac/thermo-1/temp", b"21.5"),
]
SESSION_BYTES = b"".join(map(encode, SESSION))


@pytest.mark.parametrize("case", [*LEGAL, *OTHER_LEVELS], ids=lambda case: case.name)
def test_legal_packet_is_read(case: Legal) -> None:
    assert outcome([case.data], case.from_client) == ([case.packet], None, 0)


@pytest.mark.parametrize("case", MALFORMED, ids=lambda case: case.name)
def test_malformed_packet_is_refused_with_its_clause(case: Malformed) -> None:
    packets, error, _ = outcome([case.data], case.from_client)
    assert packets == []
    assert error is not None
    assert case.clause in error


@pytest.mark.parametrize("case", MALFORMED, ids=lambda case: case.name)
def test_malformed_packet_is_refused_alike_byte_by_byte_and_after_a_good_one(case: Malformed) -> None:
    good = publish_frame(b"a/b", b"1")
    whole = outcome([good + case.data], case.from_client)
    assert whole.packets == [Publish("a/b", b"1")]
    assert outcome([bytes([byte]) for byte in good + case.data], case.from_client) == whole


@pytest.mark.parametrize("topic_filter", sorted(FILTERS))
def test_legal_filter_is_read(topic_filter: str) -> None:
    packet = Subscribe(1, ((topic_filter, 0),))
    assert outcome([encode(packet)]).packets == [packet]


@pytest.mark.parametrize("topic_filter", sorted(NO_FILTERS))
def test_filter_with_a_misplaced_wildcard_is_refused(topic_filter: str) -> None:
    body = raw("0001") + len(topic_filter).to_bytes(2, "big") + topic_filter.encode() + b"\0"
    _, error, _ = outcome([bytes((0x82, len(body))) + body])
    assert error is not None
    assert "MQTT-4.7.1-" in error


def test_publish_keeps_its_own_bytes() -> None:
    frames = [publish_frame(b"a/b", b"1"), publish_frame(b"a/c", b"x" * 300, 1, packet_id=9)]
    packets = outcome([b"".join(frames)]).packets
    assert [packet.frame for packet in packets if isinstance(packet, Publish)] == frames


@pytest.mark.parametrize("place", range(len(SESSION_BYTES) + 1))
def test_bytes_split_at_every_position_give_the_same_packets(place: int) -> None:
    assert outcome(cut(SESSION_BYTES, [place])) == (SESSION, None, 0)


def test_bytes_one_by_one_give_the_same_packets() -> None:
    assert outcome([bytes([byte]) for byte in SESSION_BYTES]) == (SESSION, None, 0)


def test_empty_reads_change_nothing() -> None:
    assert outcome([b"", SESSION_BYTES[:3], b"", SESSION_BYTES[3:], b""]) == (SESSION, None, 0)


def test_every_beginning_of_a_packet_waits_for_more() -> None:
    whole = publish_frame(b"a/b", b"x" * 300)
    for size in range(len(whole)):
        assert outcome([whole[:size]]) == ([], None, size)


# A decoder that has refused refuses for ever: rule 9


def test_bytes_after_a_malformed_packet_are_refused() -> None:
    decoder = Decoder(True, LIMIT)
    with pytest.raises(ProtocolError, match="reserved"):
        list(decoder.feed(b"\xff\x00"))
    with pytest.raises(ProtocolError, match="follow a malformed packet"):
        list(decoder.feed(encode(Pingreq())))


def test_bytes_after_an_abandoned_read_are_refused() -> None:
    decoder = Decoder(True, LIMIT)
    next(iter(decoder.feed(encode(Pingreq()) * 2)))
    with pytest.raises(ProtocolError):
        list(decoder.feed(encode(Pingreq())))


# The limit on size


def test_packet_over_the_limit_is_refused_from_its_fixed_header() -> None:
    decoder = Decoder(True, 1000)
    with pytest.raises(PacketTooLarge) as refused:
        list(decoder.feed(raw("30 ffffff7f")))
    assert refused.value.reason is Reason.PAYLOAD_TOO_LARGE
    assert "268435460 bytes" in refused.value.detail
    assert decoder.buffered == 0


@pytest.mark.parametrize("size", [8, 127, 128, 129, 130, 131, 1000])
def test_limit_counts_the_whole_packet(size: int) -> None:
    frame = publish_frame(b"a", b"x" * size)
    assert outcome([frame], max_packet=len(frame)).error is None
    for pieces in ([frame], [frame[:1], frame[1:]], [bytes([byte]) for byte in frame]):
        assert outcome(pieces, max_packet=len(frame) - 1).error is not None


def test_no_more_than_the_limit_is_held() -> None:
    decoder = Decoder(True, 1000)
    stream = publish_frame(b"a", b"x" * 990) * 5
    for start in range(0, len(stream), 7):
        list(decoder.feed(stream[start : start + 7]))
        assert decoder.buffered < 1000


def test_announced_packet_takes_no_memory_before_it_comes() -> None:
    decoder = Decoder(True, 268_435_460)
    tracemalloc.start()
    list(decoder.feed(raw("30 ffffff7f 0001")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000


# Time grows with the bytes, however they come: counted, not timed


def test_partial_packet_is_not_copied_while_it_grows() -> None:
    frame, piece = publish_frame(b"a", bytes(10_000_000)), 1024
    decoder = Decoder(True, 20_000_000)
    pieces = [frame[start : start + piece] for start in range(0, len(frame), piece)]
    tracemalloc.start()
    for part in pieces[:-1]:
        list(decoder.feed(part))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.3 * len(frame)  # a copy at any step would have held the packet twice
    assert [len(packet.payload) for packet in decoder.feed(pieces[-1]) if isinstance(packet, Publish)] == [10_000_000]
    assert decoder.buffered == 0


def calls_to_read(frame: bytes) -> int:
    """How many calls, of Python or C, it takes to read ``frame`` byte by byte."""
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    decoder = Decoder(True, LIMIT)
    sys.setprofile(count)
    for byte in frame:
        list(decoder.feed(bytes((byte,))))
    sys.setprofile(None)
    return calls


def test_steps_per_byte_do_not_grow_with_the_packet() -> None:
    once, twice = calls_to_read(publish_frame(b"a", bytes(5_000))), calls_to_read(publish_frame(b"a", bytes(10_000)))
    assert twice < 2.01 * once


# The memory of topics


def test_topic_seen_before_is_the_same_object() -> None:
    first, second = outcome([publish_frame(b"a/b", b"1"), publish_frame(b"a/b", b"2", 1, packet_id=1)]).packets
    assert isinstance(first, Publish)
    assert isinstance(second, Publish)
    assert first.topic is second.topic


@pytest.mark.parametrize("first_byte", ["30", "32"])
def test_packet_that_ends_inside_its_topic_is_refused_though_the_rest_was_seen_before(first_byte: str) -> None:
    seen = publish_frame(b"ab", b"")
    _, error, _ = outcome([seen + raw(f"{first_byte}04 0003", b"ab")])
    assert error is not None


def test_peer_that_invents_topics_is_not_remembered_without_bound() -> None:
    reader = PublishReader(1, LIMIT)
    for number in range(3 * MAX_TOPICS):
        frame = publish_frame(b"t%d" % number, b"")
        reader.plain(frame, 0, 2, len(frame))
        assert len(reader._topics) <= MAX_TOPICS


def test_long_topic_is_read_and_not_remembered() -> None:
    reader, topic = PublishReader(1, LIMIT), b"x" * MAX_TOPIC_FIELD
    frame = publish_frame(topic, b"")
    assert reader.plain(frame, 0, 3, len(frame))[0].topic == topic.decode()
    assert not reader._topics


# What may be printed


def test_repr_shows_no_payload_and_no_credentials() -> None:
    will = Will("w", b"secret")
    packets: list[Packet] = [
        Connect("t", will=will, username="token-secret", password=b"secret"),
        Publish("t", b"secret", frame=b"secret"),
    ]
    assert "secret" not in repr(packets)
    assert "<6 bytes>" in repr(packets)


def test_messages_of_one_topic_in_a_row_are_one_run_until_another_packet_comes() -> None:
    one, two = publish_frame(b"a/b", b"1"), publish_frame(b"a/b", bytes(300))
    other, retained = publish_frame(b"a/c", b"1"), publish_frame(b"a/b", b"1", retain=True)
    read = outcome([one + two + one + other + one + one + retained + one], gather=256).packets
    assert read == [
        PublishRun("a/b", one + two + one, 3, 302),
        Publish("a/c", b"1"),
        PublishRun("a/b", one + one, 2, 2),
        Publish("a/b", b"1", retain=True),
        Publish("a/b", b"1"),
    ]


def test_run_is_no_longer_than_what_is_written_at_once_and_ends_before_a_packet_over_the_limit() -> None:
    large = publish_frame(b"a/b", bytes(16_000))
    runs = outcome([large * 20], gather=256).packets
    assert max(len(packet.frames) for packet in runs if isinstance(packet, PublishRun)) <= 16_010 + RUN_BYTES
    small = publish_frame(b"a/b", b"1")
    read, error, _ = outcome([small * 3 + large], max_packet=1000, gather=256)
    assert read == [PublishRun("a/b", small * 3, 3, 3)]
    assert error is not None


def test_message_that_ends_inside_its_topic_is_no_part_of_a_run() -> None:
    good = publish_frame(b"a/b", b"1")
    read, error, _ = outcome([good + good + b"\x30\x04\x00\x03a/" + good], gather=256)
    assert read == [PublishRun("a/b", good * 2, 2, 2)]
    assert error is not None
