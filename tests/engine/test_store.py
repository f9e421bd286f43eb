"""Durability: what was acknowledged survives kill -9, and a bad disk is said aloud (issue: no silent loss)."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from threading import Event

import pytest

from mqttseg.engine import Durability, EngineSettings, schema
from mqttseg.engine.committer import ThreadCommitter, commit_now
from mqttseg.engine.events import StoreFailed, StoreRecovered
from mqttseg.engine.journal import Rows
from mqttseg.engine.store import Store
from mqttseg.errors import OperatorError
from mqttseg.wire.packets import (
    Connack,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from tests.engine.engine_harness import Device, Site


@pytest.mark.spec("MQTT-4.3.2-2", "MQTT-4.1.0-1")
@pytest.mark.parametrize("present", [True, False])
def test_qos_1_owed_to_a_stored_session_is_acknowledged_when_committed(durable: Site, *, present: bool) -> None:
    reader, writer = durable.device("r", clean=False), durable.device("w")
    reader.subscribe(("a", 1))
    if not present:
        reader.drop()
    pid = writer.publish("a", b"x", 1)
    assert writer.take(Puback) == []
    durable.commit()
    assert writer.take(Puback) == [Puback(pid)]
    durable.kill()
    assert durable.engine.sessions["r"].owed == 1


def test_qos_1_owed_to_clean_sessions_only_waits_for_no_commit(durable: Site) -> None:
    stored, reader, writer = durable.device("s", clean=False), durable.device("r"), durable.device("w")
    stored.subscribe(("a", 0))
    reader.subscribe(("a", 1))
    pid = writer.publish("a", b"x", 1)
    assert writer.take(Puback) == [Puback(pid)]


def test_retained_message_is_acknowledged_when_committed(durable: Site) -> None:
    writer = durable.device("w")
    for payload in (b"x", b"", b""):
        pid = writer.publish("a", payload, 1, retain=True)
        if payload:
            assert writer.take(Puback) == []
        durable.commit()
        assert writer.take(Puback) == [Puback(pid)]
    durable.kill()
    assert not durable.engine.retained


def test_retained_messages_survive_with_their_origin(durable: Site) -> None:
    durable.device("w").publish("a", b"x", 1, retain=True)
    durable.engine.publish("b", b"y", 2, retain=True)
    durable.commit()
    durable.kill()
    found = [
        (message.topic, message.payload, message.qos, message.origin) for message in durable.engine.retained.values()
    ]
    assert found == [("a", b"x", 1, "w"), ("b", b"y", 2, None)]


@pytest.mark.parametrize("publisher_is_clean", [True, False])
def test_qos_2_is_safe_at_every_step(durable: Site, *, publisher_is_clean: bool) -> None:
    reader, writer = durable.device("r", clean=False), durable.device("w", clean=publisher_is_clean)
    reader.subscribe(("a", 2))
    pid = writer.publish("a", b"x", 2)
    assert bool(writer.take(Pubrec)) is publisher_is_clean
    durable.commit()
    writer.say(Pubrel(pid))
    assert writer.take(Pubcomp) == []
    assert reader.payloads() == [], "a restart now would deliver it again under another packet id"
    durable.commit()
    assert writer.take(Pubcomp) == [Pubcomp(pid)]
    assert reader.payloads() == [b"x"]


@pytest.mark.spec("MQTT-4.3.3-2")
def test_unreleased_qos_2_message_survives_and_is_taken_once(durable: Site) -> None:
    reader, writer = durable.device("r", clean=False), durable.device("w", clean=False)
    reader.subscribe(("a", 2))
    pid = writer.publish("a", b"x", 2)
    durable.commit()
    durable.kill()
    reader.connect()
    writer.connect()
    writer.publish("a", b"x", 2, pid=pid, dup=True)
    writer.say(Pubrel(pid))
    durable.commit()
    durable.kill()
    reader.connect()
    assert len({packet.packet_id for packet in reader.take(Publish)}) == 1
    writer.connect()
    writer.say(Pubrel(pid))
    durable.commit()
    assert durable.engine.sessions["r"].owed == 1


@pytest.mark.spec("MQTT-4.4.0-1")
def test_in_flight_deliveries_survive_with_packet_ids_and_order(durable: Site) -> None:
    reader = durable.device("r", clean=False)
    reader.subscribe(("a", 2))
    for number in range(14):
        durable.engine.publish("a", b"%d" % number, 1 + number % 2)
    durable.commit()
    before = reader.take(Publish)
    released = [delivery.packet_id for delivery in before if delivery.qos == 2][1::-1]
    for packet_id in released:
        reader.say(Pubrec(packet_id))
    durable.commit()
    durable.kill()
    reader.packets.clear()
    reader.connect()
    durable.commit()
    assert [packet.packet_id for packet in reader.take(Pubrel)] == released
    again = reader.take(Publish)
    assert all(delivery.dup for delivery in again)
    assert [(p.packet_id, p.payload) for p in again] == [
        (p.packet_id, p.payload) for p in before if p.packet_id not in released
    ]


def test_pubcomp_waits_until_the_packet_id_is_free_on_disk(durable: Site) -> None:
    """Or a restart would take the next message of this packet id for the one that is finished."""
    writer = durable.device("w", clean=False)
    pid = writer.publish("nobody", b"x", 2)
    durable.commit()
    writer.say(Pubrel(pid))
    assert writer.take(Pubcomp) == []
    durable.commit()
    assert writer.take(Pubcomp) == [Pubcomp(pid)]
    durable.kill()
    assert not durable.engine.sessions["w"].incoming


def test_pubrel_is_said_when_it_is_safe(durable: Site) -> None:
    reader = durable.device("r", clean=False)
    reader.subscribe(("a", 2))
    durable.engine.publish("a", b"x", 2)
    durable.commit()
    (delivery,) = reader.take(Publish)
    reader.say(Pubrec(delivery.packet_id))
    assert reader.take(Pubrel) == []
    reader.drop()
    reader.connect()
    assert reader.take(Pubrel) == []
    durable.commit()
    assert reader.take(Pubrel) == [Pubrel(delivery.packet_id)]


def test_what_devices_finished_is_gone_from_the_file(durable: Site) -> None:
    reader = durable.device("r", clean=False, answers=True)
    reader.subscribe(("a", 2))
    for number in range(300):
        durable.engine.publish("a", b"%d" % number, 1 + number % 2)
        if number % 7 == 0:
            durable.commit()
    durable.commit()
    assert len(reader.payloads()) == 300
    assert durable.store is not None
    stored = durable.store.load()
    assert (stored.deliveries, stored.incoming) == ([], [])
    assert _count(durable, "messages") == 0


def test_message_that_came_and_went_between_commits_is_not_written(durable: Site) -> None:
    reader = durable.device("r", clean=False, answers=True)
    reader.subscribe(("a", 1))
    durable.engine.publish("a", b"x", 1)
    assert durable.engine.journal.take() is None


def test_message_is_stored_once_for_all_its_receivers(durable: Site) -> None:
    readers = [durable.device(f"r{number}", clean=False) for number in range(5)]
    for reader in readers:
        reader.subscribe(("a", 1))
    durable.engine.publish("a", b"x", 1)
    durable.commit()
    assert (_count(durable, "messages"), _count(durable, "deliveries")) == (1, 5)
    for reader in readers[:4]:
        reader.answer(reader.take(Publish)[0])
    durable.commit()
    assert (_count(durable, "messages"), _count(durable, "deliveries")) == (1, 1)
    durable.kill()
    readers[4].connect()
    readers[4].answer(readers[4].take(Publish)[0])
    durable.commit()
    assert (_count(durable, "messages"), _count(durable, "deliveries")) == (0, 0)


@pytest.mark.spec("MQTT-3.1.2-4", "MQTT-3.1.2-6")
def test_subscriptions_survive_from_suback_to_unsuback(durable: Site) -> None:
    device = durable.device("d", clean=False)
    device.subscribe(("a/#", 1), ("+/ü", 2), ("b", 0))
    device.unsubscribe("b")
    durable.kill()
    assert durable.engine.subscriptions == {"a/#": {"d": 1}, "+/ü": {"d": 2}}
    device.connect()
    device.say(Unsubscribe(7, ("a/#",)))
    assert device.take(Unsuback)[1:] == []
    durable.commit()
    durable.kill()
    assert durable.engine.subscriptions == {"+/ü": {"d": 2}}


def test_nothing_of_a_discarded_session_is_left(durable: Site) -> None:
    reader = durable.device("r", clean=False)
    reader.subscribe(("a", 2))
    for _ in range(20):
        durable.engine.publish("a", b"x", 2)
    reader.publish("b", b"y", 2)
    durable.commit()
    reader.connect(clean=True)
    reader.drop()
    durable.commit()
    for table in ("sessions", "subscriptions", "messages", "deliveries", "incoming"):
        assert _count(durable, table) == 0, table


@pytest.mark.parametrize("committed_between", [False, True])
def test_subscribe_that_waits_when_its_session_is_discarded_leaves_nothing(
    durable: Site, *, committed_between: bool
) -> None:
    """Neither its filters nor what retained messages it would have been owed."""
    durable.device("w").publish("a", b"x", 1, retain=True)
    reader = durable.device("r", clean=False)
    reader.say(Subscribe(1, (("a", 1), ("b/#", 2))))
    rows = durable.engine.journal.take() if committed_between else None
    reader.publish("c", b"y", 2)
    reader.say(Unsubscribe(2, ("b/#",)))
    reader.connect(clean=True)
    if rows is not None:
        assert durable.store is not None
        durable.store.commit(rows)
        durable.engine.journal.committed()
    durable.commit()
    assert not [*reader.take(Suback), *reader.take(Unsuback), *reader.messages()]
    for table in ("sessions", "subscriptions", "messages", "deliveries", "incoming"):
        assert _count(durable, table) == 0, table


def test_subscribe_of_a_discarded_session_is_not_brought_back_by_a_failed_commit(durable: Site) -> None:
    reader = durable.device("r", clean=False)
    reader.say(Subscribe(1, (("a", 1),)))
    durable.engine.journal.take()
    reader.connect(clean=True)
    durable.engine.journal.failed("disk is full")
    durable.commit()
    assert _count(durable, "subscriptions") == 0


def test_orphans_of_an_earlier_version_are_deleted_and_never_inherited(durable: Site) -> None:
    assert durable.store is not None
    database = durable.store._database
    database.execute("INSERT INTO subscriptions VALUES (7, 'a', 1)")
    database.execute("INSERT INTO incoming VALUES (8, 1, 'a', x'00', 0)")
    database.execute("INSERT INTO messages VALUES (2, 'a', x'00', 1, NULL)")
    database.execute("INSERT INTO messages VALUES (3, 'a', x'00', 1, NULL)")
    database.execute("INSERT INTO deliveries VALUES (4, 9, 2, 1, 0, 0, 0)")
    durable.kill()
    for table in ("subscriptions", "messages", "deliveries", "incoming"):
        assert _count(durable, table) == 0, table
    durable.device("d", clean=False)
    assert durable.engine.sessions["d"].id == 10
    assert not durable.engine.subscriptions


def test_session_made_anew_between_commits_is_the_new_one(durable: Site) -> None:
    device = durable.device("d", clean=False)
    device.subscribe(("old", 1))
    device.connect(clean=True).connect(clean=False)
    device.subscribe(("new", 1))
    durable.kill()
    assert durable.engine.subscriptions == {"new": {"d": 1}}
    device.packets.clear()
    assert device.connect().take(Connack) == [Connack(True, 0)]


@pytest.mark.spec("MQTT-3.1.2-6", "MQTT-3.2.0-1")
def test_stored_session_is_gone_from_the_disk_before_connack_says_so(durable: Site) -> None:
    device = durable.device("d", clean=False)
    device.subscribe(("a", 1))
    device.packets.clear()
    device.connect(clean=True)
    device.say(Subscribe(3, (("b", 1),)))
    device.publish("b", b"x", 1, pid=4)
    assert device.packets == []
    durable.commit()
    assert [type(packet) for packet in device.packets] == [Connack, Suback, Publish, Puback]
    durable.kill()
    assert not durable.engine.sessions


def test_connection_that_ends_before_connack_does_nothing_more(durable: Site) -> None:
    device = durable.device("d", clean=False)
    durable.commit()
    device.connect(clean=True)
    device.publish("b", b"x", 1)
    device.drop()
    device.packets.clear()
    durable.commit()
    assert device.packets == []
    assert not durable.engine.sessions


def test_absence_is_counted_over_a_restart(durable: Site) -> None:
    durable.settings = EngineSettings(session_expiry=60)
    gone, crashed = durable.device("gone", clean=False), durable.device("crashed", clean=False)
    gone.drop()
    durable.commit()
    durable.kill()
    durable.engine.tick(durable.now + 61)
    assert list(durable.engine.sessions) == [crashed.key]
    durable.engine.tick(durable.now + 61 + 60)
    assert not durable.engine.sessions


@pytest.mark.parametrize("durability", [Durability.RELAXED, Durability.OFF])
def test_other_durabilities_acknowledge_at_once(tmp_path: Path, durability: Durability) -> None:
    site = Site(tmp_path / "s.db", EngineSettings(durability=durability))
    device = site.device("d", clean=False)
    device.say(Subscribe(1, (("a", 2),)))
    device.publish("a", b"x", 1, retain=True, pid=5)
    device.publish("a", b"x", 2, pid=6)
    device.say(Pubrel(6))
    assert [type(packet) for packet in device.packets] == [Connack, Suback, Publish, Puback, Pubrec, Publish, Pubcomp]
    if site.store is not None:
        site.commit()
        site.kill()
        assert site.engine.sessions["d"].owed == 2
        assert site.store is not None
        site.store.close()


class Broken:
    """A store whose disk fails."""

    def __init__(self, store: Store) -> None:
        self.commit: Callable[[Rows], None] = self._fail
        self._store = store

    def _fail(self, rows: Rows) -> None:
        raise OperatorError("disk is full")

    def repair(self) -> None:
        self.commit = self._store.commit


def test_failing_disk_means_no_acknowledgement_an_event_and_no_loss(durable: Site) -> None:
    reader, live, writer = durable.device("r", clean=False), durable.device("l"), durable.device("w")
    reader.subscribe(("a", 1))
    live.subscribe(("a", 0))
    assert durable.store is not None
    real = durable.store
    broken = Broken(real)
    durable.store = broken  # type: ignore[assignment]  # the part of it that is used
    for _ in range(2):
        writer.publish("a", b"x", 1)
        durable.commit()
    assert durable.told(StoreFailed) == [StoreFailed("disk is full")]
    assert writer.take(Puback) == []
    assert len(live.payloads()) == 2
    assert live.subscribe(("b", 0)) == (0,)
    broken.repair()
    durable.commit()
    assert durable.told(StoreRecovered) == [StoreRecovered()]
    assert writer.take(Puback) == [Puback(1), Puback(2)]
    durable.store = real
    durable.kill()
    assert durable.engine.sessions["r"].owed == 2


def test_failing_disk_takes_in_only_so_much(durable: Site) -> None:
    durable.settings = EngineSettings(unacknowledged=3)
    durable.kill()
    reader, writer = durable.device("r", clean=False), durable.device("w")
    reader.subscribe(("a", 1))
    assert durable.store is not None
    broken = Broken(durable.store)
    writer.publish("a", b"x", 1)
    commit_now(durable.engine.journal, broken)  # type: ignore[arg-type]  # the part of it that is used
    for _ in range(10):
        writer.publish("a", b"x", 1)
    durable.commit()
    assert len(writer.take(Puback)) == 3
    assert durable.engine.sessions["r"].owed == 3


def test_full_disk_is_rolled_back_and_named(durable: Site) -> None:
    device, writer = durable.device("d", clean=False), durable.device("w")
    device.subscribe(("a", 1))
    assert durable.store is not None
    database = durable.store._database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(50):
        writer.publish("a", bytes(4000), 1)
    durable.commit()
    (failed,) = durable.told(StoreFailed)
    assert isinstance(failed, StoreFailed)
    assert "free disk space" in failed.detail
    database.execute("PRAGMA max_page_count = 100000")
    durable.commit()
    assert len(writer.take(Puback)) == 50


def test_state_is_its_owners_only(durable: Site) -> None:
    assert durable.path is not None
    for file in durable.path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"this is not a database" * 100, "not a database"), (b"SQLite format 3\0" + bytes(4096), "cannot keep")],
)
def test_corrupt_file_is_an_error_that_says_what_to_do(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(content)
    with pytest.raises(OperatorError, match=says) as error:
        Store.open(path)
    assert str(path) in str(error.value)
    assert "move it away" in str(error.value)


def test_damaged_page_is_found_when_the_file_is_opened(durable: Site) -> None:
    reader = durable.device("r", clean=False)
    reader.subscribe(("a", 1))
    for _ in range(200):
        durable.engine.publish("a", bytes(500), 1)
    durable.commit()
    assert durable.store is not None
    assert durable.path is not None
    durable.store.close()
    content = bytearray(durable.path.read_bytes())
    content[4096 * 4 : 4096 * 8] = bytes(range(256)) * 64
    durable.path.write_bytes(bytes(content))
    with pytest.raises(OperatorError, match="backup"):
        Store.open(durable.path)
    durable.path.unlink()
    durable.start()


def test_delivery_without_its_message_is_left_out(durable: Site) -> None:
    device = durable.device("d", clean=False)
    device.subscribe(("a", 1))
    durable.engine.publish("a", b"x", 1)
    durable.commit()
    assert durable.store is not None
    durable.store._database.execute("DELETE FROM messages")
    durable.kill()
    assert durable.engine.sessions["d"].owed == 0


def test_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(OperatorError, match="another program"):
        Store.open(path)


def test_second_broker_on_the_same_file_is_refused(durable: Site) -> None:
    assert durable.path is not None
    with pytest.raises(OperatorError, match="stop the other broker"):
        Store.open(durable.path)


def test_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="check that the directory"):
        Store.open(tmp_path / "file" / "s.db")


def test_older_file_is_brought_to_this_version(durable: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    durable.device("d", clean=False).subscribe(("a", 1))
    steps = [*schema.MIGRATIONS, ("ALTER TABLE sessions ADD COLUMN note TEXT", "UPDATE sessions SET note = 'moved'")]
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    durable.kill()
    assert durable.store is not None
    assert durable.store._fetch("SELECT key, note FROM sessions") == [("d", "moved")]
    assert durable.engine.subscriptions == {"a": {"d": 1}}
    assert durable.store._fetch("PRAGMA user_version") == [(len(steps),)]


def test_first_version_of_the_file_gets_its_index(durable: Site) -> None:
    durable.device("d", clean=False).subscribe(("a", 1))
    assert durable.store is not None
    durable.store._database.execute("DROP INDEX deliveries_by_session")
    durable.store._database.execute("PRAGMA user_version = 1")
    durable.kill()
    assert durable.engine.subscriptions == {"a": {"d": 1}}
    [(_, _, _, plan)] = durable.store._fetch("EXPLAIN QUERY PLAN DELETE FROM deliveries WHERE session IN (1)")
    assert "deliveries_by_session" in plan


def test_what_a_device_gives_up_is_gone_and_nothing_else(durable: Site) -> None:
    """Many at once, with names that JSON has to quote; another session has the same ones."""
    names = [f'a"\\{number}/é' for number in range(300)]
    for key in ("d", "e"):
        durable.device(key, clean=False).accepted().subscribe(*((name, 1) for name in names))
    device = Device(durable, "d", clean=False).connect()
    for packet_id in (1, 2, 3):
        device.publish("x", qos=2, pid=packet_id)
    durable.commit()
    device.unsubscribe(*names[1:])
    device.say(Pubrel(2))
    durable.commit()
    durable.kill()
    assert durable.engine.subscriptions == {names[0]: {"d": 1, "e": 1}} | {name: {"e": 1} for name in names[1:]}
    assert list(durable.engine.sessions["d"].incoming) == [1, 3]


def test_migration_that_fails_changes_nothing(durable: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    durable.device("d", clean=False).subscribe(("a", 1))
    broken = [*schema.MIGRATIONS, ("ALTER TABLE sessions ADD COLUMN note TEXT", "UPDATE nothing SET x = 1")]
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", broken)
        with pytest.raises(OperatorError):
            durable.kill()
    durable.start()
    assert durable.engine.subscriptions == {"a": {"d": 1}}


def test_file_of_a_later_version_is_refused(durable: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, ("CREATE TABLE later (x)",)])
        durable.kill()
        assert durable.store is not None
        durable.store.close()
    assert durable.path is not None
    with pytest.raises(OperatorError, match="run the mqttseg that wrote it"):
        Store.open(durable.path)
    durable.path.unlink()
    durable.start()


def test_thread_commits_while_the_loop_goes_on(durable: Site) -> None:
    """The posted calls are run here, as a loop would."""
    posted: Queue[Callable[[], None]] = Queue()
    assert durable.store is not None
    committer = ThreadCommitter(durable.engine.journal, durable.store, posted.put)
    reader, writer = durable.device("r", clean=False), durable.device("w")
    reader.say(Subscribe(1, (("a", 1),)))
    while not reader.take(Suback):
        posted.get(timeout=10)()
    for _ in range(3):
        writer.publish("a", b"x", 1)
    while len([packet for packet in writer.packets if isinstance(packet, Puback)]) < 3:
        posted.get(timeout=10)()
    writer.publish("a", b"x", 1)
    posted.get(timeout=10)()
    writer.publish("a", b"x", 1)
    committer.close()
    while not posted.empty():
        posted.get()()
    assert len(writer.take(Puback)) == 5
    durable.kill()
    assert durable.engine.sessions["r"].owed == 5


def test_disk_that_failed_once_is_tried_again_at_the_next_tick(durable: Site) -> None:
    """Though something woke the committer while the batch that failed was being stored."""
    posted: Queue[Callable[[], None]] = Queue()
    assert durable.store is not None
    reader, writer = durable.device("r", clean=False), durable.device("w")
    reader.subscribe(("a", 1))
    broken, woken = Broken(durable.store), Event()

    def fail(rows: Rows) -> None:
        woken.wait(10)
        raise OperatorError("disk is full")

    broken.commit = fail
    committer = ThreadCommitter(durable.engine.journal, broken, posted.put)  # type: ignore[arg-type]  # what is used
    writer.publish("a", b"x", 1)
    posted.get(timeout=10)()
    writer.publish("a", b"y", 1)
    woken.set()
    while not durable.told(StoreFailed):
        posted.get(timeout=10)()
    broken.repair()
    durable.engine.tick(durable.now)
    while not durable.told(StoreRecovered):
        posted.get(timeout=10)()
    assert writer.take(Puback) == [Puback(1), Puback(2)]
    committer.close()


def test_one_release_that_fails_does_not_keep_the_others_waiting(
    durable: Site, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[object] = []

    def fail(argument: object) -> None:
        raise RuntimeError(argument)

    durable.engine.journal.after(fail, "first")
    durable.engine.journal.after(heard.append, "second")
    durable.commit()
    assert heard == ["second"]
    assert "what waited for a commit failed" in caplog.text


CHILD = """
import sys
from pathlib import Path
from queue import Queue
from tests.engine.engine_harness import Site
from mqttseg.wire.packets import Puback
site = Site(Path(sys.argv[1]), fsync=True)
site.device("r", clean=False).subscribe(("a", 1))
writer = site.device("w")
while True:
    for _ in range(7):
        writer.publish("a", b"x", 1)
        writer._next_id %= 60000
    site.commit()
    for ack in writer.take(Puback):
        print(ack.packet_id, flush=True)
"""


def test_what_was_acknowledged_survives_a_real_kill(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(100)]
        child.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout if line.endswith(b"\n")]
    site = Site(path)
    assert site.engine.sessions["r"].owed >= min(len(acknowledged), site.settings.queue_messages)
    assert site.store is not None
    site.store.close()


def _count(site: Site, table: str) -> int:
    assert site.store is not None
    return int(site.store._fetch(f"SELECT count(*) FROM {table}")[0][0])
