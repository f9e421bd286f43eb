"""Retained messages for a new subscription: drawn as the device takes them, and in turns with others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mqttseg.engine.events import MessagesDropped
from mqttseg.engine.replay import STEPS
from mqttseg.wire.packets import Puback, Publish, Suback
from tests.engine.engine_harness import Device, Site

MANY = 3000


class Turns:
    """A host's loop, in which a turn is taken when the test says so."""

    def __init__(self, site: Site) -> None:
        self._calls: list[Callable[[], None]] = []
        site.engine.replayer.later = self._calls.append

    def take(self) -> bool:
        calls = self._calls[:]
        self._calls.clear()
        for call in calls:
            call()
        return bool(calls)


def retain(site: Site, count: int, prefix: str = "r", qos: int = 1) -> None:
    for number in range(count):
        site.engine.publish(f"{prefix}/{number:05}", b"%d" % number, qos, retain=True)


def acknowledge(device: Device) -> list[str]:
    """PUBACK all that came; which topics."""
    came = device.take(Publish)
    for packet in came:
        if packet.qos:
            device.say(Puback(packet.packet_id))
    device.site.commit()
    return [packet.topic for packet in came]


def take_all(device: Device) -> list[str]:
    topics: list[str] = []
    while came := acknowledge(device):
        topics += came
    return topics


@pytest.mark.spec("MQTT-3.3.1-6")
def test_more_than_window_and_queue_arrive_and_nothing_is_dropped(any_site: Site) -> None:
    retain(any_site, MANY)
    reader = any_site.device("r", clean=False)
    reader.subscribe(("r/#", 1))
    assert take_all(reader) == [f"r/{number:05}" for number in range(MANY)]
    assert any_site.told(MessagesDropped) == []


def test_qos_0_waits_for_a_device_that_takes_no_more(site: Site) -> None:
    retain(site, 10, qos=0)
    reader = site.device("r")
    reader.writable = False
    reader.subscribe(("r/#", 0))
    assert reader.take(Publish) == []
    reader.writable = True
    assert reader.connection is not None
    reader.connection.resume()
    assert len(reader.take(Publish)) == 10
    assert site.told(MessagesDropped) == []


def test_one_turn_looks_at_so_many_topics_whatever_was_asked(site: Site) -> None:
    """A thousand filters that match nothing until their last level."""
    retain(site, MANY, "a/b/c/d/e")
    turns = Turns(site)
    greedy, modest = site.device("g"), site.device("m")
    greedy.subscribe(*(("/".join([*"+++++", "+", str(number)]), 0) for number in range(1000)))
    assert greedy.connection is not None
    assert len(greedy.connection.session.replays) == 1000
    modest.subscribe(("a/b/c/d/e/00001", 0))
    turns.take()
    turns.take()
    assert modest.payloads() == [b"1"], "its turn came, though the other has work for hours"


def test_slices_add_up(site: Site) -> None:
    retain(site, MANY, qos=0)
    turns = Turns(site)
    reader = site.device("r")
    reader.subscribe(("r/#", 0))
    assert isinstance(reader.packets[1], Suback)
    got = [len(reader.payloads())]
    while turns.take():
        got.append(len(reader.payloads()))
    assert max(got) <= STEPS
    assert sum(got) == MANY


def test_what_is_retained_meanwhile_comes_live_and_not_again(site: Site) -> None:
    retain(site, 300)
    reader = site.device("r")
    reader.subscribe(("r/#", 1))
    site.engine.publish("r/00299", b"new", 1, retain=True)
    site.engine.publish("r/00298", b"", 1, retain=True)
    packets = []
    while came := reader.take(Publish):
        packets += came
        for packet in came:
            reader.say(Puback(packet.packet_id))
    assert [(p.payload, p.retain) for p in packets if p.topic == "r/00299"] == [(b"new", False)]
    assert [(p.payload, p.retain) for p in packets if p.topic == "r/00298"] == [(b"", False)]
    assert len(packets) == 300


def test_unsubscribing_ends_it(site: Site) -> None:
    retain(site, 300)
    reader = site.device("r")
    reader.subscribe(("r/#", 1))
    reader.unsubscribe("r/#")
    assert len(take_all(reader)) == 100  # what was in flight


def test_same_subscription_again_begins_anew_and_does_not_pile_up(site: Site) -> None:
    retain(site, 300)
    reader = site.device("r")
    for _ in range(50):
        reader.subscribe(("r/#", 1))
    assert reader.connection is not None
    assert len(reader.connection.session.replays) == 1
    assert set(take_all(reader)) == {f"r/{number:05}" for number in range(300)}


def test_kept_session_goes_on_where_it_was_when_its_device_comes_back(site: Site) -> None:
    retain(site, 300)
    reader = site.device("r", clean=False)
    reader.subscribe(("r/#", 1))
    first = acknowledge(reader)
    reader.drop()
    reader.connect()
    assert set(first + take_all(reader)) == {f"r/{number:05}" for number in range(300)}


def test_after_a_restart_what_was_in_flight_comes_again_and_the_rest_on_subscribe(durable: Site) -> None:
    retain(durable, 300)
    reader = durable.device("r", clean=False).accepted()
    reader.subscribe(("r/#", 1))
    durable.commit()
    in_flight = len(reader.take(Publish))
    durable.kill()
    reader.connect()
    assert len(take_all(reader)) == in_flight < 300
    reader.subscribe(("r/#", 1))
    assert len(take_all(reader)) == 300
