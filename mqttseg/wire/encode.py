"""Packets in, bytes out.

Owns the form of every packet we send. Whatever it writes, ``decode`` reads back as the same packet: a value
that MQTT cannot carry, or that a peer would be right to refuse, is a bug of ours and raises InternalError.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, TypeAlias

from mqttseg.errors import InternalError
from mqttseg.wire.lengths import MAX_REMAINING, length_bytes
from mqttseg.wire.packets import (
    LEVEL,
    SUBACK_CODES,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    PublishRun,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from mqttseg.wire.strings import MAX_STRING, filter_fault, topic_fault

_SHORT_HEADER = Struct(">BBH").pack  # first byte, remaining length in one byte, length of the topic

_IDENTIFIED = Struct(">BBH").pack  # first byte, remaining length, packet identifier
_Identified: TypeAlias = Puback | Pubrec | Pubrel | Pubcomp | Unsuback

Writer: TypeAlias = Callable[[Any], bytes]  # Any: each entry of the table takes its own kind of packet


def encode(packet: Packet) -> bytes:
    """Write any packet, from its fields alone: the ``frame`` of a Publish is not looked at."""
    return _WRITERS[type(packet)](packet)


def publish_frame(
    topic: bytes, payload: bytes, qos: int = 0, *, retain: bool = False, dup: bool = False, packet_id: int = 0
) -> bytes:
    """Write a PUBLISH: the fast path for a message that goes to many. ``packet_id`` is 0 at QoS 0, and only there.

    ``topic`` is the UTF-8 of a topic name that was checked before, as every name that came out of ``decode``.
    """
    first = 0x31 if retain else 0x30
    identifier = b""
    if qos:
        first |= dup << 3 | _qos(qos) << 1
        identifier = _packet_id(packet_id)
    elif dup or packet_id:
        raise InternalError("a QoS 0 PUBLISH has neither DUP nor packet identifier [MQTT-3.3.1-2], [MQTT-2.3.1-5]")
    size = 2 + len(topic) + len(identifier) + len(payload)
    if size <= 0x7F:
        return _SHORT_HEADER(first, size, len(topic)) + topic + identifier + payload
    return _frame(first, _binary(topic), identifier, payload)


def _publish(packet: Publish) -> bytes:
    return publish_frame(
        _topic(packet.topic),
        packet.payload,
        packet.qos,
        retain=packet.retain,
        dup=packet.dup,
        packet_id=packet.packet_id,
    )


def _connect(packet: Connect) -> bytes:
    if packet.level != LEVEL:
        raise InternalError(f"we speak protocol level {LEVEL}, not {packet.level}")
    if packet.password is not None and packet.username is None:
        raise InternalError("CONNECT has a password and no user name [MQTT-3.1.2-22]")
    return _frame(
        0x10,
        b"\x00\x04MQTT\x04",
        bytes((_connect_flags(packet),)),
        _number(packet.keep_alive),
        _text(packet.client_id),
        _will(packet.will) if packet.will else b"",
        _text(packet.username) if packet.username is not None else b"",
        _binary(packet.password) if packet.password is not None else b"",
    )


def _connect_flags(packet: Connect) -> int:
    flags = packet.clean_session << 1 | (packet.password is not None) << 6 | (packet.username is not None) << 7
    if packet.will:
        flags |= 0x04 | _qos(packet.will.qos) << 3 | packet.will.retain << 5
    return flags


def _will(will: Will) -> bytes:
    return _binary(_topic(will.topic)) + _binary(will.payload)


def _connack(packet: Connack) -> bytes:
    if packet.code not in range(6) or (packet.session_present and packet.code):
        raise InternalError(f"{packet} is no CONNACK [MQTT-3.2.2-4]")
    return bytes((0x20, 2, packet.session_present, packet.code))


def _subscribe(packet: Subscribe) -> bytes:
    requests = [_filter(topic_filter) + bytes((_qos(qos),)) for topic_filter, qos in packet.requests]
    return _list_frame(0x82, packet.packet_id, requests)


def _suback(packet: Suback) -> bytes:
    if not SUBACK_CODES.issuperset(packet.codes):
        raise InternalError("a SUBACK return code is reserved [MQTT-3.9.3-2]")
    return _list_frame(0x90, packet.packet_id, [bytes((code,)) for code in packet.codes])


def _unsubscribe(packet: Unsubscribe) -> bytes:
    return _list_frame(0xA2, packet.packet_id, list(map(_filter, packet.filters)))


def _with_packet_id(first: int) -> Writer:
    """Build the writer of a packet that is a packet identifier and nothing else: one for every QoS 1 message."""

    def write(packet: _Identified) -> bytes:
        packet_id = packet.packet_id
        return _IDENTIFIED(first, 2, packet_id) if 0 < packet_id <= 0xFFFF else _packet_id(packet_id)

    return write


def _empty(first: int) -> Writer:
    """Build the writer of a packet that has no body."""
    return lambda _: bytes((first, 0))


_WRITERS: dict[type[Packet], Writer] = {
    Connect: _connect,
    Connack: _connack,
    Publish: _publish,
    PublishRun: lambda run: run.frames,
    Puback: _with_packet_id(0x40),
    Pubrec: _with_packet_id(0x50),
    Pubrel: _with_packet_id(0x62),
    Pubcomp: _with_packet_id(0x70),
    Subscribe: _subscribe,
    Suback: _suback,
    Unsubscribe: _unsubscribe,
    Unsuback: _with_packet_id(0xB0),
    Pingreq: _empty(0xC0),
    Pingresp: _empty(0xD0),
    Disconnect: _empty(0xE0),
}


def _frame(first: int, *parts: bytes) -> bytes:
    size = sum(map(len, parts))
    if size > MAX_REMAINING:
        raise InternalError(f"a packet cannot have {size} bytes (2.2.3)")
    return b"".join((bytes((first,)), length_bytes(size), *parts))


def _list_frame(first: int, packet_id: int, items: list[bytes]) -> bytes:
    if not items:
        raise InternalError("the list of the packet is empty [MQTT-3.8.3-3], [MQTT-3.10.3-2]")
    return _frame(first, _packet_id(packet_id), *items)


def _number(value: int) -> bytes:
    if not 0 <= value <= 0xFFFF:
        raise InternalError(f"{value} does not fit in two bytes (1.5.2)")
    return value.to_bytes(2, "big")


def _packet_id(packet_id: int) -> bytes:
    if not packet_id:
        raise InternalError("the packet identifier is 0 [MQTT-2.3.1-1]")
    return _number(packet_id)


def _qos(qos: int) -> int:
    if qos not in {0, 1, 2}:
        raise InternalError(f"QoS {qos} does not exist [MQTT-3.3.1-4]")
    return qos


def _binary(data: bytes) -> bytes:
    if len(data) > MAX_STRING:
        raise InternalError(f"a field cannot have {len(data)} bytes (1.5.3)")
    return len(data).to_bytes(2, "big") + data


def _utf8(text: str) -> bytes:
    if "\0" in text:
        raise InternalError("a string has a U+0000 in it [MQTT-1.5.3-2]")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InternalError("a string has a surrogate in it [MQTT-1.5.3-1]") from None


def _text(text: str) -> bytes:
    return _binary(_utf8(text))


def _topic(topic: str) -> bytes:
    fault = topic_fault(topic)
    if fault:
        raise InternalError(fault)
    return _utf8(topic)


def _filter(topic_filter: str) -> bytes:
    fault = filter_fault(topic_filter)
    if fault:
        raise InternalError(fault)
    return _text(topic_filter)
