"""Rights that outlive themselves in a stored session: subscriptions, queued messages, unfinished flows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from amqtt.session import OutgoingApplicationMessage

from mqttseg.broker.hosted_session import HostedSession
from mqttseg.engine.message import Delivery, Message
from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from mqttseg.wire.packets import Connack, Connect, Puback, Pubcomp, Publish, Pubrec, Pubrel
from tests.support.clients import RawClient
from tests.support.sites import POLICY
from tests.support.stages import Stage, assert_only

NO_CONDUIT = POLICY[: POLICY.index("conduits:")]
FLOW = "hvac/+/telemetry/#"
TEMPERATURE = "hvac/thermo-1/telemetry/t"
MUTE_CAM_1 = POLICY.replace(
    'members: ["cam-*"]',
    'members: ["cam-*"]\n    roles:\n      mute: {members: ["cam-1"], publish: [], subscribe: ["cameras/#"]}',
)
DEAF_CAM_1 = POLICY.replace(
    'members: ["cam-*"]',
    'members: ["cam-*"]\n    roles:\n      deaf: {members: ["cam-1"], publish: [], subscribe: ["cameras/good"]}',
)


def come_back(stage: Stage, device_id: str, connack: Connack | None = None) -> RawClient:
    client, answer = stage.greet(device_id, clean=False)
    assert answer == (connack or Connack(session_present=True, code=0))
    return client


def filters_of(stage: Stage, key: str) -> dict[str, int]:
    return dict(stage.broker.do(lambda: stage.broker.plugin.backend.filters_of(key)))


def wait_until(stage: Stage, holds: Callable[[], bool]) -> None:
    """Ask the broker's loop until it is so; the test's time-out ends it."""
    while not stage.broker.do(holds):
        pass


class TestStoredSubscription:
    """CVE-2021-34434: a durable subscription survives the revoke."""

    def test_subscription_of_a_session_that_returns_is_judged_again(self, stage: Stage) -> None:
        attacker = stage.listener("etl-1", FLOW, "analytics/#", qos=1, clean=False)
        stage.leave(attacker, "etl-1")
        stage.reload(NO_CONDUIT)
        attacker = come_back(stage, "etl-1")
        stage.join("thermo-1").publish(TEMPERATURE, b"21", qos=1)
        stage.join("etl-2").publish("analytics/x", b"good", qos=1)
        assert_only(attacker, ("analytics/x", b"good"))
        stage.told(Kind.WITHDRAW, Reason.OUTSIDE_SEGMENT, "etl-1", FLOW, "hvac")
        wait_until(stage, lambda: FLOW not in stage.broker.plugin.backend.filters_of("etl-1"))
        assert filters_of(stage, "etl-1") == {"analytics/#": 1}

    def test_live_subscription_is_withdrawn_at_once(self, stage: Stage) -> None:
        attacker = stage.listener("etl-1", FLOW, "analytics/#")
        thermo = stage.join("thermo-1")
        thermo.publish(TEMPERATURE, b"21", qos=1)
        assert_only(attacker, (TEMPERATURE, b"21"))
        stage.reload(NO_CONDUIT)
        thermo.publish(TEMPERATURE, b"22", qos=1)
        stage.join("etl-2").publish("analytics/x", b"good", qos=1)
        assert_only(attacker, ("analytics/x", b"good"))
        stage.told(Kind.WITHDRAW, Reason.OUTSIDE_SEGMENT, "etl-1", FLOW, "hvac")

    def test_withdrawn_one_of_two_overlapping_subscriptions_takes_nothing_of_the_other(self, tmp_path: Path) -> None:
        both = POLICY + f'  one:\n    from: hvac\n    to: analytics\n    topics: ["{TEMPERATURE}"]\n'
        only_one = both.replace('topics: ["hvac/+/telemetry/#"]', 'topics: ["hvac/thermo-9/telemetry/#"]')
        with Stage(tmp_path, both) as stage:
            attacker = stage.listener("etl-1", FLOW, TEMPERATURE)
            stage.reload(only_one)
            stage.told(Kind.WITHDRAW, Reason.FILTER_TOO_WIDE, "etl-1", FLOW)
            wait_until(stage, lambda: stage.broker.plugin.backend.filters_of("etl-1") == {TEMPERATURE: 0})
            stage.join("thermo-2").publish("hvac/thermo-2/telemetry/t", b"evil", qos=1)
            stage.join("thermo-1").publish(TEMPERATURE, b"good", qos=1)
            assert_only(attacker, (TEMPERATURE, b"good"))

    def test_device_moved_to_another_segment_takes_no_subscription_along(self, stage: Stage) -> None:
        attacker = stage.listener("cam-1", "cameras/#", qos=1, clean=False)
        stage.leave(attacker, "cam-1")
        stage.reload(POLICY.replace('["cam-*"]', '["cam-2"]').replace('["lab-*"]', '["lab-*", "cam-1"]'))
        attacker = come_back(stage, "cam-1")
        assert attacker.subscribe("#") == (0,)
        stage.join("cam-2").publish("cameras/door", b"secret", qos=1)
        stage.join("lab-1").publish("lab/x", b"good", qos=1)
        assert_only(attacker, ("lab/x", b"good"))
        stage.told(Kind.WITHDRAW, Reason.OUTSIDE_SEGMENT, "cam-1", "cameras/#")

    def test_device_in_no_segment_any_more_is_refused_and_its_session_is_of_no_use(self, stage: Stage) -> None:
        stage.leave(stage.listener("cam-1", "cameras/#", qos=1, clean=False), "cam-1")
        stage.reload(POLICY.replace('["cam-*"]', '["cam-2"]'))
        attacker, answer = stage.greet("cam-1", clean=False)
        assert answer == Connack(session_present=False, code=5)
        attacker.expect_end()
        stage.told(Kind.REFUSE, Reason.NO_SEGMENT, "cam-1")


class TestOfflineQueue:
    def test_queued_message_is_not_delivered_after_the_right_is_gone(self, stage: Stage) -> None:
        stage.leave(stage.listener("etl-1", FLOW, "analytics/#", qos=1, clean=False), "etl-1")
        stage.join("thermo-1").publish(TEMPERATURE, b"secret", qos=1)
        stage.join("etl-2").publish("analytics/x", b"good", qos=1)
        _wait_for_queue(stage, "etl-1", 2)
        stage.reload(NO_CONDUIT)
        attacker = come_back(stage, "etl-1")
        assert_only(attacker, ("analytics/x", b"good"))
        stage.denied(Reason.NOT_SUBSCRIBED, "etl-1", TEMPERATURE)

    def test_queued_message_that_is_denied_meanwhile_is_dropped_from_a_narrow_subscription(self, stage: Stage) -> None:
        stage.leave(stage.listener("lab-1", "#", qos=1, clean=False), "lab-1")
        speaker = stage.join("lab-2")
        speaker.publish("lab/late", b"secret", qos=1)
        speaker.publish("lab/x", b"good", qos=1)
        _wait_for_queue(stage, "lab-1", 2)
        stage.reload(POLICY.replace('["lab/sealed/#"]', '["lab/sealed/#", "lab/late"]'))
        assert_only(come_back(stage, "lab-1"), ("lab/x", b"good"))

    def test_foreign_message_is_not_even_queued(self, stage: Stage) -> None:
        stage.leave(stage.listener("cam-1", "cameras/#", qos=1, clean=False), "cam-1")
        stage.join("thermo-1").publish("cameras/door", b"evil", qos=1)
        stage.join("cam-2").publish("cameras/x", b"good", qos=1)
        _wait_for_queue(stage, "cam-1", 1)
        assert_only(come_back(stage, "cam-1"), ("cameras/x", b"good"))

    def test_queue_of_another_device_cannot_be_collected_under_its_client_id(self, stage: Stage) -> None:
        stage.leave(stage.listener("cam-1", "cameras/#", qos=1, clean=False), "cam-1")
        stage.join("cam-2").publish("cameras/x", b"good", qos=1)
        _wait_for_queue(stage, "cam-1", 1)
        for clean in (True, False):
            attacker = stage.tls("thermo-1")
            attacker.send(Connect("cam-1", clean_session=clean))
            assert attacker.expect(Connack) == Connack(session_present=False, code=2)
            attacker.expect_end()
            assert attacker.messages() == []
        assert_only(come_back(stage, "cam-1"), ("cameras/x", b"good"))

    def test_queue_is_bounded_and_keeps_the_newest(self, tmp_path: Path) -> None:
        settings = "listen: ['mqtts://127.0.0.1:0']\nlimits: {queue: 3}\n"
        with Stage(tmp_path, settings=settings) as stage:
            stage.leave(stage.listener("cam-1", "cameras/#", qos=1, clean=False), "cam-1")
            attacker = stage.join("cam-2")
            for number in range(10):
                attacker.publish("cameras/x", b"%d" % number, qos=1)
            session = stage.broker.do(lambda: stage.broker.plugin.backend.session("cam-1"))
            assert session is not None
            wait_until(stage, lambda: b"9" in [m.data for m in session.retained_messages._queue])
            returned = come_back(stage, "cam-1")
            assert sorted(returned.expect(Publish).payload for _ in range(3)) == [b"7", b"8", b"9"]


class TestInFlight:
    """Mosquitto 2.0.11, mochi#504: what was under way when the connection broke skips the check when it returns."""

    def test_message_in_flight_to_a_device_is_judged_again_when_it_is_sent_again(self, stage: Stage) -> None:
        stage.leave(stage.listener("cam-1", "cameras/#", "cameras/good", qos=2, clean=False), "cam-1")
        _put_in_flight(stage, "cam-1", 41, "cameras/door", qos=1)
        _put_in_flight(stage, "cam-1", 42, "cameras/door", qos=2)
        _put_in_flight(stage, "cam-1", 43, "cameras/good", qos=1)
        stage.reload(DEAF_CAM_1)
        attacker = come_back(stage, "cam-1")
        assert attacker.expect(Publish) == Publish("cameras/good", b"in flight", qos=1, packet_id=43)
        attacker.send(Puback(43))
        stage.join("cam-2").publish("cameras/good", b"good")
        assert_only(attacker, ("cameras/good", b"good"))
        assert not [packet for packet in attacker.unread if isinstance(packet, Pubrel)]
        stage.denied(Reason.NOT_SUBSCRIBED, "cam-1", "cameras/door")

    def test_unacknowledged_message_is_not_sent_again_after_the_right_is_gone(self, stage: Stage) -> None:
        attacker = stage.listener("etl-1", FLOW, "analytics/#", qos=1, clean=False)
        stage.join("thermo-1").publish(TEMPERATURE, b"21", qos=1)
        assert attacker.expect(Publish).qos == 1
        stage.leave(attacker, "etl-1")
        stage.reload(NO_CONDUIT)
        attacker = come_back(stage, "etl-1")
        stage.join("etl-2").publish("analytics/x", b"good", qos=1)
        assert_only(attacker, ("analytics/x", b"good"))

    def test_message_on_its_way_when_the_right_goes_is_acknowledged_for_the_device(self, stage: Stage) -> None:
        attacker = stage.listener("etl-1", FLOW, "analytics/#", qos=2)
        stage.join("thermo-1").publish(TEMPERATURE, b"21", qos=2)
        first = attacker.expect(Publish)
        stage.reload(NO_CONDUIT)
        attacker.send(Pubrec(first.packet_id))
        assert attacker.expect(Pubrel).packet_id == first.packet_id
        attacker.send(Pubcomp(first.packet_id))
        stage.join("etl-2").publish("analytics/x", b"good", qos=1)
        assert_only(attacker, ("analytics/x", b"good"))


