"""amqtt's weaknesses: each is still there in stock amqtt, and each is harmless behind the guard.

The numbers are those of the design notes. When a test of class ``TestStock`` fails, an upgrade of amqtt has fixed
something: see whether code of ours can go.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from amqtt.broker import Broker
from amqtt.contexts import Action, ListenerConfig
from amqtt.mqtt.packet import MQTTFixedHeader
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.plugins.topic_checking import TopicAccessControlListPlugin

import mqttseg.guard.receiving
from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from mqttseg.policy.compiled import Rights
from mqttseg.policy.decide import Decision, decide
from mqttseg.wire.packets import Connack, Connect, Pingreq, Publish, Will
from tests.support.amqtt_plugins import CertificateAuth, PasswordAuth, Topics
from tests.support.clients import RawClient
from tests.support.sites import POLICY, TestSite
from tests.support.stages import Stage, assert_only
from tests.support.stock import PlainClient, StockBroker

ANONYMOUS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
ACCEPTED = Connack(session_present=False, code=0)
REFUSED = Connack(session_present=False, code=5)


def plugin(of: type) -> dict[str, Any]:
    return {f"{of.__module__}.{of.__name__}": {}}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path, backend="amqtt") as running:
        yield running


@pytest.fixture
def topics() -> Iterator[type[Topics]]:
    yield Topics
    Topics.refused.clear()
    Topics.broken.clear()


def stock_with_certificates(root: Path) -> tuple[TestSite, StockBroker]:
    site = TestSite(root)
    certs = root / "certs"
    files = {"cafile": certs / "ca.crt", "certfile": certs / "broker.crt", "keyfile": certs / "broker.key"}
    return site, StockBroker(plugin(CertificateAuth), {name: str(path) for name, path in files.items()})


def connect(client: RawClient, client_id: str, **how: Any) -> Connack:
    client.send(Connect(client_id, **how))
    return client.expect(Connack)


class TestStock:
    """What amqtt does by itself."""

    def test_1_client_without_certificate_is_accepted_as_the_victim_whose_session_exists(self, tmp_path: Path) -> None:
        site, stock = stock_with_certificates(tmp_path)
        with stock, RawClient(site.tls("cam-1"), stock.port) as victim:
            assert connect(victim, "cam-1", clean_session=False) == ACCEPTED
            with RawClient(site.tls(None), stock.port) as attacker:
                assert connect(attacker, "cam-1", clean_session=False).code == 0

    @pytest.mark.parametrize("live", [True, False])
    def test_2_refused_connect_deletes_the_victims_session(self, live: bool) -> None:
        with StockBroker(plugin(PasswordAuth)) as stock:
            known: dict[str, Any] = {
                "client_id": "victim",
                "clean_session": False,
                "username": "u",
                "password": b"right",
            }
            with PlainClient(stock.port) as victim:
                victim.send(Connect(**known))
                assert victim.expect(Connack) == ACCEPTED
                assert victim.subscribe("a") == (0,)
                if not live:
                    victim.close()
                    stock.wait_until(lambda: stock.broker.sessions["victim"][0].transitions.state == "disconnected")
                with PlainClient(stock.port) as attacker:
                    assert connect(attacker, "victim", username="u", password=b"wrong") == REFUSED
                with PlainClient(stock.port) as returned:
                    returned.send(Connect(**known))
                    returned.expect(Connack)
                    assert "a" not in stock.do(lambda: dict(stock.broker.subscriptions))

    def test_3_newcomer_gets_retained_messages_of_others_subscriptions(self) -> None:
        with StockBroker() as stock, PlainClient(stock.port) as one, PlainClient(stock.port) as newcomer:
            connect(one, "one")
            one.publish("secret", b"secret", qos=1, retain=True)
            one.subscribe("secret")
            one.expect(Publish)
            connect(newcomer, "newcomer")
            assert newcomer.expect(Publish).payload == b"secret"

    def test_4_will_is_published_without_a_topic_check(self, topics: type[Topics]) -> None:
        topics.refused.add((Action.PUBLISH, "secret"))
        with StockBroker(ANONYMOUS | plugin(Topics)) as stock, PlainClient(stock.port) as listener:
            connect(listener, "listener")
            listener.subscribe("secret")
            with PlainClient(stock.port) as attacker:
                connect(attacker, "attacker", will=Will("secret", b"evil"))
            assert listener.expect(Publish).payload == b"evil"

    def test_5_tls_listener_does_not_demand_a_certificate(self, tmp_path: Path) -> None:
        site = TestSite(tmp_path)
        certs = tmp_path / "certs"
        listener = ListenerConfig(ssl=True, cafile=site.ca, certfile=certs / "broker.crt", keyfile=certs / "broker.key")
        assert Broker._create_ssl_context(listener).verify_mode == ssl.CERT_OPTIONAL

    def test_6_offline_queue_is_not_checked_on_delivery(self, topics: type[Topics]) -> None:
        with StockBroker(ANONYMOUS | plugin(Topics)) as stock, PlainClient(stock.port) as speaker:
            connect(speaker, "speaker")
            with PlainClient(stock.port) as listener:
                connect(listener, "listener", clean_session=False)
                listener.subscribe("secret", qos=1)
            session = stock.broker.sessions["listener"][0]
            stock.wait_until(lambda: session.transitions.state == "disconnected")
            session.is_anonymous = False
            speaker.publish("secret", b"secret", qos=1)
            stock.wait_until(lambda: session.retained_messages.qsize() == 1)
            topics.refused.add((Action.RECEIVE, "secret"))
            with PlainClient(stock.port) as listener:
                connect(listener, "listener", clean_session=False)
                assert listener.expect(Publish).payload == b"secret"

    def test_7_plus_is_taken_to_cover_hash_and_hash_to_cover_system_topics(self) -> None:
        assert TopicAccessControlListPlugin.topic_ac("a/#", "a/+")
        assert TopicAccessControlListPlugin.topic_ac("$SYS/#", "#")

    def test_11_no_time_out_before_connect_and_no_limit_of_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def wait_for_connect() -> None:
            loop = asyncio.get_running_loop()
            timers: list[object] = []
            monkeypatch.setattr(loop, "call_at", lambda *args, **_: timers.append(args))
            reader = _Silence()
            waiting = asyncio.create_task(BrokerProtocolHandler.init_from_connect(reader, None, None))
            await reader.asked.wait()
            assert timers == []
            waiting.cancel()

        asyncio.run(wait_for_connect())
        header = asyncio.run(MQTTFixedHeader.from_stream(_Bytes(b"\x30\xff\xff\xff\x7f")))
        assert header is not None
        assert header.remaining_length == 268_435_455

    def test_12_topic_plugin_that_fails_takes_the_message_from_the_others(self, topics: type[Topics]) -> None:
        topics.broken.add((Action.RECEIVE, "first"))
        with (
            StockBroker(ANONYMOUS | plugin(Topics)) as stock,
            PlainClient(stock.port) as first,
            PlainClient(stock.port) as second,
        ):
            connect(first, "first")
            first.subscribe("a")
            connect(second, "second")
            second.subscribe("a")
            second.subscribe("b")
            second.publish("a", b"lost", qos=1)
            second.publish("b", b"next", qos=1)
            assert_only(second, ("b", b"next"))

    def test_14_refused_connect_locks_the_real_device_out(self, tmp_path: Path) -> None:
        site, stock = stock_with_certificates(tmp_path)
        with stock:
            with RawClient(site.tls(None), stock.port) as attacker:
                assert connect(attacker, "cam-1", clean_session=False) == REFUSED
            stock.do(stock.broker.sessions["cam-1"][0].transitions.disconnect)
            with RawClient(site.tls("cam-1"), stock.port) as victim:
                victim.send(Connect("cam-1", clean_session=False))
                assert victim.socket.recv(4)[3] == 5  # with session present, which MQTT does not allow

    def test_16_silence_beyond_the_keep_alive_has_no_consequence(self) -> None:
        with StockBroker() as stock, PlainClient(stock.port) as silent:
            connect(silent, "silent", keep_alive=1)
            handler = stock.broker.sessions["silent"][1]
            stock.do(handler.handle_read_timeout)
            silent.ping()

    def test_17_subscriber_that_does_not_read_makes_the_broker_grow(self) -> None:
        with StockBroker() as stock, PlainClient(stock.port, 4096) as slow, PlainClient(stock.port) as speaker:
            connect(slow, "slow")
            slow.subscribe("a")
            connect(speaker, "speaker")
            for _ in range(100):
                speaker.publish("a", bytes(100_000), qos=1)
            stock.wait_until(lambda: _waiting(stock) > 4_000_000)


def _waiting(stock: StockBroker) -> int:
    """Bytes of messages that amqtt holds for its readers."""
    writer = stock.broker.sessions["slow"][1].writer
    tasks = sum(1 for task in stock.broker._tasks_queue if not task.done())
    return int(writer._writer.transport.get_write_buffer_size()) + 100_000 * tasks


class _Silence:
    """A reader that never gets anything."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def read(self, n: int = -1) -> bytes:
        self.asked.set()
        await asyncio.get_running_loop().create_future()
        return b""


