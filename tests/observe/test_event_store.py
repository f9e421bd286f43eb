"""The file of events and flows: what is written is read, by everybody who may, whole batches and never half of one."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mqttseg.errors import OperatorError, Reason
from mqttseg.migration import NewerSchema
from mqttseg.observe import schema
from mqttseg.observe.events import CLIPPED, DENIALS, Event, Kind
from mqttseg.observe.flows import Direction, Flow, Traffic
from mqttseg.observe.queries import EventQuery, FlowQuery, Reader, read_events, read_flows
from mqttseg.observe.store import Damaged, Store, Told

NOON = 1_795_348_800_123
"""2026-11-22 12:00:00.123 UTC."""

SECOND = 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "events.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store.open(path)
    yield opened
    opened.close()


def denial(device: str = "cam-1", topic: str = "hvac/x", **more: Any) -> Event:
    return Event(Kind.DENY, Reason.OUTSIDE_SEGMENT, device=device, action="publish", topic=topic, **more)


def told(*events: Event) -> list[Told]:
    return [(NOON + number * SECOND, event) for number, event in enumerate(events)]


EVERYTHING = Event(
    kind=Kind.QUARANTINE,
    reason=Reason.QUARANTINED,
    device="cam-1",
    segment="cameras",
    client_id="cam-1/live",
    address="192.0.2.7:4711",
    action="connect",
    topic="cameras/été/\x1b",
    rule="cameras/# (policy.yaml:3:5)",
    observed=True,
    count=7,
    repeated=True,
    who="ada",
    why="stolen",
    detail="line\nline",
)


def test_an_event_is_read_as_it_was_told_with_its_time_in_utc(store: Store, path: Path) -> None:
    store.add([(NOON, EVERYTHING), (NOON + 1, Event(Kind.POLICY, Reason.OK))], [], NOON)
    first, second = read_events(path)
    assert first.event == EVERYTHING
    assert first.at == datetime(2026, 11, 22, 12, 0, 0, 123_000, UTC)
    assert second.event == Event(Kind.POLICY, Reason.OK)
    assert second.id > first.id


def test_the_file_is_only_its_owners_to_read(store: Store, path: Path) -> None:
    store.add(told(denial()), [], NOON)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_a_text_without_utf8_and_a_text_too_long_do_not_spoil_the_batch(store: Store, path: Path) -> None:
    store.add(told(denial(topic="a\udcffb\0"), denial(topic="x" * 65_535), denial("cam-2")), [], NOON)
    odd, long, plain = (recorded.event for recorded in read_events(path))
    assert odd.topic == "a\\udcffb\\x00"
    assert long.topic == "x" * (CLIPPED - 1) + "…"
    assert plain == denial("cam-2")


def test_a_batch_is_kept_whole_or_not_at_all(store: Store, path: Path) -> None:
    store.add(told(denial()), [Traffic("cam-1", None, Direction.PUBLISH, "a/b", 1)], NOON)
    too_many = Traffic("cam-1", None, Direction.PUBLISH, "a/c", None)  # type: ignore[arg-type]  # what no caller does
    with pytest.raises((sqlite3.Error, TypeError)):
        store.add(told(denial("cam-2")), [too_many], NOON)
    assert [recorded.event.device for recorded in read_events(path)] == ["cam-1"]
    assert [flow.shape for flow in read_flows(path)] == ["a/b"]


def test_a_reader_beside_the_writer_sees_what_is_committed_and_hears_of_more(store: Store, path: Path) -> None:
    store.add(told(denial()), [], NOON)
    with Reader.open(path) as reader:
        last, version = reader.last_id(), reader.version()
        assert reader.version() == version
        store.add(told(denial("cam-2"), denial("cam-3")), [], NOON)
        assert reader.version() != version
        assert [r.event.device for r in reader.events(EventQuery(after=last))] == ["cam-2", "cam-3"]
        assert [r.event.device for r in reader.events(EventQuery(after=last, device="cam-3"))] == ["cam-3"]


# --- questions -----------------------------------------------------------------------------------------------------

ASKED = (
    Event(Kind.CONNECT, Reason.OK, device="cam-1", segment="cameras"),
    denial("cam-1", segment="cameras"),
    denial("thermo-1", segment="hvac"),
    Event(Kind.REFUSE, Reason.CERTIFICATE_MISSING),
    Event(Kind.WITHDRAW, Reason.NOT_GRANTED, device="thermo-1", segment="hvac"),
    Event(Kind.DISCONNECT, Reason.OK, device="cam-1", segment="cameras"),
)


def at(number: int) -> datetime:
    return datetime(2026, 11, 22, 12, 0, 0, 123_000, UTC) + timedelta(seconds=number)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (EventQuery(), [0, 1, 2, 3, 4, 5]),
        (EventQuery(device="cam-1"), [0, 1, 5]),
        (EventQuery(segment="hvac"), [2, 4]),
        (EventQuery(kind=Kind.DENY), [1, 2]),
        (EventQuery(reason=Reason.NOT_GRANTED), [4]),
        (EventQuery(denied=True), [1, 2, 3, 4]),
        (EventQuery(denied=True, device="cam-1"), [1]),
        (EventQuery(kind=Kind.DENY, segment="hvac", reason=Reason.OUTSIDE_SEGMENT), [2]),
        (EventQuery(since=at(2)), [2, 3, 4, 5]),
        (EventQuery(until=at(2)), [0, 1]),
        (EventQuery(since=at(1), until=at(4), denied=True), [1, 2, 3]),
        (EventQuery(limit=2), [4, 5]),
        (EventQuery(device="cam-1", limit=1), [5]),
        (EventQuery(after=4), [4, 5]),
        (EventQuery(after=4, limit=1), [4]),
        (EventQuery(device="nobody"), []),
        (EventQuery(device="cam-1' OR TRUE --"), []),
    ],
)
def test_what_is_asked_is_what_is_found(store: Store, path: Path, query: EventQuery, found: list[int]) -> None:
    store.add(told(*ASKED), [], NOON)
    assert [recorded.id - 1 for recorded in read_events(path, query)] == found


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (
            EventQuery(device="d", kind=Kind.DENY, denied=True, since=at(0), limit=9),
            "events_device (device=? AND at>?)",
        ),
        (EventQuery(segment="s", kind=Kind.DENY, limit=9), "events_segment (segment=?)"),
        (EventQuery(reason=Reason.NOT_GRANTED, segment="s", limit=9), "events_reason (reason=?)"),
        (EventQuery(kind=Kind.DENY, until=at(0)), "events_kind (kind=? AND at<?)"),
        (EventQuery(denied=True, limit=9), "events_denied"),
        (EventQuery(limit=9), "events_at"),
        (EventQuery(device="d", denied=True, after=9), "INTEGER PRIMARY KEY (rowid>?)"),
    ],
)
def test_every_question_is_answered_by_its_index_without_sorting(
    store: Store, path: Path, query: EventQuery, index: str
) -> None:
    plans: list[str] = []
    with Reader.open(path) as reader:
        reader._database.set_trace_callback(plans.append)
        reader.events(query)
        statement = next(plan for plan in plans if plan.startswith("SELECT"))
        plan = " ".join(row[3] for row in reader._database.execute(f"EXPLAIN QUERY PLAN {statement}"))
    assert index in plan
    assert "TEMP B-TREE" not in plan


def test_the_index_of_denials_covers_all_kinds_of_denials() -> None:
    (index,) = (statement for statement in schema.MIGRATIONS[0] if "events_denied" in statement)
    assert schema.DENIED in index
    assert {Kind.DENY, Kind.REFUSE, Kind.WITHDRAW} == DENIALS


# --- flows ---------------------------------------------------------------------------------------------------------


def published(topic: str, count: int = 1, size: int = 10, *, device: str = "cam-1", observed: bool = False) -> Traffic:
    return Traffic(device, "cameras", Direction.PUBLISH, topic, count, size, observed)


def test_traffic_of_one_shape_adds_up_to_one_flow(store: Store, path: Path) -> None:
    store.add([], [published("cameras/cam-1/1", 3, 30), published("cameras/cam-1/2", 2, 20, observed=True)], NOON)
    store.add([], [published("cameras/cam-1/3", 5, 50)], NOON + SECOND)
    (flow,) = read_flows(path)
    assert flow == Flow(
        device="cam-1",
        segment="cameras",
        direction=Direction.PUBLISH,
        shape="cameras/${device}/+",
        example="cameras/cam-1/3",
        count=10,
        bytes=100,
        observed=2,
        first_seen=at(0),
        last_seen=at(1),
    )


def test_flows_are_kept_apart_by_device_direction_shape_and_segment(store: Store, path: Path) -> None:
    nobodys = Traffic("cam-1", None, Direction.PUBLISH, "a", 1)
    subscribed = Traffic("cam-1", "cameras", Direction.SUBSCRIBE, "a/#", 1)
    store.add([], [published("a"), published("b"), published("a", device="cam-2"), nobodys, subscribed], NOON)
    found = [(flow.device, flow.segment, flow.direction, flow.shape) for flow in read_flows(path)]
    assert found == [
        ("cam-1", None, "publish", "a"),
        ("cam-1", "cameras", "publish", "a"),
        ("cam-1", "cameras", "publish", "b"),
        ("cam-1", "cameras", "subscribe", "a/#"),
        ("cam-2", "cameras", "publish", "a"),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (FlowQuery(), ["old", "new", "other"]),
        (FlowQuery(device="cam-1"), ["old", "new"]),
        (FlowQuery(segment="hvac"), []),
        (FlowQuery(direction=Direction.RECEIVE), []),
        (FlowQuery(since=at(1)), ["new", "other"]),
        (FlowQuery(until=at(1)), ["old"]),
        (FlowQuery(limit=1), ["new"]),
    ],
)
def test_flows_are_asked_for(store: Store, path: Path, query: FlowQuery, found: list[str]) -> None:
    store.add([], [published("old")], NOON)
    store.add([], [published("new"), published("other", device="cam-2")], NOON + SECOND)
    assert sorted(flow.shape for flow in read_flows(path, query)) == sorted(found)


def test_topic_flood_leaves_a_bounded_number_of_flows_also_over_restarts(path: Path) -> None:
    for start in range(3):
        store = Store.open(path)
        store.add([], [published(f"{chr(97 + start)}{chr(97 + n % 26)}/{chr(97 + n // 26)}") for n in range(600)], NOON)
        store.close()
    flows = list(read_flows(path))
    assert sum(flow.count for flow in flows) == 1800
    assert len(flows) <= 178


# --- the file ------------------------------------------------------------------------------------------------------


def test_a_file_of_the_first_version_is_migrated_and_keeps_its_events(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        old = Store.open(path)
        old.add(told(denial()), [], NOON)
        old.close()
    assert [recorded.event for recorded in read_events(path)] == [denial()]
    assert list(read_flows(path)) == []  # there were none yet, and who only reads migrates nothing
    store = Store.open(path)
    store.add(told(denial("cam-2")), [published("a")], NOON)
    store.close()
    assert [recorded.event for recorded in read_events(path)] == [denial(), denial("cam-2")]
    assert [flow.shape for flow in read_flows(path)] == ["a"]


def test_a_file_of_a_later_version_is_left_alone(path: Path, store: Store) -> None:
    store.database.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerSchema):
        Store.open(path)
    with pytest.raises(OperatorError, match="read them with the mqttseg that wrote it"):
        read_events(path)


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(ValueError, match="another program"):
        Store.open(path)
    with pytest.raises(OperatorError, match="another program"):
        read_events(path)


def test_a_missing_file_says_what_makes_it(path: Path) -> None:
    with pytest.raises(OperatorError, match="nothing was recorded yet; `mqttseg run` records it"):
        read_events(path)
    assert not path.exists()


def test_what_is_no_database_says_so(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(OperatorError, match=r"events\.db: the events cannot be read: file is not a database"):
        read_events(path)
    with pytest.raises(sqlite3.DatabaseError):
        Store.open(path)


def test_damage_inside_is_found_when_the_file_is_opened(path: Path) -> None:
    store = Store.open(path)
    store.add(told(*[denial(f"cam-{number}") for number in range(2000)]), [], NOON)
    store.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 20_000)
    with pytest.raises(Damaged):
        Store.open(path)


def test_numbers_are_not_given_twice_even_when_all_rows_went(store: Store, path: Path) -> None:
    store.add(told(denial(), denial()), [], NOON)
    store.database.execute("DELETE FROM events")
    store.add(told(denial()), [], NOON)
    assert [recorded.id for recorded in read_events(path)] == [3]