class TestUnfinishedQos2:
    """A QoS 2 message counts when it is released: the right is asked for then."""

    def test_flow_begun_under_the_old_policy_is_not_finished_under_the_new(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        attacker = stage.join("cam-1")
        attacker.send(Publish("cameras/door", b"evil", qos=2, packet_id=5))
        attacker.expect(Pubrec)
        stage.reload(MUTE_CAM_1)
        attacker.send(Pubrel(5))
        assert attacker.expect(Pubcomp) == Pubcomp(5)
        self._only_good(stage, victim)

    def test_flow_begun_before_the_connection_broke_is_judged_again(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        attacker = stage.join("cam-1", clean=False)
        attacker.send(Publish("cameras/door", b"evil", qos=2, packet_id=5))
        attacker.expect(Pubrec)
        stage.leave(attacker, "cam-1")
        stage.reload(MUTE_CAM_1)
        attacker = stage.tls("cam-1")
        attacker.send(Connect("cam-1", clean_session=False), Pubrel(5))
        assert attacker.expect(Pubcomp) == Pubcomp(5)
        attacker.send(Pubrel(5))
        assert attacker.expect(Pubcomp) == Pubcomp(5)
        self._only_good(stage, victim)

    def test_flow_is_not_finished_by_sending_it_again(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        attacker = stage.join("cam-1", clean=False)
        attacker.send(Publish("cameras/door", b"evil", qos=2, packet_id=5))
        attacker.expect(Pubrec)
        stage.leave(attacker, "cam-1")
        stage.reload(MUTE_CAM_1)
        attacker = come_back(stage, "cam-1")
        attacker.send(Publish("cameras/door", b"evil", qos=2, packet_id=5, dup=True), Pubrel(5))
        attacker.expect(Pubcomp)
        self._only_good(stage, victim)

    def test_flow_taken_over_by_a_new_connection_is_judged_again(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        attacker = stage.join("cam-1", clean=False)
        attacker.send(Publish("cameras/door", b"evil", qos=2, packet_id=5))
        attacker.expect(Pubrec)
        stage.reload(MUTE_CAM_1)
        second = stage.tls("cam-1")
        second.send(Connect("cam-1", clean_session=False), Pubrel(5))
        assert second.expect(Pubcomp) == Pubcomp(5)
        self._only_good(stage, victim)

    def test_forgotten_flow_does_not_come_back_with_the_right(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        attacker = stage.join("cam-1")
        attacker.send(Publish("cameras/door", b"evil", qos=2, packet_id=5))
        attacker.expect(Pubrec)
        stage.reload(MUTE_CAM_1)
        attacker.send(Pubrel(5))
        attacker.expect(Pubcomp)
        stage.reload(POLICY)
        attacker.send(Pubrel(5))
        attacker.expect(Pubcomp)
        self._only_good(stage, victim)

    def test_flow_begun_on_a_granted_topic_cannot_be_moved_to_another(self, stage: Stage) -> None:
        victim = stage.listener("bms-1", "hvac/#")
        attacker = stage.join("thermo-1")
        attacker.send(Publish("hvac/thermo-1/t", b"good", qos=2, packet_id=5))
        attacker.expect(Pubrec)
        attacker.send(Publish("hvac/thermo-2/t", b"evil", qos=2, packet_id=5, dup=True), Pubrel(5))
        attacker.expect_end()
        stage.told(Kind.CUT, Reason.PROTOCOL_ERROR, "thermo-1")
        stage.join("thermo-3").publish("hvac/thermo-3/t", b"good", qos=1)
        assert_only(victim, ("hvac/thermo-3/t", b"good"))

    def test_denied_flow_is_completed_and_published_nowhere(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        attacker = stage.join("thermo-1")
        attacker.send(
            Publish("cameras/door", b"evil", qos=2, packet_id=5),
            Publish("cameras/door", b"evil", qos=2, packet_id=5, dup=True),
            Pubrel(5),
            Pubrel(5),
        )
        for _ in range(2):
            attacker.expect(Pubrec)
            attacker.expect(Pubcomp)
        stage.join("cam-3").publish("cameras/x", b"good", qos=1)
        assert_only(victim, ("cameras/x", b"good"))
        stage.denied(Reason.OUTSIDE_SEGMENT, "thermo-1", "cameras/door", "cameras")

    def _only_good(self, stage: Stage, victim: RawClient) -> None:
        stage.join("cam-3").publish("cameras/x", b"good", qos=1)
        assert_only(victim, ("cameras/x", b"good"))
        stage.denied(Reason.NOT_GRANTED, "cam-1", "cameras/door")


def _wait_for_queue(stage: Stage, key: str, length: int) -> None:
    session = stage.broker.do(lambda: stage.broker.plugin.backend.session(key))
    assert session is not None
    wait_until(stage, lambda: bool(session.retained_messages.qsize() == length))


def _put_in_flight(stage: Stage, key: str, packet_id: int, topic: str, qos: int) -> None:
    """What a backend with redelivery still owes the session (amqtt itself forgets it: its weakness 10)."""
    session = stage.broker.do(lambda: stage.broker.plugin.backend.session(key))
    assert session is not None
    if isinstance(session, HostedSession):
        delivery = Delivery(Message(topic, b"in flight", qos, False, None), qos)
        delivery.packet_id = packet_id
        session.session.in_flight.restore(delivery)
        return
    message = OutgoingApplicationMessage(packet_id, topic, qos, b"in flight", False)
    session.inflight_out[packet_id] = message


class TestNarrowedQueue:
    """Another segment fills the queue of a session that would never see its messages, and pushes out what it would."""

    def test_foreign_messages_do_not_push_out_the_sessions_own(self, tmp_path: Path) -> None:
        settings = "listen: ['mqtts://127.0.0.1:0']\nlimits: {queue: 5}\n"
        with Stage(tmp_path, settings=settings, backend="engine") as stage:
            stage.leave(stage.listener("lab-1", "#", qos=1, clean=False), "lab-1")
            stage.join("lab-2").publish("lab/alarm", b"fire", qos=1)
            attacker = stage.join("cam-1")
            for number in range(10):
                attacker.publish("cameras/noise", b"%d" % number, qos=1)
            assert come_back(stage, "lab-1").expect(Publish).payload == b"fire"
