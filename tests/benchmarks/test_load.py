"""What the load generator counts is what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.load.ledger import Count, Ledger
from benchmarks.load.parts import STAMP, Reader, Score
from benchmarks.load.plan import Outcome, Seat, Subscriber
from mqttseg.wire.encode import publish_frame

SEAT = Seat("dev-1", "dev-1", "dev-1.crt", "dev-1.key")


def score_of(sequence: list[int]) -> Score:
    """What a reader counts that got one publisher's messages in this order."""
    score = Score()
    reader = Reader(1, Subscriber(SEAT, ("a/#",)), score)
    for number in sequence:
        frame = publish_frame(b"a/t", STAMP.pack(0, number, 0) + bytes(44))
        reader.on_publish(frame, 0, 2)
    return score


@pytest.mark.parametrize(
    ("sequence", "duplicated", "reordered"),
    [
        ([0, 1, 2, 3], 0, 0),
        ([0, 1, 3], 0, 0),  # 2 is lost: the sum of what is owed shows that
        ([0, 2, 1, 3], 0, 1),
        ([0, 1, 1, 2], 1, 0),
        ([0, 2, 1, 1], 1, 1),
        ([3, 0, 1, 2], 0, 3),
    ],
)
def test_a_reader_tells_late_from_twice(sequence: list[int], duplicated: int, reordered: int) -> None:
    score = score_of(sequence)
    assert (score.received, score.duplicated, score.reordered) == (len(sequence), duplicated, reordered)


@pytest.fixture
def ledgers(tmp_path: Path) -> tuple[Ledger, Ledger]:
    """The same ledger, as two processes have it."""
    path = tmp_path / "ledger"
    path.write_bytes(bytes(Ledger.size(2)))
    return Ledger(path, 2), Ledger(path, 2)


def test_processes_share_one_window(ledgers: tuple[Ledger, Ledger]) -> None:
    writing, reading = ledgers
    writing.put(0, Count.OWED, 10)
    reading.put(1, Count.RECEIVED, 4)
    assert writing.outstanding() == reading.outstanding() == 6


def test_what_is_given_up_opens_the_window_but_is_still_owed(ledgers: tuple[Ledger, Ledger]) -> None:
    writing, leading = ledgers
    writing.put(0, Count.OWED, 10)
    leading.forgive()
    assert writing.outstanding() == 0
    assert leading.total(Count.OWED) == 10


def outcome(*generator: float, lost: int = 0) -> Outcome:
    return Outcome(1000.0, 0.0, 10, 10 - lost, lost, 0, 0, 0, 0, 0.0, 0.0, generator, 0.5, 0.1)


def test_a_generator_near_a_whole_core_is_flagged() -> None:
    assert not outcome(0.84, 0.3).crowded
    assert outcome(0.3, 0.86).crowded


def test_faults_are_said_in_words() -> None:
    assert not outcome(0.1).faults
    assert outcome(0.1, lost=3).faults == "3 lost"
