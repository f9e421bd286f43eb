"""The normative statements of MQTT 3.1.1 that hold inside one packet, one claim each, in bytes.

What is refused here ends the connection that sent it: tests/attacks/test_wire_attacks.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from mqttseg.errors import InternalError
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import Connack, Connect, Packet, Publish, Pubrel, Suback, Subscribe, Unsubscribe, Will
from tests.wire.decoding import outcome


def field(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def frame(first: int, body: bytes) -> bytes:
    size, length = len(body), b""
    while size > 0x7F:
        size, length = size >> 7, length + bytes([size & 0x7F | 0x80])
    return bytes([first]) + length + bytes([size]) + body


def connect(flags: int, payload: bytes, name: bytes = b"MQTT") -> bytes:
    return frame(0x10, field(name) + bytes([4, flags, 0, 0]) + payload)


STRINGS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "client id": lambda text: connect(0x02, field(text)),
    "will topic": lambda text: connect(0x06, field(b"c") + field(text) + field(b"")),
    "user name": lambda text: connect(0x82, field(b"c") + field(text)),
    "topic name": lambda text: frame(0x30, field(text)),
    "topic name at QoS 1": lambda text: frame(0x32, field(text) + b"\0\1"),
    "filter": lambda text: frame(0x82, b"\0\1" + field(text) + b"\0"),
    "second filter": lambda text: frame(0x82, b"\0\1" + field(b"a") + b"\0" + field(text) + b"\0"),
    "filter of UNSUBSCRIBE": lambda text: frame(0xA2, b"\0\1" + field(text)),
}
"""A packet with this text in one of the fields that are strings."""

TOPICS: Final = [name for name in STRINGS if "topic" in name or "filter" in name]


def refused(data: bytes) -> str:
    """Why nothing was read."""
    packets, error, _ = outcome([data])
    assert packets == []
    assert error is not None
    return error


def only(data: bytes) -> Packet:
    """The one packet that was read."""
    packets, error, waiting = outcome([data])
    assert (error, waiting) == (None, 0)
    [packet] = packets
    return packet


# Strings (1.5.3, 4.7.3)


@pytest.mark.spec(
    "MQTT-1.5.3-1",
    "MQTT-3.1.3-4",
    "MQTT-3.1.3-10",
    "MQTT-3.1.3-11",
    "MQTT-3.3.2-1",
    "MQTT-3.8.3-1",
    "MQTT-3.10.3-1",
)
@pytest.mark.parametrize("where", STRINGS)
@pytest.mark.parametrize(
    "text",
    [b"\xed\xa0\x80", b"\xed\xb9\x80", b"\xed\xa0\xbd\xed\xb9\x80", b"\xc0\xaf", b"\xc0\x80", b"\xff", b"\xe2\x82"],
    ids=["high surrogate", "low surrogate", "surrogate pair", "over-long /", "over-long NUL", "0xff", "cut off"],
)
def test_ill_formed_utf8_is_refused_in_every_string(where: str, text: bytes) -> None:
    assert "MQTT-1.5.3-1" in refused(STRINGS[where](b"a" + text))


@pytest.mark.spec("MQTT-1.5.3-2", "MQTT-4.7.3-2")
@pytest.mark.parametrize("where", STRINGS)
@pytest.mark.parametrize("text", [b"\0", b"a\0b"])
def test_null_character_is_refused_in_every_string(where: str, text: bytes) -> None:
    assert "MQTT-1.5.3-2" in refused(STRINGS[where](text))


@pytest.mark.spec("MQTT-1.5.3-3")
@pytest.mark.parametrize("where", STRINGS)
def test_zero_width_no_break_space_is_a_character_like_any_other(where: str) -> None:
    marked, bare = only(STRINGS[where](b"\xef\xbb\xbfa")), only(STRINGS[where](b"a"))
    assert marked != bare
    assert "\ufeffa".encode() in encode(marked)


@pytest.mark.spec("MQTT-4.7.3-1", "MQTT-3.3.2-1")
@pytest.mark.parametrize("where", TOPICS)
def test_topic_or_filter_has_at_least_one_character(where: str) -> None:
    assert "MQTT-4.7.3-1" in refused(STRINGS[where](b""))
    assert only(STRINGS[where](b"/")) is not None


@pytest.mark.spec("MQTT-4.7.3-3")
@pytest.mark.parametrize("where", TOPICS)
def test_topic_or_filter_has_up_to_65535_bytes(where: str) -> None:
    """Two bytes of length can announce no more: what is read is read whole, and nothing longer is ever written."""
    longest = ("é" * 32767 + "a").encode()
    assert longest in encode(only(STRINGS[where](longest)))
    for packet in (Publish("a" * 65536, b""), Subscribe(1, (("é" * 32768, 0),)), Unsubscribe(1, ("a" * 65536,))):
        with pytest.raises(InternalError):
            encode(packet)


@pytest.mark.spec("MQTT-3.3.2-2", "MQTT-4.7.1-1")
@pytest.mark.parametrize("where", ["topic name", "topic name at QoS 1", "will topic"])
@pytest.mark.parametrize("topic", [b"#", b"+", b"a/#", b"a/+/b", b"a+", b"#a"])
def test_wildcard_is_refused_in_a_topic_name_and_not_in_a_filter(where: str, topic: bytes) -> None:
    assert "MQTT-3.3.2-2" in refused(STRINGS[where](topic))
    assert only(STRINGS["filter"](b"a/+/#")) == Subscribe(1, (("a/+/#", 0),))


# The fixed header (2.2)


FLAGS: Final = {0x10: 0, 0x40: 0, 0x50: 0, 0x60: 2, 0x70: 0, 0x80: 2, 0xA0: 2, 0xC0: 0, 0xE0: 0}
"""Type of each packet of a client, PUBLISH apart, and the flags that table 2.2 gives it."""

BODIES: Final = {
    0x10: connect(0x02, field(b"c"))[2:],
    0x80: b"\0\1" + field(b"a") + b"\0",
    0xA0: b"\0\1" + field(b"a"),
    0xC0: b"",
    0xE0: b"",
}


@pytest.mark.spec(
    "MQTT-2.2.2-1",
    "MQTT-2.2.2-2",
    "MQTT-3.6.1-1",
    "MQTT-3.8.1-1",
    "MQTT-3.10.1-1",
    "MQTT-3.14.1-1",
)
@pytest.mark.parametrize("kind", FLAGS, ids=hex)
def test_only_the_given_flags_are_read(kind: int) -> None:
    body = BODIES.get(kind, b"\0\1")
    for flags in range(16):
        data = frame(kind | flags, body)
        if flags == FLAGS[kind]:
            assert encode(only(data)) == data
        else:
            assert "MQTT-2.2.2-2" in refused(data)


@pytest.mark.spec("MQTT-2.2.2-1", "MQTT-3.6.1-1")
def test_flags_that_are_written_are_the_given_ones() -> None:
    assert encode(Pubrel(1)) == b"\x62\x02\0\1"
    assert encode(Connack(False, 0))[0] == 0x20
    assert encode(Suback(1, (0,)))[0] == 0x90


@pytest.mark.spec("MQTT-3.3.1-4")
@pytest.mark.parametrize("first", [0x36, 0x37, 0x3E, 0x3F], ids=hex)
def test_qos_3_is_refused(first: int) -> None:
    refused(frame(first, field(b"a") + b"\0\1"))


@pytest.mark.spec("MQTT-3.3.1-2")
@pytest.mark.parametrize("first", [0x38, 0x39], ids=hex)
def test_dup_at_qos_0_is_refused(first: int) -> None:
    refused(frame(first, field(b"a")))


# Packet ids (2.3.1)


@pytest.mark.spec("MQTT-2.3.1-1")
@pytest.mark.parametrize(
    "build",
    [
        lambda pid: frame(0x32, field(b"a") + pid),
        lambda pid: frame(0x34, field(b"a") + pid),
        lambda pid: frame(0x82, pid + field(b"a") + b"\0"),
        lambda pid: frame(0xA2, pid + field(b"a")),
    ],
    ids=["PUBLISH at QoS 1", "PUBLISH at QoS 2", "SUBSCRIBE", "UNSUBSCRIBE"],
)
def test_packet_id_is_there_and_not_0(build: Callable[[bytes], bytes]) -> None:
    assert "MQTT-2.3.1-1" in refused(build(b"\0\0"))
    refused(build(b""))
    assert encode(only(build(b"\xff\xff"))) == build(b"\xff\xff")


@pytest.mark.spec("MQTT-2.3.1-5")
def test_publish_at_qos_0_has_no_packet_id() -> None:
    """What stands where a packet id would is the payload's."""
    assert only(frame(0x30, field(b"a") + b"\0\1x")) == Publish("a", b"\0\1x")
    with pytest.raises(InternalError):
        encode(Publish("a", b"x", packet_id=1))


