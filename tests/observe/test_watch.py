"""Detection on its thread: nobody waits for it, it survives what goes wrong, and it remembers."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Event as Signal

import pytest

from mqttseg.errors import Reason
from mqttseg.observe import watch as watching
from mqttseg.observe.detect.detector import Detection
from mqttseg.observe.detect.memory import Memory
from mqttseg.observe.detect.settings import Settings
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.watch import WAITING, Watch

PATIENCE = 20.0
CAME = Event(Kind.CONNECT, Reason.OK, device="cam-1", client_id="cam-1", address="10.0.0.5:4000")
DENIED = Event(Kind.DENY, Reason.OUTSIDE_SEGMENT, device="cam-1", address="10.0.0.5:4000", topic="x", count=500)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "GATHER", 0.01)


def test_what_is_found_is_told_and_what_was_learnt_is_written_down(tmp_path: Path) -> None:
    found, told = list[Detection](), Signal()

    def take(detection: Detection) -> None:
        found.append(detection)
        told.set()

    watch = Watch(Settings(), tmp_path / "detect.db", take)
    watch(CAME)
    watch(DENIED)
    assert told.wait(PATIENCE)
    watch.close()
    assert [detection.rule for detection in found] == [Reason.DENIAL_BURST]
    assert list(Memory(tmp_path / "detect.db").load()["cam-1"].addresses.networks) == ["10.0.0.0/24"]


def test_a_flood_of_events_takes_no_more_memory_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked, free = Signal(), Signal()

    def block(_: Detection) -> None:
        blocked.set()
        free.wait(PATIENCE)

    watch = Watch(Settings(), tmp_path / "detect.db", block)
    watch(DENIED)
    assert blocked.wait(PATIENCE)
    with caplog.at_level(logging.ERROR):
        for _ in range(WAITING + 100):
            watch(CAME)
    assert len(watch._events) == WAITING
    assert caplog.text.count("some are not looked at") == 1
    free.set()
    watch.close()


def test_a_fault_of_ours_does_not_end_detection(tmp_path: Path) -> None:
    told = Signal()

    def fail_once(_: Detection) -> None:
        if not told.is_set():
            told.set()
            raise RuntimeError

    watch = Watch(Settings(pause=0.0), tmp_path / "detect.db", fail_once)
    watch(DENIED)
    assert told.wait(PATIENCE)
    watch(CAME)
    watch.close()
    assert "cam-1" in Memory(tmp_path / "detect.db").load()


def test_a_place_that_cannot_be_written_is_told_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file where a directory should be")
    watch = Watch(Settings(), tmp_path / "state" / "detect.db", lambda _: None)
    watch(CAME)
    watch.close()
    assert "learnt anew" in caplog.text
