"""Sessions begin, are resumed, are taken over and end (3.1, 3.2, 4.1)."""

from __future__ import annotations

import pytest

from mqttseg.engine.events import SessionEnded, SessionExpired, SessionStarted, SessionTakenOver
from mqttseg.engine.settings import EngineSettings
from mqttseg.wire.packets import Connack, Puback, Publish, Suback, Subscribe
from tests.engine.engine_harness import Device, Site


@pytest.mark.spec("MQTT-3.1.4-4", "MQTT-3.2.0-1")
def test_connack_is_the_first_packet_and_accepts(site: Site) -> None:
    site.engine.publish("a", b"kept", 1, retain=True)
    assert site.device("d").packets[0] == Connack(False, 0)


@pytest.mark.spec("MQTT-3.2.0-1")
def test_connack_precedes_what_the_session_is_owed(site: Site) -> None:
    reader = site.device("d", clean=False)
    reader.subscribe(("a", 1))
    reader.drop()
    site.engine.publish("a", b"1", 1)
    reader.packets.clear()
    reader.connect()
    assert [type(packet) for packet in reader.packets] == [Connack, Publish]


@pytest.mark.spec("MQTT-3.1.2-4", "MQTT-3.2.2-3")
def test_first_connect_without_clean_session_finds_no_session(any_site: Site) -> None:
    assert any_site.device("d", clean=False).take(Connack) == [Connack(False, 0)]


@pytest.mark.spec("MQTT-3.1.2-4", "MQTT-3.2.2-2", "MQTT-4.1.0-1")
def test_session_is_present_after_a_disconnect(any_site: Site) -> None:
    device = any_site.device("d", clean=False)
    device.drop()
    device.packets.clear()
    device.connect()
    assert device.take(Connack) == [Connack(True, 0)]


@pytest.mark.spec("MQTT-3.1.2-6", "MQTT-3.2.2-1")
def test_clean_session_discards_the_stored_one(any_site: Site) -> None:
    device = any_site.device("d", clean=False)
    device.subscribe(("a", 1))
    device.drop()
    any_site.engine.publish("a", b"old", 1)
    device.packets.clear()
    device.connect(clean=True).accepted()
    any_site.engine.publish("a", b"new", 1)
    assert device.packets == [Connack(False, 0)]


@pytest.mark.spec("MQTT-3.1.2-6", "MQTT-3.1.4-3")
def test_nothing_of_a_clean_session_is_reused(any_site: Site) -> None:
    device = any_site.device("d", clean=True)
    device.subscribe(("a", 1))
    device.drop()
    assert "d" not in any_site.engine.sessions
    device.packets.clear()
    device.connect(clean=False)
    any_site.engine.publish("a", b"x", 1)
    assert device.packets == [Connack(False, 0)]


@pytest.mark.spec("MQTT-3.1.2-5")
def test_messages_for_an_absent_session_are_kept_at_qos_1_and_2(any_site: Site) -> None:
    device = any_site.device("d", clean=False)
    device.subscribe(("a", 2))
    device.drop()
    for qos in (0, 1, 2):
        any_site.engine.publish("a", b"%d" % qos, qos)
    device.connect()
    any_site.commit()
    assert device.messages() == [("a", b"1", 1), ("a", b"2", 2)]


@pytest.mark.spec("MQTT-3.1.4-2")
def test_new_connection_of_a_key_ends_the_old_one(site: Site) -> None:
    old = site.device("d", clean=False)
    old.subscribe(("a", 1))
    old.packets.clear()
    new = site.device("d", clean=False)
    site.engine.publish("a", b"x", 1)
    assert old.packets == []
    assert new.packets[0] == Connack(True, 0)
    assert new.payloads() == [b"x"]
    assert site.told(SessionTakenOver) == [SessionTakenOver("d")]


@pytest.mark.spec("MQTT-3.1.4-2")
def test_old_connection_can_do_nothing_after_a_takeover(site: Site) -> None:
    old, reader = site.device("d", clean=False), site.device("r")
    reader.subscribe(("a", 0))
    new = site.device("d", clean=False)
    old.publish("a", b"late")
    old.publish("a", b"late", 1)
    old.drop()
    assert reader.payloads() == []
    assert old.take(Puback) == []
    assert site.engine.sessions["d"].connected
    new.publish("a", b"now")
    assert reader.payloads() == [b"now"]


