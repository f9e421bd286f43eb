"""Bounds: slow readers and absent sessions lose by rule, with a word to the host, and hold up nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mqttseg.engine.events import Cause, MessagesDropped
from mqttseg.engine.settings import Drop, EngineSettings
from mqttseg.wire.encode import publish_frame
from mqttseg.wire.packets import Puback, Publish, PublishRun
from tests.engine.engine_harness import Site


@pytest.mark.parametrize(("drop", "kept"), [(Drop.NEWEST, b"012"), (Drop.OLDEST, b"345")])
@pytest.mark.parametrize("bound", [EngineSettings(queue_messages=3), EngineSettings(queue_bytes=6)])
def test_full_queue_drops_by_policy_and_says_so(any_site: Site, bound: EngineSettings, drop: Drop, kept: bytes) -> None:
    if any_site.store is not None:
        any_site.store.close()
    any_site.settings = replace(bound, drop=drop)
    any_site.start()
    reader = any_site.device("r", clean=False)
    reader.subscribe(("a", 1))
    reader.drop()
    for number in range(6):
        any_site.engine.publish("a", b"%d" % number, 1)
    any_site.engine.tick(any_site.now)
    any_site.engine.tick(any_site.now)
    assert any_site.told(MessagesDropped) == [
        MessagesDropped("r", Cause.QUEUE_FULL, 1),
        MessagesDropped("r", Cause.QUEUE_FULL, 2),
    ]
    reader.connect()
    assert b"".join(reader.payloads()) == kept


def test_message_larger_than_the_whole_queue_is_dropped(site: Site) -> None:
    site.settings = EngineSettings(drop=Drop.OLDEST, queue_bytes=10)
    site.start()
    reader = site.device("r", clean=False)
    reader.subscribe(("a", 1))
    reader.drop()
    site.engine.publish("a", bytes(100), 1)
    assert site.engine.sessions["r"].owed == 0
    site.engine.publish("a", bytes(9), 1)
    assert site.engine.sessions["r"].owed == 1


def test_slow_reader_loses_its_own_qos_0_and_nobody_elses(site: Site) -> None:
    slow, quick = site.device("slow"), site.device("quick")
    for reader in (slow, quick):
        reader.subscribe(("a", 2))
    slow.writable = False
    writer = site.device("w", answers=True)
    for number in range(3):
        writer.publish("a", b"%d" % number, number)
    assert quick.payloads() == [b"0", b"1", b"2"]
    assert slow.payloads() == []
    slow.writable = True
    assert slow.connection is not None
    slow.connection.resume()
    assert slow.payloads() == [b"1", b"2"]
    assert site.told(MessagesDropped) == [MessagesDropped("slow", Cause.SLOW_READER, 1)]
    assert site.engine.losses.total == 1


def test_run_of_messages_reaches_every_reader_as_it_came_and_each_of_its_messages_counts(site: Site) -> None:
    slow, quick = site.device("slow"), site.device("quick")
    for reader in (slow, quick):
        reader.subscribe(("a", 2))
    slow.writable = False
    run = PublishRun("a", publish_frame(b"a", b"1") + publish_frame(b"a", b"2"), 2, 2)
    site.device("w").say(run)
    assert quick.take(PublishRun) == [run]
    assert slow.take(PublishRun) == []
    assert site.told(MessagesDropped) == [MessagesDropped("slow", Cause.SLOW_READER, 2)]
    assert (site.engine.counters.received, site.engine.counters.sent, site.engine.losses.total) == (2, 4, 2)


def test_absence_is_no_loss_at_qos_0(site: Site) -> None:
    reader = site.device("r", clean=False)
    reader.subscribe(("a", 0))
    reader.drop()
    site.engine.publish("a", b"x")
    site.engine.publish("a", b"x", 1)
    site.device("w").publish("a")
    assert site.engine.losses.total == 0


def test_buffer_that_fills_while_redelivering_stops_it_and_order_is_kept(any_site: Site) -> None:
    reader = any_site.device("r", clean=False)
    reader.subscribe(("a", 1))
    for number in range(4):
        any_site.engine.publish("a", b"%d" % number, 1)
    assert len(reader.take(Publish)) == 4
    reader.drop()
    reader.writable = False
    reader.connect()
    for number in range(4, 8):
        any_site.engine.publish("a", b"%d" % number, 1)
    assert reader.payloads() == []
    reader.writable = True
    assert reader.connection is not None
    reader.connection.resume()
    deliveries = reader.take(Publish)
    assert [delivery.payload for delivery in deliveries] == [b"%d" % number for number in range(8)]
    assert [delivery.dup for delivery in deliveries] == [True] * 4 + [False] * 4


def test_acknowledgement_of_a_delivery_that_waits_for_the_buffer_ends_it(site: Site) -> None:
    reader = site.device("r", clean=False)
    reader.subscribe(("a", 1))
    site.engine.publish("a", b"x", 1)
    (delivery,) = reader.take(Publish)
    reader.drop()
    reader.writable = False
    reader.connect()
    reader.say(Puback(delivery.packet_id))
    reader.writable = True
    assert reader.connection is not None
    reader.connection.resume()
    assert reader.payloads() == []


def test_losses_without_end_are_a_few_events(site: Site) -> None:
    slow = site.device("slow")
    slow.subscribe(("a", 0))
    slow.writable = False
    for _ in range(10_000):
        site.engine.publish("a", b"x")
    site.engine.tick(site.now)
    for _ in range(3):
        site.engine.tick(site.now)
    site.engine.publish("a", b"x")
    assert site.told(MessagesDropped) == [
        MessagesDropped("slow", Cause.SLOW_READER, 1),
        MessagesDropped("slow", Cause.SLOW_READER, 9_999),
        MessagesDropped("slow", Cause.SLOW_READER, 1),
    ]
