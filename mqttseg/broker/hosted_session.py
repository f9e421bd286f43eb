"""Sessions of the engine as amqtt's plugins see them: what BrokerContext shows.

Owns the translation, made when someone looks and never kept in step. Refuses to change anything: what a plugin may
change goes through the broker.
"""

from __future__ import annotations

from asyncio import Queue
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from amqtt.broker import RetainedApplicationMessage
from amqtt.session import ApplicationMessage, IncomingApplicationMessage, OutgoingApplicationMessage, Session

from mqttseg.engine.message import Message

if TYPE_CHECKING:
    from mqttseg.engine.engine import Engine
    from mqttseg.engine.session import Session as EngineSession
    from mqttseg.guard.backend import Peer


class HostedSession(Session):
    """One session, as it is now. ``attributes`` is the plugins' own, and lives as long as the session.

    Session.__init__ is not called: it builds a state machine, half a millisecond for each session, and keeps copies of
    what the engine knows. tests/broker/test_host_internals.py sees to it that no attribute of amqtt's is missing.
    """

    will_flag = False  # a will never leaves the guard (rule 3)
    will_message = None
    will_qos = None
    will_retain = None
    will_topic = None
    keep_alive = 0  # the guard's too
    publish_retry_delay = 0
    broker_uri = None
    username = None  # not forwarded (rule 2)
    password = None
    cafile = None
    capath = None
    cadata = None
    parent = 0
    ssl_object = None
    is_anonymous = False
    last_connect_time: int | None = None
    remote_address: str | None = None
    remote_port: int | None = None
    _packet_id = 0

    def __init__(self, session: EngineSession) -> None:
        self.session = session
        self.client_id = session.key
        self.clean_session = session.clean
        self.attributes: dict[str, Any] = {}

    def arrived(self, peer: Peer, at: float) -> None:
        """Its device is there."""
        self.remote_address, self.remote_port = peer.address, peer.port
        self.last_connect_time = int(at)

    @property
    def transitions(self) -> _State:
        """What amqtt's state machine would say."""
        return _State("connected" if self.session.connected else "disconnected")

    @property
    def last_disconnect_time(self) -> int | None:
        """In seconds of Unix time; None while connected."""
        return None if self.session.left_at is None else int(self.session.left_at)

    @property
    def inflight_in(self) -> OrderedDict[int, IncomingApplicationMessage]:
        """QoS 2 messages of the device that it has not released."""
        return OrderedDict(
            (packet_id, IncomingApplicationMessage(packet_id, m.topic, m.qos, m.payload, m.retain))
            for packet_id, m in self.session.incoming.items()
        )

    @property
    def inflight_out(self) -> OrderedDict[int, OutgoingApplicationMessage]:
        """What was sent to the device and is not finished."""
        flows = self.session.in_flight
        return OrderedDict(
            (packet_id, OutgoingApplicationMessage(packet_id, d.message.topic, d.qos, d.message.payload, d.retain))
            for packet_id, d in (*flows.published.items(), *flows.released.items())
        )

    @property
    def retained_messages(self) -> Queue[ApplicationMessage]:
        """What waits for the device: amqtt calls it retained."""
        return _queue(
            ApplicationMessage(None, d.message.topic, d.qos, d.message.payload, d.retain)
            for d in self.session.queue.items
        )

    @property
    def delivered_message_queue(self) -> Queue[ApplicationMessage]:
        """Empty: the engine takes a message when it comes."""
        return _queue(())

    @property
    def inflight_in_count(self) -> int:
        """How many ``inflight_in`` has."""
        return len(self.session.incoming)

    @property
    def inflight_out_count(self) -> int:
        """How many ``inflight_out`` has."""
        return len(self.session.in_flight)

    @property
    def retained_messages_count(self) -> int:
        """How many ``retained_messages`` has."""
        return len(self.session.queue)


class _State:
    """The part of ``transitions.Machine`` that can be asked."""

    def __init__(self, state: str) -> None:
        self.state = state

    def is_connected(self) -> bool:
        return self.state == "connected"

    def is_disconnected(self) -> bool:
        return self.state == "disconnected"

    def is_new(self) -> bool:
        return False


class HostedSessions(Mapping[str, tuple[HostedSession, None]]):
    """amqtt's table of sessions: key -> (session, no handler)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, HostedSession] = {}

    def __getitem__(self, key: str) -> tuple[HostedSession, None]:
        return self.of(self._engine.sessions[key]), None

    def __iter__(self) -> Iterator[str]:
        return iter(self._engine.sessions)

    def __len__(self) -> int:
        return len(self._engine.sessions)

    def of(self, session: EngineSession) -> HostedSession:
        """The one object for this session; the same key after a clean start is another session."""
        known = self._known.get(session.key)
        if known is None or known.session is not session:
            known = self._known[session.key] = HostedSession(session)
        return known

    def forget(self, key: str) -> None:
        """The session is gone."""
        self._known.pop(key, None)

    def subscriptions(self) -> dict[str, list[tuple[HostedSession, int]]]:
        """amqtt's table of subscriptions. Costs a walk of all sessions."""
        return {
            topic_filter: [(self[key][0], qos) for key, qos in grants.items()]
            for topic_filter, grants in self._engine.subscriptions.items()
        }


class HostedRetained(Mapping[str, RetainedApplicationMessage]):
    """amqtt's table of retained messages."""

    def __init__(self, engine: Engine, session_of: Callable[[str], HostedSession | None]) -> None:
        self._retained = engine.retained
        self._session_of = session_of

    def __getitem__(self, topic: str) -> RetainedApplicationMessage:
        return self.as_retained(self._retained[topic])

    def __iter__(self) -> Iterator[str]:
        return iter(self._retained)

    def __len__(self) -> int:
        return len(self._retained)

    def as_retained(self, message: Message) -> RetainedApplicationMessage:
        """One of them. Its source is None also when that session is gone."""
        source = None if message.origin is None else self._session_of(message.origin)
        return RetainedApplicationMessage(source, message.topic, message.payload, message.qos)


def _queue(messages: Iterable[ApplicationMessage]) -> Queue[ApplicationMessage]:
    queue: Queue[ApplicationMessage] = Queue()
    for message in messages:
        queue.put_nowait(message)
    return queue
