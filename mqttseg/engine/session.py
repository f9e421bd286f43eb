"""A session: what one device subscribed to and is owed, present or absent.

Owns the way of a message from the router to the device: queue, window, packet ids, retransmission. Order is one line:
``queue`` (no packet id yet), then ``unsent`` (packet id, waiting for a commit or for room in the buffer), then sent.
Refuses to know who publishes and what the device may see.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from mqttseg.engine.events import Cause, Losses
from mqttseg.engine.inflight import InFlight
from mqttseg.engine.journal import Journal
from mqttseg.engine.message import Delivery, Message
from mqttseg.engine.queue import DeliveryQueue
from mqttseg.engine.replay import Replay, Replayer
from mqttseg.engine.settings import EngineSettings
from mqttseg.wire.packets import Packet, Publish, Pubrel


class Outbox(Protocol):
    """The way to one device. ``send`` may call back into the connection before it returns.

    A ``Publish`` carries its ``frame``. While ``writable`` is False, QoS 0 is dropped and counted and QoS 1 and 2 wait
    for ``Connection.resume``.
    """

    writable: bool

    def send(self, packet: Packet) -> None:
        """Hand over one packet to the device."""


class _Absent:
    """The outbox of a session without a connection."""

    writable = False

    def send(self, packet: Packet) -> None:
        """Nobody is there."""


ABSENT: Final[Outbox] = _Absent()


class Session:
    """State that may outlive a connection. Read-only outside the engine.

    ``id`` is its number in the store, 0 when it is not stored. ``left_at`` is when its connection ended, None while
    it is connected.
    """

    __slots__ = (
        "_journal",
        "_losses",
        "_pumping",
        "_replayer",
        "_unsent",
        "beginning",
        "clean",
        "durable",
        "filters",
        "id",
        "in_flight",
        "incoming",
        "key",
        "left_at",
        "outbox",
        "queue",
        "replays",
        "said_in",
    )

    def __init__(
        self,
        key: str,
        settings: EngineSettings,
        journal: Journal,
        losses: Losses,
        replayer: Replayer,
        *,
        clean: bool,
        number: int = 0,
    ) -> None:
        self.key = key
        self.clean = clean
        self.id = number
        self.durable = number > 0
        self.filters: dict[str, int] = {}
        self.beginning: dict[str, int] = {}
        """Filters whose subscription waits for a commit, though the connection that asked for it may be gone."""
        self.queue = DeliveryQueue(settings)
        self.in_flight = InFlight(settings.in_flight)
        self.incoming: dict[int, Message] = {}
        """QoS 2 messages of the device, by packet id, until PUBREL (4.3.3, method A)."""
        self.replays: dict[str, Replay] = {}
        """New subscriptions, by filter, that have not got all their retained messages; the oldest first."""
        self.outbox = ABSENT
        self.left_at: float | None = None
        self.said_in = 0
        """The journal's batch that the device's last acknowledgement waits for; later ones queue up behind it."""
        self._journal = journal
        self._losses = losses
        self._replayer = replayer
        self._unsent: deque[Delivery] = deque()
        self._pumping = False

    @property
    def connected(self) -> bool:
        """Whether a device is there."""
        return self.outbox is not ABSENT

    @property
    def owed(self) -> int:
        """How many QoS 1 and 2 messages the device has not finished."""
        return len(self.queue) + len(self.in_flight)

    @property
    def takes(self) -> bool:
        """Whether one more message would be sent at once, and not be queued or dropped."""
        return self.outbox.writable and not self.queue.items and self.in_flight.room

    def restore(self, delivery: Delivery) -> None:
        """Take up a delivery of an earlier run; call in the order of ids."""
        if delivery.packet_id:
            self.in_flight.restore(delivery)
        else:
            self.queue.restore(delivery)

    def attach(self, outbox: Outbox) -> None:
        """A device is there."""
        self.outbox = outbox
        self.left_at = None

    def redeliver(self) -> None:
        """After CONNACK: send again what is not finished, with its packet id and in its order [MQTT-4.4.0-1]."""
        for packet_id, delivery in list(self.in_flight.released.items()):
            if delivery.safe:
                self.outbox.send(Pubrel(packet_id))
        self._unsent.extend(self.in_flight.published.values())
        self.pump()

    def detach(self, now: float) -> None:
        """The device is gone."""
        self.outbox = ABSENT
        self.left_at = now
        self._unsent.clear()

    def owe(self, message: Message, qos: int, retain: bool = False) -> None:
        """Deliver at QoS 1 or 2, now or when there is room."""
        delivery = Delivery(message, qos, retain)
        if self.durable:
            self._journal.owe(self, delivery)
        if self.takes:
            self._launch(delivery)
            return
        for dropped in self.queue.put(delivery):
            self._losses.add(self.key, Cause.QUEUE_FULL)
            self._settle(dropped)

    def offer(self, packet: Publish) -> None:
        """Deliver at QoS 0: now or never."""
        if self.outbox.writable:
            self.outbox.send(packet)
        else:
            self.lose()

    def replay(self, message: Message, qos: int) -> None:
        """Deliver a retained message to a new subscription, with RETAIN [MQTT-3.3.1-8]. Only while it ``takes``."""
        qos = min(qos, message.qos)
        if qos:
            self.owe(message, qos, retain=True)
        else:
            self.outbox.send(message.publish(0, retain=True))

    def lose(self, count: int = 1) -> None:
        """QoS 0 messages found no room: a loss, unless nobody is there."""
        if self.outbox is not ABSENT:
            self._losses.add(self.key, Cause.SLOW_READER, count)

    def puback(self, packet_id: int) -> None:
        """The device has it [MQTT-4.3.2-1]."""
        delivery = self.in_flight.acknowledge(packet_id)
        if delivery is not None:
            self._settle(delivery)
            self.pump()

    def pubrec(self, packet_id: int) -> None:
        """The device has it and waits for PUBREL, which is said when that is safe [MQTT-4.3.3-1].

        A PUBREC for what is not known is answered too: the device can finish the flow by nothing else.
        """
        delivery = self.in_flight.release(packet_id)
        if delivery is None:
            known = self.in_flight.released.get(packet_id)
            if known is None or known.safe:
                self.outbox.send(Pubrel(packet_id))
            return
        delivery.released = self._journal.next_id()
        if self.durable:
            delivery.safe = False
            self._journal.update(self, delivery)
            self._journal.after(self._say_pubrel, delivery)
        else:
            self.outbox.send(Pubrel(packet_id))

    def pubcomp(self, packet_id: int) -> None:
        """The flow is finished."""
        delivery = self.in_flight.complete(packet_id)
        if delivery is not None:
            self._settle(delivery)
            self.pump()

    def pump(self) -> None:
        """Send what may be sent: first what has a packet id, then the queue while the window has room, then replays."""
        if self._pumping:
            return
        self._pumping = True
        try:
            self._flush()
            while self.queue.items and self.outbox.writable and self.in_flight.room:
                self._launch(self.queue.take())
            if self.replays:
                self._replayer.draw(self)
        finally:
            self._pumping = False

    def clear(self) -> None:
        """The session is over: nothing is owed."""
        for delivery in (*self.in_flight.published.values(), *self.in_flight.released.values(), *self.queue.items):
            self._settle(delivery)
        self.in_flight.published.clear()
        self.in_flight.released.clear()
        self.queue.items.clear()
        self.replays.clear()
        self.incoming.clear()
        self._unsent.clear()

    def _launch(self, delivery: Delivery) -> None:
        """Give it a packet id and send it. At QoS 2 the packet id is stored first, or a restart would send it twice."""
        self.in_flight.open(delivery)
        if self.durable:
            self._journal.update(self, delivery)
            if delivery.qos == 2 and self._journal.waits:
                delivery.safe = False
                self._unsent.append(delivery)
                self._journal.after(self._make_safe, delivery)
                return
        if self._unsent:
            self._unsent.append(delivery)
        else:
            self.outbox.send(delivery.publish())

    def _flush(self) -> None:
        unsent = self._unsent
        while unsent and unsent[0].safe and self.outbox.writable:
            delivery = unsent.popleft()
            if self.in_flight.holds(delivery):
                self.outbox.send(delivery.publish())

    def _make_safe(self, delivery: Delivery) -> None:
        delivery.safe = True
        self.pump()

    def _say_pubrel(self, delivery: Delivery) -> None:
        delivery.safe = True
        if self.in_flight.released.get(delivery.packet_id) is delivery:
            self.outbox.send(Pubrel(delivery.packet_id))

    def _settle(self, delivery: Delivery) -> None:
        if self.durable:
            self._journal.settle(delivery)
