"""Repeated events are told once and counted; none is lost."""

from __future__ import annotations

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.events import ACTIONS, Event, Kind
from mqttseg.observe.fold import BURST, WINDOW, Fold


def denial(topic: str, device: str = "cam-1") -> Event:
    return Event(Kind.DENY, Reason.OUTSIDE_SEGMENT, device=device, action="publish", topic=topic)


def test_first_is_told_at_once_and_the_rest_as_a_count_when_the_window_ends() -> None:
    told: list[Event] = []
    fold = Fold(told.append)
    for _ in range(5):
        fold.tell(denial("a"), 0.0)
    assert [event.count for event in told] == [1]
    fold.tick(WINDOW)
    assert [(event.count, event.repeated) for event in told] == [(1, False), (4, True)]


def test_different_events_are_told_each() -> None:
    told: list[Event] = []
    fold = Fold(told.append)
    fold.tell(denial("a"), 0.0)
    fold.tell(denial("b"), 0.0)
    assert [event.topic for event in told] == ["a", "b"]


def test_topic_scan_is_told_by_number_past_the_burst_and_does_not_hide_another_device() -> None:
    told: list[Event] = []
    fold = Fold(told.append)
    for number in range(BURST * 3):
        fold.tell(denial(f"scan/{number}"), 0.0)
    fold.tell(denial("a", device="thermo-1"), 0.0)
    assert len(told) == BURST + 2  # one more stands for the rest, and one is the other device's
    assert told[-1].device == "thermo-1"
    fold.flush()
    assert sum(event.count for event in told) == BURST * 3 + 1


def test_counts_of_counted_events_add_up() -> None:
    told: list[Event] = []
    fold = Fold(told.append)
    fold.tell(Event(Kind.LIMIT, Reason.RATE_LIMIT, device="d", count=7), 0.0)
    fold.tell(Event(Kind.LIMIT, Reason.RATE_LIMIT, device="d", count=5), 0.0)
    fold.flush()
    assert [event.count for event in told] == [7, 5]


@pytest.mark.parametrize("kind", sorted(ACTIONS))
def test_what_was_done_about_a_device_is_told_each_time(kind: Kind) -> None:
    told: list[Event] = []
    fold = Fold(told.append)
    for _ in range(BURST + 5):
        fold.tell(Event(kind, Reason.OK, device="cam-1", who="ada", why="stolen"), 0.0)
    fold.flush()
    assert [event.count for event in told] == [1] * (BURST + 5)
