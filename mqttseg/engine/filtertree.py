"""Filters by level: which subscriptions does this topic match?

Owns the tree of subscriptions. Refuses to know what a subscriber is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)


class _Node(Generic[S]):
    __slots__ = ("children", "grants")

    def __init__(self) -> None:
        self.children: dict[str, _Node[S]] = {}
        self.grants: dict[S, int] = {}


class FilterTree(Generic[S]):
    """Filter -> {subscriber: granted QoS}, looked up by topic."""

    def __init__(self) -> None:
        self._root: _Node[S] = _Node()

    def put(self, topic_filter: str, subscriber: S, qos: int) -> None:
        """Add or replace one subscription."""
        node = self._root
        for level in topic_filter.split("/"):
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        node.grants[subscriber] = qos

    def remove(self, topic_filter: str, subscriber: S) -> None:
        """Remove one subscription, and the nodes that only it needed. KeyError when it is unknown."""
        path = [self._root]
        levels = topic_filter.split("/")
        for level in levels:
            path.append(path[-1].children[level])
        del path[-1].grants[subscriber]
        for depth in range(len(levels), 0, -1):
            node = path[depth]
            if node.children or node.grants:
                return
            del path[depth - 1].children[levels[depth - 1]]

    def match(self, topic: str) -> dict[S, int]:
        """Each subscriber once, at the highest QoS of its filters that match [MQTT-3.3.5-1]."""
        found: dict[S, int] = {}
        for grants in self._grants(topic):
            for subscriber, qos in grants.items():
                if found.get(subscriber, -1) < qos:
                    found[subscriber] = qos
        return found

    def _grants(self, topic: str) -> Iterator[dict[S, int]]:
        nodes = [self._root]
        # No leading wildcard matches a topic that begins with "$" [MQTT-4.7.2-1]
        wild = not topic.startswith("$")
        for level in topic.split("/"):
            below = []
            for node in nodes:
                children = node.children
                if wild:
                    if "#" in children:
                        yield children["#"].grants
                    if "+" in children:
                        below.append(children["+"])
                if level in children:
                    below.append(children[level])
            nodes = below
            wild = True
        for node in nodes:
            yield node.grants
            if "#" in node.children:
                yield node.children["#"].grants
