"""Subscriptions: which topics, one copy, replacement, and a cache of receivers that is never wrong (3.8, 3.10, 4.7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttseg.engine import router as router_module
from mqttseg.engine import topictree as topictree_module
from mqttseg.engine.router import Router
from mqttseg.engine.session import Session
from mqttseg.engine.settings import EngineSettings
from mqttseg.engine.topictree import TooManyNodes, TopicTree
from mqttseg.wire.packets import FAILURE, Suback, Unsuback, Unsubscribe
from tests.engine.engine_harness import Site

MATCHING = [
    # filter, topic, matches; the examples of 4.7
    ("sport/tennis/player1/#", "sport/tennis/player1", True),
    ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
    ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
    ("sport/#", "sport", True),
    ("#", "sport", True),
    ("#", "a/b/c", True),
    ("sport/tennis/+", "sport/tennis/player1", True),
    ("sport/tennis/+", "sport/tennis/player1/ranking", False),
    ("sport/+", "sport", False),
    ("sport/+", "sport/", True),
    ("+", "sport", True),
    ("+/tennis/#", "sport/tennis/a", True),
    ("sport/+/player1", "sport/tennis/player1", True),
    ("/+", "/finance", True),
    ("+/+", "/finance", True),
    ("+", "/finance", False),
    ("#", "$SYS/a", False),
    ("+/a", "$SYS/a", False),
    ("+/#", "$SYS/a", False),
    ("$SYS/#", "$SYS/a", True),
    ("$SYS/+", "$SYS/a", True),
    ("a/+/b", "a/$x/b", True),
    ("ACCOUNTS", "Accounts", False),
    ("a", "/a", False),
    ("a/", "a", False),
    ("//", "//", True),
    ("+/+/+", "//", True),
    ("a b", "a b", True),
    ("ﬀ", "ff", False),
]


@pytest.mark.spec("MQTT-4.7.1-2", "MQTT-4.7.1-3", "MQTT-4.7.2-1", "MQTT-4.7.3-4", "MQTT-3.3.2-3")
@pytest.mark.parametrize(("topic_filter", "topic", "matches"), MATCHING)
def test_filter_matches_topic(site: Site, topic_filter: str, topic: str, *, matches: bool) -> None:
    reader = site.device("r")
    reader.subscribe((topic_filter, 0))
    site.engine.publish(topic, b"x")
    assert bool(reader.payloads()) is matches


@pytest.mark.parametrize(("topic_filter", "topic", "matches"), MATCHING)
def test_retained_message_is_found_by_the_same_rule(
    site: Site, topic_filter: str, topic: str, *, matches: bool
) -> None:
    site.engine.publish(topic, b"x", retain=True)
    reader = site.device("r")
    reader.subscribe((topic_filter, 0))
    assert bool(reader.payloads()) is matches


@pytest.mark.spec("MQTT-2.3.1-7", "MQTT-3.8.4-1", "MQTT-3.8.4-2", "MQTT-3.8.4-5", "MQTT-3.9.3-1", "MQTT-3.8.4-4")
def test_suback_answers_every_filter_in_its_place(any_site: Site) -> None:
    device = any_site.device("d", clean=False)
    too_deep = "/" * 201
    assert device.subscribe(("a", 2), (too_deep, 1), ("b", 0)) == (2, FAILURE, 0)
    assert device.take(Suback)[0].packet_id == 1
    assert any_site.engine.subscriptions == {"a": {"d": 2}, "b": {"d": 0}}


@pytest.mark.spec("MQTT-3.8.4-3")
def test_same_filter_again_replaces_the_subscription(any_site: Site) -> None:
    device = any_site.device("d")
    device.subscribe(("a", 0))
    device.subscribe(("a", 1))
    any_site.engine.publish("a", b"x", 1)
    assert device.messages() == [("a", b"x", 1)]
    device.subscribe(("a", 0))
    any_site.engine.publish("a", b"y", 1)
    assert device.messages() == [("a", b"y", 0)]


@pytest.mark.spec("MQTT-3.3.5-1")
def test_overlapping_filters_give_one_copy_at_the_highest_qos(any_site: Site) -> None:
    device = any_site.device("d")
    device.subscribe(("a/#", 0), ("a/+", 2), ("a/b", 1))
    any_site.engine.publish("a/b", b"x", 2)
    assert device.messages() == [("a/b", b"x", 2)]
    device.unsubscribe("a/+")
    any_site.engine.publish("a/b", b"y", 2)
    assert device.messages() == [("a/b", b"y", 1)]


@pytest.mark.spec("MQTT-3.10.4-4", "MQTT-3.10.4-5", "MQTT-3.10.4-6", "MQTT-3.10.4-1", "MQTT-3.10.4-2")
def test_unsubscribe_ends_exactly_the_filters_named(any_site: Site) -> None:
    device = any_site.device("d", clean=False)
    device.subscribe(("a", 1), ("a/#", 1), ("b", 1))
    device.say(Unsubscribe(9, ("a/#", "never/had", "b")))
    any_site.commit()
    assert device.take(Unsuback) == [Unsuback(9)]
    for topic in ("a", "a/b", "b"):
        any_site.engine.publish(topic, topic.encode(), 1)
    assert device.payloads() == [b"a"]


@pytest.mark.spec("MQTT-3.10.4-3")
def test_message_in_flight_is_finished_after_unsubscribe(any_site: Site) -> None:
    device = any_site.device("d", clean=False)
    device.subscribe(("a", 1))
    any_site.engine.publish("a", b"x", 1)
    device.unsubscribe("a")
    device.payloads()
    device.drop()
    device.connect()
    assert device.payloads() == [b"x"]


def test_wildcards_that_explode_are_found_in_the_tree_once() -> None:
    router, session = Router(10), _session("d")
    for mask in range(2**10):
        levels = ["+" if mask >> level & 1 else "a" for level in range(10)]
        router.subscribe(session, ("/".join(levels), 1))
    assert router.route("/".join("a" * 10)).grants == ((session, 1),)


def test_cache_of_receivers_is_bounded() -> None:
    router = Router(8)
    for number in range(100):
        router.route(f"t/{number}")
    router.route("x" * 10_000)
    router.route("/" * 1_000)
    assert list(router.routes) == [f"t/{number}" for number in range(92, 100)]


def test_topic_of_32_levels_is_matched_once() -> None:
    """Filters with many "+" make the match of a deep topic dear."""
    router, topic = Router(8), "/".join("a" * 32)
    assert router.route(topic) is router.route(topic)
    router.route(f"{topic}/a")
    assert list(router.routes) == [topic]


def test_churn_in_one_corner_leaves_the_rest_of_the_cache_warm() -> None:
    router, session = Router(1_000), _session("d")
    routes = [router.route(f"{number % 10}/{number}") for number in range(1_000)]
    router.subscribe(session, ("3/+", 0))
    router.unsubscribe(session, "3/+")
    assert len(router.routes) == 900
    assert all(router.routes[route.topic] is route for route in routes if not route.topic.startswith("3/"))


@pytest.mark.parametrize("topic_filter", ["#", "+/+/z", "t/+/z", "t/#"])
def test_walk_of_the_cache_is_bounded_whatever_the_filter(topic_filter: str) -> None:
    """Past the bound all is forgotten, in the very mapping that connections read."""
    topics, routes_bound = 3 * router_module.WALK, 10_000
    router, session = Router(routes_bound), _session("d")
    held = router.routes
    for number in range(topics):
        router.route(f"t/{number}/a")
    router.subscribe(session, (topic_filter, 1))
    assert held is router.routes
    assert not held
    router.route("t/1/a")
    assert list(held) == ["t/1/a"]
    router.unsubscribe(session, topic_filter)
    assert router.route("t/1/z").grants == ()


def test_a_thousand_filters_in_one_packet_walk_the_cache_no_further_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them alone is within the bound; together they were a third of a second."""
    visited = 0

    def spend(most: int, nodes: int) -> int:
        nonlocal visited
        visited += min(most, nodes)
        return unwatched(most, nodes)

    unwatched = topictree_module._spend
    monkeypatch.setattr(topictree_module, "_spend", spend)
    router, session = Router(10_000), _session("d")
    filters = [f"t/+/+/{number}" for number in range(1_000)]
    for begin in (True, False):
        for number in range(router_module.WALK - 100):
            router.route(f"t/{number}")
        visited = 0
        if begin:
            router.subscribe(session, *((topic_filter, 0) for topic_filter in filters))
        else:
            router.unsubscribe(session, *filters)
        assert 0 < visited <= router_module.WALK