def test_takeover_of_a_clean_session_leaves_nothing_of_it(site: Site) -> None:
    site.device("d", clean=True).subscribe(("a", 1))
    assert site.device("d", clean=False).take(Connack) == [Connack(False, 0)]
    assert site.engine.subscriptions == {}


@pytest.mark.spec("MQTT-3.1.3-2")
def test_sessions_are_told_apart_by_their_key(site: Site) -> None:
    one, other = site.device("d/1", clean=False), site.device("d/2", clean=False)
    one.subscribe(("a", 0))
    site.engine.publish("a", b"x")
    assert (one.payloads(), other.payloads()) == ([b"x"], [])


def test_session_of_an_absent_device_expires(any_site: Site) -> None:
    any_site.settings = EngineSettings(session_expiry=60)
    if any_site.store is not None:
        any_site.store.close()
    any_site.start()
    device = any_site.device("d", clean=False)
    device.subscribe(("a", 1))
    present = any_site.device("present", clean=False)
    device.drop()
    any_site.engine.publish("a", b"x", 1)
    any_site.engine.tick(any_site.now + 59)
    assert "d" in any_site.engine.sessions
    any_site.engine.tick(any_site.now + 60)
    assert any_site.told(SessionExpired) == [SessionExpired("d", 1)]
    assert list(any_site.engine.sessions) == [present.key]
    assert any_site.engine.subscriptions == {}


@pytest.mark.spec("MQTT-4.1.0-2")
def test_session_lasts_as_long_as_its_device_is_connected(site: Site) -> None:
    site.settings = EngineSettings(session_expiry=60)
    site.start()
    site.device("d", clean=False)
    site.engine.tick(site.now + 10_000)
    assert "d" in site.engine.sessions


def test_host_is_told_of_sessions(site: Site) -> None:
    device = site.device("d", clean=False)
    device.drop()
    device.connect().drop()
    assert site.events == [
        SessionStarted("d", clean=False, present=False),
        SessionEnded("d", kept=True),
        SessionStarted("d", clean=False, present=True),
        SessionEnded("d", kept=True),
    ]


def test_discarded_session_is_gone_with_its_connection(any_site: Site) -> None:
    device = any_site.device("d", clean=False)
    device.subscribe(("a", 1))
    assert any_site.engine.discard("d", any_site.now)
    assert not any_site.engine.discard("d", any_site.now)
    any_site.engine.publish("a", b"x", 1)
    assert device.payloads() == []
    assert not any_site.engine.sessions


def test_withdrawn_subscription_ends_at_once_and_without_a_word(any_site: Site) -> None:
    device = any_site.device("d", clean=False)
    device.subscribe(("a", 1), ("b", 1))
    device.packets.clear()
    assert device.connection is not None
    device.connection.withdraw("a")
    any_site.engine.publish("a", b"x", 1)
    any_site.engine.publish("b", b"y", 1)
    any_site.commit()
    assert device.payloads() == [b"y"]
    assert device.packets == []


def test_subscription_withdrawn_before_it_began_does_not_begin(durable: Site) -> None:
    device = durable.device("d", clean=False)
    device.say(Subscribe(1, (("a", 1),)))
    assert device.connection is not None
    device.connection.withdraw("a")
    durable.commit()
    assert durable.engine.subscriptions == {}
    assert device.take(Suback) == [Suback(1, (1,))]


def test_device_that_leaves_while_it_is_connected_stops_the_redelivery(site: Site) -> None:
    class Leaving(Device):
        def send(self, packet: object) -> None:
            self.packets.append(packet)  # type: ignore[arg-type]  # whatever comes
            if isinstance(packet, Publish):
                site.engine.discard("d", site.now)

    reader = site.device("d", clean=False)
    reader.subscribe(("a", 1))
    reader.drop()
    for _ in range(3):
        site.engine.publish("a", b"x", 1)
    leaving = Leaving(site, "d", clean=False).connect()
    assert len(leaving.take(Publish)) == 1
