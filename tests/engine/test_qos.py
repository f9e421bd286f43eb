"""The QoS flows, both ways, with retransmission and resumption (4.3, 4.4, 4.6)."""

from __future__ import annotations

import pytest

from mqttseg.engine.events import IncomingRefused
from mqttseg.engine.settings import EngineSettings
from mqttseg.errors import ProtocolError
from mqttseg.wire.packets import Puback, Pubcomp, Publish, Pubrec, Pubrel, Suback, Subscribe
from tests.engine.engine_harness import Site

QOS = (0, 1, 2)


@pytest.mark.spec("MQTT-3.8.4-6", "MQTT-4.3.1-1", "MQTT-3.3.5-1")
@pytest.mark.parametrize("published", QOS)
@pytest.mark.parametrize("granted", QOS)
def test_delivery_is_at_the_lower_of_both_qos(any_site: Site, published: int, granted: int) -> None:
    reader, writer = any_site.device("r", answers=True), any_site.device("w", answers=True)
    reader.subscribe(("a", granted))
    writer.publish("a", b"x", published)
    any_site.commit()
    assert reader.messages() == [("a", b"x", min(published, granted))]


@pytest.mark.spec("MQTT-4.3.1-1")
def test_qos_0_is_forwarded_as_the_very_bytes_that_came(site: Site) -> None:
    readers = [site.device(f"r{number}") for number in range(3)]
    for granted, reader in enumerate(readers):
        reader.subscribe(("a", granted))
    packet = Publish("a", b"x", frame=b"\x30\x04\x00\x01ax")
    site.device("w").say(packet)
    for reader in readers:
        (delivered,) = reader.take(Publish)
        assert delivered is packet


def test_qos_0_without_a_frame_is_encoded_once(site: Site) -> None:
    one, other = site.device("1"), site.device("2")
    one.subscribe(("a", 0))
    other.subscribe(("a", 0))
    site.device("w").say(Publish("a", b"x"))
    assert one.take(Publish)[0] is other.take(Publish)[0]


@pytest.mark.spec("MQTT-3.3.4-1", "MQTT-4.3.2-2")
def test_qos_1_is_answered_with_puback(any_site: Site) -> None:
    writer = any_site.device("w")
    pid = writer.publish("a", b"x", 1)
    assert writer.take(Puback) == [Puback(pid)]


@pytest.mark.spec("MQTT-4.3.2-2")
def test_qos_1_with_dup_is_a_new_message_after_puback(site: Site) -> None:
    reader, writer = site.device("r"), site.device("w")
    reader.subscribe(("a", 0))
    writer.publish("a", b"x", 1, pid=7)
    writer.publish("a", b"x", 1, pid=7, dup=True)
    assert writer.take(Puback) == [Puback(7), Puback(7)]
    assert reader.payloads() == [b"x", b"x"]


@pytest.mark.spec("MQTT-3.3.1-3")
def test_dup_of_the_publisher_is_not_handed_on(site: Site) -> None:
    reader, writer = site.device("r"), site.device("w")
    reader.subscribe(("a", 1))
    writer.publish("a", b"x", 1, pid=7, dup=True)
    assert [packet.dup for packet in reader.take(Publish)] == [False]


@pytest.mark.spec("MQTT-4.3.3-2", "MQTT-3.3.4-1")
def test_qos_2_is_on_its_way_at_pubrel_and_only_once(any_site: Site) -> None:
    reader, writer = any_site.device("r"), any_site.device("w", clean=False)
    reader.subscribe(("a", 0))
    pid = writer.publish("a", b"x", 2)
    writer.publish("a", b"x", 2, pid=pid, dup=True)
    any_site.commit()
    assert writer.take(Pubrec) == [Pubrec(pid), Pubrec(pid)]
    assert reader.payloads() == []
    writer.say(Pubrel(pid))
    writer.say(Pubrel(pid))
    any_site.commit()
    assert writer.take(Pubcomp) == [Pubcomp(pid), Pubcomp(pid)]
    assert reader.payloads() == [b"x"]


@pytest.mark.spec("MQTT-4.3.3-2")
def test_packet_id_is_a_new_message_after_pubcomp(site: Site) -> None:
    reader, writer = site.device("r"), site.device("w")
    reader.subscribe(("a", 0))
    for payload in (b"1", b"2"):
        writer.publish("a", payload, 2, pid=5)
        writer.say(Pubrel(5))
    assert reader.payloads() == [b"1", b"2"]


