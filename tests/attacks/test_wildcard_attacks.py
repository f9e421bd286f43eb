"""Wildcards, prefixes and look-alikes: topics and filters that elsewhere reached what they should not have."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from mqttseg.wire.packets import Connack, Connect, Publish, Suback, Subscribe, Unsubscribe
from tests.support.brokers import BackendName
from tests.support.sites import POLICY
from tests.support.stages import Stage, assert_only, raw_publish, raw_subscribe

REFUSED = 0x80


class Town(Stage):
    """A stage with inhabitants who stay: one in each segment, and listeners in two of them."""

    def __enter__(self) -> Town:
        super().__enter__()
        self.camera = self.listener("cam-1", "cameras/#")
        self.controller = self.listener("bms-1", "hvac/#")
        self.speakers = {
            "cameras/door": self.join("cam-2"),
            "hvac/thermo-2/cmd/x": self.join("bms-2"),
            "analytics/x": self.join("etl-1"),
            "lab/x": self.join("lab-1"),
        }
        return self

    def everybody_speaks(self) -> None:
        """Messages in every segment, for whoever managed to listen where he should not."""
        for topic, speaker in self.speakers.items():
            speaker.publish(topic, b"not for you", qos=1)
        assert_only(self.camera, ("cameras/door", b"not for you"))
        assert_only(self.controller, ("hvac/thermo-2/cmd/x", b"not for you"))

    def good_message(self, topic: str) -> None:
        """A message of hvac's controller, after all the others."""
        self.speakers["hvac/thermo-2/cmd/x"].publish(topic, b"good", qos=1)
        assert_only(self.controller, (topic, b"good"))


