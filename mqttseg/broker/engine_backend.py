"""The guard's backend on our own engine: what the guard let through becomes session state and deliveries.

Owns which conversation has which session, and which sessions a device has. On the packets' way there is nothing of
it: once a conversation began, its ``receive`` is the engine connection's own, and the outbox's ``send`` the link's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial

from amqtt.events import BrokerEvents, MQTTEvents
from amqtt.session import Session as AmqttSession

from mqttseg.broker.engine_events import device_of
from mqttseg.broker.hosted_session import HostedRetained, HostedSession, HostedSessions
from mqttseg.broker.plugin_events import PluginEvents, Tap
from mqttseg.engine.connection import Connection
from mqttseg.engine.engine import Engine
from mqttseg.engine.events import EngineEvent, SessionEnded, SessionExpired, SessionStarted
from mqttseg.engine.message import Message
from mqttseg.guard.backend import Link, Peer, Resumed
from mqttseg.observe.figures import BackendFigures
from mqttseg.wire.packets import Connect, Packet, Puback, Pubrec, Will

_WELCOME = "welcome"


class EngineBackend:
    """Sessions and routing by the engine, and what amqtt's plugins are told of it."""

    def __init__(self, engine: Engine, events: PluginEvents) -> None:
        self.engine = engine
        self.events = events
        self.sessions = HostedSessions(engine)
        self.retained = HostedRetained(engine, self.session)
        self._origins = _Origins(engine.retained)
        self._links: dict[str, Link] = {}
        self._keys: dict[str, set[str]] = {}
        for key in engine.sessions:
            self._keys.setdefault(device_of(key), set()).add(key)

    def open(self, connect: Connect, peer: Peer, link: Link) -> EngineConversation:
        """Open a conversation with the engine for a session."""
        self.events.fire_packet(MQTTEvents.PACKET_RECEIVED, connect, None)
        self._links[connect.client_id] = link
        return EngineConversation(self, connect, peer, link)

    def admits(self, session: AmqttSession) -> bool:  # noqa: ARG002  # a stock broker asks with it
        """No session of amqtt's own: here, only the guard opens sessions."""
        return False

    def judged_by(self, admits: Callable[[str, str], bool]) -> None:
        """Ask before a message is stored for a session."""
        self.engine.admits = admits

    def publish(self, will: Will, origin: str) -> None:
        """Publish the will of a session that is gone."""
        self.engine.publish(will.topic, will.payload, will.qos, will.retain, origin)
        if will.retain:
            self.tell_retained(Message(will.topic, will.payload, will.qos, True, origin))

    def retained_origins(self) -> Mapping[str, str | None]:
        """Who published each retained message."""
        return self._origins

    def retained_by(self, device_id: str) -> int:
        """How many messages of the device are retained."""
        return self.engine.retained_by(device_id)

    def subscribed(self, key: str, topic_filter: str, qos: int) -> None:
        """The host subscribed a session: the guard has to know, if its device is there."""
        link = self._links.get(key)
        if link is not None:
            link.subscribed(topic_filter, qos)

    def sessions_of(self, device_id: str) -> Collection[str]:
        """Sessions that the engine keeps for the device."""
        return self._keys.get(device_id, ())

    def note(self, told: EngineEvent) -> None:
        """Keep up with which sessions there are."""
        match told:
            case SessionStarted(key):
                self._keys.setdefault(device_of(key), set()).add(key)
            case SessionEnded(key, kept=False) | SessionExpired(key):
                self._drop(key)

    def _drop(self, key: str) -> None:
        self.sessions.forget(key)
        keys = self._keys.get(device_of(key), set())
        keys.discard(key)
        if not keys:
            self._keys.pop(device_of(key), None)

    def session(self, key: str) -> HostedSession | None:
        """The session as plugins see it."""
        session = self.engine.sessions.get(key)
        return None if session is None else self.sessions.of(session)

    def filters_of(self, key: str) -> dict[str, int]:
        """The filters that the engine holds for a session."""
        session = self.engine.sessions.get(key)
        return {} if session is None else dict(session.filters)

    def closed(self, key: str) -> None:
        """The connection of this session is gone."""
        self._links.pop(key, None)

    def figures(self) -> BackendFigures:
        """What the engine counts."""
        engine, counters = self.engine, self.engine.counters
        return BackendFigures(
            sessions=len(engine.sessions),
            retained=len(engine.retained),
            queued=sum(session.owed for session in engine.sessions.values()),
            dropped=engine.losses.total,
            received=counters.received_by_qos(),
            sent=counters.sent_by_qos(),
        )

    def tell_retained(self, message: Message) -> None:
        """Tell plugins what was retained, or, by an empty payload, cleared."""
        if self.events.hears(BrokerEvents.RETAINED_MESSAGE):
            retained = self.retained.as_retained(message)
            self.events.fire(BrokerEvents.RETAINED_MESSAGE, client_id=None, retained_message=retained)


