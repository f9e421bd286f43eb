"""What goes when too much is kept, and what stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Direction, Traffic
from mqttseg.observe.queries import read_events, read_flows
from mqttseg.observe.retention import Pruned, Retention, prune, used
from mqttseg.observe.store import Store

NOON = 1_795_348_800_000
DAY = 86_400_000
KEPT_LONG = 1 << 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store.open(path)
    yield opened
    opened.close()


def denials(device: str | None, count: int) -> list[Event]:
    topic = "t" * 200
    return [Event(Kind.DENY, Reason.OUTSIDE_SEGMENT, device=device, topic=topic, detail=str(n)) for n in range(count)]


def add(store: Store, at: int, events: list[Event]) -> None:
    store.add([(at + number, event) for number, event in enumerate(events)], [], at)


def published(topic: str) -> Traffic:
    return Traffic("cam-1", "cameras", Direction.PUBLISH, topic, 1)


def holders(path: Path) -> Counter[str | None]:
    return Counter(recorded.event.device for recorded in read_events(path))


def test_what_is_older_than_keep_goes_and_nothing_else(store: Store, path: Path) -> None:
    add(store, NOON - 3 * DAY, denials("old", 6000))
    add(store, NOON - DAY, denials("new", 10))
    store.add([], [published("old"), published("both")], NOON - 3 * DAY)
    store.add([], [published("both")], NOON)
    assert prune(store.database, Retention(2 * 86400.0, KEPT_LONG), NOON) == Pruned(events=6000, flows=1)
    assert holders(path) == {"new": 10}
    assert [flow.shape for flow in read_flows(path)] == ["both"]


def test_the_file_stays_within_its_size_and_the_newest_stays(store: Store, path: Path) -> None:
    size = 1 << 20
    for batch in range(20):
        add(store, NOON + batch * 1000, denials(f"cam-{batch}", 500))
        prune(store.database, Retention(86400.0, size), NOON)
        assert used(store.database) <= size
    newest = read_events(path)[-1].event
    assert (newest.device, newest.detail) == ("cam-19", "499")
    assert sum(holders(path).values()) > 1000


def test_flooded_evidence_of_one_device_does_not_push_out_that_of_others(store: Store, path: Path) -> None:
    for number in range(20):
        add(store, NOON - DAY + number, denials(f"quiet-{number}", 20))
    add(store, NOON, denials("noisy", 5000))
    add(store, NOON, denials(None, 5000))  # strangers without a certificate, who are nobody
    prune(store.database, Retention(30 * 86400.0, 2 << 20), NOON)
    left = holders(path)
    assert all(left[f"quiet-{number}"] == 20 for number in range(20))
    assert 0 < left["noisy"] < 5000
    assert 0 < left[None] < 5000


def test_what_was_done_about_devices_goes_last(store: Store, path: Path) -> None:
    add(store, NOON - DAY, [Event(Kind.QUARANTINE, Reason.OK, device="cam-1", who="ada", why="stolen")])
    add(store, NOON, denials("cam-1", 5000))
    prune(store.database, Retention(30 * 86400.0, 1 << 20), NOON)
    kinds = Counter(recorded.event.kind for recorded in read_events(path))
    assert kinds[Kind.QUARANTINE] == 1
    assert 0 < kinds[Kind.DENY] < 5000


def test_a_size_too_small_for_anything_ends_with_nothing_and_not_in_a_loop(store: Store, path: Path) -> None:
    add(store, NOON, [*denials("cam-1", 50), Event(Kind.QUARANTINE, Reason.OK, device="cam-1")])
    store.add([], [published("a")], NOON)
    prune(store.database, Retention(86400.0, 1), NOON)
    assert read_events(path) == []
    assert list(read_flows(path)) == []


def test_a_file_that_is_larger_than_it_may_be_becomes_smaller(store: Store, path: Path) -> None:
    add(store, NOON, denials("cam-1", 20_000))
    prune(store.database, Retention(86400.0, 1 << 20), NOON)
    store.close()  # what is in the write-ahead log goes to the file
    assert path.stat().st_size <= 1 << 20
