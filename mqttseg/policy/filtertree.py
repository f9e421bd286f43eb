"""Filters by level: which subscriptions does this topic match?

Owns the tree of subscriptions. A run of levels in which no filters part is one node, so that a filter costs one or two
nodes however deep it is, in memory and for each topic that comes by. Refuses to know what a subscriber is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)


class _Node(Generic[S]):
    """``run``: the levels that lead here; the first one is also its name among its parent's children."""

    __slots__ = ("children", "grants", "run", "wild")

    def __init__(self, run: list[str]) -> None:
        self.run = run
        self.wild = "+" in run
        self.children: dict[str, _Node[S]] = {}
        self.grants: dict[S, int] = {}

    def shorten(self, run: list[str]) -> None:
        """Another run leads here now."""
        self.run = run
        self.wild = "+" in run


class FilterTree(Generic[S]):
    """Filter -> {subscriber: granted QoS}, looked up by topic."""

    def __init__(self) -> None:
        self._root: _Node[S] = _Node([])

    def put(self, topic_filter: str, subscriber: S, qos: int) -> None:
        """Add or replace one subscription."""
        node, levels = self._root, topic_filter.split("/")
        while levels:
            child = node.children.get(levels[0])
            if child is None:
                child = node.children[levels[0]] = _Node(levels)
            common = _common(child.run, levels)
            if common < len(child.run):
                child = node.children[levels[0]] = _split(child, common)
            node, levels = child, levels[common:]
        node.grants[subscriber] = qos

    def remove(self, topic_filter: str, subscriber: S) -> None:
        """Remove one subscription, and the nodes that only it needed. KeyError when it is unknown."""
        path, levels = [self._root], topic_filter.split("/")
        while levels:
            child = path[-1].children[levels[0]]
            if levels[: len(child.run)] != child.run:
                raise KeyError(topic_filter)
            path.append(child)
            levels = levels[len(child.run) :]
        del path[-1].grants[subscriber]
        _prune(path)

    def match(self, topic: str) -> dict[S, int]:
        """Each subscriber once, at the highest QoS of its filters that match [MQTT-3.3.5-1]."""
        found: dict[S, int] = {}
        for grants in self._grants(topic.split("/")):
            for subscriber, qos in grants.items():
                if found.get(subscriber, -1) < qos:
                    found[subscriber] = qos
        return found

    def matches(self, topic: str) -> bool:
        """Whether anybody's filter matches."""
        return any(self._grants(topic.split("/")))

    def _grants(self, levels: list[str]) -> Iterator[dict[S, int]]:
        # No leading wildcard matches a topic that begins with "$" [MQTT-4.7.2-1]
        names = (levels[0],) if levels[0].startswith("$") else (levels[0], "+", "#")
        stack = [(child, 0) for name in names if (child := self._root.children.get(name)) is not None]
        while stack:
            node, depth = stack.pop()
            run = node.run
            end = depth + len(run)
            if run[-1] == "#":  # "sport/#" matches "sport" too (4.7.1.2)
                if _matches(run[:-1], levels[depth : end - 1]):
                    yield node.grants
                continue
            if end - depth > 1 and not _fits(node, levels[depth:end]):  # its first level is how it was found
                continue
            children = node.children
            if end == len(levels):
                yield node.grants
                names = ("#",)
            else:
                names = (levels[end], "+", "#")
            if children:
                stack += [(child, end) for name in names if (child := children.get(name)) is not None]


def _fits(node: _Node[S], levels: list[str]) -> bool:
    return _matches(node.run, levels) if node.wild else node.run == levels


def _matches(run: list[str], levels: list[str]) -> bool:
    return len(run) == len(levels) and all(wanted in ("+", level) for wanted, level in zip(run, levels, strict=True))


def _common(run: list[str], levels: list[str]) -> int:
    """How many levels are the same from the beginning."""
    same = 0
    for one, other in zip(run, levels, strict=False):
        if one != other:
            break
        same += 1
    return same


def _split(node: _Node[S], at: int) -> _Node[S]:
    """Part the run of a node in two: returns the upper one, which has the node below it."""
    upper: _Node[S] = _Node(node.run[:at])
    node.shorten(node.run[at:])
    upper.children[node.run[0]] = node
    return upper


def _prune(path: list[_Node[S]]) -> None:
    """A subscription of the last node is gone: undo the nodes, and the partings, that only it needed."""
    for above, node in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
        if node.grants or len(node.children) > 1:
            return
        name = node.run[0]
        if not node.children:
            del above.children[name]
            continue
        [below] = node.children.values()
        below.shorten([*node.run, *below.run])
        above.children[name] = below
        return
