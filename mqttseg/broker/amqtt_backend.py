"""Stock amqtt behind the guard: sessions and routing are its own, reached through its public seam.

Where amqtt has no public name for what must be done, its internals are touched here and nowhere else; each such
place says why, and tests/broker/test_amqtt_internals.py notices when amqtt changes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from amqtt.session import ApplicationMessage, Session

from mqttseg.broker.streams import GuardedReader, JudgedWriter
from mqttseg.guard.backend import Link, Peer, Resumed
from mqttseg.observe.figures import BackendFigures
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import (
    Connect,
    Disconnect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)

if TYPE_CHECKING:
    from amqtt.broker import Broker

log = logging.getLogger(__name__)

BACKLOG = 1000
UNANSWERED = 100
"""Messages, and one device's SUBSCRIBE and UNSUBSCRIBE, that may wait inside amqtt before its readers wait too."""

END_TIMEOUT = 6.0
"""Seconds given to amqtt to let go of a session: it waits five for acknowledgements that no longer come."""

DRAIN_CHECK = 0.002
"""Seconds between looks at whether amqtt has routed what an ending connection sent."""

HANG_UP_AGAIN = 0.05
"""Seconds after which amqtt is told again that a connection is gone."""


class AmqttBackend:
    """The guard's backend on a stock ``amqtt.broker.Broker`` with an external listener."""

    def __init__(self, broker: Broker, listener: str, *, queue: int) -> None:
        self._broker = broker
        self._listener = listener
        self._queue = queue
        self._keys: dict[str, set[str]] = {}
        self._open: dict[str, _AmqttConversation] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, connect: Connect, peer: Peer, link: Link) -> _AmqttConversation:
        """Open a conversation with amqtt for a session."""
        conversation = _AmqttConversation(self, connect, peer, link)
        self._keys.setdefault(peer.device_id, set()).add(connect.client_id)
        self._open[connect.client_id] = conversation
        return conversation

    def admits(self, session: Session) -> bool:
        """Whether this session of amqtt's came through the guard, on the connection that is open now."""
        self._bound_queue(session)  # here, before anything can wait in it: amqtt asks for new and for resumed ones
        conversation = self._open.get(session.client_id or "")
        return conversation is not None and conversation.is_of(session)

    def _bound_queue(self, session: Session) -> None:
        """Bound the queue of what waits for the session while it is away (rule 8): amqtt's own has no end."""
        if not isinstance(session.retained_messages, _BoundedQueue):
            session.retained_messages = _BoundedQueue(self._queue)

    def judged_by(self, admits: Callable[[str, str], bool]) -> None:
        """amqtt queues by filter alone, and has nobody to ask: what may not be seen is left out at delivery."""

    def publish(self, will: Will, origin: str) -> None:
        """Publish the will of a session that is gone."""
        task = asyncio.get_running_loop().create_task(self._publish(will, origin), name=f"will of {origin}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _publish(self, message: Will, origin: str) -> None:
        await self._broker.internal_message_broadcast(message.topic, message.payload)
        if message.retain:
            session = Session()
            session.client_id = origin
            await self._broker.retain_message(session, message.topic, message.payload, message.qos)

    def retained_origins(self) -> Mapping[str, str | None]:
        """Who published each retained message."""
        return _Origins(self._broker)

    def retained_by(self, device_id: str) -> int:
        """How many messages of the device are retained; counted each time, for amqtt tells nobody of a change."""
        origins = self.retained_origins()
        return sum((origins[topic] or "").partition("/")[0] == device_id for topic in list(origins))

    def sessions_of(self, device_id: str) -> Collection[str]:
        """Sessions that amqtt keeps for the device."""
        sessions, known = self._broker.sessions, self._keys.get(device_id, set())
        known -= {key for key in known if key not in sessions and key not in self._open}  # amqtt expires some
        return known

    def figures(self) -> BackendFigures:
        """What amqtt has; it counts no messages, and what it dropped it does not know."""
        sessions = [session for session, _ in self._broker.sessions.values()]
        return BackendFigures(
            sessions=len(sessions),
            retained=len(self._broker.retained_messages),
            queued=sum(session.retained_messages.qsize() for session in sessions),
        )

    def is_behind(self) -> bool:
        """Whether more messages wait inside amqtt than is good. (No public name: its broadcast queue is unbounded.)"""
        return bool(self._broker._broadcast_queue.qsize() > BACKLOG)

    def session(self, key: str) -> Session | None:
        """amqtt's session of this key."""
        return self._broker.sessions.get(key, (None, None))[0]

    def filters_of(self, key: str) -> dict[str, int]:
        """The filters that amqtt holds for a session."""
        return {
            topic_filter: qos
            for topic_filter, subscriptions in self._broker.subscriptions.items()
            for session, qos in subscriptions
            if session.client_id == key
        }

    async def run(self, reader: GuardedReader, writer: JudgedWriter) -> None:
        """Have amqtt serve one connection; returns when it is over."""
        await self._broker.external_connected(reader, writer, self._listener)

    async def hang_up(self, key: str) -> None:
        """Tell amqtt that a connection is gone."""
        handler = self._broker.sessions.get(key, (None, None))[1]
        if handler is not None:
            await handler.handle_connection_closed()

    def drop_unreleased(self, key: str, packet_id: int) -> None:
        """Make amqtt forget an incoming QoS 2 message. (No public name: it would wait for PUBREL for ever.)"""
        session, handler = self._broker.sessions[key]
        session.inflight_in.pop(packet_id, None)
        waiter = handler._pubrel_waiters.pop(packet_id, None)
        if waiter is not None:
            waiter.cancel()

    async def let_go(self, key: str, conversation: _AmqttConversation) -> None:
        """The conversation is over: free its session, and delete it when it was a clean one [MQTT-3.1.2-6]."""
        if self._open.get(key) is conversation:
            del self._open[key]
        session = self.session(key)
        if session is None:
            return
        session.transitions.disconnect()  # when amqtt was cut short it still thinks that it is connected
        if conversation.is_clean:  # no public name: amqtt keeps a clean session and its subscriptions for ever
            await self._broker._delete_session(key)
            self._keys.get(conversation.device_id, set()).discard(key)


class _AmqttConversation:
    """amqtt's end of one connection: it reads a byte stream, so packets become bytes again."""

    def __init__(self, backend: AmqttBackend, connect: Connect, peer: Peer, link: Link) -> None:
        self._backend = backend
        self._connect = connect
        self._peer = peer
        self._link = link
        self._reader = GuardedReader(link, self._is_behind)
        self._unanswered = 0
        self._writer = JudgedWriter(link, peer, self._answered)
        self._task: asyncio.Task[None] | None = None

    @property
    def is_clean(self) -> bool:
        return self._connect.clean_session

    @property
    def device_id(self) -> str:
        return self._peer.device_id

    def is_of(self, session: Session) -> bool:
        return (session.remote_address, session.remote_port) == (self._peer.address, self._peer.port) or (
            self._task is not None and not self._connect.clean_session  # amqtt resumes the old session object
        )

    def _is_behind(self) -> bool:
        session = self._backend.session(self._connect.client_id)
        queued = 0 if session is None else session.delivered_message_queue.qsize()
        return queued > BACKLOG or self._unanswered > UNANSWERED or self._backend.is_behind()

    def _answered(self, packet: Packet) -> None:
        if type(packet) in (Suback, Unsuback):
            self._unanswered -= 1

    def resumed(self) -> Resumed:
        key = self._connect.client_id
        session = self._backend.session(key)
        if self._connect.clean_session or session is None:
            return Resumed()
        unreleased = {packet_id: (m.topic, len(m.data)) for packet_id, m in session.inflight_in.items()}
        return Resumed(self._backend.filters_of(key), unreleased)

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._serve(), name=f"amqtt {self._connect.client_id}")
        # keep-alive is the guard's: amqtt's own timer interrupts a packet half read
        self._reader.feed(encode(replace(self._connect, keep_alive=0)))

    async def _serve(self) -> None:
        try:
            await self._backend.run(self._reader, self._writer)
        except Exception:
            log.exception("amqtt failed on the session of %r; its connection ends", self._connect.client_id)
        finally:
            self._link.close()

    def receive(self, packet: Packet) -> None:
        frame = packet.frame if type(packet) is Publish else None
        if type(packet) in (Subscribe, Unsubscribe):
            self._unanswered += 1
        self._reader.feed(frame or encode(packet))

    def forget(self, packet_id: int) -> None:
        self._backend.drop_unreleased(self._connect.client_id, packet_id)
        self._link.send(Pubcomp(packet_id))

    def acknowledge(self, packet: Puback | Pubrec) -> None:
        """At once: amqtt answers each flow in a task of its own, in no order that could be kept."""
        self._link.send(packet)

    def writable(self, writable: bool) -> None:
        """Not amqtt's concern: it has no notion of it."""

    async def end(self) -> None:
        if self._task is not None:
            await self._drain(self._task)
            self._reader.feed(encode(Disconnect()))
            self._reader.feed_eof()
            await self._wait_for(self._task)
        await self._backend.let_go(self._connect.client_id, self)

    async def _drain(self, task: asyncio.Task[None]) -> None:
        """Wait until amqtt has routed what the device sent: what it has not when the session ends, it drops."""
        for _ in range(round(END_TIMEOUT / DRAIN_CHECK)):
            await asyncio.sleep(DRAIN_CHECK)  # it reads, then puts what it read in its queue in a later turn
            session = self._backend.session(self._connect.client_id)
            waiting = session is not None and not session.delivered_message_queue.empty()
            if task.done() or (self._reader.is_drained and not waiting):
                return

    async def _wait_for(self, task: asyncio.Task[None]) -> None:
        """Wait until amqtt is done; an end that came before it listens for one it would miss, so it is told again."""
        for _ in range(round(END_TIMEOUT / HANG_UP_AGAIN)):
            await asyncio.wait([task], timeout=HANG_UP_AGAIN)
            if task.done():
                return
            if self._reader.is_drained:
                await self._backend.hang_up(self._connect.client_id)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class _BoundedQueue(asyncio.Queue[ApplicationMessage]):
    """Full, it drops the oldest to take the newest, and never makes amqtt wait."""

    async def put(self, item: ApplicationMessage) -> None:
        if self.full():
            self.get_nowait()
        self.put_nowait(item)


class _Origins(Mapping[str, str | None]):
    """amqtt's retained messages as topic and publisher."""

    def __init__(self, broker: Broker) -> None:
        self._retained = broker.retained_messages

    def __getitem__(self, topic: str) -> str | None:
        source = self._retained[topic].source_session
        return None if source is None else source.client_id

    def __iter__(self) -> Iterator[str]:
        return iter(self._retained)

    def __len__(self) -> int:
        return len(self._retained)
