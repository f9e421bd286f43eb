"""The engine: all sessions of one broker.

Owns which sessions exist, what a connect does to them, and the way of a message to all it is owed to. Starts from what
the store holds. Refuses to know how a session delivers, and when a batch is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from mqttseg.engine.connection import Connection
from mqttseg.engine.events import (
    EngineEvent,
    Listener,
    Losses,
    RetainedRefused,
    SessionEnded,
    SessionExpired,
    SessionStarted,
    SessionTakenOver,
)
from mqttseg.engine.journal import Journal
from mqttseg.engine.message import Message
from mqttseg.engine.replay import Replayer
from mqttseg.engine.retained import Retained
from mqttseg.engine.router import Router
from mqttseg.engine.session import Outbox, Session
from mqttseg.engine.settings import Durability, EngineSettings
from mqttseg.engine.store import Store


@dataclass(slots=True)
class Counters:
    """Since the start: PUBLISH packets received and handed to receivers, and deliveries that devices finished."""

    received: int = 0
    sent: int = 0
    acknowledged: int = 0
    assured_received: list[int] = field(default_factory=lambda: [0, 0, 0])
    assured_sent: list[int] = field(default_factory=lambda: [0, 0, 0])
    """Of ``received`` and ``sent``, those at QoS 1 and 2, each at its own place: what is left is QoS 0, whose way is
    the one on which a count would cost something."""

    def received_by_qos(self) -> dict[int, int]:
        """``received``, by the QoS that they were published at."""
        return _by_qos(self.received, self.assured_received)

    def sent_by_qos(self) -> dict[int, int]:
        """``sent``, by the QoS of the delivery."""
        return _by_qos(self.sent, self.assured_sent)


def _by_qos(total: int, assured: list[int]) -> dict[int, int]:
    return {0: total - assured[1] - assured[2], 1: assured[1], 2: assured[2]}


def _all(_key: str, _topic: str) -> bool:
    return True


class Engine:
    """MQTT 3.1.1's server side for judged packets. Not for use by several threads.

    With a store, ``journal`` needs a ``committer``; ``now`` is Unix time in seconds, for it is compared after a
    restart. Raises OperatorError when the store cannot be read.
    """

    def __init__(self, settings: EngineSettings, store: Store | None, events: Listener) -> None:
        self.settings = settings
        self.counters = Counters()
        self.losses = Losses(events)
        self.router = Router(settings.routes)
        durability = settings.durability if store is not None else Durability.OFF
        self.journal = Journal(
            active=durability is not Durability.OFF,
            waits=durability is Durability.COMMIT,
            bound=settings.unacknowledged,
            listener=events,
        )
        self.admits: Callable[[str, str], bool] = _all
        """Whether a session (by key) may be owed messages on a topic: asked before one is stored for it."""
        self._events = events
        self._retained = Retained(settings)
        self.replayer = Replayer(self._retained)
        self._sessions: dict[str, Session] = {}
        self._connections: dict[str, Connection] = {}
        if store is not None and self.journal.active:
            self._restore(store)

    @property
    def retained(self) -> Mapping[str, Message]:
        """Topic -> retained message."""
        return MappingProxyType(self._retained.messages)

    def retained_by(self, owner: str) -> int:
        """How many retained messages are from sessions whose key is ``owner`` or begins with ``owner/``."""
        return self._retained.held_by(owner)

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Key -> session, present or absent."""
        return MappingProxyType(self._sessions)

    @property
    def subscriptions(self) -> Mapping[str, Mapping[str, int]]:
        """Filter -> {session key: granted QoS}, as it is now. Costs a walk of all sessions."""
        found: dict[str, dict[str, int]] = {}
        for session in self._sessions.values():
            for topic_filter, qos in session.filters.items():
                found.setdefault(topic_filter, {})[session.key] = qos
        return found

    def connect(self, key: str, *, clean: bool, outbox: Outbox, now: float) -> Connection:
        """Answer an accepted CONNECT: CONNACK, then what the session is owed (3.1.4, 3.2.2.2)."""
        self._take_over(key, now)
        session = self._sessions.get(key)
        discards_stored = False
        if session is not None and clean:
            discards_stored = session.durable
            self._remove(session)
            session = None
        present = session is not None
        if session is None:
            session = self._create(key, clean)
        connection = self._connections[key] = Connection(self, session, outbox)
        session.attach(outbox)
        if session.durable:
            self.journal.save_session(session)
        self._events(SessionStarted(key, clean, present))
        if discards_stored:
            # Not before it is gone from the disk too, or a restart would bring it back [MQTT-3.1.2-6]
            self.journal.after(connection.welcome, False)
        else:
            connection.welcome(present)
        return connection

    def connection(self, key: str) -> Connection | None:
        """The live connection of this key: known before ``connect`` sends anything, for outboxes that answer in it."""
        return self._connections.get(key)

    def publish(
        self, topic: str, payload: bytes, qos: int = 0, retain: bool = False, origin: str | None = None
    ) -> None:
        """Publish for the server, or for a device that is gone (its will). The topic is legal and judged."""
        self.distribute(Message(topic, payload, qos, retain, origin))

    def retain(self, message: Message) -> None:
        """Keep a message for later subscribers, or clear it; those who are subscribed already hear nothing."""
        self._retain(message)

    def provide(self, key: str, now: float) -> Session:
        """The session of this key; when there is none, a new one that waits for its device from now on."""
        session = self._sessions.get(key)
        if session is None:
            session = self._create(key, clean=False)
            session.left_at = now
            if session.durable:
                self.journal.save_session(session)
            self._events(SessionStarted(key, clean=False, present=False))
        return session

    def enroll(self, session: Session, topic_filter: str, qos: int) -> bool:
        """Begin a subscription without the device's asking, at once. False when the filter is out of bounds, or the
        session is over."""
        if not self.holds(session) or not self.accepts(topic_filter):
            return False
        if session.durable:
            self.journal.subscription(session, topic_filter, qos)
        self.subscribe(session, (topic_filter, qos))
        return True

    def withdraw(self, session: Session, topic_filter: str) -> None:
        """End a subscription without the device's asking: at once, and also when it is only about to begin."""
        self.router.unsubscribe(session, topic_filter)
        if session.durable:
            self.journal.subscription(session, topic_filter, None)
            self.journal.after(partial(self.router.unsubscribe, session), topic_filter)

    def discard(self, key: str, now: float) -> bool:
        """Remove a session and all it is owed, as for a device that is no more. False when there is none."""
        self._take_over(key, now)
        session = self._sessions.get(key)
        if session is not None:
            self._remove(session)
        return session is not None

    def clear_retained(self, topic: str) -> bool:
        """Remove a retained message without telling subscribers. False when there is none."""
        known = topic in self._retained.messages
        if known:
            self._retain(Message(topic, b"", 0, True, None))
        return known

    def tick(self, now: float) -> None:
        """Call about once a second: expiry, sums of losses, and a commit of what nobody waits for."""
        self.losses.tick()
        expiry = self.settings.session_expiry
        for session in list(self._sessions.values()) if expiry is not None else ():
            if not session.connected and session.left_at is None:
                session.left_at = now
            if expiry is not None and session.left_at is not None and now - session.left_at >= expiry:
                self._events(SessionExpired(session.key, session.owed))
                self._remove(session)
        self.journal.nudge()

    # What follows is for the engine's own parts.

    def tell(self, event: EngineEvent) -> None:
        """Tell the host."""
        self._events(event)

    def distribute(self, message: Message) -> bool:
        """Deliver to all subscribers, each at the lower of both QoS; True when it must be safe to be acknowledged."""
        must_wait = self._retain(message) if message.retain else False
        counters = self.counters
        counters.received += 1
        if message.qos:
            counters.assured_received[message.qos] += 1
        for session, granted in self.router.route(message.topic).grants:
            qos = min(granted, message.qos)
            counters.sent += 1
            if qos:
                counters.assured_sent[qos] += 1
                if session.durable and not self.admits(session.key, message.topic):
                    continue  # what it will never see must not push out what it will
                session.owe(message, qos)
                must_wait = must_wait or session.durable
            else:
                session.offer(message.publish(0))
        return must_wait

    def holds(self, session: Session) -> bool:
        """Whether this very session exists, and not only one of its key."""
        return self._sessions.get(session.key) is session

    def accepts(self, topic_filter: str) -> bool:
        """Whether the filter is within bounds."""
        return topic_filter.count("/") < self.settings.levels

    def subscribe(self, session: Session, *requests: tuple[str, int]) -> None:
        """Begin subscriptions, filter and QoS, unless their session ended meanwhile."""
        if self.holds(session):
            self.router.subscribe(session, *requests)

    def deliver_retained(self, session: Session, requests: Iterable[tuple[str, int]]) -> None:
        """What new subscriptions, or the same ones again, get at once, with RETAIN [MQTT-3.3.1-6][MQTT-3.3.1-8]."""
        for topic_filter, qos in requests:
            self.replayer.begin(session, topic_filter, qos)
        session.pump()

    def leave(self, session: Session, now: float) -> None:
        """A connection ended."""
        del self._connections[session.key]
        session.detach(now)
        if session.clean:
            self._remove(session)
        elif session.durable:
            self.journal.save_session(session)
        self._events(SessionEnded(session.key, not session.clean))

    def _take_over(self, key: str, now: float) -> None:
        """The old connection, if it has not ended, ends before the new one begins [MQTT-3.1.4-2]."""
        connection = self._connections.get(key)
        if connection is not None:
            self._events(SessionTakenOver(key))
            connection.end(now)

    def _create(self, key: str, clean: bool) -> Session:
        number = self.journal.next_id() if self.journal.active and not clean else 0
        session = self._session(key, clean=clean, number=number)
        self._sessions[key] = session
        return session

    def _session(self, key: str, *, clean: bool, number: int) -> Session:
        return Session(key, self.settings, self.journal, self.losses, self.replayer, clean=clean, number=number)

    def _remove(self, session: Session) -> None:
        del self._sessions[session.key]
        session.clear()
        self.router.unsubscribe(session, *session.filters)
        if session.durable:
            self.journal.drop_session(session)

    def _retain(self, message: Message) -> bool:
        """Replace or clear the topic's retained message [MQTT-3.3.1-5]; True when that must be safe."""
        known = message.topic in self._retained.messages
        if not self._retained.put(message):
            self._events(RetainedRefused(message.topic, message.origin))
        kept = message.topic in self._retained.messages
        if not self.journal.active or not (known or kept) or message.topic.startswith("$"):
            return False  # the server's own figures are out of date after a restart
        self.journal.retain(message.topic, message if kept else None)
        return True

    def _restore(self, store: Store) -> None:
        """Take up where the last run was cut off."""
        stored = store.load()
        self.journal.resume_ids(stored.last_id)
        by_id: dict[int, Session] = {}
        for number, key, left_at in stored.sessions:
            session = self._session(key, clean=False, number=number)
            session.left_at = left_at
            by_id[number] = self._sessions[key] = session
        for number, topic_filter, qos in stored.subscriptions:
            self.router.subscribe(by_id[number], (topic_filter, qos))
        for number, packet_id, message in stored.incoming:
            by_id[number].incoming[packet_id] = message
        for number, delivery in stored.deliveries:
            by_id[number].restore(delivery)
        for message in sorted(stored.retained, key=lambda message: message.topic):  # each is added at the end: quick
            self._retained.put(message)
