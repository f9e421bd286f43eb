"""Takeovers, and messages, subscriptions and connections under way while the policy changes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mqttseg.engine.journal import Rows
from mqttseg.engine.store import Store
from mqttseg.errors import ConfigurationError, Reason
from mqttseg.observe.events import Kind
from mqttseg.wire.packets import Connack, Connect, Puback, Publish, Suback, Subscribe, Unsubscribe, Will
from tests.support.clients import RawClient
from tests.support.sites import POLICY
from tests.support.stages import Stage, assert_only

NO_CONDUIT = POLICY[: POLICY.index("conduits:")]
FLOW = "hvac/+/telemetry/#"
TEMPERATURE = "hvac/thermo-1/telemetry/t"
NO_CAM_1 = POLICY.replace('["cam-*"]', '["cam-2", "cam-3"]')


class Chatter:
    """A device that publishes numbers, one after the other, until it is told to stop."""

    def __init__(self, client: RawClient, topic: str) -> None:
        self._client = client
        self._topic = topic
        self._stopped = threading.Event()
        self.sent = 0
        self.enough = threading.Event()
        self._thread = threading.Thread(target=self._talk, name="chatter")

    def __enter__(self) -> Chatter:
        self._thread.start()
        assert self.enough.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(20)

    def go_on(self) -> None:
        """Wait until some more was sent."""
        self.enough.clear()
        assert self.enough.wait(20)

    def _talk(self) -> None:
        while not self._stopped.is_set():
            self._client.publish(self._topic, str(self.sent).encode(), qos=1)
            self.sent += 1
            if self.sent % 20 == 0:
                self.enough.set()


def test_more_than_a_thousand_packets_before_connack_wait_for_a_slow_disk(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CONNACK waits until the old session is gone from the disk; what was sent meanwhile is neither lost nor kept."""
    stage.leave(stage.listener("cam-1", "cameras/x", qos=1, clean=False), "cam-1")
    disk, commit, seen = threading.Event(), Store.commit, len(stage.broker.events)

    def slow(store: Store, rows: Rows) -> None:
        assert disk.wait(20)
        commit(store, rows)

    monkeypatch.setattr(Store, "commit", slow)
    device, wanted = stage.tls("cam-1"), list(range(1, 3001))
    device.send(Connect("cam-1"), *(Publish("cameras/y", b"", qos=1, packet_id=at) for at in wanted))
    stage.wait_after(seen, lambda event: event.kind is Kind.CONNECT)
    for _ in range(50):
        stage.broker.do(lambda: None)
    disk.set()
    assert [device.expect(Puback).packet_id for _ in wanted] == wanted