# What CONNECT says (3.1)


@pytest.mark.spec("MQTT-3.1.2-1")
@pytest.mark.parametrize("name", [b"mqtt", b"MQTT ", b"MQT", b"HTTP", b"", b"MQIsdp"])
def test_other_protocol_name_is_refused(name: bytes) -> None:
    assert "MQTT-3.1.2-1" in refused(connect(0x02, field(b"c"), name))


@pytest.mark.spec("MQTT-3.1.2-3")
def test_reserved_flag_of_connect_is_refused() -> None:
    assert "MQTT-3.1.2-3" in refused(connect(0x03, field(b"c")))


@pytest.mark.spec("MQTT-3.1.2-9")
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("retain", [False, True])
def test_will_is_read_with_its_qos_and_retain_and_must_be_whole(qos: int, retain: bool) -> None:
    flags = 0x06 | qos << 3 | retain << 5
    whole = field(b"c") + field(b"w") + field(b"bye")
    assert only(connect(flags, whole)) == Connect("c", will=Will("w", b"bye", qos, retain))
    refused(connect(flags, field(b"c") + field(b"w")))
    refused(connect(flags, field(b"c")))


@pytest.mark.spec("MQTT-3.1.2-11", "MQTT-3.1.2-13", "MQTT-3.1.2-15")
@pytest.mark.parametrize("flags", [0x08, 0x10, 0x18, 0x20, 0x38], ids=hex)
def test_without_a_will_there_is_neither_its_qos_nor_its_retain(flags: int) -> None:
    assert "MQTT-3.1.2-1" in refused(connect(0x02 | flags, field(b"c")))


