"""Retained messages: planted where they should not be, cleared by others, or delivered after a right is gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from mqttseg.wire.packets import Will
from tests.support.clients import RawClient
from tests.support.sites import POLICY
from tests.support.stages import Stage, assert_only

READERS = POLICY.replace(
    """  cameras:
    members: ["cam-*"]
""",
    """  cameras:
    members: ["cam-*"]
    roles:
      mute: {members: ["cam-1"], publish: [], subscribe: ["cameras/#"]}
""",
)
"""The policy, but cam-1 may publish nothing any more."""


def retained_topics(stage: Stage) -> list[str]:
    return sorted(stage.broker.do(lambda: list(stage.broker.broker.retained_messages)))


def plant(stage: Stage, client: RawClient, topic: str, payload: bytes) -> None:
    """Publish a retained message, and wait until it is stored: amqtt acknowledges it before."""
    client.publish(topic, payload, qos=1, retain=True)
    while topic not in retained_topics(stage):
        pass


def retain_as_operator(stage: Stage, topic: str) -> None:
    """A retained message of the broker's own, on any topic."""
    loop = stage.broker.do(asyncio.get_running_loop)
    work = stage.broker.broker.retain_message(None, topic, b"of the broker", 0)
    asyncio.run_coroutine_threadsafe(work, loop).result(10)


def test_denied_retained_message_is_not_planted(stage: Stage) -> None:
    attacker = stage.join("thermo-1")
    for qos in (0, 1, 2):
        attacker.publish("cameras/door", b"evil", qos=qos, retain=True)
    plant(stage, stage.join("cam-2"), "cameras/lamp", b"good")
    assert_only(stage.listener("cam-1", "cameras/#"), ("cameras/lamp", b"good"))
    assert retained_topics(stage) == ["cameras/lamp"]
    stage.denied(Reason.OUTSIDE_SEGMENT, "thermo-1", "cameras/door", "cameras")


def test_denied_empty_message_clears_nothing(stage: Stage) -> None:
    plant(stage, stage.join("cam-2"), "cameras/door", b"good")
    attacker = stage.join("thermo-1")
    for qos in (0, 1, 2):
        attacker.publish("cameras/door", b"", qos=qos, retain=True)
    attacker.ping()
    assert_only(stage.listener("cam-1", "cameras/#"), ("cameras/door", b"good"))


def test_denied_live_message_does_not_replace_a_retained_one(stage: Stage) -> None:
    plant(stage, stage.join("cam-2"), "cameras/door", b"good")
    stage.join("thermo-1").publish("cameras/door", b"evil", qos=1, retain=True)
    assert_only(stage.listener("cam-1", "cameras/door"), ("cameras/door", b"good"))


def test_retained_message_of_another_segment_is_not_delivered_on_connect(stage: Stage) -> None:
    stage.listener("cam-1", "cameras/#")
    plant(stage, stage.join("cam-2"), "cameras/door", b"secret")
    attacker = stage.listener("thermo-1", "hvac/all/#")
    stage.join("bms-1").publish("hvac/all/x", b"good", qos=1)
    assert_only(attacker, ("hvac/all/x", b"good"))


