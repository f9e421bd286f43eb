"""What our broker overrides or reads of amqtt without a public name is still there, and means what we think."""

from __future__ import annotations

import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

from amqtt.broker import Broker, BrokerContext
from amqtt.contexts import BaseContext, BrokerConfig
from amqtt.events import BrokerEvents, MQTTEvents
from amqtt.plugins.base import BasePlugin
from amqtt.plugins.manager import PluginManager
from amqtt.session import Session

from mqttseg.broker.host import SegmentedBroker
from mqttseg.broker.hosted_session import HostedSession
from mqttseg.broker.plugin_events import PER_PACKET
from mqttseg.engine import Engine, EngineSettings
from tests.support.brokers import RunningBroker
from tests.support.sites import TestSite

OVERRIDDEN = {"_client_connected", "_session_monitor"}
"""Names of amqtt's Broker that are not public and are replaced."""


def test_what_is_overridden_exists_and_takes_the_same() -> None:
    for name, ours in vars(SegmentedBroker).items():
        theirs = getattr(Broker, name, None)
        if not callable(ours) or theirs is None or name in {"__init__", "__doc__"}:
            continue
        assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs), name
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters), name


def test_no_other_private_name_is_overridden() -> None:
    private = {name for name in vars(SegmentedBroker) if name.startswith("_") and not name.startswith("__")}
    assert private & set(dir(Broker)) == OVERRIDDEN


def test_context_reads_what_is_overridden() -> None:
    """BrokerContext has no other way to amqtt's tables than these."""
    for name in ("sessions", "subscriptions", "retained_messages"):
        assert isinstance(getattr(Broker, name), property)
        assert isinstance(vars(SegmentedBroker)[name], property)
    source = inspect.getsource(BrokerContext)
    used = set(re.findall(r"_broker_instance\._\w+", source))
    assert used == {"_broker_instance._sessions"}, "the one private table is only written to, in add_subscription"


def test_all_ways_into_amqtt_meet_where_they_are_closed() -> None:
    for way in (Broker.ws_connected, Broker.stream_connected, Broker.external_connected):
        assert "self._client_connected(" in inspect.getsource(way)


def test_connection_of_amqtts_own_is_closed_unserved(tmp_path: Path) -> None:
    class Writer:
        closed = False

        async def close(self) -> None:
            self.closed = True

    writer: Any = Writer()
    with RunningBroker(TestSite(tmp_path)) as running:
        reader: Any = None
        running.do(lambda: running.broker.external_connected(reader, writer, "default"))
        assert writer.closed
        assert running.do(lambda: dict(running.broker.sessions)) == {}


def test_session_monitor_is_started_and_ended_by_amqtt(tmp_path: Path) -> None:
    with RunningBroker(TestSite(tmp_path)) as running:
        broker: Any = running.broker
        task = broker._session_monitor_task
        assert task.get_coro().__qualname__ == "SegmentedBroker._session_monitor"
        assert not task.done()
    assert task.cancelled()


def test_amqtts_own_tables_stay_empty(tmp_path: Path) -> None:
    with RunningBroker(TestSite(tmp_path)) as running:
        broker: Any = running.broker
        running.do(lambda: broker.retain_message(None, "cameras/x", b"1"))
        assert not broker._sessions
        assert not broker._subscriptions
        assert not broker._retained_messages
        assert broker._broadcast_queue.empty()


def test_hosted_session_has_every_attribute_of_amqtts() -> None:
    engine = Engine(EngineSettings(), None, lambda _: None)
    hosted = HostedSession(engine.provide("cam-1", 0.0))
    missing = {name for name in vars(Session()) if not hasattr(hosted, name)}
    assert missing == set()
    assert {name for name in dir(Session()) if not name.startswith("_") and not hasattr(hosted, name)} == set()


def test_manager_tells_who_listens() -> None:
    async def callbacks() -> dict[str, Any]:
        context = BaseContext()
        context.config = BrokerConfig(plugins={f"{__name__}.PlainPlugin": {}})
        found: dict[str, Any] = PluginManager("mqttseg.test", context)._event_plugin_callbacks
        return found

    heard = asyncio.run(callbacks())
    assert [event for event, listening in heard.items() if listening] == [BrokerEvents.CLIENT_CONNECTED]


class PlainPlugin(BasePlugin[BaseContext]):
    """Listens to one event."""

    async def on_broker_client_connected(self, **_: Any) -> None:
        """Listen."""


def test_every_event_of_amqtts_is_known() -> None:
    """A new one would have to be told by our broker too."""
    told_by_amqtt = {"pre_start", "post_start", "pre_shutdown", "post_shutdown"}
    told_by_us = {"client_connected", "client_disconnected"}
    others = {event for event in BrokerEvents if event.removeprefix("broker_") not in told_by_amqtt | told_by_us}
    assert others | set(MQTTEvents) == PER_PACKET


def test_plugins_that_decide_have_their_lists() -> None:
    source = inspect.getsource(PluginManager)
    assert "self._auth_plugins.append(plugin)" in source
    assert "self._topic_plugins.append(plugin)" in source
