"""A message, and one receiver's claim on it.

Owns what is shared between the receivers of a message and what is each receiver's own. Refuses to know sessions
and the order of a flow.
"""

from __future__ import annotations

from mqttseg.wire.encode import publish_frame
from mqttseg.wire.packets import Publish


class Message:
    """An application message: one object for all its receivers.

    ``id`` is 0 until it is stored; ``owed`` counts the stored deliveries that refer to it. ``origin`` is the key of
    the session that published it, None for the server. ``retain`` is the publisher's wish.
    """

    __slots__ = ("_last", "_topic", "id", "origin", "owed", "payload", "qos", "retain", "topic")

    def __init__(self, topic: str, payload: bytes, qos: int, retain: bool, origin: str | None) -> None:
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.origin = origin
        self.id = 0
        self.owed = 0
        self._topic: bytes | None = None
        self._last: Publish | None = None

    @property
    def size(self) -> int:
        """Bytes counted against the bounds."""
        return len(self.topic) + len(self.payload)

    def publish(self, qos: int, retain: bool = False, dup: bool = False, packet_id: int = 0) -> Publish:
        """The packet with its frame. Receivers that get the same bytes in a row get the same object."""
        last = self._last
        if last and last.packet_id == packet_id and last.qos == qos and last.retain == retain and last.dup == dup:
            return last
        if self._topic is None:
            self._topic = self.topic.encode()
        frame = publish_frame(self._topic, self.payload, qos, retain=retain, dup=dup, packet_id=packet_id)
        self._last = Publish(self.topic, self.payload, qos, retain, dup, packet_id, frame, self.origin)
        return self._last


class Delivery:
    """A QoS 1 or 2 message owed to one session.

    ``id`` is 0 unless stored; ids grow in the order of delivery. ``packet_id`` is 0 while it is queued. ``safe`` is
    False while its next packet waits for a commit. ``released`` is 0 until PUBREC came, then grows in that order.
    """

    __slots__ = ("id", "message", "packet_id", "qos", "released", "retain", "safe", "sent")

    def __init__(self, message: Message, qos: int, retain: bool = False) -> None:
        self.message = message
        self.qos = qos
        self.retain = retain
        self.id = 0
        self.packet_id = 0
        self.released = 0
        self.sent = False
        self.safe = True

    def publish(self) -> Publish:
        """The packet to send now; DUP when it was sent before [MQTT-3.3.1-1]."""
        dup, self.sent = self.sent, True
        return self.message.publish(self.qos, self.retain, dup, self.packet_id)
