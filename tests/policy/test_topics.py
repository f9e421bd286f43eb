"""Names and filters of MQTT 3.1.1, one at a time. Against trying every topic: test_containment_property.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttseg.policy.topics import contains, filter_problem, intersect, matches, topic_problem, witness

LEVELS = st.sampled_from(["a", "b", "", "$x", "é", "a b", "*"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=6).map("/".join).filter(bool)
FILTERS = (
    st.tuples(st.lists(LEVELS | st.just("+"), max_size=5), st.sampled_from(["#", "+", "a", ""]))
    .map(lambda parts: "/".join([*parts[0], parts[1]]))
    .filter(bool)
)


@pytest.mark.parametrize(
    ("topic", "problem"),
    [
        ("a", None),
        ("/", None),
        ("a//b/", None),
        ("$SYS/x", None),  # legal; what may be done with it is another question
        ("grün/°C", None),
        ("\N{BYTE ORDER MARK}a", None),  # [MQTT-1.5.3-3]
        ("a" * 65_535, None),
        ("a" * 65_536, "is longer than 65535 bytes"),
        ("é" * 32_767, None),
        ("é" * 32_768, "is longer than 65535 bytes"),
        ("", "is empty"),
        ("a\0b", "holds U+0000"),
        ("a/\ud800", "holds half a surrogate pair"),
        ("a/+", "holds a wildcard (+ or #)"),
        ("a#", "holds a wildcard (+ or #)"),
    ],
)
def test_topic_names(topic: str, problem: str | None) -> None:
    assert topic_problem(topic) == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("#", None),
        ("+", None),
        ("+/+/#", None),
        ("/#", None),
        ("a/+/b", None),
        ("$share/g/a", None),
        ("", "is empty"),
        ("a/\0", "holds U+0000"),
        ("a/#/b", "has levels after #"),
        ("#/", "has levels after #"),
        ("a#", "has a wildcard beside other text in one level"),
        ("a/b+", "has a wildcard beside other text in one level"),
        ("++", "has a wildcard beside other text in one level"),
        ("+#", "has a wildcard beside other text in one level"),
        ("+/" * 32_768, "is longer than 65535 bytes"),
    ],
)
def test_topic_filters(text: str, problem: str | None) -> None:
    assert filter_problem(text) == problem


@pytest.mark.parametrize(
    ("text", "topic", "verdict"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/", False),
        ("a/#", "a", True),  # [MQTT-4.7.1-2]
        ("a/#", "ab", False),
        ("a/+/#", "a", False),
        ("a/+", "a/", True),
        ("+", "/a", False),
        ("+/+", "/a", True),
        ("/+", "/a", True),
        ("#", "a/b/c", True),
        ("#", "$SYS/a", False),  # [MQTT-4.7.2-1]
        ("+/a", "$SYS/a", False),
        ("$SYS/#", "$SYS", True),
        ("a/#", "a/$SYS", True),
        ("a", "A", False),
    ],
)
@pytest.mark.spec("MQTT-4.7.1-2", "MQTT-4.7.2-1")
def test_matching(text: str, topic: str, verdict: bool) -> None:
    assert matches(text, topic) is verdict


@pytest.mark.parametrize(
    ("outer", "inner", "verdict"),
    [
        ("#", "a/+/#", True),
        ("a/+", "a/#", False),  # what brokers get wrong: textual comparison calls this contained
        ("a/#", "a/+", True),
        ("a/#", "a", True),
        ("a/+/#", "a/#", False),  # the parent is missing
        ("+/#", "#", True),  # every topic has a first level
        ("/+/#", "/#", True),  # the parent of /# would be the empty topic
        ("+", "#", False),
        ("a", "+", False),
        ("#", "$SYS/#", False),
        ("+/#", "$SYS/a", False),
        ("$SYS/#", "$SYS/+", True),
    ],
)
def test_containment(outer: str, inner: str, verdict: bool) -> None:
    assert contains(outer, inner) is verdict


@pytest.mark.parametrize(
    ("a", "b", "common"),
    [
        ("a/+", "+/b", "a/b"),
        ("a/#", "+/b/#", "a/b/#"),
        ("a/#", "a", "a"),
        ("a/#", "+", "a"),
        ("a/b/#", "a", None),
        ("/#", "+", None),  # only the empty topic, which is none
        ("#", "$SYS/a", None),
        ("a", "b", None),
        ("a/+/#", "a/#", "a/+/#"),
    ],
)
def test_intersection(a: str, b: str, common: str | None) -> None:
    assert intersect(a, b) == intersect(b, a) == common


@given(FILTERS, FILTERS, TOPICS)
def test_what_contains_accepts_matches_accepts(outer: str, inner: str, topic: str) -> None:
    if contains(outer, inner) and matches(inner, topic):
        assert matches(outer, topic)


@given(FILTERS, FILTERS, TOPICS)
def test_a_topic_is_in_the_intersection_when_it_is_in_both(a: str, b: str, topic: str) -> None:
    common = intersect(a, b)
    assert (common is not None and matches(common, topic)) is (matches(a, topic) and matches(b, topic))


@given(FILTERS)
def test_a_witness_is_a_legal_topic_of_its_filter(text: str) -> None:
    assert topic_problem(witness(text)) is None
    assert matches(text, witness(text))


@given(st.text(max_size=20))
def test_a_legal_topic_is_a_legal_filter_of_itself_only(text: str) -> None:
    if topic_problem(text) is None:
        assert filter_problem(text) is None
        assert matches(text, text)
        assert contains(text, text)


def test_the_deepest_filter_is_judged_without_recursion() -> None:
    deepest = "/" * 65_535
    assert filter_problem(deepest) is None
    assert contains("+/#", deepest)
    assert intersect(deepest, "#") == deepest
