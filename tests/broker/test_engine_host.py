"""Our own broker: what MQTT promises arrives, across restarts too, and amqtt's plugins see the truth."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mqttseg.broker import service
from mqttseg.broker.run import serve
from mqttseg.broker.stored_engine import STATE_FILE
from mqttseg.errors import OperatorError
from mqttseg.observe.events import Kind
from mqttseg.wire.packets import Disconnect, Puback, Pubcomp, Publish, Pubrec, Pubrel, Subscribe, Will
from tests.support import listening_plugin
from tests.support.brokers import PATIENCE, RunningBroker
from tests.support.clients import RawClient
from tests.support.sites import POLICY, TestSite

SYS_POLICY = POLICY.replace(
    'members: ["etl-*"]',
    'members: ["etl-*"]\n    roles: {watcher: {members: ["watch-1"], subscribe: ["$SYS/#"]}}',
)
LOCAL = "listen: ['mqtts://127.0.0.1:0']\n"


@pytest.fixture
def site(tmp_path: Path) -> TestSite:
    return TestSite(tmp_path)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with RunningBroker(TestSite(tmp_path_factory.mktemp("site"))) as running:
        yield running


def join(broker: RunningBroker, device_id: str, **how: Any) -> RawClient:
    client = RawClient(broker.site.tls(device_id), broker.port)
    assert client.connect(device_id, **how).code == 0
    return client


def until(broker: RunningBroker, holds: Callable[[], object]) -> None:
    """Ask the broker's loop until it is so; the test's time-out ends it."""
    while not broker.do(holds):
        pass


def away(broker: RunningBroker, key: str) -> None:
    """Wait until nobody has the session."""
    roster = broker.guard.roster
    until(broker, lambda: roster.holder(key) is None and not roster.is_ending(key))


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_message_arrives_once_at_its_qos(broker: RunningBroker, qos: int) -> None:
    with join(broker, "cam-1") as one, join(broker, "cam-2") as two:
        assert two.subscribe("cameras/#", qos=2) == (2,)
        one.publish("cameras/door", b"open", qos=qos)
        got = two.expect(Publish)
        assert (got.topic, got.payload, got.qos) == ("cameras/door", b"open", qos)
        if qos == 2:
            two.send(Pubrec(got.packet_id))
            assert two.expect(Pubrel).packet_id == got.packet_id
            two.send(Pubcomp(got.packet_id))
        two.ping()
        assert two.messages() == []


def test_packets_sent_with_connect_are_taken_in_order(broker: RunningBroker) -> None:
    """A device need not wait for CONNACK (3.1.4)."""
    from mqttseg.wire.packets import Connect

    with RawClient(broker.site.tls("cam-7"), broker.port) as eager:
        eager.send(Connect("cam-7"), Subscribe(1, (("cameras/7", 1),)), Publish("cameras/7", b"x", qos=1, packet_id=2))
        assert eager.expect(Publish).payload == b"x"


def test_last_will_is_published_when_the_connection_breaks(broker: RunningBroker) -> None:
    with join(broker, "cam-2") as watcher:
        watcher.subscribe("cameras/#", qos=1)
        join(broker, "cam-1", will=Will("cameras/gone", b"bye", qos=1)).close()
        assert watcher.expect(Publish) == Publish("cameras/gone", b"bye", qos=1, packet_id=1)


def test_newcomer_takes_the_session_over_with_what_it_is_owed(broker: RunningBroker) -> None:
    with join(broker, "cam-5", clean=False) as first, join(broker, "cam-2") as other:
        first.subscribe("cameras/5", qos=1)
        other.publish("cameras/5", b"unanswered", qos=1)
        assert first.expect(Publish).payload == b"unanswered"
        with RawClient(broker.site.tls("cam-5"), broker.port) as second:
            assert second.connect("cam-5", clean=False).session_present
            again = second.expect(Publish)
            assert (again.payload, again.dup) == (b"unanswered", True)
            first.expect_end()


class TestRestart:
    def test_session_is_resumed_with_its_subscription_and_what_it_missed(self, site: TestSite) -> None:
        with RunningBroker(site) as broker:
            sleeper = join(broker, "cam-1", clean=False)
            sleeper.subscribe("cameras/#", qos=1)
            sleeper.close()
            away(broker, "cam-1")
            with join(broker, "cam-2") as speaker:
                for number in range(5):
                    speaker.publish("cameras/x", b"%d" % number, qos=1, packet_id=number + 1)
        with RunningBroker(site) as broker, RawClient(site.tls("cam-1"), broker.port) as sleeper:
            assert sleeper.connect("cam-1", clean=False).session_present
            assert [sleeper.expect(Publish).payload for _ in range(5)] == [b"%d" % n for n in range(5)]
            join(broker, "cam-2").publish("cameras/x", b"live", qos=1)
            assert sleeper.expect(Publish).payload == b"live"

    def test_subscription_without_a_right_any_more_is_withdrawn_on_disk_too(self, site: TestSite) -> None:
        with RunningBroker(site) as broker:
            join(broker, "etl-1", clean=False).subscribe("hvac/+/telemetry/#", qos=1)
        site.write_policy(POLICY.split("conduits:")[0])
        with RunningBroker(site) as broker, RawClient(site.tls("etl-1"), broker.port) as client:
            assert client.connect("etl-1", clean=False).session_present
            broker.wait_for(lambda event: event.kind is Kind.WITHDRAW)
            backend = broker.plugin.backend
            until(broker, lambda: not backend.filters_of("etl-1"))
        with sqlite3.connect(site.root / "state" / STATE_FILE) as database:
            assert database.execute("SELECT count(*) FROM subscriptions").fetchone() == (0,)

    def test_retained_message_survives(self, site: TestSite) -> None:
        with RunningBroker(site) as broker, join(broker, "cam-1") as speaker:
            speaker.publish("cameras/state", b"on", qos=1, retain=True)
        with RunningBroker(site) as broker, join(broker, "cam-2") as late:
            late.subscribe("cameras/#")
            assert late.expect(Publish) == Publish("cameras/state", b"on", retain=True)

    def test_retained_message_of_a_publisher_without_the_right_any_more_is_not_delivered(self, site: TestSite) -> None:
        """Its origin is stored with it (rule 7)."""
        with RunningBroker(site) as broker, join(broker, "cam-1") as one, join(broker, "cam-2") as two:
            one.publish("cameras/a", b"of one", qos=1, retain=True)
            two.publish("cameras/b", b"of two", qos=1, retain=True)
        site.write_policy(POLICY.replace('"cam-*"', '"cam-2", "cam-3"'))
        with RunningBroker(site) as broker, join(broker, "cam-3") as late:
            late.subscribe("cameras/#")
            assert late.expect(Publish).payload == b"of two"
            late.ping()
            assert late.messages() == []

    def test_message_at_qos_2_that_was_not_released_is_not_published_twice(self, site: TestSite) -> None:
        with RunningBroker(site) as broker, join(broker, "cam-1", clean=False) as speaker:
            speaker.send(Publish("cameras/x", b"once", qos=2, packet_id=9))
            speaker.expect(Pubrec)
        with RunningBroker(site) as broker, join(broker, "cam-2") as listener:
            listener.subscribe("cameras/#")
            with RawClient(site.tls("cam-1"), broker.port) as speaker:
                assert speaker.connect("cam-1", clean=False).session_present
                speaker.send(Publish("cameras/x", b"once", qos=2, dup=True, packet_id=9))
                speaker.expect(Pubrec)
                speaker.send(Pubrel(9))
                speaker.expect(Pubcomp)
            assert listener.expect(Publish).payload == b"once"
            listener.ping()
            assert listener.messages() == []

    def test_will_does_not_fire_when_the_broker_stops(self, site: TestSite) -> None:
        with RunningBroker(site) as broker:
            join(broker, "cam-1", clean=False).subscribe("cameras/#", qos=1)
            other = join(broker, "cam-2", will=Will("cameras/gone", b"bye", qos=1))
        other.expect_end()
        with RunningBroker(site) as broker, join(broker, "cam-1", clean=False) as listener:
            listener.ping()
            assert listener.messages() == []

    def test_durability_off_keeps_nothing_on_disk(self, tmp_path: Path) -> None:
        site = TestSite(tmp_path, settings=f"{LOCAL}durability: off\n")
        with RunningBroker(site) as broker:
            join(broker, "cam-1", clean=False).subscribe("cameras/#", qos=1)
        assert not (site.root / "state" / STATE_FILE).exists()
        with RunningBroker(site) as broker, RawClient(site.tls("cam-1"), broker.port) as client:
            assert not client.connect("cam-1", clean=False).session_present

    def test_device_at_its_limit_of_sessions_is_still_at_it(self, tmp_path: Path) -> None:
        """Stored sessions count too (rule 8)."""
        site = TestSite(tmp_path, settings=f"{LOCAL}limits: {{connections_per_device: 2}}\n")
        with RunningBroker(site) as broker:
            for key in ("cam-1/a", "cam-1/b"):
                with RawClient(site.tls("cam-1"), broker.port) as client:
                    assert client.connect(key, clean=False).code == 0
        with RunningBroker(site) as broker, RawClient(site.tls("cam-1"), broker.port) as third:
            assert third.connect("cam-1/c").code == 3


class Served:
    """The broker as a program, to be killed."""

    def __init__(self, site: TestSite) -> None:
        command = [sys.executable, "-m", "tests.support.serve", str(site.config)]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> Served:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.startswith("mqttseg ready"):
                self.port = int(line.rpartition(":")[2])
                return self
        raise AssertionError("the broker did not start")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)

    def __exit__(self, *_: object) -> None:
        self.kill()
        assert self._process.stderr is not None
        self._process.stderr.close()


def publish_until_the_end(client: RawClient, acknowledged: set[int], enough: threading.Event) -> None:
    """QoS 1, twenty in flight, until the broker is no more; ``enough`` is set when it is in full swing."""
    try:
        for number in range(1, 60_000):
            client.send(Publish("cameras/x", b"%d" % number, qos=1, packet_id=number))
            if number > 20:
                acknowledged.add(client.expect(Puback).packet_id)
            if len(acknowledged) > 200:
                enough.set()
    except (OSError, AssertionError):
        for packet in client.unread:
            if isinstance(packet, Puback):
                acknowledged.add(packet.packet_id)


def test_kill_in_the_middle_of_publishing_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    site = TestSite(tmp_path, settings=f"{LOCAL}limits: {{queue: 70000}}\n")
    acknowledged: set[int] = set()
    enough = threading.Event()
    with Served(site) as served:
        sleeper = RawClient(site.tls("cam-1"), served.port)
        sleeper.connect("cam-1", clean=False)
        sleeper.subscribe("cameras/#", qos=1)
        sleeper.send(Disconnect())
        sleeper.expect_end()
        speaker = RawClient(site.tls("cam-2"), served.port)
        speaker.connect("cam-2")
        publishing = threading.Thread(target=publish_until_the_end, args=(speaker, acknowledged, enough))
        publishing.start()
        assert enough.wait(PATIENCE)
        served.kill()
        publishing.join(PATIENCE)
    with RunningBroker(site) as broker, RawClient(site.tls("cam-1"), broker.port) as sleeper:
        assert sleeper.connect("cam-1", clean=False).session_present
        got: list[int] = []
        while not acknowledged <= set(got):
            packet = sleeper.expect(Publish)
            sleeper.send(Puback(packet.packet_id))
            got.append(int(packet.payload))
    assert got == sorted(set(got))


class TestState:
    def test_second_broker_on_the_same_state_is_refused(self, site: TestSite) -> None:
        with RunningBroker(site), pytest.raises(OperatorError, match="stop the other broker that uses it"):
            serve(site.config, ready=refuse)

    @pytest.mark.parametrize(
        ("content", "says"),
        [(b"not a database at all" * 100, "restore it from a backup"), (None, "check that the directory")],
    )
    def test_state_that_cannot_be_kept_listens_on_nothing(
        self, site: TestSite, content: bytes | None, says: str
    ) -> None:
        path = site.root / "state" / STATE_FILE
        path.parent.mkdir(exist_ok=True)
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)
        with pytest.raises(OperatorError, match=says) as raised:
            serve(site.config, ready=refuse)
        assert str(path) in str(raised.value)

    def test_state_is_let_go_of_when_a_plugin_cannot_be_loaded(self, site: TestSite) -> None:
        with pytest.raises(Exception, match="no_such_plugin"), RunningBroker(site, plugins={"no_such_plugin.X": {}}):
            pass
        with RunningBroker(site):
            pass

    def test_state_is_its_owners_alone(self, broker: RunningBroker) -> None:
        state = broker.site.root / "state"
        assert (state / STATE_FILE).stat().st_mode & 0o077 == 0
        assert state.stat().st_mode & 0o077 == 0

    def test_messages_lost_to_a_full_queue_are_told(self, tmp_path: Path) -> None:
        site = TestSite(tmp_path, settings=f"{LOCAL}limits: {{queue: 3}}\n")
        with RunningBroker(site) as broker:
            join(broker, "cam-1", clean=False).subscribe("cameras/#", qos=1)
            with join(broker, "cam-1", clean=False):  # taken over, so that the first is gone
                pass
            away(broker, "cam-1")
            with join(broker, "cam-2") as speaker:
                for number in range(10):
                    speaker.publish("cameras/x", b"%d" % number, qos=1, packet_id=number + 1)
            told = broker.wait_for(lambda event: event.kind is Kind.LIMIT and event.client_id == "cam-1")
            assert (told.device, told.segment) == ("cam-1", "cameras")
            with join(broker, "cam-1", clean=False) as late:
                assert [late.expect(Publish).payload for _ in range(3)] == [b"7", b"8", b"9"]


def refuse(endpoints: object) -> None:
    """The broker must not come this far."""
    raise AssertionError(f"it listens on {endpoints}")


AMQTT_PLUGINS: dict[str, Any] = {
    "amqtt.plugins.logging_amqtt.EventLoggerPlugin": {},
    "amqtt.plugins.logging_amqtt.PacketLoggerPlugin": {},
    "amqtt.plugins.sys.broker.BrokerSysPlugin": {"sys_interval": 1},
    listening_plugin.PATH: {},
}


@pytest.mark.filterwarnings("ignore:`BrokerSysPlugin`:DeprecationWarning")
class TestPlugins:
    @pytest.fixture
    def extended(self, tmp_path: Path) -> Iterator[RunningBroker]:
        with RunningBroker(TestSite(tmp_path, policy=SYS_POLICY), plugins=AMQTT_PLUGINS) as running:
            yield running

    @pytest.fixture
    def plugin(self, extended: RunningBroker) -> Any:
        return extended.broker.plugins_manager.get_plugin("ListeningPlugin")

    def hear(self, broker: RunningBroker, plugin: Any, event: str, holds: Callable[[dict[str, Any]], bool]) -> Any:
        """The first telling of this event that is as wanted, waited for."""
        until(broker, lambda: any(holds(told) for told in plugin.of(event)))
        return next(told for told in plugin.of(event) if holds(told))

    def test_life_of_a_connection_is_told(self, extended: RunningBroker, plugin: Any) -> None:
        with join(extended, "cam-1") as one:
            told = self.hear(extended, plugin, "connected", lambda told: told["client_id"] == "cam-1")
            session = told["client_session"]
            assert session.transitions.state == "connected"
            assert session.remote_port == one.socket.getsockname()[1]
            one.subscribe("cameras/#", "hvac/#", qos=1)
            self.hear(extended, plugin, "subscribed", lambda told: told["topic"] == "cameras/#" and told["qos"] == 1)
            one.unsubscribe("cameras/#")
            self.hear(extended, plugin, "unsubscribed", lambda told: told["topic"] == "cameras/#")
        told = self.hear(extended, plugin, "disconnected", lambda told: told["client_id"] == "cam-1")
        assert told["client_session"].transitions.state == "disconnected"
        assert [told["topic"] for told in plugin.of("subscribed")] == ["cameras/#"]

    @pytest.mark.parametrize("qos", [0, 1, 2])
    def test_message_is_told_once(self, extended: RunningBroker, plugin: Any, qos: int) -> None:
        with join(extended, "cam-1") as one:
            one.publish("cameras/x", b"data", qos=qos, retain=True)
            for event in ("received", "broadcast"):
                told = self.hear(extended, plugin, event, lambda told: told["client_id"] == "cam-1")
                message = told["message"]
                assert (message.topic, message.data, message.qos, message.retain) == ("cameras/x", b"data", qos, True)
                assert len(plugin.of(event)) == 1
            told = self.hear(extended, plugin, "retained", lambda told: told["retained_message"].topic == "cameras/x")
            assert told["retained_message"].source_session.client_id == "cam-1"

    def test_messages_that_came_together_are_told_each_by_itself(self, extended: RunningBroker, plugin: Any) -> None:
        with join(extended, "cam-1") as one:
            one.send(*(Publish("cameras/x", b"%d" % number) for number in range(20)))
            self.hear(extended, plugin, "received", lambda told: told["message"].data == b"19")
            assert [told["message"].data for told in plugin.of("received")] == [b"%d" % n for n in range(20)]

    def test_packets_are_told_as_packets_of_amqtt(self, extended: RunningBroker, plugin: Any) -> None:
        from amqtt.mqtt.connack import ConnackPacket
        from amqtt.mqtt.connect import ConnectPacket
        from amqtt.mqtt.publish import PublishPacket

        with join(extended, "cam-1") as one:
            one.subscribe("cameras/#")
            one.publish("cameras/x", b"data")
            one.expect(Publish)
            came = self.hear(extended, plugin, "packet in", lambda told: isinstance(told["packet"], PublishPacket))
            assert (came["packet"].topic_name, came["session"].client_id) == ("cameras/x", "cam-1")
            self.hear(extended, plugin, "packet in", lambda told: isinstance(told["packet"], ConnectPacket))
            self.hear(extended, plugin, "packet out", lambda told: isinstance(told["packet"], ConnackPacket))
            went = self.hear(extended, plugin, "packet out", lambda told: isinstance(told["packet"], PublishPacket))
            assert bytes(went["packet"].data) == b"data"

    def test_figures_of_the_sys_plugin_reach_who_may_hear_them_and_nobody_else(self, extended: RunningBroker) -> None:
        with join(extended, "watch-1") as watcher, join(extended, "cam-1") as camera:
            assert watcher.subscribe("$SYS/#") == (0,)
            assert camera.subscribe("$SYS/#") == (0x80,)
            version = watcher.expect(Publish)
            assert (version.topic, version.retain) == ("$SYS/broker/version", True)
            while (figure := watcher.expect(Publish)).topic != "$SYS/broker/clients/connected":
                pass
            assert figure.payload == b"2"
            assert camera.messages() == []

    def test_context_shows_the_truth(self, extended: RunningBroker, plugin: Any) -> None:
        with join(extended, "cam-2") as speaker:
            sleeper = join(extended, "cam-1", clean=False)
            sleeper.subscribe("cameras/#", qos=1)
            sleeper.close()
            away(extended, "cam-1")
            for number in range(3):
                speaker.publish("cameras/x", b"%d" % number, qos=1, retain=True, packet_id=number + 1)
            seen = extended.do(lambda: self.look(plugin.context))
        assert seen["cam-1"] == ("disconnected", False, 0, 3)
        assert seen["cam-2"] == ("connected", True, 0, 0)
        assert seen["subscriptions"] == {"cameras/#": [("cam-1", 1)]}
        assert seen["retained"] == b"2"
        assert seen["absent"] is None

    def look(self, context: Any) -> dict[str, Any]:
        seen: dict[str, Any] = {
            s.client_id: (s.transitions.state, s.clean_session, s.inflight_out_count, s.retained_messages_count)
            for s in context.sessions
        }
        seen["subscriptions"] = {f: [(s.client_id, q) for s, q in who] for f, who in context.subscriptions.items()}
        seen["retained"] = context.retained_messages["cameras/x"].data
        seen["absent"] = context.get_session("nobody")
        return seen

    def test_plugin_keeps_its_own_attributes_on_a_session(self, extended: RunningBroker, plugin: Any) -> None:
        with join(extended, "cam-1"):
            extended.do(lambda: plugin.context.get_session("cam-1").attributes.update(seen=1))
            assert extended.do(lambda: plugin.context.get_session("cam-1").attributes) == {"seen": 1}

    def test_plugin_publishes_and_the_guard_judges_who_gets_it(self, extended: RunningBroker, plugin: Any) -> None:
        with join(extended, "cam-1") as camera, join(extended, "lab-1") as lab:
            camera.subscribe("cameras/#", qos=1)
            lab.subscribe("#")
            extended.do(lambda: plugin.context.broadcast_message("cameras/news", b"hello"))
            got = camera.expect(Publish)
            assert (got.payload, got.qos) == (b"hello", 1)
            lab.ping()
            assert lab.messages() == []

    def test_plugin_retains_for_later_and_clears(self, extended: RunningBroker, plugin: Any) -> None:
        with join(extended, "cam-1") as camera, join(extended, "cam-2") as late:
            camera.subscribe("cameras/#")
            extended.do(lambda: plugin.context.retain_message("cameras/note", b"kept"))
            late.subscribe("cameras/#")
            assert late.expect(Publish) == Publish("cameras/note", b"kept", retain=True)
            extended.do(lambda: plugin.context.retain_message("cameras/note", b""))
            assert "cameras/note" not in extended.do(lambda: dict(plugin.context.retained_messages))
            camera.ping()
            assert camera.messages() == []

    def test_plugin_subscribes_a_device_that_is_yet_to_come(self, extended: RunningBroker, plugin: Any) -> None:
        extended.do(lambda: plugin.context.add_subscription("cam-1", "cameras/#", 1))
        extended.do(lambda: plugin.context.add_subscription("cam-1", "hvac/#", 1))
        assert extended.do(lambda: plugin.context.get_session("cam-1").transitions.state) == "disconnected"
        with join(extended, "cam-2") as speaker, RawClient(extended.site.tls("cam-1"), extended.port) as camera:
            speaker.publish("cameras/x", b"waiting", qos=1)
            assert camera.connect("cam-1", clean=False).session_present
            assert camera.expect(Publish).payload == b"waiting"
        extended.wait_for(lambda event: event.kind is Kind.WITHDRAW and event.topic == "hvac/#")

    def test_plugin_subscribes_a_device_that_is_there(self, extended: RunningBroker, plugin: Any) -> None:
        """The guard knows of it: what is allowed arrives, and what is not is withdrawn."""
        with join(extended, "cam-1") as camera, join(extended, "cam-2") as speaker:
            seen = len(extended.events)
            extended.do(lambda: plugin.context.add_subscription("cam-1", "cameras/#", 1))
            extended.do(lambda: plugin.context.add_subscription("cam-1", "hvac/#", 1))
            speaker.publish("cameras/x", b"live", qos=1)
            assert camera.expect(Publish).payload == b"live"
            assert [e.topic for e in extended.events[seen:] if e.kind is Kind.WITHDRAW] == ["hvac/#"]
            assert "hvac/#" not in extended.do(lambda: dict(plugin.context.subscriptions))

    def test_plugin_hears_of_start_and_stop(self, tmp_path: Path) -> None:
        with RunningBroker(TestSite(tmp_path), plugins={listening_plugin.PATH: {}}) as running:
            plugin: Any = running.broker.plugins_manager.get_plugin("ListeningPlugin")
            assert plugin.of("started")
            join(running, "cam-1")
        assert plugin.of("disconnected")
        assert plugin.of("stopped")


def test_traffic_is_told_of_who_is_there_and_of_who_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "EVERY", 3600.0)  # nobody else asks meanwhile
    with RunningBroker(TestSite(tmp_path)) as broker, join(broker, "cam-2") as reader:
        reader.subscribe("cameras/#")
        with join(broker, "cam-1") as writer:
            writer.publish("cameras/x", b"data", qos=1)
        assert reader.expect(Publish).payload == b"data"
        away(broker, "cam-1")
        told = broker.do(broker.guard.harvest)
    assert {(t.device, t.segment, t.direction, t.topic, t.count, t.bytes) for t in told} == {
        ("cam-1", "cameras", "publish", "cameras/x", 1, 4),
        ("cam-2", "cameras", "receive", "cameras/x", 1, 4),
        ("cam-2", "cameras", "subscribe", "cameras/#", 1, 0),
    }


def test_figures_are_told_without_a_plugin_too(tmp_path: Path) -> None:
    with RunningBroker(TestSite(tmp_path, policy=SYS_POLICY)) as running, join(running, "watch-1") as watcher:
        broker: Any = running.broker
        running.do(lambda: broker._tick(0))
        watcher.subscribe("$SYS/broker/clients/connected")
        assert watcher.expect(Publish).payload == b"1"


def test_plugin_that_would_decide_is_refused(tmp_path: Path) -> None:
    """It would believe that it denies something: here, only the policy does."""
    taboo: dict[str, Any] = {"amqtt.plugins.topic_checking.TopicTabooPlugin": {}}
    with pytest.raises(OperatorError, match="TopicTabooPlugin"), RunningBroker(TestSite(tmp_path), plugins=taboo):
        pass


def test_nothing_is_built_for_plugins_when_none_listens(broker: RunningBroker) -> None:
    """The hot path is the engine's own method and the link's."""
    with join(broker, "cam-1"):
        [connection] = broker.do(lambda: broker.guard.roster.of("cam-1"))
        conversation: Any = connection.conversation
        assert conversation.receive.__self__ is conversation._connection
        assert conversation._outbox.send.__self__ is connection
        backend = broker.plugin.backend
        assert not broker.do(lambda: dict(backend.sessions._known))


@pytest.mark.spec("MQTT-3.3.1-1")
def test_session_is_absent_from_disconnect_on_though_its_device_keeps_the_socket_open(broker: RunningBroker) -> None:
    with join(broker, "cam-7", clean=False) as lingering, join(broker, "cam-2") as writer:
        assert lingering.subscribe("cameras/late", qos=1) == (1,)
        lingering.send(Disconnect())
        lingering.expect_end()
        writer.publish("cameras/late", b"x", qos=1)
        with RawClient(broker.site.tls("cam-7"), broker.port) as again:
            assert again.connect("cam-7", clean=False).session_present
            assert not again.expect(Publish).dup
