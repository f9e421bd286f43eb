"""Unions of patterns: which topics are in one.

Owns the tree that a union is kept in, and matching a topic against it at a cost that does not grow with the
number of patterns. Refuses to know containment of filters (cover.py), and what the values at its ends mean.
A union may be spread over several trees: every question takes their roots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mqttseg.policy.membership import Members
from mqttseg.policy.pattern import Level, Pattern, Template, cut_level

T = TypeVar("T")
_BARE = ("", "")  # the parts of a level that is ``${device}`` and nothing else


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom a union is read: a ``Template`` without a segment stands for this device id only."""

    device_id: str
    membership: Members


class Node(Generic[T]):
    """The patterns that begin alike. ``end``: one stops here; ``many``: one goes on with ``#``.

    ``templates`` is keyed by the lengths of the texts around the id, those texts, and the segment (None: the
    asker), so that a thousand segments with a template each cost one look-up, not a thousand.
    """

    __slots__ = ("end", "literals", "many", "plus", "templates")

    def __init__(self) -> None:
        self.end: T | None = None
        self.many: T | None = None
        self.plus: Node[T] | None = None
        self.literals: dict[str, Node[T]] = {}
        self.templates: dict[tuple[int, ...], dict[tuple[str, ...], dict[str | None, Node[T]]]] | None = None

    def add(self, pattern: Pattern, value: T) -> None:
        """Put the pattern into the union. Of two equal patterns the first one's value stays."""
        node = self
        for level in pattern:
            if level == "#":
                node.many = value if node.many is None else node.many
                return
            node = node._child(level)
        node.end = value if node.end is None else node.end

    def _child(self, level: Level) -> Node[T]:
        if level == "+":
            if self.plus is None:
                self.plus = Node()
            return self.plus
        if isinstance(level, str):
            return self.literals.setdefault(level, Node())
        if self.templates is None:
            self.templates = {}
        alike = self.templates.setdefault(tuple(map(len, level.parts)), {})
        return alike.setdefault(level.parts, {}).setdefault(level.segment, Node())


def patterns(root: Node[T]) -> Iterator[tuple[Pattern, T]]:
    """Every pattern of the tree, and its value."""
    waiting: list[tuple[Node[T], Pattern]] = [(root, ())]
    while waiting:
        node, before = waiting.pop()
        if node.end is not None:
            yield before, node.end
        if node.many is not None:
            yield (*before, "#"), node.many
        waiting.extend((child, (*before, level)) for level, child in _children(node))


def _children(node: Node[T]) -> Iterator[tuple[Level, Node[T]]]:
    if node.plus is not None:
        yield "+", node.plus
    yield from node.literals.items()
    for alike in (node.templates or {}).values():
        for parts, owners in alike.items():
            yield from ((Template(parts, segment), child) for segment, child in owners.items())


def match(roots: Sequence[Node[T]], levels: Sequence[str], asker: Asker) -> T | None:
    """The value of a pattern that matches the topic with these levels, or None when none does."""
    last = len(levels)
    dollar = levels[0][:1] == "$"  # then no wildcard at the first level stands for it [MQTT-4.7.2-1]
    waiting = [(root, 0) for root in roots]
    while waiting:
        next_node, at = waiting.pop()
        node: Node[T] | None = next_node
        while node is not None:  # down the texts; what else matches a level waits
            if node.many is not None and (at or not dollar):
                return node.many
            if at == last:
                if node.end is not None:
                    return node.end
                break
            level = levels[at]
            at += 1
            if node.plus is not None and (at > 1 or not dollar):
                waiting.append((node.plus, at))
            if node.templates is not None:
                waiting.extend([(child, at) for child in templates_at(node, level, asker)])
            node = node.literals.get(level)
    return None


def templates_at(node: Node[T], level: str, asker: Asker) -> Iterator[Node[T]]:
    """The children whose ``${device}`` level this one is."""
    for lengths, alike in (node.templates or {}).items():
        cut = (_BARE, level) if lengths == (0, 0) else cut_level(lengths, level)
        owners = None if cut is None else alike.get(cut[0])
        if cut is None or owners is None:
            continue
        mine = owners.get(None)
        if mine is not None:
            if cut[1] == asker.device_id:
                yield mine
            if len(owners) == 1:
                continue
        segment = asker.membership.segment_of(cut[1])
        if segment is not None and segment in owners:
            yield owners[segment]
