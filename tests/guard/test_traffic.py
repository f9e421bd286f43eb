"""Sums of what passed: asked for once, bounded, complete."""

from __future__ import annotations

import pytest

from mqttseg.guard import traffic
from mqttseg.guard.traffic import UntoldTraffic
from mqttseg.observe.flows import Direction, Traffic


def passed(topic: str, count: int = 1, *, observed: bool = False) -> Traffic:
    return Traffic("thermo-1", "hvac", Direction.PUBLISH, topic, count, 10 * count, observed)


def test_traffic_of_one_topic_is_one_sum_until_it_is_taken() -> None:
    untold = UntoldTraffic()
    for each in (passed("a", 2), passed("b"), passed("a", 3), passed("a", observed=True)):
        untold.add(each)
    assert untold.take() == [passed("a", 5), passed("b"), passed("a", observed=True)]
    assert untold.take() == []


def test_nothing_is_lost_when_nobody_asks_and_no_more_is_kept_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "UNTOLD", 3)
    untold = UntoldTraffic()
    for number in range(100):
        untold.add(passed(str(number)))
    assert untold.take() == [passed("0"), passed("1"), passed("2"), passed("#", 97)]


def test_a_device_that_makes_up_topics_leaves_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "UNTOLD_OF_ONE", 3)
    untold = UntoldTraffic()
    other = Traffic("thermo-2", "hvac", Direction.PUBLISH, "t", 1)
    for number in range(100):
        untold.add(passed(str(number)))
    untold.add(other)
    assert untold.take(2) == [passed("0"), passed("1")]
    assert untold.take() == [passed("2"), passed("#", 97), other]
    untold.add(passed("again"))
    assert untold.take() == [passed("again")]
