"""``mqttseg run``'s broker: an amqtt ``Broker`` whose sessions are served by our engine.

What amqtt's users know stays: configuration, plugin manager, events, ``BrokerContext``. What is replaced is amqtt's
session layer. Names of amqtt's that are not public are overridden here and nowhere else; each says why, and
tests/broker/test_host_internals.py notices when amqtt changes them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import Broker, RetainedApplicationMessage
from amqtt.contexts import BrokerConfig
from amqtt.errors import BrokerError
from amqtt.plugins.manager import PluginManager
from amqtt.session import Session

from mqttseg.broker.engine_backend import EngineBackend
from mqttseg.broker.engine_events import as_event
from mqttseg.broker.hosted_session import HostedSession
from mqttseg.broker.plugin_events import PluginEvents
from mqttseg.broker.stored_engine import StoredEngine
from mqttseg.config import Config
from mqttseg.engine.events import EngineEvent
from mqttseg.engine.message import Message
from mqttseg.engine.statistics import system_topics
from mqttseg.errors import OperatorError
from mqttseg.observe.events import Outlet
from mqttseg.policy.topics import filter_problem, topic_problem
from mqttseg.wire.packets import FAILURE

log = logging.getLogger(__name__)

TICK = 1.0
SYSTEM_TOPICS_EVERY = 10
"""Ticks between two tellings of the broker's figures under $SYS."""

SUBSCRIBERS_QOS = 2
"""amqtt sends a message without QoS at that of each subscription: the lower of it and this."""

_ASKED_BY_NOBODY = "its verdicts are not asked for here, where the policy decides: remove it from the configuration"


