"""The judge of one admitted connection, both directions, sans-I/O.

Packets go in with ``from_device`` and ``from_backend``; what is allowed comes out at the two ports, and every
denial is reported. Knows which packet is whose business: publishing, subscribing or receiving. Refuses to know bytes,
sockets, clocks and other connections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mqttseg.errors import ProtocolError
from mqttseg.guard.backend import Resumed
from mqttseg.guard.ports import Ports
from mqttseg.guard.publishing import Publishing
from mqttseg.guard.receiving import Receiving
from mqttseg.guard.subscribing import Subscribing
from mqttseg.guard.traffic import JudgedTopics
from mqttseg.observe.flows import Direction
from mqttseg.policy.compiled import Rights
from mqttseg.wire.packets import (
    Connack,
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
)
from mqttseg.wire.publish import taken_apart


class Monitor:
    """Judges one session's packets by its device's rights; rule numbers are those of mqttseg.guard."""

    __slots__ = ("_published", "_received", "ports", "publishing", "receiving", "subscribing")

    def __init__(self, rights: Rights, ports: Ports, *, max_subscriptions: int) -> None:
        self.ports = ports
        self.publishing = Publishing(rights, ports)
        judged = JudgedTopics(rights, Direction.RECEIVE, ports.passed)
        self.subscribing = Subscribing(rights, ports, max_subscriptions=max_subscriptions, changed=judged.forget)
        self.receiving = Receiving(rights, ports, self.subscribing, judged)
        self._published = self.publishing.judged.topics
        self._received = self.receiving.judged.topics

    @property
    def filters(self) -> Mapping[str, int]:
        """What the session is subscribed to, as far as the rights allow, and the QoS asked for."""
        return self.subscribing.filters

    @property
    def segment(self) -> str | None:
        """The segment of the device, by the rights that are in force."""
        placement = self.receiving.judged.rights.placement
        return None if placement is None else placement.segment.name

    def resume(self, resumed: Resumed) -> None:
        """Take over a stored session.

        Call ``withdraw`` when the backend takes packets: what has no right any more is to end there too.
        """
        self.publishing.resume(resumed.unreleased)
        self.subscribing.resume(resumed.filters)

    def withdraw(self) -> None:
        """Have the backend end the subscriptions that were dropped here."""
        self.subscribing.withdraw()

    def change_rights(self, rights: Rights) -> None:
        """The policy changed: from here on the new rights count, also for what is subscribed already (rule 7).

        ``settle`` then does what can wait.
        """
        self.publishing.change_rights(rights)
        self.receiving.change_rights(rights)
        self.subscribing.change_rights(rights)

    def settle(self) -> int:
        """Withdraw what is subscribed and not allowed any more; returns how many filters."""
        return self.subscribing.settle()

    def harvest(self) -> None:
        """Tell what passed since it was last told."""
        self.publishing.judged.harvest()
        self.receiving.judged.harvest()

    def from_device(self, packet: Packet) -> None:
        """Judge a packet that the device sent after CONNECT.

        Raises:
            ProtocolError: the packet may not be sent here.
            Denied: the packet was denied, and the segment says to disconnect for it.
        """
        if type(packet) is Publish:  # first, and without a look-up: this is nearly all of the traffic
            judged = self._published.get(packet.topic)
            if packet.qos or packet.retain or judged is None or not judged.free:
                self.publishing.publish(packet)
            else:
                judged.count += 1
                judged.bytes += len(packet.payload)
                self.ports.to_backend(packet)
            return
        if type(packet) is PublishRun:
            judged = self._published.get(packet.topic)
            if judged is None or not judged.free:
                for message in taken_apart(packet):
                    self.publishing.publish(message)
            else:
                judged.count += packet.count
                judged.bytes += packet.size
                self.ports.to_backend(packet)
            return
        handler = _FROM_DEVICE.get(type(packet))
        if handler is None:
            raise ProtocolError(f"unexpected {type(packet).__name__.upper()}")  # a second CONNECT [MQTT-3.1.0-2]
        handler(self, packet)

    def from_backend(self, packet: Packet) -> None:
        """Judge a packet that the backend sends to the device (rule 6).

        Raises:
            ProtocolError: the backend sent what no server may send.
        """
        if type(packet) is Publish:
            judged = self._received.get(packet.topic)
            if packet.retain or judged is None or not judged.free:
                self.receiving.deliver(packet)
            else:
                judged.count += 1
                judged.bytes += len(packet.payload)
                self.ports.to_device(packet)
            return
        if type(packet) is PublishRun:
            judged = self._received.get(packet.topic)
            if judged is None or not judged.free:
                for message in taken_apart(packet):
                    self.receiving.deliver(message)
            else:
                judged.count += packet.count
                judged.bytes += packet.size
                self.ports.to_device(packet)
            return
        handler = _FROM_BACKEND.get(type(packet))
        if handler is None:
            raise ProtocolError(f"{type(packet).__name__.upper()} from the backend")
        handler(self, packet)


_Handler = Callable[[Monitor, Any], None]


def _to_device(monitor: Monitor, packet: Packet) -> None:
    monitor.ports.to_device(packet)


def _to_backend(monitor: Monitor, packet: Packet) -> None:
    monitor.ports.to_backend(packet)


_FROM_DEVICE: Mapping[type, _Handler] = {
    Pubrel: lambda monitor, packet: monitor.publishing.release(packet),
    Subscribe: lambda monitor, packet: monitor.subscribing.subscribe(packet),
    Unsubscribe: lambda monitor, packet: monitor.subscribing.unsubscribe(packet),
    Puback: _to_backend,
    Pubrec: _to_backend,
    Pubcomp: _to_backend,
    Pingreq: lambda monitor, _: monitor.ports.to_device(Pingresp()),  # [MQTT-3.12.4-1]; the backend need not know
}

_FROM_BACKEND: Mapping[type, _Handler] = {
    Connack: _to_device,
    Suback: lambda monitor, packet: monitor.subscribing.suback(packet),
    Unsuback: lambda monitor, packet: monitor.subscribing.unsuback(packet),
    Puback: _to_device,
    Pubrec: _to_device,
    Pubrel: lambda monitor, packet: monitor.receiving.release(packet),
    Pubcomp: _to_device,
}
