"""The walk of a filter over topics: complete, in order, resumable, and never looking twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mqttseg.engine.topicorder import TopicOrder, Walk
from mqttseg.policy.topics import matches

LEVELS = st.sampled_from(["", "a", "b", "$s", "a b", "!", "\x01"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=4).map("/".join).filter(bool)
FILTERS = st.builds(
    lambda levels, rest: "/".join([*levels, *rest]),
    st.lists(LEVELS | st.just("+"), max_size=4),
    st.sampled_from([["#"], ["+"], ["a"]]),
)


def ordered(topics: set[str]) -> TopicOrder:
    order = TopicOrder()
    for topic in topics:
        order.add(topic)
    return order


@given(st.sets(TOPICS, max_size=30), FILTERS)
def test_walk_finds_every_matching_topic_once_and_looks_at_each_topic_at_most_once(
    topics: set[str], topic_filter: str
) -> None:
    order, walk, found, steps = ordered(topics), Walk(topic_filter), [], 0
    while walk.place is not None:
        found.append(walk.step(order))
        steps += 1
    got = [topic for topic in found if topic is not None]
    assert sorted(got) == sorted(topic for topic in topics if matches(topic_filter, topic))
    assert steps <= len(topics) + 1


@given(st.sets(TOPICS, max_size=20), st.sets(TOPICS, max_size=20), FILTERS, st.integers(0, 10))
def test_walk_goes_on_though_topics_come_and_go(
    topics: set[str], changed: set[str], topic_filter: str, before: int
) -> None:
    order, walk = ordered(topics), Walk(topic_filter)
    found = [walk.step(order) for _ in range(before)]
    for topic in changed:
        (order.remove if topic in topics else order.add)(topic)
    while walk.place is not None:
        found.append(walk.step(order))
    got = [topic for topic in found if topic is not None]
    assert len(got) == len(set(got))
    assert {topic for topic in topics - changed if matches(topic_filter, topic)} <= set(got)