def test_forgotten_qos_2_message_is_not_delivered(any_site: Site) -> None:
    reader, writer = any_site.device("r"), any_site.device("w", clean=False)
    reader.subscribe(("a", 0))
    pid = writer.publish("a", b"x", 2)
    assert writer.connection is not None
    writer.connection.forget(pid)
    writer.connection.forget(99)
    writer.say(Pubrel(pid))
    any_site.commit()
    assert reader.payloads() == []
    assert writer.take(Pubcomp) == [Pubcomp(pid), Pubcomp(99), Pubcomp(pid)]


@pytest.mark.spec("MQTT-4.3.3-2", "MQTT-4.1.0-1")
def test_unreleased_qos_2_message_outlives_the_connection(any_site: Site) -> None:
    reader, writer = any_site.device("r"), any_site.device("w", clean=False)
    reader.subscribe(("a", 0))
    pid = writer.publish("a", b"x", 2)
    any_site.commit()
    writer.drop()
    writer.connect()
    writer.publish("a", b"x", 2, pid=pid, dup=True)
    writer.say(Pubrel(pid))
    any_site.commit()
    assert reader.payloads() == [b"x"]


@pytest.mark.spec("MQTT-4.3.3-2", "MQTT-2.3.1-6")
def test_answers_come_even_when_nobody_listens(site: Site) -> None:
    writer = site.device("w")
    writer.publish("a", b"x", 1, pid=1)
    writer.publish("a", b"x", 2, pid=2)
    writer.say(Pubrel(2))
    assert writer.packets[1:] == [Puback(1), Pubrec(2), Pubcomp(2)]


@pytest.mark.spec("MQTT-3.3.1-1", "MQTT-4.4.0-1", "MQTT-2.3.1-4", "MQTT-4.3.2-1")
@pytest.mark.parametrize("qos", [1, 2])
def test_unacknowledged_message_is_sent_again_with_dup_and_its_packet_id(any_site: Site, qos: int) -> None:
    reader = any_site.device("r", clean=False)
    reader.subscribe(("a", qos))
    any_site.engine.publish("a", b"x", qos)
    any_site.commit()
    (first,) = reader.take(Publish)
    assert not first.dup
    reader.drop()
    reader.connect()
    (again,) = reader.take(Publish)
    assert (again.dup, again.packet_id, again.payload) == (True, first.packet_id, b"x")


@pytest.mark.spec("MQTT-3.3.1-2")
def test_qos_0_never_has_dup(site: Site) -> None:
    reader = site.device("r")
    reader.subscribe(("a", 0))
    for qos in QOS:
        site.engine.publish("a", b"x", qos)
    assert [(packet.qos, packet.dup, packet.packet_id) for packet in reader.take(Publish)] == [(0, False, 0)] * 3


@pytest.mark.spec("MQTT-4.4.0-1", "MQTT-4.3.3-1")
def test_pubrel_is_sent_again_and_the_message_is_not(any_site: Site) -> None:
    reader = any_site.device("r", clean=False)
    reader.subscribe(("a", 2))
    any_site.engine.publish("a", b"x", 2)
    any_site.commit()
    (delivery,) = reader.take(Publish)
    reader.say(Pubrec(delivery.packet_id))
    any_site.commit()
    assert reader.take(Pubrel) == [Pubrel(delivery.packet_id)]
    reader.drop()
    reader.connect()
    assert reader.take(Pubrel) == [Pubrel(delivery.packet_id)]
    assert reader.payloads() == []
    reader.say(Pubcomp(delivery.packet_id))
    reader.drop()
    reader.connect()
    assert reader.take(Pubrel) == []
    assert any_site.engine.sessions["r"].owed == 0


@pytest.mark.spec("MQTT-4.3.3-1")
def test_second_pubrec_gets_pubrel_again(any_site: Site) -> None:
    reader = any_site.device("r", clean=False)
    reader.subscribe(("a", 2))
    any_site.engine.publish("a", b"x", 2)
    any_site.commit()
    (delivery,) = reader.take(Publish)
    reader.say(Pubrec(delivery.packet_id))
    reader.say(Pubrec(delivery.packet_id))
    any_site.commit()
    reader.say(Pubrec(delivery.packet_id))
    pubrels = reader.take(Pubrel)
    assert len(pubrels) >= 2
    assert set(map(repr, pubrels)) == {repr(Pubrel(delivery.packet_id))}


