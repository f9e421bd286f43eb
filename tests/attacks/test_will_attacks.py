"""Wills: judged when they are deposited, judged again when they fire, and nobody's but the session's that left them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from mqttseg.wire.packets import Connack, Connect, Disconnect, Will
from tests.support.clients import RawClient
from tests.support.sites import POLICY
from tests.support.stages import Stage, assert_only

REFUSED = Connack(session_present=False, code=5)

NO_CAM_1 = POLICY.replace('["cam-*"]', '["cam-2", "cam-3"]')
MUTE_CAM_1 = POLICY.replace(
    'members: ["cam-*"]',
    'members: ["cam-*"]\n    roles:\n      mute: {members: ["cam-1"], publish: [], subscribe: ["cameras/#"]}',
)


def good_message(stage: Stage) -> None:
    stage.join("cam-3").publish("cameras/good", b"good", qos=1)


GOOD = ("cameras/good", b"good")


class TestAtConnect:
    """mosquitto#3552, moquette#689, mochi#503, NanoMQ#2330: the will skips the ACL."""

    def test_will_on_a_foreign_topic_is_refused(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        topics = (
            "cameras/door",
            "hvac/thermo-2/t",
            "hvac",
            "$SYS/broker/uptime",
            "$share/g/cameras/door",
            "HVAC/x",
            "/",
        )
        for number, topic in enumerate(topics):
            attacker, answer = stage.greet("thermo-1", will=Will(topic, b"evil", qos=1, retain=bool(number % 2)))
            assert answer == REFUSED
            attacker.expect_end()
            event = stage.broker.wait_for(lambda event: repr(topic) in event.detail)  # noqa: B023  # called at once
            assert (event.kind, event.reason) == (Kind.REFUSE, Reason.WILL_NOT_GRANTED)
        good_message(stage)
        assert_only(victim, GOOD)
        stage.told(Kind.REFUSE, Reason.WILL_NOT_GRANTED, "thermo-1", rule="cameras")

    def test_retained_will_on_a_foreign_topic_is_not_planted(self, stage: Stage) -> None:
        assert stage.greet("thermo-1", will=Will("cameras/door", b"evil", retain=True))[1] == REFUSED
        late = stage.listener("cam-1", "cameras/#")
        good_message(stage)
        assert_only(late, GOOD)

    def test_will_larger_than_the_payload_limit_is_refused(self, tmp_path: Path) -> None:
        policy = POLICY.replace('["cam-*"]', '["cam-*"]\n    limits: {payload: 8B}')
        with Stage(tmp_path, policy) as stage:
            assert stage.greet("cam-1", will=Will("cameras/x", b"123456789"))[1] == REFUSED
            stage.told(Kind.REFUSE, Reason.PAYLOAD_TOO_LARGE, "cam-1")


class TestRefusedConnect:
    """A CONNECT that is refused leaves nothing behind: no will that fires, no session, nobody else's will."""

    @pytest.mark.parametrize("clean", [True, False])
    def test_will_of_a_refused_connect_never_fires(self, stage: Stage, clean: bool) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        attacker = stage.tls("cam-1")
        attacker.send(Connect("cam-2", clean_session=clean, will=Will("cameras/door", b"evil")))
        assert attacker.expect(Connack).code == 2
        attacker.expect_end()
        good_message(stage)
        assert_only(victim, GOOD)
        stage.told(Kind.REFUSE, Reason.CLIENT_ID_MISMATCH, "cam-1")

    def test_will_of_a_device_in_no_segment_never_fires(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        attacker, answer = stage.greet("stranger", will=Will("cameras/door", b"evil"))
        assert answer == REFUSED
        attacker.close()
        good_message(stage)
        assert_only(victim, GOOD)
        stage.told(Kind.REFUSE, Reason.NO_SEGMENT, "stranger")

    def test_refused_connect_does_not_replace_the_victims_will(self, stage: Stage) -> None:
        listener = stage.listener("cam-3", "cameras/#")
        victim = stage.join("cam-2", clean=False, will=Will("cameras/will", b"the victim's"))
        attacker = stage.tls("cam-1")
        attacker.send(Connect("cam-2", clean_session=False, will=Will("cameras/will", b"evil")))
        attacker.expect_end()
        victim.ping()
        victim.close()
        assert_only(listener, ("cameras/will", b"the victim's"))

    def test_refused_will_does_not_fire_the_earlier_one_of_the_same_device(self, stage: Stage) -> None:
        listener = stage.listener("cam-3", "cameras/#")
        device = stage.join("cam-2", will=Will("cameras/will", b"still mine"))
        assert stage.greet("cam-2", will=Will("hvac/x", b"evil"))[1] == REFUSED
        device.ping()
        device.close()
        assert_only(listener, ("cameras/will", b"still mine"))

    def test_second_connect_cannot_bring_a_will(self, stage: Stage) -> None:
        listener = stage.listener("cam-3", "cameras/#")
        attacker = stage.join("cam-1")
        attacker.send(Connect("cam-1", will=Will("cameras/will", b"evil")))
        attacker.expect_end()
        stage.join("cam-2").publish(*GOOD, qos=1)
        assert_only(listener, GOOD)
        stage.told(Kind.CUT, Reason.PROTOCOL_ERROR, "cam-1")


class TestWhenItFires:
    """The policy may have changed since CONNECT, so the will is judged again."""

    def test_will_within_the_rights_fires(self, stage: Stage) -> None:
        listener = stage.listener("cam-3", "cameras/#")
        stage.join("cam-1", will=Will("cameras/will", b"gone", qos=1)).close()
        assert_only(listener, ("cameras/will", b"gone"))
        stage.told(Kind.WILL, Reason.OK, "cam-1", "cameras/will", "cameras")

    def test_will_does_not_fire_after_disconnect(self, stage: Stage) -> None:
        listener = stage.listener("cam-2", "cameras/#")
        device = stage.join("cam-1", will=Will("cameras/will", b"gone"))
        device.send(Disconnect())
        device.expect_end()
        good_message(stage)
        assert_only(listener, GOOD)

    @pytest.mark.parametrize("retain", [False, True])
    def test_right_taken_away_between_connect_and_the_end(self, stage: Stage, retain: bool) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        attacker = stage.join("cam-1", will=Will("cameras/door", b"evil", retain=retain))
        stage.reload(MUTE_CAM_1)
        attacker.close()
        stage.denied(Reason.WILL_NOT_GRANTED, "cam-1", "cameras/door")
        good_message(stage)
        assert_only(victim, GOOD)

    def test_conduit_taken_away_between_connect_and_the_end(self, tmp_path: Path) -> None:
        conduit = '  setpoint:\n    from: analytics\n    to: hvac\n    topics: ["hvac/all/setpoint"]\n'
        with Stage(tmp_path, POLICY + conduit) as stage:
            victim = stage.listener("bms-1", "hvac/#")
            attacker = stage.join("etl-1", will=Will("hvac/all/setpoint", b"evil"))
            stage.reload(POLICY)
            attacker.close()
            stage.denied(Reason.WILL_NOT_GRANTED, "etl-1", "hvac/all/setpoint", "hvac")
            stage.join("thermo-1").publish("hvac/all/x", b"good", qos=1)
            assert_only(victim, ("hvac/all/x", b"good"))

    def test_device_put_out_by_the_policy_has_no_last_word(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        attacker = stage.join("cam-1", will=Will("cameras/door", b"evil"))
        stage.reload(NO_CAM_1)
        attacker.expect_end()
        stage.told(Kind.CUT, Reason.NO_SEGMENT, "cam-1")
        good_message(stage)
        assert_only(victim, GOOD)

    def test_revoked_device_has_no_last_word(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        attacker = stage.join("cam-1", will=Will("cameras/door", b"evil"))
        stage.site.authority.revoke("cam-1")
        attacker.expect_end()
        stage.told(Kind.CUT, Reason.CERTIFICATE_REVOKED, "cam-1")
        good_message(stage)
        assert_only(victim, GOOD)

    def test_taken_over_session_fires_the_old_will_only_within_the_rights(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        stage.join("cam-1", will=Will("cameras/door", b"evil"))
        stage.reload(MUTE_CAM_1)
        stage.join("cam-1")
        stage.denied(Reason.WILL_NOT_GRANTED, "cam-1", "cameras/door")
        good_message(stage)
        assert_only(victim, GOOD)

    @pytest.mark.parametrize("ending", [b"\x00\x00", b"\xf0\x00", b"\x10\x0d\x00\x04MQTT\x04\x00\x00\x00\x00\x01x"])
    def test_breaking_the_protocol_fires_no_more_than_breaking_the_connection(
        self, stage: Stage, ending: bytes
    ) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        attacker = stage.join("cam-1", will=Will("cameras/door", b"mine"))
        stage.reload(MUTE_CAM_1)
        attacker.send_bytes(ending)
        attacker.expect_end()
        good_message(stage)
        assert_only(victim, GOOD)

    def test_will_reaches_nobody_outside_the_segment(self, stage: Stage) -> None:
        others: dict[str, RawClient] = {
            "hvac/all/x": stage.listener("bms-1", "hvac/#"),
            "lab/x": stage.listener("lab-1", "#"),
        }
        listener = stage.listener("cam-2", "cameras/#")
        stage.join("cam-1", will=Will("cameras/will", b"gone")).close()
        assert_only(listener, ("cameras/will", b"gone"))
        stage.join("thermo-1").publish("hvac/all/x", b"good", qos=1)
        stage.join("lab-2").publish("lab/x", b"good", qos=1)
        for topic, other in others.items():
            assert_only(other, (topic, b"good"))