class SegmentedBroker(Broker):
    """An amqtt broker to be loaded with the SegmentationPlugin, and with any plugin that listens or publishes.

    Raises:
        PluginInitError: as amqtt's; its cause is the OperatorError when the state cannot be opened.
    """

    def __init__(self, config: BrokerConfig | dict[str, Any] | None = None) -> None:
        self._state: StoredEngine | None = None
        self._hosted: EngineBackend | None = None
        self._events = PluginEvents()
        try:
            super().__init__(config)
        except BaseException:
            self._close_state()
            raise

    def guard_backend(self, config: Config, report: Outlet) -> EngineBackend:
        """What the guard's sessions are served by. The plugin asks, once, when it is loaded.

        Raises:
            OperatorError: the state of the site cannot be opened.
        """
        self._state = StoredEngine.open(
            config, lambda told: self._heard(told, report), self.config.session_expiry_interval
        )
        self._hosted = EngineBackend(self._state.engine, self._events)
        return self._hosted

    def _heard(self, told: EngineEvent, report: Outlet) -> None:
        if self._hosted is not None:
            self._hosted.note(told)
        event = as_event(told)
        if event is not None:
            report(event)

    @property
    def backend(self) -> EngineBackend:
        """The engine at work."""
        if self._hosted is None:
            raise OperatorError(
                "this broker serves nobody without mqttseg.broker.plugin.SegmentationPlugin: "
                "add it to the plugins of the configuration"
            )
        return self._hosted

    async def start(self) -> None:
        """Start as amqtt does: plugins hear of it, and ours opens the guard's listeners."""
        try:
            _refuse_overruled(self.plugins_manager, self.backend)
            self._events.bind(self.plugins_manager)
            await super().start()
        except BaseException:
            self._close_state()
            raise

    async def shutdown(self) -> None:
        """Stop as amqtt does; then what was not committed is, and the state is closed."""
        try:
            await super().shutdown()
        finally:
            self._close_state()

    def abandon(self) -> None:
        """Let go of the state of a broker that is not going to be started."""
        self._close_state()

    def _close_state(self) -> None:
        if self._state is not None:
            self._state.close()

    # What BrokerContext shows

    @property
    def sessions(self) -> Mapping[str, tuple[HostedSession, None]]:
        """Every session, present or absent. amqtt's protocol handlers do not exist here."""
        return {} if self._hosted is None else self._hosted.sessions

    @property
    def subscriptions(self) -> dict[str, list[tuple[HostedSession, int]]]:
        """Filter -> who has it, and the granted QoS."""
        return {} if self._hosted is None else self._hosted.sessions.subscriptions()

    @property
    def retained_messages(self) -> Mapping[str, RetainedApplicationMessage]:
        """Topic -> retained message."""
        return {} if self._hosted is None else self._hosted.retained

    # What BrokerContext does

    async def internal_message_broadcast(self, topic: str, data: bytes, qos: int | None = None) -> None:
        """Publish for the broker itself; who may receive it the guard decides (rule 6)."""
        self.backend.engine.publish(_legal(topic), bytes(data), SUBSCRIBERS_QOS if qos is None else qos)

    async def retain_message(
        self,
        source_session: Session | None,
        topic_name: str | None,
        data: bytes | bytearray | None,
        qos: int | None = None,
    ) -> None:
        """Retain for the broker itself, or by empty data clear; who is subscribed already hears nothing."""
        origin = None if source_session is None else source_session.client_id
        kept = SUBSCRIBERS_QOS if qos is None else qos
        message = Message(_legal(topic_name or ""), bytes(data or b""), kept, True, origin)
        self.backend.engine.retain(message)
        self.backend.tell_retained(message)

    def create_offline_session(self, client_id: str) -> tuple[None, HostedSession]:
        """A session that waits for its device. BrokerContext also notes it in a table that nobody reads here."""
        session = self.backend.engine.provide(client_id, time.time())
        return None, self.backend.sessions.of(session)

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        """Subscribe a session. What its device may not receive the guard withdraws or keeps from it (rules 5 and 6)."""
        topic_filter, qos = subscription
        engine = self.backend.engine
        known = engine.sessions.get(session.client_id or "")
        if known is None or filter_problem(topic_filter) or qos not in {0, 1, 2}:
            return FAILURE
        if not engine.enroll(known, topic_filter, qos):
            return FAILURE
        self.backend.subscribed(known.key, topic_filter, qos)
        return qos

    # Not public

    async def _client_connected(self, listener_name: str, reader: ReaderAdapter, writer: WriterAdapter) -> None:  # noqa: ARG002
        """Where all of amqtt's own ways in meet: none of them leads past the guard."""
        log.warning("a connection on listener %r did not come through the guard: refused", listener_name)
        await writer.close()

    async def _session_monitor(self) -> None:
        """amqtt starts it with the broker and ends it with it: the clock of the engine in place of the expiry of
        sessions that are not here."""
        ticks = 0
        while True:
            await asyncio.sleep(TICK)
            ticks += 1
            try:
                self._tick(ticks)
            except Exception:
                log.exception("the engine's clock failed; it goes on")

    def _tick(self, ticks: int) -> None:
        engine = self.backend.engine
        engine.tick(time.time())
        if ticks % SYSTEM_TOPICS_EVERY == 0 and self.plugins_manager.get_plugin("BrokerSysPlugin") is None:
            for topic, payload in system_topics(engine, ticks * TICK):
                engine.publish(topic, payload, retain=True)


def _legal(topic: str) -> str:
    """A topic that a plugin made up."""
    problem = topic_problem(topic)
    if problem is not None:
        raise BrokerError(f"{topic!r} cannot be published to: {problem}")
    return topic


def _refuse_overruled(manager: PluginManager[Any], backend: EngineBackend) -> None:
    """Fail closed: a plugin that would deny something must not believe that it does.

    Its lists of plugins that decide are amqtt's own, and have no public name.
    """
    for plugin in (*manager._auth_plugins, *manager._topic_plugins):
        if getattr(plugin, "backend", None) is not backend:
            raise OperatorError(f"plugin {type(plugin).__name__}: {_ASKED_BY_NOBODY}")