class EngineConversation:
    """The engine's end of one connection."""

    __slots__ = (
        "_backend",
        "_clean",
        "_connection",
        "_key",
        "_link",
        "_outbox",
        "_peer",
        "acknowledge",
        "forget",
        "receive",
    )

    def __init__(self, backend: EngineBackend, connect: Connect, peer: Peer, link: Link) -> None:
        self._backend = backend
        self._key = connect.client_id
        self._clean = connect.clean_session
        self._peer = peer
        self._link = link
        self._outbox = _Outbox(link.send)
        self._connection: Connection | None = None
        self.receive: Callable[[Packet], None] = self._receive_early
        self.forget: Callable[[int], None] = self._forget_early
        self.acknowledge: Callable[[Puback | Pubrec], None] = self._acknowledge_early

    def resumed(self) -> Resumed:
        """What the engine remembers of the session."""
        session = self._backend.engine.sessions.get(self._key)
        if self._clean or session is None:
            return Resumed()
        unreleased = {packet_id: (m.topic, len(m.payload)) for packet_id, m in session.incoming.items()}
        # What is about to begin can be given up, or withdrawn, like what has begun
        return Resumed({**session.filters, **session.beginning}, unreleased)

    def start(self) -> None:
        """Have the engine answer CONNECT. What it sends meanwhile may have to be answered already."""
        backend, now = self._backend, time.time()
        tap = self._tap() if backend.events.per_packet else None
        connection = backend.engine.connect(self._key, clean=self._clean, outbox=self._outbox, now=now)
        self._connection = connection
        if not connection.live:
            self._link.hold(_WELCOME)  # what the device did not wait to send waits where it is bounded
            connection.welcomed = lambda: self._link.release(_WELCOME)
        self.forget = connection.forget
        self.acknowledge = connection.acknowledge
        if tap is None:
            self.receive = connection.receive
        else:
            self.receive = lambda packet: tap.receive(packet, connection.receive)
        if backend.events.hears(BrokerEvents.CLIENT_CONNECTED) or tap is not None:
            hosted = backend.sessions.of(connection.session)
            hosted.arrived(self._peer, now)
            backend.events.fire(BrokerEvents.CLIENT_CONNECTED, client_id=self._key, client_session=hosted)

    def _tap(self) -> Tap:
        backend, outbox = self._backend, self._outbox
        session = partial(backend.session, self._key)  # refers to nothing that holds the tap
        tap = Tap(backend.events, session, backend.retained, outbox.send)
        outbox.send = tap.send
        return tap

    def _receive_early(self, packet: Packet) -> None:
        """Before ``connect`` returned: an answer to what it sends."""
        connection = self._backend.engine.connection(self._key)
        if connection is not None:
            connection.receive(packet)

    def _forget_early(self, packet_id: int) -> None:
        connection = self._backend.engine.connection(self._key)
        if connection is not None:
            connection.forget(packet_id)

    def _acknowledge_early(self, packet: Puback | Pubrec) -> None:
        connection = self._backend.engine.connection(self._key)
        if connection is not None:
            connection.acknowledge(packet)

    def writable(self, writable: bool) -> None:
        """The device takes more bytes, or not just now."""
        self._outbox.writable = writable
        if writable and self._connection is not None:
            self._connection.resume()

    async def end(self) -> None:
        """Let go of the session; at once."""
        self._backend.closed(self._key)
        connection, self._connection = self._connection, None
        if connection is None:
            return
        hears = self._backend.events.hears(BrokerEvents.CLIENT_DISCONNECTED)
        hosted = self._backend.sessions.of(connection.session) if hears else None
        connection.end(time.time())
        self._backend.events.fire(BrokerEvents.CLIENT_DISCONNECTED, client_id=self._key, client_session=hosted)


class _Outbox:
    """The way to one device."""

    __slots__ = ("send", "writable")

    def __init__(self, send: Callable[[Packet], None]) -> None:
        self.send = send
        self.writable = True


class _Origins(Mapping[str, str | None]):
    """Topic -> key of its publisher, of the messages as they are now."""

    __slots__ = ("_retained",)

    def __init__(self, retained: Mapping[str, Message]) -> None:
        self._retained = retained

    def __getitem__(self, topic: str) -> str | None:
        return self._retained[topic].origin

    def __contains__(self, topic: object) -> bool:
        return topic in self._retained

    def __iter__(self) -> Iterator[str]:
        return iter(self._retained)

    def __len__(self) -> int:
        return len(self._retained)
