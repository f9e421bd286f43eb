"""PUBLISH as it is read: the packet that all speed depends on.

Owns the reading of PUBLISH and the memory of topics already seen on one connection, so that a topic seen
before costs one dictionary look-up, neither decoded nor checked again. Messages of one topic in a row, which is how
they come when there are many, are not even taken apart. Refuses to know who may publish what.
"""

from __future__ import annotations

from collections.abc import Iterator

from mqttseg.errors import ProtocolError
from mqttseg.wire.lengths import remaining_length
from mqttseg.wire.packets import Publish, PublishRun
from mqttseg.wire.strings import text_from, topic_fault

PLAIN = 0x30
"""The first byte of a PUBLISH with QoS 0, not retained, not a duplicate."""

OTHERS = (0x31, 0x32, 0x33, 0x34, 0x35, 0x3A, 0x3B, 0x3C, 0x3D)
"""The others: not QoS 3 [MQTT-3.3.1-4], and no DUP at QoS 0 [MQTT-3.3.1-2]."""

MAX_TOPICS = 256
MAX_TOPIC_FIELD = 130
"""What is remembered per connection: so many topics, none with a field over so many bytes. A peer that
invents topics makes us forget and read again, and never makes us hold more than about 100 KiB."""


RUN_BYTES = 64 << 10
"""A run that is handed on at once is no longer than what is written at once."""


class PublishReader:
    """Reads PUBLISH of one connection. At most ``gather`` of one topic in a row are read as one PublishRun.

    ``limit``: bytes of a packet.
    """

    __slots__ = ("_limit", "_topics", "gather")

    def __init__(self, gather: int, limit: int) -> None:
        self.gather = gather
        self._limit = limit
        # By the topic's whole field, its length bytes included. So a packet that ends inside its topic cannot
        # be taken for one that was seen before: its key has a length that is not its own.
        self._topics: dict[bytes, str] = {}

    def plain(self, data: bytes, at: int, body: int, stop: int) -> tuple[Publish | PublishRun, int]:
        """Read the PLAIN packet from ``at`` to ``stop``, with those of its topic that follow it; returns the end, too.

        ``body`` is where its own begins.
        """
        if stop - body < 2:
            raise _cut_short()
        end = body + 2 + (data[body] << 8 | data[body + 1])
        if end > stop:
            raise _cut_short()
        field = data[body:end]
        topic = self._topics.get(field) or self._new_topic(field)
        # A look at where the topic of the next packet would be, with a short header and a longer one
        if stop < len(data) and (data.startswith(field, stop + 2) or data.startswith(field, stop + 3)):
            last, count, size = _run(data, at, field, self.gather, self._limit)
            if count > 1:
                return PublishRun(topic, data[at:last], count, size), last
        return Publish(topic, data[end:stop], 0, False, False, 0, data[at:stop]), stop

    def other(self, frame: bytes, at: int) -> Publish:
        """Read one whole packet whose first byte is PLAIN or one of OTHERS; its body begins at ``at``."""
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


def _run(data: bytes, at: int, field: bytes, most: int, limit: int) -> tuple[int, int, int]:
    """How far plain PUBLISH with this topic field go on from ``at``: where they end, how many, their payloads' bytes.

    At most ``most`` and RUN_BYTES, none over ``limit`` bytes. Stops before anything else, be it another packet, one
    that has not come whole, or a malformed one: what that is, is found out where single packets are read.
    """
    start, end, least, follows = at, min(len(data), at + RUN_BYTES), len(field), data.startswith
    count = longer = 0
    while count < most and at + 2 < end and data[at] == PLAIN:
        length, body = data[at + 1], at + 2
        if length > 0x7F:
            high, body = data[body], at + 3
            if not 0 < high <= 0x7F:  # longer than two bytes say, or malformed
                break
            length += (high << 7) - 0x80
        stop = body + length
        if length < least or stop > end or stop - at > limit or not follows(field, body):
            break
        longer += body - at - 2
        count += 1
        at = stop
    return at, count, at - start - count * (2 + least) - longer


def taken_apart(run: PublishRun) -> Iterator[Publish]:
    """The run's messages one by one, for who cannot take them together."""
    frames, topic, at = run.frames, run.topic, 0
    size = 2 + len(topic.encode())
    while at < len(frames):
        length, body = remaining_length(frames, at + 1) or (0, 0)  # which cannot be: they are whole
        stop = body + length
        yield Publish(topic, frames[body + size : stop], frame=frames[at:stop])
        at = stop


def _cut_short() -> ProtocolError:
    return ProtocolError("a field runs past the end of the packet")