class _Bytes:
    """A reader that has these bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, n: int = -1) -> bytes:
        data, self._data = self._data[:n], self._data[n:]
        return data


class TestBehindTheGuard:
    """The same, tried on the broker with the guard in front."""

    def test_1_neither_no_certificate_nor_anothers_resumes_the_victims_session(self, stage: Stage) -> None:
        victim = stage.listener("cam-1", "cameras/#", clean=False)
        attacker = stage.tls("thermo-1")
        assert connect(attacker, "cam-1", clean_session=False) == Connack(session_present=False, code=2)
        _without_certificate(stage)
        stage.join("cam-2").publish("cameras/x", b"good")
        assert_only(victim, ("cameras/x", b"good"))

    @pytest.mark.parametrize("live", [True, False])
    def test_2_refused_connect_leaves_the_victims_session_alone(self, stage: Stage, live: bool) -> None:
        victim = stage.listener("cam-1", "cameras/#", clean=False)
        if not live:
            stage.leave(victim, "cam-1")
        for clean in (True, False):
            attacker = stage.tls("thermo-1")
            attacker.send(Connect("cam-1", clean_session=clean, keep_alive=1, will=Will("cameras/x", b"evil")))
            assert attacker.expect(Connack).code == 2
        if not live:
            victim, answer = stage.greet("cam-1", clean=False)
            assert answer == Connack(session_present=True, code=0)
        stage.join("cam-2").publish("cameras/x", b"good")
        assert_only(victim, ("cameras/x", b"good"))

    def test_3_newcomer_gets_no_retained_messages_of_others_subscriptions(self, stage: Stage) -> None:
        stage.listener("cam-1", "cameras/#")
        stage.join("cam-2").publish("cameras/x", b"secret", qos=1, retain=True)
        newcomer = stage.listener("thermo-1", "hvac/all/#")
        neighbour = stage.join("cam-3")
        stage.join("bms-1").publish("hvac/all/x", b"good", qos=1)
        assert_only(newcomer, ("hvac/all/x", b"good"))
        assert neighbour.subscribe("cameras/y") == (0,)
        stage.join("cam-2").publish("cameras/y", b"good")
        assert_only(neighbour, ("cameras/y", b"good"))
        stage.denied(Reason.NOT_SUBSCRIBED, "cam-3", "cameras/x")

    def test_4_will_is_checked_and_never_reaches_amqtt(self, stage: Stage) -> None:
        victim = stage.listener("cam-1", "cameras/#")
        assert stage.greet("thermo-1", will=Will("cameras/x", b"evil"))[1] == REFUSED
        stage.join("cam-2", will=Will("cameras/will", b"judged"))
        session = stage.broker.do(lambda: stage.broker.plugin.backend.session("cam-2"))
        assert session is not None
        assert not session.will_flag
        stage.join("cam-3").publish("cameras/x", b"good")
        assert_only(victim, ("cameras/x", b"good"))

    def test_5_connection_without_certificate_does_not_get_through_the_handshake(self, stage: Stage) -> None:
        _without_certificate(stage)

    def test_6_offline_queue_is_checked_on_delivery(self, stage: Stage) -> None:
        stage.leave(stage.listener("etl-1", "hvac/+/telemetry/#", "analytics/#", qos=1, clean=False), "etl-1")
        stage.join("thermo-1").publish("hvac/thermo-1/telemetry/t", b"secret", qos=1)
        stage.join("etl-2").publish("analytics/x", b"good", qos=1)
        session = stage.broker.do(lambda: stage.broker.plugin.backend.session("etl-1"))
        assert session is not None
        while stage.broker.do(session.retained_messages.qsize) < 2:
            pass
        stage.reload(POLICY[: POLICY.index("conduits:")])
        assert_only(stage.join("etl-1", clean=False), ("analytics/x", b"good"))

    def test_7_filters_are_contained_exactly(self, tmp_path: Path) -> None:
        policy = POLICY.replace('["cam-*"]', '["cam-*"]\n    publish: ["cameras/#"]\n    subscribe: ["cameras/+", "#"]')
        policy = policy.replace('"cameras/+", "#"', '"cameras/+"')
        with Stage(tmp_path, policy, backend="amqtt") as stage:
            attacker = stage.join("cam-1")
            assert attacker.subscribe("cameras/#", "$SYS/#", "cameras/+") == (0x80, 0x80, 0)

    def test_11_connections_without_connect_and_packets_over_the_limit_end(self, tmp_path: Path) -> None:
        settings = "listen: ['mqtts://127.0.0.1:0']\nlimits: {connect_timeout: 1s, packet: 1KiB}\n"
        with Stage(tmp_path, settings=settings, backend="amqtt") as stage:
            large = stage.join("cam-1")
            silent = stage.tls("cam-2")
            large.send_bytes(b"\x30\xff\xff\xff\x7f\x00\x01a")
            large.expect_end()
            silent.expect_end()
            stage.told(Kind.CUT, Reason.PAYLOAD_TOO_LARGE, "cam-1")
            stage.told(Kind.REFUSE, Reason.PROTOCOL_ERROR, "cam-2")

    def test_12_failure_while_judging_ends_one_connection_and_takes_nothing_from_the_others(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fragile(rights: Rights, action: Any, topic: str) -> Decision:
            if (rights.device_id, action) == ("cam-1", "receive"):
                raise RuntimeError("a bug of ours")
            return decide(rights, action, topic)

        first, second = stage.listener("cam-1", "cameras/#"), stage.listener("cam-2", "cameras/#")
        monkeypatch.setattr(mqttseg.guard.receiving, "judge", fragile)
        stage.join("cam-3").publish("cameras/x", b"good", qos=1)
        assert_only(second, ("cameras/x", b"good"))
        first.expect_end()
        assert first.messages() == []
        stage.told(Kind.CUT, Reason.INTERNAL_ERROR, "cam-1")

    def test_14_refused_connect_does_not_lock_the_real_device_out(self, stage: Stage) -> None:
        attacker = stage.tls("thermo-1")
        assert connect(attacker, "cam-1", clean_session=False).code == 2
        _without_certificate(stage)
        assert stage.greet("cam-1", clean=False)[1] == ACCEPTED

    @pytest.mark.parametrize("bytes_sent", [b"", b"\xc0", b"\x30\x7f\x00"])
    def test_16_silence_and_single_bytes_end_the_connection(self, tmp_path: Path, bytes_sent: bytes) -> None:
        settings = "listen: ['mqtts://127.0.0.1:0']\nlimits: {keep_alive_max: 1s}\n"
        with Stage(tmp_path, settings=settings, backend="amqtt") as stage:
            silent = stage.join("cam-1")
            silent.send_bytes(bytes_sent)
            silent.expect_end()
            stage.told(Kind.CUT, Reason.PROTOCOL_ERROR, "cam-1")

    def test_16_half_a_packet_does_not_hold_the_others(self, stage: Stage) -> None:
        stage.tls("thermo-1").send_bytes(b"\x10\x7f\x00\x04MQ")
        stage.join("thermo-2").send_bytes(b"\x32\x7f\x00\x04hv")
        victim = stage.listener("cam-1", "cameras/#")
        stage.join("cam-2").publish("cameras/x", b"good")
        assert_only(victim, ("cameras/x", b"good"))

    def test_17_subscriber_that_does_not_read_loses_its_own_messages_and_nobody_elses(self, tmp_path: Path) -> None:
        settings = "listen: ['mqtts://127.0.0.1:0']\nlimits: {write_buffer: 64KiB}\n"
        with Stage(tmp_path, settings=settings, backend="amqtt") as stage:
            slow = stage.listener("cam-1", "cameras/flood", "cameras/end")
            victim = stage.listener("cam-2", "cameras/#")
            speaker = stage.join("cam-3")
            for _ in range(100):
                speaker.publish("cameras/flood", bytes(100_000), qos=1)
                victim.expect(Publish)
            [connection] = stage.broker.guard.roster.of("cam-1")
            assert stage.broker.do(connection._transport.get_write_buffer_size) < 400_000
            while not stage.broker.events or not any(event.kind is Kind.LIMIT for event in stage.broker.events):
                slow.read()
            assert stage.told(Kind.LIMIT, Reason.RATE_LIMIT, "cam-1").count > 10
            speaker.publish("cameras/end", b"good")
            while slow.expect(Publish).topic != "cameras/end":
                pass

    def test_17_slow_reader_of_qos_1_is_cut_and_nobody_else(self, tmp_path: Path) -> None:
        settings = "listen: ['mqtts://127.0.0.1:0']\nlimits: {write_buffer: 64KiB}\n"
        with Stage(tmp_path, settings=settings, backend="amqtt") as stage:
            stage.listener("cam-1", "cameras/flood", qos=1)
            victim = stage.listener("cam-2", "cameras/#")
            speaker = stage.join("cam-3")
            for _ in range(100):
                speaker.publish("cameras/flood", bytes(100_000), qos=1)
                victim.expect(Publish)
            stage.told(Kind.CUT, Reason.RATE_LIMIT, "cam-1")
            speaker.send(Pingreq())


def _without_certificate(stage: Stage) -> None:
    try:
        client = stage.tls(None)
        client.expect_end()
    except (ssl.SSLError, ConnectionError):
        pass
    stage.broker.wait_for(lambda event: (event.kind, event.reason) == (Kind.REFUSE, Reason.CERTIFICATE_MISSING))
