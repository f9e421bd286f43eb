"""Shapes: what they generalise, that each matches all that was folded into it, and how many there can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttseg.observe.shapes import MOST_SHAPES, Shapes, filter_of, shape_of
from mqttseg.policy.topics import contains, filter_problem, matches, topic_problem

DEVICE = "thermo-7"

LEVELS = st.one_of(
    st.sampled_from(["", DEVICE, "7", "${device}", "${x}", "a", "temp", "thermo-8", "floor2", "deadbeef01", "$x", "."]),
    st.uuids().map(str),
    st.datetimes().map(str),
    st.integers().map(str),
    st.text(st.characters(exclude_characters="+#/\0", exclude_categories=["Cs"]), max_size=9),
)


def is_anybodys(topic: str) -> bool:
    """``$``-topics are nobody's, but for those of the broker."""
    return not topic.startswith("$") or topic.startswith("$SYS/")


TOPICS = st.one_of(
    st.lists(LEVELS, min_size=1, max_size=6).map("/".join),
    st.lists(LEVELS, max_size=4).map(lambda levels: "/".join(["$SYS", "broker", *levels])),
).filter(lambda topic: topic_problem(topic) is None and is_anybodys(topic))
FILTERS = st.tuples(TOPICS, st.sampled_from(["", "/#", "/+", "/+/b", "/+/#"])).map("".join)
FILTERS = FILTERS.filter(lambda text: filter_problem(text) is None)


@pytest.mark.parametrize(
    ("topic", "shape"),
    [
        ("tele/thermo-7/reading", "tele/${device}/reading"),
        ("tele/thermo-8/reading", "tele/thermo-8/reading"),  # whose id that is, the policy knows
        ("tele/thermo-70/reading", "tele/thermo-70/reading"),
        ("a/12/-3.5/1.4.2/192.0.2.1", "a/+/+/+/+"),
        ("a/550e8400-e29b-41d4-a716-446655440000", "a/+"),
        ("a/02:aa:00:00:00:01/a4cf12b3c4d5/0x1f", "a/+/+/+"),
        ("a/2026-11-22/2026-11-22T12:00:00.123Z/20261122T120000Z/12:30", "a/+/+/+/+"),
        ("a/01ARZ3NDEKTSV4RRFFQ69G5FAV", "a/+"),
        ("facade/feedback/deadbeef/v2/floor2", "facade/feedback/deadbeef/v2/floor2"),  # words, or nearly
        ("a//b/", "a//b/"),
        ("a/${device}/b", "a/+/b"),  # as it came from the device: not its id
        ("$SYS/broker/12", "$SYS/broker/+"),
        ("a/+/b/#", "a/+/b/#"),
        ("a/7/#", "a/+/#"),
    ],
)
def test_what_differs_from_one_time_to_the_next_is_a_wildcard(topic: str, shape: str) -> None:
    assert shape_of(topic, DEVICE) == shape


def test_a_device_whose_id_is_a_number_is_still_itself() -> None:
    assert shape_of("a/7/8", "7") == "a/${device}/+"


@given(TOPICS)
def test_a_shape_is_a_filter_that_matches_its_topic(topic: str) -> None:
    shape = filter_of(shape_of(topic, DEVICE), DEVICE)
    assert filter_problem(shape) is None
    assert matches(shape, topic)


@given(FILTERS)
def test_the_shape_of_a_filter_contains_it(subscribed: str) -> None:
    assert contains(filter_of(shape_of(subscribed, DEVICE), DEVICE), subscribed)


@given(st.lists(FILTERS, max_size=60), st.integers(0, MOST_SHAPES))
def test_however_coarse_a_shape_it_contains_all_that_was_folded_into_it(topics: list[str], taken: int) -> None:
    shapes = Shapes(DEVICE, (f"taken/{number}" for number in range(taken)))
    for topic in topics:
        shape = filter_of(shapes.fold(topic), DEVICE)
        assert filter_problem(shape) is None
        assert contains(shape, topic)


def test_topic_flood_makes_a_bounded_number_of_shapes() -> None:
    shapes = Shapes(DEVICE)
    made = {
        shapes.fold(f"{chr(97 + a)}x/{chr(97 + b)}y/{chr(97 + c)}z{c}")
        for a in range(26)
        for b in range(26)
        for c in range(26)
    }
    assert len(made) <= MOST_SHAPES
    assert "#" in made


def test_ids_of_other_devices_become_one_shape_before_anything_else_is_given_up() -> None:
    shapes = Shapes("bms-1")
    made = [shapes.fold(f"hvac/thermo-{number}/cmd/set") for number in range(500)]
    assert made[0] == "hvac/thermo-0/cmd/set"
    assert set(made[64:]) == {"hvac/+/cmd/set"}


def test_shapes_that_are_known_from_before_are_used_again() -> None:
    before = Shapes(DEVICE)
    topics = [f"flat/{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(300)]
    known = {before.fold(topic) for topic in topics}
    after = Shapes(DEVICE, known)
    assert {after.fold(topic) for topic in topics} <= known
