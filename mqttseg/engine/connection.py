"""One device's connection to its session: packets in.

Owns the server's answers to what a device sends, and the QoS flows towards the server. Refuses to know the way to
other devices: that is the engine's ``distribute``. Past its end a connection does nothing, so that the old one of a
takeover can harm nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mqttseg.engine.events import IncomingRefused
from mqttseg.engine.message import Message
from mqttseg.engine.session import Outbox, Session
from mqttseg.wire.packets import (
    FAILURE,
    Connack,
    Packet,
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

if TYPE_CHECKING:
    from mqttseg.engine.engine import Engine

LIVE_QOS0: Final = 0x30
"""The first byte of a PUBLISH with QoS 0, no DUP and no RETAIN: as every receiver is to get it [MQTT-3.3.1-9]."""


class Connection:
    """What ``Engine.connect`` gives. Everything is called on the engine's own thread."""

    __slots__ = ("_engine", "_held", "_outbox", "_router", "_routes", "live", "session", "welcomed")

    def __init__(self, engine: Engine, session: Session, outbox: Outbox) -> None:
        self.session = session
        self.live = False
        """From CONNACK to the end."""
        self.welcomed: Callable[[], None] | None = None
        """Called once, after CONNACK, when that had to wait for a commit."""
        self._held: list[Packet] | None = []
        self._engine = engine
        self._outbox = outbox
        self._router = engine.router
        self._routes = engine.router.routes

    def welcome(self, session_present: bool) -> None:
        """Say CONNACK, send what the session is owed, and act on what the device did not wait to send."""
        held, self._held = self._held, None
        if held is None:
            return
        self.live = True
        self._outbox.send(Connack(session_present, 0))
        self.session.redeliver()
        for packet in held:
            self.receive(packet)
        if self.welcomed is not None:
            self.welcomed()

    def receive(self, packet: Packet) -> None:
        """Act on a packet of the device."""
        if not self.live:
            # Before CONNACK, which may wait for a commit, packets are kept: a device may send them at once (3.1.4).
            # A host whose devices may send more than that holds them back until ``welcomed``.
            if self._held is not None and len(self._held) < self._engine.settings.incoming:
                self._held.append(packet)
            return
        if type(packet) is Publish:
            if packet.qos:
                self._publish_acknowledged(packet)
            elif packet.retain:
                self._engine.distribute(_message(packet, self.session.key))
            else:
                self._forward(packet, 1)
        elif type(packet) is PublishRun:
            self._forward(packet, packet.count)
        else:
            self._answer(packet)

    def forget(self, packet_id: int) -> None:
        """Drop a QoS 2 message instead of publishing it: PUBREL came, and it may not be published any more.

        PUBCOMP waits as ever: after a restart, the next message of this packet id must not be taken for this one.
        """
        session = self.session
        must_wait = session.incoming.pop(packet_id, None) is not None and session.durable
        if must_wait:
            self._engine.journal.incoming(session, packet_id, None)
        self._acknowledge(Pubcomp(packet_id), must_wait)

    def acknowledge(self, packet: Puback | Pubrec) -> None:
        """Say this of a PUBLISH that was refused before it came here, when all before it is answered [MQTT-4.6.0-2]."""
        self._acknowledge(packet, must_wait=False)

    def resume(self) -> None:
        """The outbox is writable again."""
        if self.live:
            self.session.pump()

    def withdraw(self, topic_filter: str) -> None:
        """End a subscription without the device's asking: at once, and no UNSUBACK."""
        self._engine.withdraw(self.session, topic_filter)

    def end(self, now: float) -> None:
        """The connection is gone; so is its session when it is clean [MQTT-3.1.2-6]."""
        if self.live or self._held is not None:
            self.live = False
            self._held = self.welcomed = None
            self._engine.leave(self.session, now)

    def _forward(self, packet: Publish | PublishRun, count: int) -> None:
        """QoS 0, the hot path: the very packet to every receiver, nothing built per receiver."""
        if type(packet) is Publish and (packet.frame is None or packet.frame[0] != LIVE_QOS0):
            packet = _message(packet, self.session.key).publish(0)
        route = self._routes.get(packet.topic) or self._router.route(packet.topic)
        counters = self._engine.counters
        counters.received += count
        counters.sent += count * len(route.receivers)
        for session in route.receivers:
            outbox = session.outbox
            if outbox.writable:
                outbox.send(packet)
            else:
                session.lose(count)

    def _publish_acknowledged(self, packet: Publish) -> None:
        if self._engine.journal.blocked:
            # No acknowledgement: the device still owns it and will send it again
            return
        if packet.qos == 1:
            must_wait = self._engine.distribute(_message(packet, self.session.key))
            self._acknowledge(Puback(packet.packet_id), must_wait)
        else:
            self._take_in(packet)

    def _take_in(self, packet: Publish) -> None:
        """QoS 2: keep it until PUBREL; one that is known already is not taken twice [MQTT-4.3.3-2]."""
        session, packet_id = self.session, packet.packet_id
        if packet_id not in session.incoming:
            if len(session.incoming) >= self._engine.settings.incoming:
                self._engine.tell(IncomingRefused(session.key, packet.topic))
                return
            message = session.incoming[packet_id] = _message(packet, session.key)
            if session.durable:
                self._engine.journal.incoming(session, packet_id, message)
        self._acknowledge(Pubrec(packet_id), session.durable)

    def _released(self, packet_id: int) -> None:
        """PUBREL: now it is on its way; PUBCOMP also for what is not known, for it was finished before."""
        session = self.session
        message = session.incoming.pop(packet_id, None)
        must_wait = False
        if message is not None:
            must_wait = self._engine.distribute(message)
            if session.durable:
                # Or a restart would take the next message of this packet id for the old one
                self._engine.journal.incoming(session, packet_id, None)
                must_wait = True
        self._acknowledge(Pubcomp(packet_id), must_wait)

    def _answer(self, packet: Packet) -> None:
        match packet:
            case Puback():
                self._engine.counters.acknowledged += 1
                self.session.puback(packet.packet_id)
            case Pubrec():
                self.session.pubrec(packet.packet_id)
            case Pubrel():
                self._released(packet.packet_id)
            case Pubcomp():
                self._engine.counters.acknowledged += 1
                self.session.pubcomp(packet.packet_id)
            case Subscribe():
                self._subscribe(packet)
            case Unsubscribe():
                self._unsubscribe(packet)
            case _:
                """CONNECT, PINGREQ and DISCONNECT are answered in front of the engine."""

    def _acknowledge(self, packet: Packet, must_wait: bool) -> None:
        """Answer when it is safe, and never before an earlier answer [MQTT-4.6.0-2][MQTT-4.6.0-3]."""
        journal, session = self._engine.journal, self.session
        if must_wait or session.said_in >= journal.safe:
            session.said_in = journal.number
            journal.after(self._send, packet)
        else:
            self._outbox.send(packet)

    def _send(self, packet: Packet) -> None:
        if self.live:
            self._outbox.send(packet)

    def _subscribe(self, packet: Subscribe) -> None:
        """A stored session's subscriptions begin with their SUBACK, when they are safe."""
        session, engine = self.session, self._engine
        codes = tuple(qos if engine.accepts(topic_filter) else FAILURE for topic_filter, qos in packet.requests)
        granted = [request for request, code in zip(packet.requests, codes, strict=True) if code != FAILURE]
        if session.durable:
            session.beginning.update(granted)
            for topic_filter, qos in granted:
                engine.journal.subscription(session, topic_filter, qos)
            engine.journal.after(self._begin, (Suback(packet.packet_id, codes), granted))
        else:
            self._begin((Suback(packet.packet_id, codes), granted))

    def _begin(self, begun: tuple[Suback, list[tuple[str, int]]]) -> None:
        """Subscribe, then SUBACK, then the retained messages [MQTT-3.8.4-1][MQTT-3.8.4-4]."""
        if not self._engine.holds(self.session):
            # Discarded before the commit: what it is owed from now on would stay on the disk with nobody to settle it
            return
        suback, granted = begun
        for topic_filter, _ in granted:
            self.session.beginning.pop(topic_filter, None)
        self._engine.subscribe(self.session, *granted)
        self._send(suback)
        self._engine.deliver_retained(self.session, granted)

    def _unsubscribe(self, packet: Unsubscribe) -> None:
        session, journal = self.session, self._engine.journal
        if session.durable:
            for topic_filter in packet.filters:
                journal.subscription(session, topic_filter, None)
            journal.after(self._cease, packet)
        else:
            self._cease(packet)

    def _cease(self, packet: Unsubscribe) -> None:
        """UNSUBACK even when nothing matched [MQTT-3.10.4-5]; what is in flight is still finished [MQTT-3.10.4-3]."""
        if not self._engine.holds(self.session):
            return
        self._engine.router.unsubscribe(self.session, *packet.filters)
        self._send(Unsuback(packet.packet_id))


def _message(packet: Publish, origin: str) -> Message:
    return Message(packet.topic, packet.payload, packet.qos, packet.retain, origin)
