"""What was sent to a device at QoS 1 or 2 and is not finished.

Owns packet identifiers towards the device, the window, and the order of retransmission. Refuses to know when to
send: that is the session's.
"""

from __future__ import annotations

from mqttseg.engine.message import Delivery
from mqttseg.errors import ProtocolError

LAST_PACKET_ID = 0xFFFF


class InFlight:
    """Deliveries by packet id, in the order they were sent [MQTT-4.6.0-1]; released ones in the order of their
    PUBREC [MQTT-4.6.0-4]."""

    __slots__ = ("_last", "_window", "published", "released")

    def __init__(self, window: int) -> None:
        self._window = window
        self._last = 0
        self.published: dict[int, Delivery] = {}
        self.released: dict[int, Delivery] = {}

    def __len__(self) -> int:
        return len(self.published) + len(self.released)

    @property
    def room(self) -> bool:
        """Whether one more may be in flight."""
        return len(self.published) + len(self.released) < self._window

    def open(self, delivery: Delivery) -> None:
        """Give it a packet id that is not in use [MQTT-2.3.1-4]."""
        packet_id = self._last
        while True:
            packet_id = packet_id % LAST_PACKET_ID + 1
            if packet_id not in self.published and packet_id not in self.released:
                break
        self._last = delivery.packet_id = packet_id
        self.published[packet_id] = delivery

    def restore(self, delivery: Delivery) -> None:
        """Put back a delivery that has its packet id; call in the order of sending, then of releasing."""
        (self.released if delivery.released else self.published)[delivery.packet_id] = delivery
        self._last = delivery.packet_id

    def acknowledge(self, packet_id: int) -> Delivery | None:
        """PUBACK: the QoS 1 delivery it ends, None when there is no such. ProtocolError: the flow is at QoS 2."""
        delivery = self.published.get(packet_id)
        if packet_id in self.released or (delivery is not None and delivery.qos != 1):
            raise ProtocolError(f"PUBACK for packet id {packet_id}, which is a QoS 2 message (4.3.3)")
        return self.published.pop(packet_id, None)

    def release(self, packet_id: int) -> Delivery | None:
        """PUBREC: the QoS 2 delivery now released, None when there is no such. ProtocolError: it is at QoS 1."""
        delivery = self.published.get(packet_id)
        if delivery is None:
            return None
        if delivery.qos != 2:
            raise ProtocolError(f"PUBREC for packet id {packet_id}, which is a QoS 1 message (4.3.2)")
        self.released[packet_id] = self.published.pop(packet_id)
        return delivery

    def complete(self, packet_id: int) -> Delivery | None:
        """PUBCOMP: the QoS 2 delivery it ends, None when there is no such. ProtocolError: it was not released yet."""
        if packet_id in self.published:
            raise ProtocolError(f"PUBCOMP for packet id {packet_id}, which had no PUBREL (4.3)")
        return self.released.pop(packet_id, None)

    def holds(self, delivery: Delivery) -> bool:
        """Whether this very delivery is still to be published."""
        return self.published.get(delivery.packet_id) is delivery