class TestOutlivedRight:
    """CVE-2018-12546, emqx#10192: a retained message outlives its publisher's right."""

    def test_right_taken_from_the_publisher(self, stage: Stage) -> None:
        attacker = stage.join("cam-1")
        plant(stage, attacker, "cameras/door", b"evil")
        assert_only(stage.listener("cam-3", "cameras/#"), ("cameras/door", b"evil"))
        stage.reload(READERS)
        victim = stage.listener("cam-2", "cameras/#")
        stage.join("cam-4").publish("cameras/lamp", b"good", qos=1)
        assert_only(victim, ("cameras/lamp", b"good"))
        stage.denied(Reason.NOT_GRANTED, "cam-2", "cameras/door")

    def test_right_given_back_brings_it_back(self, stage: Stage) -> None:
        plant(stage, stage.join("cam-1"), "cameras/door", b"mine")
        stage.reload(READERS)
        stage.reload(POLICY)
        assert_only(stage.listener("cam-2", "cameras/#"), ("cameras/door", b"mine"))

    @pytest.mark.parametrize("moved", ['["cam-2", "cam-4"]', '["cam-2", "cam-4"]\n  other:\n    members: ["cam-1"]'])
    def test_publisher_moved_out_of_the_segment(self, stage: Stage, moved: str) -> None:
        plant(stage, stage.join("cam-1"), "cameras/door", b"evil")
        stage.reload(POLICY.replace('["cam-*"]', moved))
        victim = stage.listener("cam-2", "cameras/#")
        stage.join("cam-4").publish("cameras/lamp", b"good", qos=1)
        assert_only(victim, ("cameras/lamp", b"good"))
        stage.denied(Reason.NOT_GRANTED, "cam-2", "cameras/door")

    def test_deny_added_later(self, stage: Stage) -> None:
        plant(stage, stage.join("cam-1"), "cameras/door", b"evil")
        stage.reload(POLICY.replace('["cam-*"]', '["cam-*"]\n    subscriptions: narrow\n    deny: ["cameras/door"]'))
        victim = stage.listener("cam-2", "cameras/#")
        stage.join("cam-4").publish("cameras/lamp", b"good", qos=1)
        assert_only(victim, ("cameras/lamp", b"good"))

    def test_publisher_that_uses_a_session_of_another_name(self, stage: Stage) -> None:
        attacker = stage.tls("cam-1")
        assert attacker.connect("cam-1/second").code == 0
        plant(stage, attacker, "cameras/door", b"evil")
        stage.reload(READERS)
        victim = stage.listener("cam-2", "cameras/#")
        stage.join("cam-4").publish("cameras/lamp", b"good", qos=1)
        assert_only(victim, ("cameras/lamp", b"good"))

    def test_retained_will_of_a_publisher_without_the_right(self, stage: Stage) -> None:
        attacker = stage.join("cam-1", will=Will("cameras/door", b"evil", retain=True))
        stage.leave(attacker, "cam-1")
        while not retained_topics(stage):
            pass
        stage.reload(READERS)
        victim = stage.listener("cam-2", "cameras/#")
        stage.join("cam-4").publish("cameras/lamp", b"good", qos=1)
        assert_only(victim, ("cameras/lamp", b"good"))

    def test_session_that_returns_under_the_new_policy(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#", clean=False)
        stage.leave(victim, "cam-2")
        plant(stage, stage.join("cam-1"), "cameras/door", b"evil")
        stage.reload(READERS)
        victim = stage.join("cam-2", clean=False)
        stage.join("cam-4").publish("cameras/lamp", b"good", qos=1)
        assert_only(victim, ("cameras/lamp", b"good"))


class TestReplay:
    """NATS notes 2026-18 and 2026-26: the replay of retained messages skips a deny."""

    def test_replay_to_a_narrow_subscription_skips_what_is_denied_or_foreign(self, stage: Stage) -> None:
        for topic in ("lab/sealed/x", "hvac/all/x", "cameras/x", "analytics/x", "lab", "lab/open"):
            retain_as_operator(stage, topic)
        victim = stage.listener("lab-1", "#")
        stage.join("lab-2").publish("lab/last", b"good", qos=1)
        assert_only(victim, ("lab", b"of the broker"), ("lab/open", b"of the broker"), ("lab/last", b"good"))

    def test_replay_through_a_conduit_that_is_gone(self, stage: Stage) -> None:
        plant(stage, stage.join("thermo-1"), "hvac/thermo-1/telemetry/t", b"21")
        first = stage.listener("etl-1", "hvac/+/telemetry/#")
        assert_only(first, ("hvac/thermo-1/telemetry/t", b"21"))
        stage.reload(POLICY[: POLICY.index("conduits:")])
        second = stage.join("etl-2")
        assert second.subscribe("hvac/+/telemetry/#", "analytics/#") == (0x80, 0)
        stage.join("etl-3").publish("analytics/x", b"good", qos=1)
        assert_only(second, ("analytics/x", b"good"))
        stage.told(Kind.WITHDRAW, Reason.OUTSIDE_SEGMENT, "etl-1", "hvac/+/telemetry/#", "hvac")

    def test_replay_of_system_topics_to_a_wildcard(self, stage: Stage) -> None:
        retain_as_operator(stage, "$SYS/broker/version")
        victim = stage.listener("lab-1", "#")
        stage.join("lab-2").publish("lab/last", b"good", qos=1)
        assert_only(victim, ("lab/last", b"good"))

    def test_replay_to_a_shared_subscription(self, stage: Stage) -> None:
        plant(stage, stage.join("cam-2"), "cameras/door", b"secret")
        attacker = stage.join("thermo-1")
        codes = attacker.subscribe("$share/g/cameras/#", "$queue/cameras/#", "$share/g/#", "hvac/all/#")
        assert codes == (0x80, 0x80, 0x80, 0)
        stage.join("bms-1").publish("hvac/all/x", b"good", qos=1)
        assert_only(attacker, ("hvac/all/x", b"good"))
        stage.denied(Reason.SYSTEM_TOPIC, "thermo-1", "$share/g/cameras/#")


def test_retained_messages_are_bounded(tmp_path: Path) -> None:
    settings = "listen: ['mqtts://127.0.0.1:0']\nlimits: {retained: 2}\n"
    with Stage(tmp_path, settings=settings) as stage:
        attacker = stage.join("cam-1")
        for topic in ("cameras/a", "cameras/b", "cameras/c"):
            attacker.publish(topic, b"x", qos=1, retain=True)
            attacker.ping()
        assert len(retained_topics(stage)) <= 2
        stage.told(Kind.LIMIT, Reason.RATE_LIMIT, "cam-1", "cameras/c")