def test_of_one_filter_twice_in_a_packet_the_later_one_stands() -> None:
    router, session = Router(8), _session("d")
    router.subscribe(session, ("t", 0))
    router.subscribe(session, ("t", 1), ("t", 0))
    assert router.route("t").grants == ((session, 0),)


@pytest.mark.parametrize("topic_filter", ["#", "+", "+/#", "a/+/c", "a/#"])
def test_tree_refuses_to_visit_more_nodes_than_it_may(topic_filter: str) -> None:
    tree: TopicTree[int] = TopicTree()
    for number in range(50):
        tree.put(f"a/{number}/c", number)
        tree.put(f"{number}", number)
    assert tree.match(topic_filter, 500) == tree.match(topic_filter)
    with pytest.raises(TooManyNodes):
        tree.match(topic_filter, 40)


LEVEL = st.sampled_from(["a", "b", "", "$c"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join).filter(bool)
FILTER = st.builds(
    lambda levels, tail: "/".join(levels + tail),
    st.lists(st.sampled_from(["a", "b", "", "+", "$c"]), max_size=3),
    st.sampled_from([["a"], ["+"], ["#"]]),
)
CHANGE = st.tuples(st.sampled_from("xyz"), FILTER, st.sampled_from([None, 0, 1, 2]))


STEPS = st.lists(st.tuples(CHANGE, st.lists(TOPIC, max_size=3)), max_size=25)


@given(STEPS, st.sampled_from([0, 4, router_module.WALK]))
def test_cached_receivers_are_those_a_search_without_cache_finds(
    steps: list[tuple[tuple[str, str, int | None], list[str]]], walk: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(router_module, "WALK", walk)
        _check_receivers(steps)


def _check_receivers(steps: list[tuple[tuple[str, str, int | None], list[str]]]) -> None:
    cached, sessions = Router(5), {key: _session(key) for key in "xyz"}
    asked: set[str] = set()
    for (key, topic_filter, qos), topics in steps:
        if qos is None:
            cached.unsubscribe(sessions[key], topic_filter)
        else:
            cached.subscribe(sessions[key], (topic_filter, qos))
        asked |= set(topics)
        for topic in asked:
            expected = {
                session: max(found)
                for session in sessions.values()
                if (found := [qos for held, qos in session.filters.items() if _matches(held, topic)])
            }
            assert dict(cached.route(topic).grants) == expected


def _matches(topic_filter: str, topic: str) -> bool:
    """The rule of 4.7, written another way."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if levels[0].startswith("$") and wanted[0] in ("+", "#"):
        return False
    if wanted[-1] == "#":
        wanted, levels = wanted[:-1], levels[: len(wanted) - 1]
    return len(wanted) == len(levels) and all(w in ("+", level) for w, level in zip(wanted, levels, strict=True))


def _session(key: str) -> Session:
    engine = Site(settings=EngineSettings()).engine
    return Session(key, engine.settings, engine.journal, engine.losses, engine.replayer, clean=True)