class TestReload:
    """A reload while messages flow: after it not one more, and never an open moment in between."""

    def test_nothing_sent_after_the_conduit_is_gone_arrives(self, stage: Stage) -> None:
        victim = stage.listener("etl-1", FLOW, "analytics/#")
        with Chatter(stage.join("thermo-1"), TEMPERATURE) as chatter:
            stage.reload(NO_CONDUIT)
            mark = chatter.sent + 1  # one may be on its way
            chatter.go_on()
            chatter.go_on()
        assert chatter.sent > mark
        stage.join("etl-2").publish("analytics/x", b"last", qos=1)
        got = _until_last(victim)
        assert got == list(range(len(got)))
        assert len(got) <= mark

    def test_nothing_published_after_the_right_is_gone_arrives(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        with Chatter(stage.join("cam-1"), "cameras/door") as chatter:
            stage.reload(
                POLICY.replace(
                    '["cam-*"]', '["cam-*"]\n    roles:\n      mute: {members: ["cam-1"], subscribe: ["cameras/#"]}'
                )
            )
            mark = chatter.sent + 1
            chatter.go_on()
        stage.join("cam-3").publish("cameras/x", b"last", qos=1)
        got = _until_last(victim)
        assert got == list(range(len(got)))
        assert len(got) <= mark
        stage.denied(Reason.NOT_GRANTED, "cam-1", "cameras/door")

    def test_reloading_again_and_again_opens_nothing(self, stage: Stage) -> None:
        attacker = stage.listener("cam-1", "cameras/#")
        victim = stage.listener("bms-1", "hvac/#")
        with Chatter(stage.join("cam-3"), "hvac/all/x") as chatter:
            for number in range(10):
                stage.reload(NO_CONDUIT if number % 2 else POLICY)
                assert attacker.subscribe("hvac/#", "#", packet_id=number + 1) == (0x80, 0x80)
            chatter.go_on()
        stage.join("thermo-1").publish("hvac/all/x", b"good", qos=1)
        stage.join("cam-2").publish("cameras/x", b"good", qos=1)
        assert_only(victim, ("hvac/all/x", b"good"))
        assert_only(attacker, ("cameras/x", b"good"))

    def test_allowed_messages_are_not_lost_by_reloading(self, stage: Stage) -> None:
        listener = stage.listener("cam-2", "cameras/#")
        with Chatter(stage.join("cam-1"), "cameras/door") as chatter:
            for number in range(6):
                stage.reload(NO_CONDUIT if number % 2 else POLICY)
            chatter.go_on()
        stage.join("cam-3").publish("cameras/x", b"last", qos=1)
        assert _until_last(listener) == list(range(chatter.sent))

    def test_broken_policy_changes_nothing(self, stage: Stage) -> None:
        attacker = stage.listener("cam-1", "cameras/#")
        for broken in (
            "",
            "# only a comment\n",
            POLICY[: len(POLICY) // 2],
            "segments: [",
            POLICY + "\nmode: observe\nx: 1",
        ):
            stage.site.write_policy(broken)
            with pytest.raises(ConfigurationError):
                stage.broker.do(stage.broker.plugin.service.reload)
            assert attacker.subscribe("hvac/#", "#") == (0x80, 0x80)
        stage.join("thermo-1").publish("cameras/x", b"evil", qos=1)
        stage.join("cam-2").publish("cameras/x", b"good", qos=1)
        assert_only(attacker, ("cameras/x", b"good"))

    def test_subscribing_while_the_conduit_goes_leaves_nothing_subscribed(self, stage: Stage) -> None:
        attacker = stage.listener("etl-1", "analytics/#")
        for number in range(8):
            attacker.send(*[Subscribe(100 * number + i, ((FLOW, 0),)) for i in range(1, 6)])
            stage.reload(NO_CONDUIT if number % 2 else POLICY)
        for _ in range(40):
            attacker.expect(Suback)
        attacker.ping()
        stage.join("thermo-1").publish(TEMPERATURE, b"secret", qos=1)
        stage.join("etl-2").publish("analytics/x", b"good", qos=1)
        assert_only(attacker, ("analytics/x", b"good"))

    def test_subscribe_and_unsubscribe_in_one_write_leave_nothing_subscribed(self, stage: Stage) -> None:
        attacker = stage.listener("etl-1", "analytics/#")
        attacker.send(Subscribe(2, ((FLOW, 0),)), Unsubscribe(3, (FLOW,)), Subscribe(4, ((FLOW, 0),)))
        stage.reload(NO_CONDUIT)
        attacker.send(Subscribe(5, ((FLOW, 0),)))
        while attacker.expect(Suback).packet_id != 5:
            pass
        stage.join("thermo-1").publish(TEMPERATURE, b"secret", qos=1)
        stage.join("etl-2").publish("analytics/x", b"good", qos=1)
        assert_only(attacker, ("analytics/x", b"good"))

    def test_connecting_while_the_segment_is_taken_away_does_not_get_in(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        holder = stage.listener("cam-1", "cameras/#", clean=False)  # whose session must be let go of first
        attacker = stage.tls("cam-1")
        connect = Connect("cam-1", clean_session=False, will=Will("cameras/door", b"evil"))
        attacker.send(connect, Subscribe(1, (("cameras/#", 0),)))
        stage.reload(NO_CAM_1)
        attacker.expect_end()
        holder.expect_end()
        stage.join("cam-3").publish("cameras/x", b"good", qos=1)
        assert_only(victim, ("cameras/x", b"good"))

    def test_packets_sent_together_with_connect_are_judged(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        attacker = stage.tls("thermo-1")
        attacker.send(
            Connect("thermo-1"), Publish("cameras/door", b"evil"), Subscribe(1, (("cameras/#", 0), ("hvac/all/#", 0)))
        )
        assert attacker.expect(Suback).codes == (0x80, 0)
        stage.join("cam-3").publish("cameras/x", b"good", qos=1)
        assert_only(victim, ("cameras/x", b"good"))
        stage.denied(Reason.OUTSIDE_SEGMENT, "thermo-1", "cameras/door", "cameras")


class TestTakeover:
    """mosquitto#3551, mosquitto#3553, NanoMQ#2333: the session of another identity, reached by its client id."""

    @pytest.mark.parametrize("clean", [True, False])
    def test_session_of_another_identity_is_neither_taken_over_nor_deleted(self, stage: Stage, clean: bool) -> None:
        victim = stage.listener("cam-1", "cameras/#", qos=1, clean=False)
        attacker = stage.tls("thermo-1")
        attacker.send(Connect("cam-1", clean_session=clean), Subscribe(1, (("cameras/#", 0),)))
        assert attacker.expect(Connack) == Connack(session_present=False, code=2)
        attacker.expect_end()
        stage.told(Kind.REFUSE, Reason.CLIENT_ID_MISMATCH, "thermo-1")
        stage.join("cam-2").publish("cameras/x", b"good")
        assert_only(victim, ("cameras/x", b"good"))
        stage.leave(victim, "cam-1")
        assert stage.greet("cam-1", clean=False)[1] == Connack(session_present=True, code=0)

    def test_offline_session_of_another_identity_is_not_deleted(self, stage: Stage) -> None:
        stage.leave(stage.listener("cam-1", "cameras/#", qos=1, clean=False), "cam-1")
        attacker = stage.tls("thermo-1")
        attacker.send(Connect("cam-1", clean_session=True))
        attacker.expect_end()
        victim, answer = stage.greet("cam-1", clean=False)
        assert answer == Connack(session_present=True, code=0)
        stage.join("cam-2").publish("cameras/x", b"good")
        assert_only(victim, ("cameras/x", b"good"))

    def test_same_client_id_of_two_devices_is_two_sessions_where_any_is_accepted(self, tmp_path: Path) -> None:
        settings = "listen: ['mqtts://127.0.0.1:0']\nclient_id: any\n"
        with Stage(tmp_path, settings=settings) as stage:
            victim, attacker = stage.tls("cam-1"), stage.tls("thermo-1")
            assert victim.connect("gateway", clean=False).code == 0
            assert victim.subscribe("cameras/#", qos=1) == (1,)
            assert attacker.connect("gateway", clean=False) == Connack(session_present=False, code=0)
            for name in ("cam-1", "cam-1/gateway", "gateway"):
                other = stage.tls("thermo-1")
                other.connect(name, clean=True)
            stage.join("cam-2").publish("cameras/x", b"good")
            assert_only(victim, ("cameras/x", b"good"))

    def test_storm_of_takeovers_by_the_device_itself_leaves_one_session(self, stage: Stage) -> None:
        others = [stage.tls("cam-1") for _ in range(8)]
        for other in others:
            other.send(Connect("cam-1"))
            _wait_until_asked(stage, "cam-1", other)
        for other in others[:-1]:
            other.expect_end()
        last = others[-1]
        assert last.expect(Connack).code == 0
        assert last.subscribe("cameras/#") == (0,)
        stage.join("cam-2").publish("cameras/x", b"good", qos=1)
        assert_only(last, ("cameras/x", b"good"))
        assert stage.broker.do(lambda: len(stage.broker.guard.roster)) == 2

    def test_rights_after_a_takeover_are_the_certificates(self, stage: Stage) -> None:
        stage.listener("bms-1", "hvac/#")
        attacker = stage.listener("thermo-1", "hvac/all/#", clean=False)
        stage.leave(attacker, "thermo-1")
        attacker, _ = stage.greet("thermo-1", clean=False)
        assert attacker.subscribe("hvac/#") == (0x80,)
        stage.join("thermo-2").publish("hvac/thermo-2/t", b"secret", qos=1)
        stage.join("bms-2").publish("hvac/all/x", b"good", qos=1)
        assert_only(attacker, ("hvac/all/x", b"good"))


def _wait_until_asked(stage: Stage, device_id: str, client: RawClient) -> None:
    """Wait until the guard has this client's CONNECT, or has dealt with it already."""
    port = client.socket.getsockname()[1]
    roster = stage.broker.guard.roster

    def asked() -> bool:
        waiting = any(c.port == port and c.key is not None for c in roster.of(device_id))
        return waiting or any((event.address or "").endswith(f":{port}") for event in stage.broker.events)

    while not stage.broker.do(asked):
        pass


def _until_last(victim: RawClient) -> list[int]:
    """The numbers that came before the last message."""
    numbers: list[int] = []
    while (message := victim.expect(Publish)).payload != b"last":
        numbers.append(int(message.payload))
    return numbers
