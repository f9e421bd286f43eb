"""Retained messages: set, replaced, cleared, bounded, delivered (3.3.1.3)."""

from __future__ import annotations

import pytest

from mqttseg.engine.events import RetainedRefused
from mqttseg.engine.settings import EngineSettings
from mqttseg.wire.packets import Publish, Suback
from tests.engine.engine_harness import Site


def _retained(site: Site, topic_filter: str = "#", qos: int = 2) -> list[tuple[str, bytes, int, bool]]:
    reader = site.device("asks", answers=True)
    reader.subscribe((topic_filter, qos))
    found = [(packet.topic, packet.payload, packet.qos, packet.retain) for packet in reader.take(Publish)]
    reader.drop()
    return found


@pytest.mark.spec("MQTT-3.3.1-5", "MQTT-3.3.1-6", "MQTT-3.3.1-8")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_new_subscription_gets_the_last_retained_message(any_site: Site, qos: int) -> None:
    writer = any_site.device("w", answers=True)
    for payload in (b"1", b"2"):
        writer.publish("a", payload, qos, retain=True)
    any_site.commit()
    assert _retained(any_site) == [("a", b"2", qos, True)]


@pytest.mark.spec("MQTT-3.3.1-9")
def test_live_delivery_has_no_retain_flag(any_site: Site) -> None:
    reader, writer = any_site.device("r"), any_site.device("w", answers=True)
    reader.subscribe(("a", 2))
    for qos in (0, 1, 2):
        writer.publish("a", b"x", qos, retain=True)
    any_site.commit()
    assert [packet.retain for packet in reader.take(Publish)] == [False] * 3


@pytest.mark.spec("MQTT-3.3.1-7")
def test_retained_qos_0_replaces_what_was_retained(any_site: Site) -> None:
    any_site.engine.publish("a", b"1", 2, retain=True)
    any_site.engine.publish("a", b"2", 0, retain=True)
    assert _retained(any_site) == [("a", b"2", 0, True)]


@pytest.mark.spec("MQTT-3.3.1-10", "MQTT-3.3.1-11")
def test_empty_payload_clears_and_is_delivered_as_any_message(any_site: Site) -> None:
    reader = any_site.device("r")
    reader.subscribe(("a", 0))
    any_site.engine.publish("a", b"1", 1, retain=True)
    any_site.engine.publish("a", b"", 1, retain=True)
    assert reader.payloads() == [b"1", b""]
    assert _retained(any_site) == []
    assert not any_site.engine.retained


@pytest.mark.spec("MQTT-3.3.1-12")
def test_message_without_retain_leaves_what_is_retained(site: Site) -> None:
    site.engine.publish("a", b"1", retain=True)
    site.engine.publish("a", b"2")
    site.engine.publish("a", b"")
    assert _retained(site) == [("a", b"1", 0, True)]


@pytest.mark.spec("MQTT-3.1.2-7")
@pytest.mark.parametrize("clean", [True, False])
def test_retained_message_stays_when_a_session_ends(any_site: Site, *, clean: bool) -> None:
    """Its publisher's, a receiver's, and theirs that are discarded."""
    writer, reader = any_site.device("w", clean=clean, answers=True), any_site.device("r", clean=clean, answers=True)
    reader.subscribe(("a", 1))
    writer.publish("a", b"1", 1, retain=True)
    any_site.commit()
    for device in (writer, reader):
        device.drop()
        device.connect(clean=True).accepted().drop()
    any_site.commit()
    assert not any_site.engine.sessions
    assert _retained(any_site) == [("a", b"1", 1, True)]


@pytest.mark.spec("MQTT-3.1.2-16", "MQTT-3.1.2-17")
@pytest.mark.parametrize("retain", [False, True])
def test_will_is_published_as_the_message_it_asks_to_be(site: Site, *, retain: bool) -> None:
    """The guard keeps and judges wills, and publishes them for the device that is gone."""
    reader = site.device("r")
    reader.subscribe(("will", 2))
    site.engine.publish("will", b"gone", 2, retain, origin="d")
    assert reader.messages() == [("will", b"gone", 2)]
    assert ("will" in site.engine.retained) is retain


