"""What of amqtt we use that it does not promise: each name has a test that notices when it changes."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import Broker, BrokerContext
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.session import ApplicationMessage, IncomingApplicationMessage, Session

import mqttseg.broker
from mqttseg.broker.amqtt_backend import _BoundedQueue
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import Connect, Disconnect, Publish, Pubrel
from tests.support.stages import Stage, assert_only

KNOWN = {
    "_broker_instance": "BrokerContext: the broker, which a plugin's context names in no other way",
    "_loop": "Broker: the event loop it will run on, also before it runs",
    "_broadcast_queue": "Broker: messages on their way to receivers, unbounded",
    "_delete_session": "Broker: what ends a clean session",
    "_pubrel_waiters": "BrokerProtocolHandler: incoming QoS 2 messages that wait for PUBREL",
    "_auth_plugins": "PluginManager: plugins that would decide who connects (test_host_internals.py)",
    "_topic_plugins": "PluginManager: plugins that would decide on topics (test_host_internals.py)",
    "_event_plugin_callbacks": "PluginManager: who listens to what (test_host_internals.py)",
}
"""Names with an underscore that mqttseg.broker uses of amqtt."""

CONFIG = {
    "listeners": {"default": {"type": "external"}},
    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
}


class Pipe(ReaderAdapter, WriterAdapter):
    """A connection without a socket."""

    def __init__(self) -> None:
        self.reads: list[int] = []
        self.written = b""
        self._buffer = b""
        self._more = asyncio.Event()
        self._eof = False
        self.closed = asyncio.Event()

    def feed(self, data: bytes) -> None:
        self._buffer += data
        self._more.set()

    def feed_eof(self) -> None:
        self._eof = True
        self._more.set()

    async def read(self, n: int = -1) -> bytes:
        self.reads.append(n)
        while len(self._buffer) < n and not self._eof:
            self._more.clear()
            await self._more.wait()
        data, self._buffer = self._buffer[:n], self._buffer[n:]
        return data

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        pass

    def get_peer_info(self) -> tuple[str, int]:
        return "192.0.2.1", 1

    def get_ssl_info(self) -> None:
        return None

    async def close(self) -> None:
        self.closed.set()


def with_broker(test: Callable[[Broker], Awaitable[None]]) -> None:
    """Run a test inside a started broker."""

    async def run() -> None:
        broker = Broker(CONFIG)
        await broker.start()
        try:
            await asyncio.wait_for(test(broker), 20)
        finally:
            await broker.shutdown()

    asyncio.run(run())


async def until(holds: Callable[[], bool]) -> None:
    """Give amqtt its turns until it is so."""
    while not holds():  # noqa: ASYNC110  # amqtt tells nobody
        await asyncio.sleep(0)


async def connected(broker: Broker, *, clean: bool) -> tuple[Pipe, asyncio.Task[None]]:
    pipe = Pipe()
    task = asyncio.create_task(broker.external_connected(pipe, pipe, "default"))
    pipe.feed(encode(Connect("one", clean_session=clean)))
    await until(lambda: "one" in broker.sessions and broker.sessions["one"][1]._disconnect_waiter is not None)
    assert pipe.written.startswith(b"\x20\x02")
    return pipe, task


def test_every_underscored_name_of_amqtt_that_we_use_is_known() -> None:
    assert set(_foreign_names()) == set(KNOWN)


def test_context_names_the_broker() -> None:
    async def test(broker: Broker) -> None:
        assert BrokerContext(broker)._broker_instance is broker

    with_broker(test)


def test_broker_has_its_loop_before_it_runs() -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        assert Broker(CONFIG, loop=loop)._loop is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_broadcast_queue_holds_what_was_not_sent_yet() -> None:
    async def test(broker: Broker) -> None:
        assert broker._broadcast_queue.qsize() == 0
        await broker.internal_message_broadcast("a", b"")
        assert broker._broadcast_queue.qsize() == 1
        await until(lambda: broker._broadcast_queue.qsize() == 0)

    with_broker(test)


def test_delete_session_forgets_session_and_subscriptions() -> None:
    async def test(broker: Broker) -> None:
        await BrokerContext(broker).add_subscription("one", "a/#", 1)
        assert list(broker.sessions) == ["one"]
        await broker._delete_session("one")
        assert broker.sessions == {}
        assert broker.subscriptions == {}
        await broker._delete_session("one")  # again: not an error

    with_broker(test)


def test_sessions_are_pairs_of_session_and_handler() -> None:
    async def test(broker: Broker) -> None:
        pipe, task = await connected(broker, clean=False)
        session, handler = broker.sessions["one"]
        assert isinstance(session, Session)
        assert isinstance(handler, BrokerProtocolHandler)
        assert (session.remote_address, session.remote_port) == ("192.0.2.1", 1)
        pipe.feed_eof()
        await task

    with_broker(test)


def test_dropped_qos_2_message_is_never_delivered() -> None:
    """What ``drop_unreleased`` does: the message goes from inflight_in, its waiter from _pubrel_waiters."""

    async def test(broker: Broker) -> None:
        pipe, task = await connected(broker, clean=False)
        pipe.feed(encode(Publish("a", b"", qos=2, packet_id=7)))
        session, handler = broker.sessions["one"]
        await until(lambda: 7 in handler._pubrel_waiters)
        assert isinstance(session.inflight_in[7], IncomingApplicationMessage)
        assert session.inflight_in[7].topic == "a"
        session.inflight_in.pop(7)
        handler._pubrel_waiters.pop(7).cancel()
        pipe.feed(encode(Pubrel(7)))
        pipe.feed(encode(Disconnect()))
        pipe.feed_eof()
        await task
        assert session.delivered_message_queue.empty()
        assert b"\x70\x02\x00\x07" not in pipe.written  # no PUBCOMP: the guard answers

    with_broker(test)


def test_packet_begins_with_a_read_of_one_byte() -> None:
    """Where the reader may wait while amqtt is behind: nowhere else is a packet half read."""

    async def test(broker: Broker) -> None:
        pipe, task = await connected(broker, clean=True)
        await until(lambda: pipe.reads[-1] == 1)
        before = len(pipe.reads)
        pipe.feed(encode(Publish("a", bytes(200))))
        await until(lambda: len(pipe.reads) > before + 1 and pipe.reads[-1] == 1)
        assert sum(pipe.reads[before:-1]) == len(encode(Publish("a", bytes(200)))) - 1
        pipe.feed_eof()
        await task

    with_broker(test)


def test_end_is_missed_by_a_handler_that_is_not_up_yet_and_heard_when_told_again() -> None:
    """Why ``hang_up`` exists."""

    async def test(broker: Broker) -> None:
        pipe = Pipe()
        pipe.feed(encode(Connect("one", clean_session=False)) + encode(Disconnect()))
        pipe.feed_eof()
        task = asyncio.create_task(broker.external_connected(pipe, pipe, "default"))
        await until(lambda: "one" in broker.sessions)
        while not task.done():
            await broker.sessions["one"][1].handle_connection_closed()
            await asyncio.sleep(0)
        assert broker.sessions["one"][0].transitions.state == "disconnected"

    with_broker(test)


def test_disconnect_is_allowed_in_every_state_of_a_session() -> None:
    session = Session()
    session.transitions.disconnect()
    session.transitions.disconnect()
    session.transitions.connect()
    session.transitions.disconnect()
    assert session.transitions.state == "disconnected"


def test_queue_of_an_absent_session_can_be_replaced_by_a_bounded_one() -> None:
    async def test(broker: Broker) -> None:
        await BrokerContext(broker).add_subscription("one", "a", 1)
        session = broker.sessions["one"][0]
        session.clean_session = False
        session.retained_messages = _BoundedQueue(2)
        for number in range(5):
            await broker.internal_message_broadcast("a", b"%d" % number)
        await until(lambda: b"4" in [message.data for message in session.retained_messages._queue])
        kept = [session.retained_messages.get_nowait() for _ in range(session.retained_messages.qsize())]
        assert [message.data for message in kept] == [b"3", b"4"]
        assert all(isinstance(message, ApplicationMessage) for message in kept)

    with_broker(test)


def test_retained_message_names_its_publisher() -> None:
    async def test(broker: Broker) -> None:
        session = Session()
        session.client_id = "one/a"
        await broker.retain_message(session, "a", b"x", 1)
        await broker.retain_message(None, "b", b"x", 1)
        origins = {topic: message.source_session for topic, message in broker.retained_messages.items()}
        assert origins["a"].client_id == "one/a"
        assert origins["b"] is None
        await broker.retain_message(session, "a", b"", 0)
        assert list(broker.retained_messages) == ["b"]

    with_broker(test)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path, backend="amqtt") as running:
        yield running


def test_bounded_queue_is_in_place_before_a_message_can_wait_in_it(stage: Stage) -> None:
    stage.leave(stage.listener("cam-1", "cameras/#", qos=1, clean=False), "cam-1")
    session: Any = stage.broker.do(lambda: stage.broker.plugin.backend.session("cam-1"))
    assert isinstance(session.retained_messages, _BoundedQueue)
    assert not session.is_anonymous  # for anonymous sessions amqtt keeps nothing


def test_plugin_is_found_by_its_class_name(stage: Stage) -> None:
    plugin = stage.broker.broker.plugins_manager.get_plugin("SegmentationPlugin")
    assert plugin is stage.broker.plugin
    device = stage.listener("cam-1", "cameras/#")
    stage.join("cam-2").publish("cameras/x", b"good")
    assert_only(device, ("cameras/x", b"good"))


def _foreign_names() -> Iterator[str]:
    """Underscored names that mqttseg.broker asks of anything but ``self`` and ``cls``, or of its own attributes."""
    for path in Path(mqttseg.broker.__path__[0]).glob("*.py"):
        tree = ast.parse(path.read_text())
        own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                of_self = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
                if not of_self and node.attr not in own:
                    yield node.attr
