"""From the loop to the file: nobody waits, nothing is lost silently, and a failing file is only told."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event as Signal

import pytest

from mqttseg.errors import OperatorError, Reason
from mqttseg.observe import recorder as recording
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Direction, Traffic
from mqttseg.observe.queries import EventQuery, Reader, read_events, read_flows
from mqttseg.observe.recorder import BATCH, WAITING, Recorder
from mqttseg.observe.retention import Retention
from mqttseg.observe.store import Store
from mqttseg.observe.writer import Writer

RETENTION = Retention(90 * 86400.0, 1 << 30)
PATIENCE = 30.0
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "events.db"


@pytest.fixture(autouse=True)
def _retried_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "RETRY", 0.01)
    monkeypatch.setattr(recording, "GATHER", 0.01)


def denial(number: int, device: str = "cam-1") -> Event:
    return Event(Kind.DENY, Reason.OUTSIDE_SEGMENT, device=device, topic=f"hvac/{number}")


def traffic(count: int) -> list[Traffic]:
    return [Traffic("cam-1", "cameras", Direction.PUBLISH, "cameras/a", count)]


class Disk:
    """Opens the file as a disk does that can be blocked, or be full."""

    def __init__(self) -> None:
        self.failing: Exception | None = None
        self.tries = 0
        self.failed = Signal()
        self.blocked = Signal()
        self.free = Signal()
        self.free.set()

    def open(self, path: Path) -> Store:
        self.tries += 1
        self.blocked.set()
        assert self.free.wait(PATIENCE)
        if self.failing is not None:
            if self.tries > 2:
                self.failed.set()
            raise self.failing
        return Store.open(path)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def recorder(path: Path, disk: Disk) -> Iterator[Recorder]:
    made = Recorder(Writer(path, RETENTION, disk.open))
    yield made
    disk.free.set()
    made.close()


def test_what_was_told_is_in_the_file_after_close_in_order(recorder: Recorder, path: Path) -> None:
    for number in range(3 * BATCH // 2):
        recorder(denial(number))
    recorder.note(traffic(3))
    recorder.close()
    assert [recorded.event for recorded in read_events(path)] == [denial(number) for number in range(3 * BATCH // 2)]
    assert [flow.count for flow in read_flows(path)] == [3]
    assert recorder.lost == 0


def test_a_disk_that_hangs_is_not_waited_for_and_what_does_not_fit_is_counted_and_told(
    recorder: Recorder, path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.free.clear()
    recorder(denial(0))
    assert disk.blocked.wait(PATIENCE)  # the thread has taken the first, and hangs
    for number in range(1, WAITING + 501):
        recorder(denial(number))
    assert recorder.lost == 500
    disk.free.set()
    recorder.close()
    kept = [recorded.event for recorded in read_events(path)]
    (told,) = (event for event in kept if event.kind is Kind.ERROR)
    assert told.count == 500
    assert "missing here" in told.detail
    assert sum(event.kind is Kind.DENY for event in kept) + told.count == WAITING + 501
    assert [record.levelname for record in caplog.records if "are being lost" in record.getMessage()] == ["ERROR"]


def test_traffic_is_counted_on_where_it_is_while_the_file_does_not_take_it(recorder: Recorder, disk: Disk) -> None:
    disk.free.clear()
    answers = [recorder.takes_traffic]
    recorder.note(traffic(1))
    assert disk.blocked.wait(PATIENCE)
    answers.append(recorder.takes_traffic)
    assert answers == [True, False]
    with pytest.raises(ValueError, match="not kept yet"):
        recorder.note(traffic(1))


@pytest.mark.parametrize(
    "failure",
    [
        sqlite3.OperationalError("database or disk is full"),
        sqlite3.OperationalError("disk I/O error"),
        PermissionError(13, "Permission denied"),
    ],
    ids=str,
)
def test_a_file_that_fails_is_told_once_and_has_everything_when_it_works_again(
    recorder: Recorder, path: Path, disk: Disk, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    disk.failing = failure
    for number in range(10):
        recorder(denial(number))
    recorder.note(traffic(2))
    assert disk.failed.wait(PATIENCE)  # tried for the third time
    disk.failing = None
    recorder(denial(10))
    recorder.close()
    assert [recorded.event for recorded in read_events(path)] == [denial(number) for number in range(11)]
    assert [flow.count for flow in read_flows(path)] == [2]
    told = [record.getMessage() for record in caplog.records if record.name == "mqttseg.store"]
    assert len(told) == 2
    assert str(failure) in told[0]
    assert "events are kept again" in told[1]


def test_a_file_that_fails_to_the_end_is_told_with_the_number_of_events(
    recorder: Recorder, path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.failing = OSError(5, "Input/output error")
    recorder(denial(0))
    recorder(denial(1))
    recorder.close()
    assert recorder.lost == 2
    assert "2 events are not kept" in caplog.records[-1].getMessage()


def test_full_disk_loses_nothing_once_there_is_room(path: Path) -> None:
    """SQLite's own limit stands for the disk's: it fails in the middle of a commit, as a full disk does."""
    pages = [25]
    first_failure = Signal()

    def open_small(at: Path) -> Store:
        store = Store.open(at)
        store.database.execute(f"PRAGMA max_page_count = {pages[0]}")
        return store

    class Watching(Writer):
        def write(self, *batch: object) -> bool:
            written = super().write(*batch)  # type: ignore[arg-type]  # handed on as it came
            if not written:
                first_failure.set()
            return written

    recorder = Recorder(Watching(path, RETENTION, open_small))
    for number in range(2000):
        recorder(denial(number))
    assert first_failure.wait(PATIENCE)
    pages[0] = 1 << 20
    recorder.close()
    assert [recorded.event for recorded in read_events(path)] == [denial(number) for number in range(2000)]


def until(check: Callable[[], bool]) -> None:
    waiting = Signal()
    for _ in range(3000):
        if check():
            return
        waiting.wait(0.01)
    raise AssertionError


def committed(path: Path) -> int:
    """How many events; 0 while the file is being made."""
    try:
        return len(read_events(path, EventQuery(limit=1)))
    except OperatorError:
        return 0


def damage(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"not a database, and far too short to be one" * 100)


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(
    path: Path, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    damage(path)
    recorder(denial(0))
    recorder.close()
    assert [recorded.event for recorded in read_events(path)] == [denial(0)]
    assert path.with_name("events.db.damaged-1").read_bytes().startswith(b"not a database")
    assert "it is set aside as events.db.damaged-1, and a new one is begun" in caplog.text


def test_a_disk_that_damages_every_file_is_not_filled_with_them(
    path: Path, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    damage(path)
    for number in (1, 2, 3):
        path.with_name(f"events.db.damaged-{number}").write_bytes(b"earlier")
    recorder(denial(0))
    until(lambda: "damaged again" in caplog.text)
    recorder.close()
    assert len(list(path.parent.glob("*.damaged-*"))) == 3
    assert path.read_bytes().startswith(b"not a database")


@pytest.mark.parametrize(
    ("statement", "advice"),
    [
        ("PRAGMA user_version = 99", "run the mqttseg that wrote it, or move the file away"),
        ("PRAGMA application_id = 7", "move that file away"),
    ],
)
def test_a_file_that_is_not_ours_to_write_is_left_as_it_is(
    path: Path, disk: Disk, statement: str, advice: str, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = Store.open(path)
    theirs.database.execute(statement)
    theirs.close()
    before = path.read_bytes()
    recorder = Recorder(Writer(path, RETENTION))
    recorder(denial(0))
    recorder.close()
    assert advice in caplog.text
    assert path.read_bytes() == before


WRITER = """
import sys, threading
from pathlib import Path
from tests.observe.test_recorder import RETENTION, Recorder, Writer, denial

recorder = Recorder(Writer(Path(sys.argv[1]), RETENTION))
pause = threading.Event()
number = 0
while True:
    for number in range(number, number + 200):
        recorder(denial(number))
    number += 1
    while len(recorder._events) > 2000:  # more than that is not what this is about
        pause.wait(0.001)
"""


@pytest.mark.parametrize("seed", range(3))
def test_killed_in_the_middle_of_writing_the_file_is_whole_and_has_all_that_was_committed(
    tmp_path: Path, seed: int
) -> None:
    path = tmp_path / "events.db"
    wanted = random.Random(seed).randrange(1, 9000)
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT) as writer:
        try:
            until(lambda: committed(path) > 0)
            with Reader.open(path) as reader:
                until(lambda: reader.last_id() >= wanted)
                seen = reader.last_id()
        finally:
            writer.kill()
    found = read_events(path)
    assert [recorded.event for recorded in found] == [denial(number) for number in range(len(found))]
    assert len(found) >= seen > 0
    store = Store.open(path)  # checks the file, and goes on
    store.add([(0, denial(len(found)))], [], 0)
    store.close()
    assert len(read_events(path)) == len(found) + 1
