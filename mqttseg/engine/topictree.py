"""Topics by level: which of the known topics does this filter match?

Owns the tree that retained messages and cached routes are found in. Refuses to know what is kept per topic.
"""

from __future__ import annotations

import sys
from typing import Generic, TypeVar

V = TypeVar("V")


class TooManyNodes(Exception):  # noqa: N818  # it is a finding; the caller says what to do instead
    """The walk would visit more nodes than it may."""


class _Node(Generic[V]):
    __slots__ = ("children", "value")

    def __init__(self) -> None:
        self.children: dict[str, _Node[V]] = {}
        self.value: V | None = None


class TopicTree(Generic[V]):
    """Topic -> value, looked up by filter. Values are never None."""

    def __init__(self) -> None:
        self._root: _Node[V] = _Node()

    def put(self, topic: str, value: V) -> None:
        """Add or replace."""
        node = self._root
        for level in topic.split("/"):
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        node.value = value

    def remove(self, topic: str) -> None:
        """Remove the topic, and the nodes that only it needed. KeyError when it is unknown."""
        path = [self._root]
        levels = topic.split("/")
        for level in levels:
            path.append(path[-1].children[level])
        path[-1].value = None
        for depth in range(len(levels), 0, -1):
            node = path[depth]
            if node.children or node.value is not None:
                return
            del path[depth - 1].children[levels[depth - 1]]

    def match(self, topic_filter: str, most: int = sys.maxsize) -> list[V]:
        """The values of all topics that the filter matches, ``$`` topics by name only [MQTT-4.7.2-1].

        Raises TooManyNodes before it visits more than ``most``.
        """
        nodes = [self._root]
        for depth, level in enumerate(topic_filter.split("/")):
            if level == "#":
                # "sport/#" matches "sport" too (4.7.1.2)
                return _values_below(nodes, most, hide_system=depth == 0)
            most = _spend(most, _children(nodes) if level == "+" else len(nodes))
            if level == "+":
                nodes = [
                    child
                    for node in nodes
                    for name, child in node.children.items()
                    if depth or not name.startswith("$")
                ]
            else:
                nodes = [child for node in nodes if (child := node.children.get(level)) is not None]
        return [node.value for node in nodes if node.value is not None]


def _children(nodes: list[_Node[V]]) -> int:
    return sum(len(node.children) for node in nodes)


def _spend(most: int, nodes: int) -> int:
    """What is left. Asked before the nodes are listed: one level may hold all the topics there are."""
    if nodes > most:
        raise TooManyNodes
    return most - nodes


def _values_below(nodes: list[_Node[V]], most: int, *, hide_system: bool) -> list[V]:
    values = []
    stack = nodes
    most = _spend(most, _children(nodes) if hide_system else len(nodes))
    if hide_system:
        stack = [child for node in nodes for name, child in node.children.items() if not name.startswith("$")]
    while stack:
        node = stack.pop()
        if node.value is not None:
            values.append(node.value)
        most = _spend(most, len(node.children))
        stack.extend(node.children.values())
    return values