@pytest.mark.spec("MQTT-3.1.2-11")
def test_will_that_no_flag_announces_is_refused() -> None:
    assert "follow" in refused(connect(0x02, field(b"c") + field(b"w") + field(b"bye")))


@pytest.mark.spec("MQTT-3.1.2-14")
@pytest.mark.parametrize("retain", [0, 0x20])
def test_will_at_qos_3_is_refused(retain: int) -> None:
    assert "MQTT-3.1.2-14" in refused(connect(0x1E | retain, field(b"c") + field(b"w") + field(b"")))


@pytest.mark.spec("MQTT-3.1.2-18", "MQTT-3.1.2-20")
@pytest.mark.parametrize(("flags", "payload"), [(0x02, field(b"u")), (0x82, field(b"u") + field(b"p"))])
def test_user_name_or_password_that_no_flag_announces_is_refused(flags: int, payload: bytes) -> None:
    assert "follow" in refused(connect(flags, field(b"c") + payload))


@pytest.mark.spec("MQTT-3.1.2-19", "MQTT-3.1.2-21")
@pytest.mark.parametrize(("flags", "payload"), [(0x82, b""), (0xC2, field(b"u"))])
def test_user_name_or_password_that_a_flag_announces_must_be_there(flags: int, payload: bytes) -> None:
    assert "past the end" in refused(connect(flags, field(b"c") + payload))


@pytest.mark.spec("MQTT-3.1.2-22")
def test_password_without_user_name_is_refused() -> None:
    assert "MQTT-3.1.2-22" in refused(connect(0x42, field(b"c") + field(b"p")))


@pytest.mark.spec("MQTT-3.1.3-1", "MQTT-3.1.3-3")
def test_fields_of_connect_are_read_in_their_order() -> None:
    texts = (b"id", b"topic", b"message", b"name", b"word")
    assert only(connect(0xC6, b"".join(map(field, texts)))) == Connect(
        "id", will=Will("topic", b"message"), username="name", password=b"word"
    )


@pytest.mark.spec("MQTT-3.1.3-3", "MQTT-3.1.4-1")
def test_connect_without_a_client_id_is_refused() -> None:
    assert "past the end" in refused(connect(0x02, b""))


# CONNACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE


@pytest.mark.spec("MQTT-3.2.2-4")
@pytest.mark.parametrize("code", [1, 2, 3, 4, 5])
def test_refusal_with_a_session_present_cannot_be_written(code: int) -> None:
    assert encode(Connack(False, code)) == bytes([0x20, 2, 0, code])
    with pytest.raises(InternalError):
        encode(Connack(True, code))


@pytest.mark.spec("MQTT-3.8.3-3", "MQTT-3.10.3-2")
@pytest.mark.parametrize("first", [0x82, 0xA2], ids=["SUBSCRIBE", "UNSUBSCRIBE"])
def test_there_is_at_least_one_filter(first: int) -> None:
    assert "has none" in refused(frame(first, b"\0\1"))


@pytest.mark.spec("MQTT-3-8.3-4")
def test_requested_qos_is_0_1_or_2_and_nothing_else() -> None:
    for byte in range(256):
        data = frame(0x82, b"\0\1" + field(b"a") + bytes([byte]))
        if byte < 3:
            assert only(data) == Subscribe(1, (("a", byte),))
        else:
            assert "MQTT-3-8.3-4" in refused(data)


@pytest.mark.spec("MQTT-3.9.3-2")
def test_suback_has_no_other_codes_than_0_1_2_and_0x80() -> None:
    for code in range(256):
        if code in {0, 1, 2, 0x80}:
            assert encode(Suback(1, (code,))) == bytes([0x90, 3, 0, 1, code])
        else:
            with pytest.raises(InternalError):
                encode(Suback(1, (code,)))
