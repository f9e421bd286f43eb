"""Conduits and modes used for what they were not written for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from mqttseg.policy.compiled import compile_policy
from mqttseg.wire.packets import Publish
from tests.support.sites import POLICY
from tests.support.stages import Stage, assert_only

REFUSED = 0x80
TEMPERATURE = "hvac/thermo-1/telemetry/t"

SETPOINT = (
    POLICY
    + """
  setpoint:
    from: analytics
    to: hvac/controller
    topics: ["hvac/all/setpoint"]
  reports:
    from: analytics
    to: hvac/controller
    topics: ["analytics/report/#"]
"""
)


class TestBackwards:
    """A conduit is one way, for its topics, and for its two ends."""

    def test_receiving_end_cannot_publish(self, stage: Stage) -> None:
        victim = stage.listener("bms-1", "hvac/#")
        attacker = stage.join("etl-1")
        for topic in (TEMPERATURE, "hvac/thermo-1/cmd/off", "hvac/all/x"):
            attacker.publish(topic, b"evil", qos=1)
            stage.denied(Reason.OUTSIDE_SEGMENT, "etl-1", topic, "hvac")
        stage.join("thermo-1").publish(TEMPERATURE, b"good", qos=1)
        assert_only(victim, (TEMPERATURE, b"good"))

    def test_sending_end_gets_nothing_of_the_other_segment(self, stage: Stage) -> None:
        attacker = stage.join("thermo-1")
        assert attacker.subscribe("analytics/#", "analytics/x", "hvac/all/#") == (REFUSED, REFUSED, 0)
        attacker.publish("analytics/x", b"evil", qos=1)
        stage.join("etl-1").publish("analytics/x", b"secret", qos=1)
        stage.join("bms-1").publish("hvac/all/x", b"good", qos=1)
        assert_only(attacker, ("hvac/all/x", b"good"))
        stage.denied(Reason.OUTSIDE_SEGMENT, "thermo-1", "analytics/x", "analytics")

    def test_sending_end_gains_no_right_to_listen_on_the_conduit(self, stage: Stage) -> None:
        assert stage.join("thermo-1").subscribe("hvac/+/telemetry/#", "hvac/thermo-2/telemetry/#") == (REFUSED,) * 2

    @pytest.mark.parametrize(
        "topic_filter",
        ["hvac/#", "hvac/+/#", "hvac/+/+/#", "hvac/+/+", "hvac/+/cmd/#", "hvac/thermo-1/#", "+/+/telemetry/#"],
    )
    def test_receiving_end_gets_no_more_than_the_conduits_topics(self, stage: Stage, topic_filter: str) -> None:
        attacker = stage.listener("etl-1", "hvac/+/telemetry/#")
        assert attacker.subscribe(topic_filter) == (REFUSED,)
        thermo = stage.join("thermo-1")
        thermo.publish("hvac/thermo-1/secret", b"secret", qos=1)
        thermo.publish(TEMPERATURE, b"good", qos=1)
        assert_only(attacker, (TEMPERATURE, b"good"))

    def test_third_segment_cannot_use_it(self, stage: Stage) -> None:
        attacker = stage.join("cam-1")
        assert attacker.subscribe("hvac/+/telemetry/#", TEMPERATURE, "cameras/#") == (REFUSED, REFUSED, 0)
        attacker.publish(TEMPERATURE, b"evil", qos=1)
        stage.denied(Reason.OUTSIDE_SEGMENT, "cam-1", TEMPERATURE, "hvac")
        stage.join("thermo-1").publish(TEMPERATURE, b"secret", qos=1)
        stage.join("cam-2").publish("cameras/x", b"good", qos=1)
        assert_only(attacker, ("cameras/x", b"good"))

    def test_conduit_cannot_be_written_for_another_device(self, stage: Stage) -> None:
        victim = stage.listener("etl-1", "hvac/+/telemetry/#")
        attacker = stage.join("thermo-2")
        attacker.publish(TEMPERATURE, b"evil", qos=1)
        stage.denied(Reason.NOT_GRANTED, "thermo-2", TEMPERATURE, "hvac")
        stage.join("thermo-1").publish(TEMPERATURE, b"good", qos=1)
        assert_only(victim, (TEMPERATURE, b"good"))

    def test_two_conduits_do_not_make_a_third(self, tmp_path: Path) -> None:
        chain = POLICY + '  second:\n    from: analytics\n    to: cameras\n    topics: ["analytics/#"]\n'
        with Stage(tmp_path, chain) as stage:
            victim = stage.listener("cam-1", "analytics/#")
            attacker = stage.join("thermo-1")
            attacker.publish("analytics/x", b"evil", qos=1)
            attacker.publish(TEMPERATURE, b"21", qos=1)
            assert victim.subscribe("hvac/+/telemetry/#") == (REFUSED,)
            stage.join("etl-1").publish("analytics/x", b"good", qos=1)
            assert_only(victim, ("analytics/x", b"good"))

    def test_conduit_into_a_namespace_lets_its_sender_write_and_not_read(self, tmp_path: Path) -> None:
        with Stage(tmp_path, SETPOINT) as stage:
            controller = stage.listener("bms-1", "hvac/#")
            attacker = stage.join("etl-1")
            assert attacker.subscribe("hvac/all/setpoint", "hvac/all/#") == (REFUSED, REFUSED)
            attacker.publish("hvac/all/other", b"evil", qos=1)
            attacker.publish("hvac/all/setpoint", b"20", qos=1)
            assert_only(controller, ("hvac/all/setpoint", b"20"))
            stage.denied(Reason.OUTSIDE_SEGMENT, "etl-1", "hvac/all/other", "hvac")

    def test_conduit_to_a_role_is_for_that_role(self, tmp_path: Path) -> None:
        with Stage(tmp_path, SETPOINT) as stage:
            controller = stage.listener("bms-1", "analytics/report/#")
            attacker = stage.join("thermo-1")
            assert attacker.subscribe("analytics/report/#", "hvac/all/x") == (REFUSED, 0)
            stage.join("etl-1").publish("analytics/report/day", b"report", qos=1)
            assert_only(controller, ("analytics/report/day", b"report"))
            stage.join("bms-2").publish("hvac/all/x", b"good", qos=1)
            assert_only(attacker, ("hvac/all/x", b"good"))

    def test_conduit_that_ran_out_is_withdrawn_from_live_sessions(self, tmp_path: Path) -> None:
        policy = POLICY + "    until: 2099-01-01T00:00:00Z\n"
        with Stage(tmp_path, policy) as stage:
            attacker = stage.listener("etl-1", "hvac/+/telemetry/#", "analytics/#")
            guard, later = stage.broker.guard, datetime(2099, 1, 2, tzinfo=UTC)
            stage.broker.do(lambda: guard.change_policy(compile_policy(guard.compiled.policy, later)))
            stage.broker.do(guard.settle)
            stage.told(Kind.WITHDRAW, Reason.OUTSIDE_SEGMENT, "etl-1", "hvac/+/telemetry/#")
            stage.join("thermo-1").publish(TEMPERATURE, b"late", qos=1)
            stage.join("etl-2").publish("analytics/x", b"good", qos=1)
            assert_only(attacker, ("analytics/x", b"good"))


class TestObserveMode:
    """What is only observed somewhere opens nothing where the policy is enforced."""

    HVAC_OBSERVED = POLICY.replace("  hvac:\n", "  hvac:\n    mode: observe\n")
    SITE_OBSERVED = POLICY.replace("segments:\n", "mode: observe\nsegments:\n").replace(
        "  cameras:\n", "  cameras:\n    mode: enforce\n"
    )

    def test_observed_segment_does_not_reach_an_enforcing_one(self, tmp_path: Path) -> None:
        with Stage(tmp_path, self.HVAC_OBSERVED) as stage:
            victim = stage.listener("cam-1", "cameras/#")
            attacker = stage.join("thermo-1")
            attacker.publish("cameras/door", b"evil", qos=1)
            assert attacker.subscribe("cameras/#", "cameras/door", "hvac/#") == (REFUSED, REFUSED, 0)
            stage.join("cam-2").publish("cameras/door", b"good", qos=1)
            assert_only(victim, ("cameras/door", b"good"))
            stage.denied(Reason.OUTSIDE_SEGMENT, "thermo-1", "cameras/door", "cameras")

    def test_wide_filter_of_an_observed_segment_brings_nothing_of_an_enforcing_one(self, tmp_path: Path) -> None:
        with Stage(tmp_path, self.HVAC_OBSERVED) as stage:
            stage.join("cam-2").publish("cameras/kept", b"secret", qos=1, retain=True)
            attacker = stage.listener("thermo-1", "#")
            stage.join("cam-2").publish("cameras/door", b"secret", qos=1)
            stage.join("thermo-2").publish("hvac/thermo-2/t", b"observed", qos=1)
            assert_only(attacker, ("hvac/thermo-2/t", b"observed"))
            stage.denied(Reason.OUTSIDE_SEGMENT, "thermo-1", "cameras/door", "cameras")
            assert stage.told(Kind.DENY, Reason.NOT_GRANTED, "thermo-1", "hvac/thermo-2/t").observed

    def test_stranger_on_an_observed_site_does_not_reach_an_enforcing_segment(self, tmp_path: Path) -> None:
        with Stage(tmp_path, self.SITE_OBSERVED) as stage:
            victim = stage.listener("cam-1", "cameras/#")
            attacker = stage.join("stranger")
            assert attacker.subscribe("cameras/#") == (REFUSED,)
            attacker.publish("cameras/door", b"evil", qos=1, retain=True)
            stage.join("cam-2").publish("cameras/door", b"good", qos=1)
            assert_only(victim, ("cameras/door", b"good"))

    def test_system_topics_are_never_let_through(self, tmp_path: Path) -> None:
        with Stage(tmp_path, self.HVAC_OBSERVED) as stage:
            attacker = stage.join("thermo-1")
            assert attacker.subscribe("$SYS/#", "$share/g/hvac/#", "$share/g/cameras/#") == (REFUSED,) * 3
            attacker.publish("$SYS/x", b"evil", qos=1)
            stage.denied(Reason.SYSTEM_TOPIC, "thermo-1", "$SYS/x")

    def test_going_back_from_observe_to_enforce_withdraws_what_was_let_through(self, tmp_path: Path) -> None:
        with Stage(tmp_path, self.HVAC_OBSERVED) as stage:
            attacker = stage.listener("thermo-1", "#", "hvac/all/#")
            stage.reload(POLICY)
            stage.told(Kind.WITHDRAW, Reason.FILTER_TOO_WIDE, "thermo-1", "#")
            stage.join("thermo-2").publish("hvac/thermo-2/t", b"secret", qos=1)
            stage.join("bms-1").publish("hvac/all/x", b"good", qos=1)
            assert_only(attacker, ("hvac/all/x", b"good"))

    def test_client_id_is_bound_in_observe_mode_too(self, tmp_path: Path) -> None:
        with Stage(tmp_path, self.SITE_OBSERVED) as stage:
            attacker = stage.tls("thermo-1")
            assert attacker.connect("cam-1").code == 2
            stage.told(Kind.REFUSE, Reason.CLIENT_ID_MISMATCH, "thermo-1")


class TestNarrow:
    """``subscriptions: narrow`` accepts a wide filter, and delivers what is allowed: nothing else, by no path."""

    def test_live(self, stage: Stage) -> None:
        attacker = stage.listener("lab-1", "#", "+/#", "lab/#")
        stage.join("cam-1").publish("cameras/door", b"secret", qos=1)
        stage.join("bms-1").publish("hvac/all/x", b"secret", qos=1)
        stage.join("lab-2").publish("lab/sealed/x", b"secret", qos=1)
        stage.join("lab-2").publish("lab/x", b"good", qos=1)
        assert attacker.expect(Publish).payload == b"good"
        stage.join("lab-2").publish("lab/y", b"good", qos=1)
        assert {message.topic for message in attacker.messages()} <= {"lab/x", "lab/y"}
        stage.denied(Reason.DENIED_BY_RULE, "lab-2", "lab/sealed/x", "lab/sealed/#")

    def test_filter_with_nothing_of_ones_own_is_refused_here_too(self, stage: Stage) -> None:
        attacker = stage.join("lab-1")
        filters = ("cameras/#", "hvac/#", "lab/sealed/#", "$SYS/#", "$share/g/lab/#", "+/sealed/x")
        assert attacker.subscribe(*filters) == (REFUSED,) * len(filters)

    def test_right_lost_later_is_lost_to_a_narrow_filter(self, stage: Stage) -> None:
        attacker = stage.listener("lab-1", "#")
        speaker = stage.join("lab-2")
        speaker.publish("lab/late", b"still open", qos=1)
        assert_only(attacker, ("lab/late", b"still open"))
        stage.reload(POLICY.replace('["lab/sealed/#"]', '["lab/sealed/#", "lab/late"]'))
        speaker.publish("lab/late", b"secret", qos=1)
        speaker.publish("lab/x", b"good", qos=1)
        assert_only(attacker, ("lab/x", b"good"))