@pytest.fixture(scope="module")
def town(backend: BackendName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Town(tmp_path_factory.mktemp("town")) as running:
        yield running


@pytest.fixture
def shared(town: Town) -> Town:
    town.broker.events.clear()
    return town


@pytest.fixture(scope="module")
def vaults(backend: BackendName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("vaults"), DENIES) as running:
        yield running


class TestIdentityInTemplates:
    """CVE-2017-7650 and kin: ``#`` or ``+`` in a client id or user name widens a ``${device}`` rule."""

    @pytest.mark.parametrize(
        "client_id",
        [
            "#",
            "+",
            "thermo-1/#",
            "thermo-1/+",
            "thermo-+",
            "thermo-1/a/#",
            "+/#",
            "thermo-2",
            "thermo-1/",
            "thermo-1.*",
        ],
    )
    def test_client_id_with_a_wildcard_or_of_another_device_is_refused(self, shared: Town, client_id: str) -> None:
        attacker = shared.tls("thermo-1")
        assert attacker.connect(client_id) == Connack(session_present=False, code=2)
        attacker.expect_end()
        shared.told(Kind.REFUSE, Reason.CLIENT_ID_MISMATCH, "thermo-1")

    @pytest.mark.parametrize("username", ["#", "+", "thermo-2", "hvac/#", "bms-1"])
    def test_user_name_changes_nothing(self, shared: Town, username: str) -> None:
        victim = shared.listener("thermo-2", "hvac/thermo-2/cmd/#")
        attacker = shared.tls("thermo-1")
        attacker.send(Connect("thermo-1", username=username, password=b"secret"))
        assert attacker.expect(Connack).code == 0
        assert attacker.subscribe("hvac/+/cmd/#", "hvac/thermo-2/cmd/#", "hvac/#") == (REFUSED,) * 3
        attacker.publish("hvac/thermo-2/cmd/x", b"evil", qos=1)
        shared.good_message("hvac/thermo-2/cmd/x")
        assert_only(victim, ("hvac/thermo-2/cmd/x", b"good"))
        shared.denied(Reason.NOT_GRANTED, "thermo-1", "hvac/thermo-2/cmd/x")

    @pytest.mark.parametrize("client_id", ["#", "+", "thermo-2", "thermo-2/#", "$share/g"])
    def test_any_client_id_is_only_a_name_for_a_session(self, tmp_path: Path, client_id: str) -> None:
        settings = "listen: ['mqtts://127.0.0.1:0']\nclient_id: any\n"
        with Stage(tmp_path, settings=settings) as stage:
            attacker = stage.tls("thermo-1")
            assert attacker.connect(client_id).code == 0
            codes = attacker.subscribe("hvac/+/cmd/#", "hvac/thermo-2/cmd/#", "hvac/thermo-1/cmd/#", "#")
            assert codes == (REFUSED, REFUSED, 0, REFUSED)


FOREIGN_FILTERS = [
    ("cameras/#", Reason.OUTSIDE_SEGMENT, "cameras"),
    ("cameras", Reason.OUTSIDE_SEGMENT, "cameras"),
    ("cameras/door", Reason.OUTSIDE_SEGMENT, "cameras"),
    ("cameras/+", Reason.OUTSIDE_SEGMENT, "cameras"),
    ("#", Reason.FILTER_TOO_WIDE, None),
    ("+/#", Reason.FILTER_TOO_WIDE, None),
    ("+/+", Reason.FILTER_TOO_WIDE, None),
    ("+/door", Reason.NOT_GRANTED, "hvac"),
    ("+", Reason.NOT_GRANTED, None),
    ("/#", Reason.OUTSIDE_SEGMENT, None),
    ("//#", Reason.OUTSIDE_SEGMENT, None),
    ("/cameras/#", Reason.OUTSIDE_SEGMENT, None),
    ("hvac/#", Reason.FILTER_TOO_WIDE, None),
    ("hvac/+/cmd/#", Reason.FILTER_TOO_WIDE, None),
    ("hvac/thermo-1/#", Reason.FILTER_TOO_WIDE, None),
    ("hvac/thermo-2/cmd/#", Reason.NOT_GRANTED, "hvac"),
    ("hvac/thermo-1/+", Reason.FILTER_TOO_WIDE, None),
    ("hvac/thermo-1/+/#", Reason.FILTER_TOO_WIDE, None),
    ("HVAC/all/#", Reason.OUTSIDE_SEGMENT, None),
    ("hvacx/#", Reason.OUTSIDE_SEGMENT, None),
    ("$SYS/#", Reason.SYSTEM_TOPIC, None),
    ("$SYS/broker/load", Reason.SYSTEM_TOPIC, None),
    ("$share/g/cameras/#", Reason.SYSTEM_TOPIC, None),
    ("$share/g/hvac/all/#", Reason.SYSTEM_TOPIC, None),
    ("$share/#", Reason.SYSTEM_TOPIC, None),
    ("$queue/cameras/#", Reason.SYSTEM_TOPIC, None),
    ("$exclusive/cameras/#", Reason.SYSTEM_TOPIC, None),
    ("$local/cameras/#", Reason.SYSTEM_TOPIC, None),
    ("$CONTROL/#", Reason.SYSTEM_TOPIC, None),
    ("$MQTT/sub/cameras", Reason.SYSTEM_TOPIC, None),
    ("$/cameras", Reason.SYSTEM_TOPIC, None),
]
"""Filters that thermo-1 may not subscribe to, with the reason, and the rule where a foreign one stands in the way."""


class TestFilters:
    @pytest.mark.parametrize(("topic_filter", "reason", "rule"), FOREIGN_FILTERS)
    def test_filter_beyond_the_rights_is_refused_and_brings_nothing(
        self, shared: Town, topic_filter: str, reason: Reason, rule: str | None
    ) -> None:
        attacker = shared.join("thermo-1")
        assert attacker.subscribe(topic_filter) == (REFUSED,)
        event = shared.denied(reason, "thermo-1", topic_filter, rule)
        assert event.action == "subscribe"
        shared.everybody_speaks()
        assert attacker.subscribe("hvac/all/#") == (0,)
        shared.good_message("hvac/all/x")
        assert_only(attacker, ("hvac/all/x", b"good"))

    @pytest.mark.parametrize(
        "topic_filter", ["hvac/all/#/../cameras", "$+/#", "", "##", "hvac/all#", "hvac/++", "hvac/all/\0", b"hvac/\xff"]
    )
    def test_filter_that_mqtt_does_not_allow_ends_the_connection(self, shared: Town, topic_filter: str | bytes) -> None:
        attacker = shared.join("thermo-1")
        attacker.send_bytes(raw_subscribe(topic_filter))
        attacker.expect_end()
        shared.told(Kind.CUT, Reason.PROTOCOL_ERROR, "thermo-1")

    def test_only_the_first_filter_of_a_subscribe_is_judged(self, shared: Town) -> None:
        attacker = shared.join("thermo-1")
        filters = ("hvac/all/#", "cameras/#", "hvac/thermo-1/cmd/#", "#", "hvac/thermo-2/cmd/#", "hvac/all/x")
        assert attacker.subscribe(*filters) == (0, REFUSED, 0, REFUSED, REFUSED, 0)
        shared.everybody_speaks()
        shared.good_message("hvac/thermo-1/cmd/x")
        assert_only(attacker, ("hvac/thermo-1/cmd/x", b"good"))
        shared.denied(Reason.OUTSIDE_SEGMENT, "thermo-1", "cameras/#", "cameras")
        shared.denied(Reason.FILTER_TOO_WIDE, "thermo-1", "#")
        shared.denied(Reason.NOT_GRANTED, "thermo-1", "hvac/thermo-2/cmd/#", "hvac")

    def test_only_the_last_filter_of_a_subscribe_is_judged(self, shared: Town) -> None:
        attacker = shared.join("thermo-1")
        assert attacker.subscribe("cameras/#", "#", "hvac/all/#") == (REFUSED, REFUSED, 0)
        shared.everybody_speaks()
        shared.good_message("hvac/all/x")
        assert_only(attacker, ("hvac/all/x", b"good"))

    def test_unsubscribing_a_wider_filter_leaves_no_wider_one_behind(self, shared: Town) -> None:
        attacker = shared.listener("thermo-1", "hvac/all/#", "hvac/thermo-1/cmd/#")
        attacker.unsubscribe("#", "cameras/#", "hvac/all/#")
        shared.everybody_speaks()
        shared.good_message("hvac/all/x")
        shared.good_message("hvac/thermo-1/cmd/x")
        assert_only(attacker, ("hvac/thermo-1/cmd/x", b"good"))

    def test_refused_filter_cannot_be_raised_by_asking_for_another_qos(self, stage: Stage) -> None:
        attacker = stage.join("thermo-1")
        for qos in (0, 1, 2, 1, 0):
            assert attacker.subscribe("cameras/#", qos=qos) == (REFUSED,)

    def test_victim_cannot_be_unsubscribed_by_another(self, stage: Stage) -> None:
        victim = stage.listener("cam-1", "cameras/#")
        attacker = stage.join("thermo-1")
        attacker.send(Unsubscribe(1, ("cameras/#",)))
        attacker.ping()
        stage.join("cam-2").publish("cameras/x", b"good")
        assert_only(victim, ("cameras/x", b"good"))


DENIES = """
version: 1
trust_domain: plant7.example
segments:
  vault:
    members: ["vault-*"]
    publish: ["vault/#"]
    subscribe: ["vault/#"]
    deny: ["vault/secret/#", "vault/+/key"]
  plus:
    members: ["plus-*"]
    publish: ["plus/#"]
    subscribe: ["plus/a/+"]
  parts:
    members: ["parts-*"]
    publish: ["parts/#"]
    subscribe: ["parts/a", "parts/a/+/#"]
  shut:
    members: ["shut-*"]
    deny: ["shut", "shut/#"]
"""


class TestDenies:
    """A deny holds against every way to write a filter that includes it."""

    @pytest.fixture
    def vault(self, vaults: Stage) -> Stage:
        vaults.broker.events.clear()
        return vaults

    @pytest.mark.parametrize("topic_filter", ["#", "+/#", "vault/#", "vault/+", "vault/+/#", "vault/+/+", "vault/x/+"])
    def test_wildcard_that_includes_a_denied_topic_is_refused(self, vault: Stage, topic_filter: str) -> None:
        assert vault.join("vault-1").subscribe(topic_filter) == (REFUSED,)
        vault.denied(Reason.FILTER_TOO_WIDE, "vault-1", topic_filter)

    @pytest.mark.parametrize("topic_filter", ["+/secret/#", "+/+/key", "+/secret"])
    def test_wildcard_of_which_only_denied_topics_are_ones_own_is_refused(
        self, vault: Stage, topic_filter: str
    ) -> None:
        assert vault.join("vault-1").subscribe(topic_filter) == (REFUSED,)
        vault.denied(Reason.NOT_GRANTED, "vault-1", topic_filter)

    @pytest.mark.parametrize("topic_filter", ["vault/secret/#", "vault/secret", "vault/secret/+", "vault/x/key"])
    def test_filter_that_is_all_denied_names_the_deny(self, vault: Stage, topic_filter: str) -> None:
        assert vault.join("vault-1").subscribe(topic_filter) == (REFUSED,)
        rule = "vault/+/key" if topic_filter.endswith("key") else "vault/secret/#"
        vault.denied(Reason.DENIED_BY_RULE, "vault-1", topic_filter, rule)

    @pytest.mark.parametrize("topic_filter", ["#", "+/#", "shut", "shut/#", "shut/+", "shut/+/#", "+/+", "+"])
    def test_plus_hash_evades_a_deny_on_hash(self, vault: Stage, topic_filter: str) -> None:
        attacker = vault.join("shut-1")
        assert attacker.subscribe(topic_filter) == (REFUSED,)
        attacker.publish("shut/x", b"evil", qos=1)
        vault.denied(Reason.DENIED_BY_RULE, "shut-1", "shut/x", "shut/#")

    def test_a_plus_is_accepted_as_covering_a_hash(self, vault: Stage) -> None:
        attacker = vault.join("plus-1")
        filters = ("plus/a/#", "plus/a/+/#", "plus/a/+/+", "plus/a", "plus/a/+", "plus/a/b")
        assert attacker.subscribe(*filters) == (REFUSED, REFUSED, REFUSED, REFUSED, 0, 0)
        other = vault.join("plus-2")
        for topic in ("plus/a", "plus/a/b/c", "plus/b", "plus/a/good"):
            other.publish(topic, b"", qos=1)
        assert_only(attacker, ("plus/a/good", b""))

    def test_union_that_does_cover_a_hash_is_accepted(self, vault: Stage) -> None:
        listener = vault.listener("parts-1", "parts/a/#")
        vault.join("parts-2").publish("parts/a", b"parent")
        assert_only(listener, ("parts/a", b"parent"))

    def test_denied_topics_are_closed_to_publishing_too(self, vault: Stage) -> None:
        victim = vault.listener("vault-2", "vault/open/x")
        attacker = vault.join("vault-1")
        for topic in ("vault/secret/x", "vault/secret", "vault/open/key"):
            attacker.publish(topic, b"evil", qos=1)
            vault.denied(Reason.DENIED_BY_RULE, "vault-1", topic)
        attacker.publish("vault/open/x", b"good")
        assert_only(victim, ("vault/open/x", b"good"))


NFC, NFD = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")

FOREIGN_TOPICS = [
    ("cameras/door", Reason.OUTSIDE_SEGMENT, "cameras"),
    ("cameras", Reason.OUTSIDE_SEGMENT, "cameras"),
    ("cameras/", Reason.OUTSIDE_SEGMENT, "cameras"),
    ("cameras//door", Reason.OUTSIDE_SEGMENT, "cameras"),
    ("hvac/thermo-2/t", Reason.NOT_GRANTED, "hvac"),
    ("hvac", Reason.NOT_GRANTED, "hvac"),
    ("hvac/", Reason.NOT_GRANTED, "hvac"),
    ("hvac//thermo-1/t", Reason.NOT_GRANTED, "hvac"),
    ("hvac/THERMO-1/t", Reason.NOT_GRANTED, "hvac"),
    ("hvac/thermo-10/t", Reason.NOT_GRANTED, "hvac"),
    ("hvac/thermo-1 /t", Reason.NOT_GRANTED, "hvac"),
    ("hvac/thermo-1\u200b/t", Reason.NOT_GRANTED, "hvac"),
    ("hvac/thermo\u20101/t", Reason.NOT_GRANTED, "hvac"),
    ("hvac/${device}/t", Reason.NOT_GRANTED, "hvac"),
    ("hvac/%74hermo-1/t", Reason.NOT_GRANTED, "hvac"),
    ("hvac/../cameras/door", Reason.NOT_GRANTED, "hvac"),
    ("hvac\uff0fthermo-1/t", Reason.OUTSIDE_SEGMENT, None),
    ("hvac%2fthermo-1/t", Reason.OUTSIDE_SEGMENT, None),
    ("hvacx/thermo-1/t", Reason.OUTSIDE_SEGMENT, None),
    ("HVAC/thermo-1/t", Reason.OUTSIDE_SEGMENT, None),
    ("/hvac/thermo-1/t", Reason.OUTSIDE_SEGMENT, None),
    ("\ufeffhvac/thermo-1/t", Reason.OUTSIDE_SEGMENT, None),
    ("hv\u0430c/thermo-1/t", Reason.OUTSIDE_SEGMENT, None),
    ("/", Reason.OUTSIDE_SEGMENT, None),
    ("//", Reason.OUTSIDE_SEGMENT, None),
    ("$SYS/broker/load", Reason.SYSTEM_TOPIC, None),
    ("$hvac/thermo-1/t", Reason.SYSTEM_TOPIC, None),
    ("$share/g/cameras/door", Reason.SYSTEM_TOPIC, None),
    ("$queue/cameras/door", Reason.SYSTEM_TOPIC, None),
    ("$delayed/0/cameras/door", Reason.SYSTEM_TOPIC, None),
    ("$MQTT/cameras/door", Reason.SYSTEM_TOPIC, None),
    ("$", Reason.SYSTEM_TOPIC, None),
]
"""Topics that thermo-1 may not publish to (CVE-2026-33217 among them), with reason and rule."""


class TestTopics:
    @pytest.mark.parametrize(("topic", "reason", "rule"), FOREIGN_TOPICS)
    def test_message_on_a_foreign_topic_goes_nowhere(
        self, shared: Town, topic: str, reason: Reason, rule: str | None
    ) -> None:
        attacker = shared.join("thermo-1")
        for qos in (0, 1, 2):
            attacker.publish(topic, b"evil", qos=qos)
        attacker.publish("hvac/thermo-1/t", b"good", qos=1)
        assert_only(shared.controller, ("hvac/thermo-1/t", b"good"))
        shared.speakers["cameras/door"].publish("cameras/door", b"good", qos=1)
        assert_only(shared.camera, ("cameras/door", b"good"))
        event = shared.denied(reason, "thermo-1", topic, rule)
        assert event.segment == "hvac"
        assert event.action == "publish"

    @pytest.mark.parametrize("topic", ["#", "+", "hvac/+/t", "hvac/thermo-1/#", "cameras/+", "", "a\0", b"\xc0\xaf"])
    def test_topic_that_mqtt_does_not_allow_ends_the_connection(self, shared: Town, topic: str | bytes) -> None:
        attacker = shared.join("thermo-1")
        attacker.send_bytes(raw_publish(topic, b"evil"))
        attacker.expect_end()
        shared.told(Kind.CUT, Reason.PROTOCOL_ERROR, "thermo-1")

    def test_dots_in_a_topic_lead_nowhere_else(self, stage: Stage) -> None:
        camera, controller = stage.listener("cam-1", "cameras/#"), stage.listener("bms-1", "hvac/#")
        topic = "hvac/thermo-1/../../cameras/door"
        stage.join("thermo-1").publish(topic, b"a topic like any other", qos=1)
        assert_only(controller, (topic, b"a topic like any other"))
        stage.join("cam-2").publish("cameras/door", b"good", qos=1)
        assert_only(camera, ("cameras/door", b"good"))

    def test_unicode_forms_of_a_name_are_different_topics(self, tmp_path: Path) -> None:
        policy = POLICY + f"\n# a name that can be written in two ways, and belongs to cameras in one of them: {NFC}\n"
        policy = policy.replace('members: ["cam-*"]', f'members: ["cam-*"]\n    namespace: ["cameras", "{NFC}"]')
        with Stage(tmp_path, policy) as stage:
            victim = stage.listener("cam-1", f"{NFC}/#")
            assert stage.join("cam-2").subscribe(f"{NFD}/#") == (REFUSED,)
            camera = stage.join("cam-3")
            camera.publish(f"{NFD}/x", b"evil", qos=1)
            stage.denied(Reason.OUTSIDE_SEGMENT, "cam-3", f"{NFD}/x")
            camera.publish(f"{NFC}/x", b"good", qos=1)
            assert_only(victim, (f"{NFC}/x", b"good"))


class TestBlowUp:
    """GHSA-2hjf-7455-w946: a filter or topic that takes for ever to match holds everybody up."""

    DEEPEST = 201  # levels

    def test_deep_filters_and_topics_do_not_stop_the_others(self, stage: Stage) -> None:
        victim = stage.listener("cam-1", "cameras/#")
        attacker = stage.join("lab-1")
        filters = tuple((("lab/" + "+/" * depth + "x"), 0) for depth in range(1, self.DEEPEST - 1, 40))
        attacker.send(Subscribe(1, filters))
        assert attacker.expect(Suback).codes == (0,) * len(filters)
        attacker.send(Publish("lab/" + "x/" * (self.DEEPEST - 2) + "x", b""))
        attacker.ping()
        stage.join("cam-2").publish("cameras/x", b"good", qos=1)
        assert_only(victim, ("cameras/x", b"good"))

    @pytest.mark.parametrize(
        "packet",
        [
            Subscribe(1, (("lab/" + "+/" * 2000 + "x", 0),)),
            Publish("lab/" + "x/" * 2000, b""),
            Publish("lab" + "/" * 60_000, b""),
        ],
    )
    def test_deeper_ones_end_their_own_connection_only(self, stage: Stage, packet: Publish | Subscribe) -> None:
        victim = stage.listener("cam-1", "cameras/#")
        attacker = stage.join("lab-1")
        attacker.send(packet)
        attacker.expect_end()
        stage.told(Kind.CUT, Reason.INVALID_TOPIC, "lab-1")
        stage.join("cam-2").publish("cameras/x", b"good", qos=1)
        assert_only(victim, ("cameras/x", b"good"))

    def test_more_filters_in_one_packet_than_a_session_may_hold_are_not_even_judged(self, stage: Stage) -> None:
        attacker = stage.join("lab-1")
        attacker.send(Subscribe(1, tuple((f"lab/+/{i}", 0) for i in range(1001))))
        attacker.expect_end()
        stage.told(Kind.CUT, Reason.TOO_MANY_SUBSCRIPTIONS, "lab-1")
