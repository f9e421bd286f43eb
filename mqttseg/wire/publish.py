"""PUBLISH as it is read: the packet that all speed depends on.

Owns the reading of PUBLISH and the memory of topics already seen on one connection, so that a topic seen
before costs one dictionary look-up, neither decoded nor checked again. Refuses to know who may publish what.
"""

from __future__ import annotations

from mqttseg.errors import ProtocolError
from mqttseg.wire.packets import Publish
from mqttseg.wire.strings import text_from, topic_fault

PLAIN = 0x30
"""The first byte of a PUBLISH with QoS 0, not retained, not a duplicate."""

OTHERS = (0x31, 0x32, 0x33, 0x34, 0x35, 0x3A, 0x3B, 0x3C, 0x3D)
"""The others: not QoS 3 [MQTT-3.3.1-4], and no DUP at QoS 0 [MQTT-3.3.1-2]."""

MAX_TOPICS = 256
MAX_TOPIC_FIELD = 130
"""What is remembered per connection: so many topics, none with a field over so many bytes. A peer that
invents topics makes us forget and read again, and never makes us hold more than about 100 KiB."""


class PublishReader:
    """Reads PUBLISH frames of one connection. ``frame`` is one whole packet, ``at`` is where its body begins."""

    __slots__ = ("_topics",)

    def __init__(self) -> None:
        # By the topic's whole field, its length bytes included. So a packet that ends inside its topic cannot
        # be taken for one that was seen before: its key has a length that is not its own.
        self._topics: dict[bytes, str] = {}

    def plain(self, frame: bytes, at: int) -> Publish:
        """Read a packet whose first byte is PLAIN. The same as ``other``, without what cannot be there."""
        try:
            end = at + 2 + (frame[at] << 8 | frame[at + 1])
        except IndexError:
            raise _cut_short() from None
        field = frame[at:end]
        topic = self._topics.get(field) or self._new_topic(field)
        return Publish(topic, frame[end:], 0, False, False, 0, frame)

    def other(self, frame: bytes, at: int) -> Publish:
        """Read a packet whose first byte is one of OTHERS."""
        first = frame[0]
        qos = first >> 1 & 3
        packet_id = 0
        try:
            end = at + 2 + (frame[at] << 8 | frame[at + 1])
            field = frame[at:end]
            if qos:
                packet_id = frame[end] << 8 | frame[end + 1]
                end += 2
        except IndexError:
            raise _cut_short() from None
        if qos and not packet_id:
            raise ProtocolError("the packet identifier is 0 [MQTT-2.3.1-1]")
        topic = self._topics.get(field) or self._new_topic(field)
        return Publish(topic, frame[end:], qos, first & 1 != 0, first & 8 != 0, packet_id, frame)

    def _new_topic(self, field: bytes) -> str:
        if len(field) != 2 + (field[0] << 8 | field[1]):
            raise _cut_short()
        topic = text_from(field[2:])
        fault = topic_fault(topic)
        if fault:
            raise ProtocolError(fault)
        if len(field) <= MAX_TOPIC_FIELD:
            self._remember(field, topic)
        return topic

    def _remember(self, field: bytes, topic: str) -> None:
        if len(self._topics) >= MAX_TOPICS:
            self._topics.clear()
        self._topics[field] = topic


def _cut_short() -> ProtocolError:
    return ProtocolError("a field runs past the end of the packet")
