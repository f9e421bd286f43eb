"""What the body of each packet says, PUBLISH apart.

Owns the rules of MQTT 3.1.1 chapter 3 that hold inside one packet. A reader here takes one whole ``frame`` and
where its body begins, and returns the packet or raises ProtocolError. Refuses to know of
framing, limits, and what came before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mqttseg.errors import ProtocolError
from mqttseg.wire.fields import Fields
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
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from mqttseg.wire.strings import filter_fault, topic_fault

Reader: TypeAlias = Callable[[bytes, int], Packet]


def connect(frame: bytes, at: int) -> Connect:
    """CONNECT (3.1). Another protocol level gives a Connect of which only ``level`` counts [MQTT-3.1.2-2]."""
    fields = Fields(frame, at)
    name, level = fields.binary(), fields.byte()
    if level != LEVEL and name in {b"MQTT", b"MQIsdp"}:
        return Connect("", level=level)
    if name != b"MQTT":
        raise ProtocolError("the protocol name is not MQTT [MQTT-3.1.2-1]")
    return _connect(fields)


def _connect(fields: Fields) -> Connect:
    flags = fields.byte()
    _check_connect_flags(flags)
    keep_alive = fields.number()
    client_id = fields.text()
    will = _will(fields, flags) if flags & 0x04 else None
    username = fields.text() if flags & 0x80 else None
    password = fields.binary() if flags & 0x40 else None
    fields.end()
    return Connect(client_id, flags & 0x02 != 0, keep_alive, will, username, password)


def _check_connect_flags(flags: int) -> None:
    if flags & 0x01:
        raise ProtocolError("the reserved flag of CONNECT is set [MQTT-3.1.2-3]")
    if not flags & 0x04 and flags & 0x38:
        raise ProtocolError("CONNECT has a will QoS or will retain, and no will [MQTT-3.1.2-11]")
    if flags & 0x18 == 0x18:
        raise ProtocolError("the will QoS is 3 [MQTT-3.1.2-14]")
    if flags & 0xC0 == 0x40:
        raise ProtocolError("CONNECT has a password and no user name [MQTT-3.1.2-22]")


def _will(fields: Fields, flags: int) -> Will:
    topic = fields.text()
    fault = topic_fault(topic)
    if fault:
        raise ProtocolError(f"of the will: {fault}")
    return Will(topic, fields.binary(), flags >> 3 & 3, flags & 0x20 != 0)


def connack(frame: bytes, at: int) -> Connack:
    """CONNACK (3.2)."""
    fields = Fields(frame, at)
    flags, code = fields.byte(), fields.byte()
    fields.end()
    if flags > 1:
        raise ProtocolError("a reserved flag of CONNACK is set (3.2.2.1)")
    if code > 5:
        raise ProtocolError(f"the CONNACK return code {code} is reserved (3.2.2.3)")
    if flags and code:
        raise ProtocolError("a refusal says that a session is present [MQTT-3.2.2-4]")
    return Connack(flags == 1, code)


def subscribe(frame: bytes, at: int) -> Subscribe:
    """SUBSCRIBE (3.8): at least one request [MQTT-3.8.3-3], each QoS 0, 1 or 2 [MQTT-3-8.3-4]."""
    fields = Fields(frame, at)
    packet_id = fields.packet_id()
    requests = [_request(fields)]
    while fields.more:
        requests.append(_request(fields))
    return Subscribe(packet_id, tuple(requests))


def _request(fields: Fields) -> tuple[str, int]:
    topic_filter, qos = _filter(fields), fields.byte()
    if qos > 2:
        raise ProtocolError("a requested QoS is over 2, or has reserved bits set [MQTT-3-8.3-4]")
    return topic_filter, qos


def _filter(fields: Fields) -> str:
    if not fields.more:
        raise ProtocolError("a packet that must have a topic filter has none [MQTT-3.8.3-3], [MQTT-3.10.3-2]")
    topic_filter = fields.text()
    fault = filter_fault(topic_filter)
    if fault:
        raise ProtocolError(fault)
    return topic_filter


def suback(frame: bytes, at: int) -> Suback:
    """SUBACK (3.9): codes 0, 1, 2 and 0x80 only [MQTT-3.9.3-2], and at least one, since a SUBSCRIBE has one."""
    fields = Fields(frame, at)
    packet_id = fields.packet_id()
    codes = [fields.byte()]
    while fields.more:
        codes.append(fields.byte())
    if not SUBACK_CODES.issuperset(codes):
        raise ProtocolError("a SUBACK return code is reserved [MQTT-3.9.3-2]")
    return Suback(packet_id, tuple(codes))


def unsubscribe(frame: bytes, at: int) -> Unsubscribe:
    """UNSUBSCRIBE (3.10): at least one filter [MQTT-3.10.3-2]."""
    fields = Fields(frame, at)
    packet_id = fields.packet_id()
    filters = [_filter(fields)]
    while fields.more:
        filters.append(_filter(fields))
    return Unsubscribe(packet_id, tuple(filters))


def _with_packet_id(kind: Callable[[int], Packet]) -> Reader:
    """Build the reader of a packet that is a packet identifier and nothing else. One comes with every QoS 1 message."""

    def read(frame: bytes, at: int) -> Packet:
        if len(frame) != at + 2:
            raise ProtocolError("the packet must be a packet identifier and nothing else (3.4)")
        packet_id = frame[at] << 8 | frame[at + 1]
        if not packet_id:
            raise ProtocolError("the packet identifier is 0 [MQTT-2.3.1-1]")
        return kind(packet_id)

    return read


def _empty(kind: Callable[[], Packet]) -> Reader:
    """Build the reader of a packet that has no body."""

    def read(frame: bytes, at: int) -> Packet:
        Fields(frame, at).end()
        return kind()

    return read


FROM_CLIENT: dict[int, Reader] = {
    0x10: connect,
    0x82: subscribe,
    0xA2: unsubscribe,
    0xC0: _empty(Pingreq),
    0xE0: _empty(Disconnect),
}
"""What only a client sends, by first byte: the type, and the flags it must have [MQTT-2.2.2-1], [MQTT-2.2.2-2]."""

FROM_SERVER: dict[int, Reader] = {
    0x20: connack,
    0x90: suback,
    0xB0: _with_packet_id(Unsuback),
    0xD0: _empty(Pingresp),
}
"""What only a server sends."""

FROM_BOTH: dict[int, Reader] = {
    0x40: _with_packet_id(Puback),
    0x50: _with_packet_id(Pubrec),
    0x62: _with_packet_id(Pubrel),
    0x70: _with_packet_id(Pubcomp),
}
"""What both send, PUBLISH apart."""