@pytest.mark.spec("MQTT-4.3.3-1")
def test_pubrec_for_an_unknown_packet_id_is_answered(site: Site) -> None:
    reader = site.device("r")
    reader.say(Pubrec(77))
    assert reader.take(Pubrel) == [Pubrel(77)]


@pytest.mark.parametrize("packet", [Puback(77), Pubcomp(77)])
def test_acknowledgement_of_nothing_changes_nothing(site: Site, packet: Puback | Pubcomp) -> None:
    reader = site.device("r", clean=False)
    reader.subscribe(("a", 2))
    reader.say(packet)
    site.engine.publish("a", b"x", 2)
    reader.say(packet)
    assert site.engine.sessions["r"].owed == 1


@pytest.mark.spec("MQTT-4.6.0-6", "MQTT-4.6.0-1", "MQTT-4.6.0-5")
def test_messages_are_sent_again_in_the_order_they_were_sent(any_site: Site) -> None:
    reader = any_site.device("r", clean=False)
    reader.subscribe(("a", 1), ("b", 2))
    for number in range(6):
        any_site.engine.publish("ab"[number % 2], b"%d" % number, 2)
    any_site.commit()
    first = reader.payloads()
    reader.drop()
    for number in range(6, 9):
        any_site.engine.publish("a", b"%d" % number, 1)
    reader.connect()
    any_site.commit()
    assert first == [b"%d" % number for number in range(6)]
    assert reader.payloads() == [b"%d" % number for number in range(9)]


@pytest.mark.spec("MQTT-4.6.0-4")
def test_pubrels_are_sent_in_the_order_of_the_pubrecs(any_site: Site) -> None:
    reader = any_site.device("r", clean=False)
    reader.subscribe(("a", 2))
    for number in range(3):
        any_site.engine.publish("a", b"%d" % number, 2)
    any_site.commit()
    ids = [delivery.packet_id for delivery in reader.take(Publish)]
    order = [ids[2], ids[0], ids[1]]
    for packet_id in order:
        reader.say(Pubrec(packet_id))
    any_site.commit()
    assert [packet.packet_id for packet in reader.take(Pubrel)] == order
    reader.drop()
    reader.connect()
    assert [packet.packet_id for packet in reader.take(Pubrel)] == order


@pytest.mark.spec("MQTT-4.6.0-2", "MQTT-4.6.0-3")
def test_acknowledgements_keep_the_order_of_the_messages(durable: Site) -> None:
    stored, writer = durable.device("s", clean=False), durable.device("w")
    stored.subscribe(("owed/to/stored", 1))
    writer.packets.clear()
    ids = [
        writer.publish("owed/to/stored", b"x", 1),
        writer.publish("nobody", b"x", 1),
        writer.publish("nobody", b"x", 2),
    ]
    assert writer.packets == []
    durable.commit()
    assert writer.packets == [Puback(ids[0]), Puback(ids[1]), Pubrec(ids[2])]


@pytest.mark.spec("MQTT-2.3.1-4")
def test_packet_ids_in_use_are_not_given_again(site: Site) -> None:
    site.settings = EngineSettings(in_flight=3)
    site.start()
    reader = site.device("r")
    reader.subscribe(("a", 1))
    site.engine.publish("a", b"stays", 1)
    (kept,) = reader.take(Publish)
    seen = set()
    for _ in range(65_540):
        site.engine.publish("a", b"x", 1)
        (delivery,) = reader.take(Publish)
        assert 0 < delivery.packet_id <= 65_535
        assert delivery.packet_id != kept.packet_id
        seen.add(delivery.packet_id)
        reader.say(Puback(delivery.packet_id))
    assert len(seen) == 65_534


def test_no_more_than_the_window_is_in_flight(any_site: Site) -> None:
    reader = any_site.device("r", clean=False)
    reader.subscribe(("a", 1))
    for number in range(130):
        any_site.engine.publish("a", b"%d" % number, 1)
    first = reader.take(Publish)
    assert len(first) == 100
    reader.say(Puback(first[3].packet_id))
    assert reader.payloads() == [b"100"]
    for delivery in first[:3] + first[4:]:
        reader.say(Puback(delivery.packet_id))
    assert reader.payloads() == [b"%d" % number for number in range(101, 130)]