@pytest.mark.spec("MQTT-3.8.4-3")
def test_same_subscription_again_gets_retained_messages_again(any_site: Site) -> None:
    any_site.engine.publish("a", b"1", 1, retain=True)
    reader = any_site.device("r")
    for _ in range(2):
        reader.subscribe(("a", 1))
        assert reader.payloads() == [b"1"]


@pytest.mark.spec("MQTT-3.8.4-4")
def test_each_filter_of_a_subscribe_gets_its_retained_messages_after_suback(any_site: Site) -> None:
    any_site.engine.publish("a", b"1", 2, retain=True)
    reader = any_site.device("r", clean=False)
    reader.packets.clear()
    reader.subscribe(("a", 0), ("+", 1), ("b", 2))
    assert type(reader.packets[0]) is Suback
    assert reader.messages() == [("a", b"1", 0), ("a", b"1", 1)]


def test_resumed_session_is_not_sent_retained_messages(site: Site) -> None:
    reader = site.device("r", clean=False)
    reader.subscribe(("a", 1))
    reader.drop()
    site.engine.publish("b", b"x", 1, retain=True)
    site.engine.publish("a", b"1", 0, retain=True)
    reader.connect()
    assert reader.payloads() == []


def test_origin_of_a_retained_message_is_known(site: Site) -> None:
    site.device("w").publish("a", b"1", retain=True)
    site.engine.publish("b", b"1", retain=True)
    site.engine.publish("c", b"1", retain=True, origin="gone")
    origins = {topic: message.origin for topic, message in site.engine.retained.items()}
    assert origins == {"a": "w", "b": None, "c": "gone"}


def test_host_clears_a_retained_message(any_site: Site) -> None:
    any_site.engine.publish("a", b"1", retain=True)
    assert any_site.engine.clear_retained("a")
    assert not any_site.engine.clear_retained("a")
    assert _retained(any_site) == []


def test_one_owner_cannot_fill_the_bytes_and_others_keep_theirs(site: Site) -> None:
    site.settings = EngineSettings(retained_share=5_000)
    site.start()
    for name in ("a", "a/2"):
        writer = site.device(name)
        for number in range(9):
            writer.publish(f"{name}/{number}", bytes(400), retain=True)
    assert site.engine.retained_by("a") == 5
    other = site.device("b")
    other.publish("b", bytes(400), retain=True)
    other.publish("b", bytes(4_000), retain=True)
    assert len(site.engine.retained["b"].payload) == 4_000
    site.device("a").publish("a/0", b"", retain=True)
    assert (site.engine.retained_by("a"), site.engine.retained_by("b"), site.engine.retained_by("c")) == (4, 1, 0)


@pytest.mark.parametrize(
    "settings",
    [EngineSettings(retained_messages=2), EngineSettings(retained_bytes=1030), EngineSettings(levels=1)],
    ids=["messages", "bytes", "levels"],
)
def test_no_more_than_the_bound_is_retained_and_all_is_delivered(site: Site, settings: EngineSettings) -> None:
    site.settings = settings
    site.start()
    reader = site.device("r")
    reader.subscribe(("#", 0))
    for topic in ("a", "b", "c/d"):
        site.device("w").publish(topic, b"1", retain=True)
    assert list(site.engine.retained) == ["a", "b"]
    assert site.told(RetainedRefused) == [RetainedRefused("c/d", "w")]
    assert len(reader.payloads()) == 3
    site.engine.publish("a", b"", retain=True)
    site.engine.publish("b", b"replaced", retain=True)
    site.engine.publish("e", b"1", retain=True)
    assert list(site.engine.retained) == ["b", "e"]


def test_retained_message_that_may_not_be_replaced_is_dropped_not_kept_stale(site: Site) -> None:
    site.settings = EngineSettings(retained_bytes=300)
    site.start()
    site.engine.publish("a", b"old", retain=True)
    site.engine.publish("a", bytes(300), retain=True)
    assert not site.engine.retained
