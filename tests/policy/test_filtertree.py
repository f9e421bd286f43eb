"""The tree of filters: its size is bounded by the filters that are there, whatever came and went."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mqttseg.policy.filtertree import FilterTree
from mqttseg.policy.topics import matches

LEVELS = st.sampled_from(["", "a", "b", "$s", "+"])
FILTERS = st.builds(
    lambda levels, rest: "/".join([*levels, *rest]),
    st.lists(LEVELS, max_size=4),
    st.sampled_from([["#"], ["+"], ["a"]]),
)
TOPICS = st.lists(st.sampled_from(["", "a", "b", "$s"]), min_size=1, max_size=5).map("/".join).filter(bool)


def nodes(node: Any) -> int:
    return 1 + sum(nodes(child) for child in node.children.values())


@given(st.lists(st.tuples(FILTERS, st.integers(0, 2), st.integers(0, 2)), max_size=30), st.data())
def test_matches_what_is_there_in_two_nodes_for_each_filter(
    puts: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    tree: FilterTree[int] = FilterTree()
    held: dict[tuple[str, int], int] = {}
    for topic_filter, subscriber, qos in puts:
        tree.put(topic_filter, subscriber, qos)
        held[topic_filter, subscriber] = qos
    gone = data.draw(st.lists(st.sampled_from(sorted(held)), unique=True)) if held else []
    for topic_filter, subscriber in gone:
        tree.remove(topic_filter, subscriber)
        del held[topic_filter, subscriber]
    for topic in data.draw(st.lists(TOPICS, max_size=5)):
        found: dict[int, int] = {}
        for (topic_filter, subscriber), qos in held.items():
            if matches(topic_filter, topic):
                found[subscriber] = max(qos, found.get(subscriber, -1))
        assert tree.match(topic) == found
        assert tree.matches(topic) is bool(found)
    assert nodes(tree._root) - 1 <= 2 * len({topic_filter for topic_filter, _ in held})


def test_deep_filters_that_part_at_every_level_cost_no_more_nodes() -> None:
    """As many as one device may hold: each level of each was a node once, and each was visited for a new topic."""
    tree: FilterTree[int] = FilterTree()
    deep = "/".join("a" * 30)
    for number in range(1000):
        wild = "/".join("+" if number >> bit & 1 else "a" for bit in range(10))
        tree.put(f"{wild}/{deep}", number, 0)
    assert nodes(tree._root) <= 2001
    assert len(tree.match("/".join("a" * 40))) == 1000