def test_receiver_that_answers_within_send_gets_all_in_order(any_site: Site) -> None:
    """As the guard does for a delivery that it drops."""
    reader = any_site.device("r", clean=False, answers=True)
    reader.subscribe(("a", 2))
    reader.drop()
    for number in range(900):
        any_site.engine.publish("a", b"%d" % number, 1 + number % 2)
    reader.connect()
    any_site.commit()
    assert reader.payloads() == [b"%d" % number for number in range(900)]
    assert any_site.engine.sessions["r"].owed == 0


def test_guard_may_finish_a_flow_before_pubrel_was_said(durable: Site) -> None:
    reader = durable.device("r", clean=False)
    reader.subscribe(("a", 2))
    durable.engine.publish("a", b"x", 2)
    durable.commit()
    (delivery,) = reader.take(Publish)
    reader.say(Pubrec(delivery.packet_id))
    reader.say(Pubcomp(delivery.packet_id))
    durable.commit()
    assert reader.take(Pubrel) == []
    assert durable.engine.sessions["r"].owed == 0


def test_too_many_unreleased_messages_are_not_acknowledged(site: Site) -> None:
    site.settings = EngineSettings(incoming=2)
    site.start()
    writer = site.device("w")
    ids = [writer.publish("a", b"x", 2) for _ in range(3)]
    assert [packet.packet_id for packet in writer.take(Pubrec)] == ids[:2]
    assert site.told(IncomingRefused) == [IncomingRefused("w", "a")]


@pytest.mark.spec("MQTT-4.5.0-1")
def test_message_is_taken_for_all_sessions_that_match(any_site: Site) -> None:
    present, absent = any_site.device("p"), any_site.device("q", clean=False)
    present.subscribe(("a/+", 1))
    absent.subscribe(("#", 1))
    absent.drop()
    any_site.device("w").publish("a/b", b"x", 1)
    assert present.payloads() == [b"x"]
    absent.connect()
    assert absent.payloads() == [b"x"]


def test_receiver_may_acknowledge_what_it_does_not_know(site: Site) -> None:
    reader = site.device("r")
    reader.subscribe(("a", 1))
    site.engine.publish("a", b"x", 1)
    (delivery,) = reader.take(Publish)
    reader.say(Puback(delivery.packet_id))
    assert site.engine.sessions["r"].owed == 0


def test_subscribing_to_its_own_topic_a_device_hears_itself(site: Site) -> None:
    device = site.device("d")
    device.subscribe(("a", 0))
    device.publish("a", b"x")
    assert device.payloads() == [b"x"]


def test_stored_session_is_subscribed_when_suback_says_so(durable: Site) -> None:
    device = durable.device("d", clean=False)
    device.say(Subscribe(1, (("a", 1),)))
    durable.engine.publish("a", b"before", 1)
    assert device.take(Suback) == []
    durable.commit()
    durable.engine.publish("a", b"after", 1)
    assert device.take(Suback) == [Suback(1, (1,))]
    assert device.payloads() == [b"after"]


@pytest.mark.spec("MQTT-4.8.0-1")
@pytest.mark.parametrize(("qos", "wrong"), [(1, Pubrec), (1, Pubcomp), (2, Puback), (2, Pubcomp)])
def test_acknowledgement_of_the_wrong_kind_is_a_violation(
    site: Site, qos: int, wrong: type[Puback | Pubrec | Pubcomp]
) -> None:
    reader, writer = site.device("r"), site.device("w", answers=True)
    reader.subscribe(("a", qos))
    writer.publish("a", b"x", qos)
    (delivered,) = reader.take(Publish)
    with pytest.raises(ProtocolError):
        reader.say(wrong(delivered.packet_id))


@pytest.mark.spec("MQTT-4.8.0-1")
def test_puback_of_a_released_message_is_a_violation(site: Site) -> None:
    reader, writer = site.device("r"), site.device("w", answers=True)
    reader.subscribe(("a", 2))
    writer.publish("a", b"x", 2)
    (delivered,) = reader.take(Publish)
    reader.say(Pubrec(delivered.packet_id))
    with pytest.raises(ProtocolError):
        reader.say(Puback(delivered.packet_id))
