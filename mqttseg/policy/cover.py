"""Filters against unions of patterns: contained in one, the gap if not, and what they have in common.

Owns containment and intersection, exact over the infinite alphabet of levels, in work that is bounded by a
budget. Refuses to know which unions are grants and which are denies (rights.py).

Why it is exact without trying topics out: for a ``+`` of the filter there is always a level that nobody wrote.
The patterns that match it are those with a ``+`` there, and every other level is matched by these as well. So a
``+`` follows only ``+``; a text follows itself, ``+`` and the templates it is a level of; a ``#`` asks for
its parent and for every depth below, which the chain of ``+`` answers until a ``#`` ends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count, product, repeat
from typing import TypeVar

from mqttseg.errors import MqttsegError
from mqttseg.policy.membership import Members
from mqttseg.policy.pattern import Level, Pattern, Template, begins_with_dollar, common_level, example, examples_of
from mqttseg.policy.topics import ANY_LEVEL, has_no_parent
from mqttseg.policy.trie import Asker, Node, templates_at

T = TypeVar("T")
_Path = tuple["_Path", Level] | None  # levels from the last to the first; shares its beginning with others
_LEVELS_PER_STEP = 64  # copying this many levels takes about as long as one step of a search


class TooMuchWorkError(MqttsegError):
    """A question about a filter needs more steps than it was given."""


class Budget:
    """Steps that answering about one filter may take; a step is about a microsecond."""

    __slots__ = ("left",)

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int = 1) -> None:
        """Raise TooMuchWorkError when the steps have run out."""
        self.left -= steps
        if self.left < 0:
            raise TooMuchWorkError


def cover(roots: Sequence[Node[T]], pattern: Pattern, asker: Asker, budget: Budget) -> T | None:
    """A value of the union (that of a pattern with the last word) if all of ``pattern`` is in it, else None.

    A template of a segment is covered by ``+``, by the same template of that segment, and, when the policy
    names all its members, by patterns that together hold each of them. Templates with other texts are not
    looked into: the one place where the answer may be None though the union is wide enough.
    """
    found = _walk(roots, pattern, asker, budget)[0]
    if found is not None:
        return found
    for spelled in _spelled_out(pattern, asker.membership):
        found = _walk(roots, spelled, asker, budget)[0]
        if found is None:
            return None
    return found


def gap(roots: Sequence[Node[T]], pattern: Pattern, asker: Asker, budget: Budget) -> str | None:
    """A topic of ``pattern`` that is not in the union, or None when ``cover`` finds all of them in it."""
    if cover(roots, pattern, asker, budget) is not None:
        return None
    for spelled in chain(_spelled_out(pattern, asker.membership), [pattern]):
        found, trail = _walk(roots, spelled, asker, budget)
        if found is None:
            levels = chain(spelled, repeat("+"))
            outside = [_outside(nodes, level, asker) for nodes, level in zip(trail, levels, strict=False)]
            return example((*outside, *spelled[len(trail) :]), asker.membership)
    return None


def meets(roots: Sequence[Node[T]], pattern: Pattern, asker: Asker, budget: Budget) -> Iterator[tuple[Pattern, T]]:
    """For every pattern of the union that has topics in common with ``pattern``: those topics, and its value."""
    stack: list[Iterator[tuple[Node[T], int, _Path]]] = [iter([(root, 0, None) for root in roots])]
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
            continue
        budget.spend()
        node, at, path = step
        for common, value in _common_ends(node, pattern, at, path):
            budget.spend(len(common) // _LEVELS_PER_STEP)
            yield common, value
        if at < len(pattern):
            stack.append(_onward(node, pattern, at, path, asker))


def _walk(
    roots: Sequence[Node[T]], pattern: Pattern, asker: Asker, budget: Budget
) -> tuple[T | None, list[list[Node[T]]]]:
    """The value if ``pattern`` is in the union. If not, the nodes that a topic outside has to slip past, by level."""
    live: list[Node[T]] = list(roots)
    trail: list[list[Node[T]]] = []
    for at, level in enumerate(pattern):
        wild = at > 0 or not begins_with_dollar(level)
        ended = next((node.many for node in live if node.many is not None), None)
        if wild and ended is not None:
            return ended, trail
        if level == "#":
            return _walk_below(live, has_no_parent(pattern[:at]), trail, budget)
        budget.spend(1 + len(live))
        trail.append(live)
        live = [child for node in live for child in _following(node, level, wild, asker)]
        if not live:
            return None, trail
    return next((end for node in live for end in (node.many, node.end) if end is not None), None), trail


def _walk_below(
    live: list[Node[T]], parentless: bool, trail: list[list[Node[T]]], budget: Budget
) -> tuple[T | None, list[list[Node[T]]]]:
    """A ``#`` of the filter: its parent level if there is one, then every depth below it."""
    while live:
        ended = next((node.many for node in live if node.many is not None), None)
        if ended is not None or not (parentless or any(node.end is not None for node in live)):
            return ended, trail
        budget.spend(1 + len(live))
        parentless = False
        trail.append(live)
        live = [node.plus for node in live if node.plus is not None]
    return None, trail


def _following(node: Node[T], level: Level, wild: bool, asker: Asker) -> Iterator[Node[T]]:
    """The children that match all that ``level`` of the filter stands for."""
    if wild and node.plus is not None:
        yield node.plus
    if isinstance(level, Template):
        same = (node.templates or {}).get(tuple(map(len, level.parts)), {}).get(level.parts, {}).get(level.segment)
        if same is not None:
            yield same
    elif level != "+":
        if level in node.literals:
            yield node.literals[level]
        yield from templates_at(node, level, asker)


def _spelled_out(pattern: Pattern, membership: Members) -> Iterator[Pattern]:
    """The pattern once for each member, where the policy names all the members. Nothing if it never does."""
    if not any(isinstance(level, Template) for level in pattern):
        return iter(())
    choices = [_named_levels(level, membership) or (level,) for level in pattern]
    if all(choice == (level,) for choice, level in zip(choices, pattern, strict=True)):
        return iter(())
    return product(*choices)


def _named_levels(level: Level, membership: Members) -> tuple[Level, ...]:
    if isinstance(level, str) or level.segment is None or membership.globs(level.segment):
        return ()
    return tuple(level.of(device_id) for device_id in membership.ids(level.segment))


def _outside(nodes: list[Node[T]], level: Level, asker: Asker) -> str:
    """What a topic outside the union has at this level: something no text and no other template stands for."""
    if isinstance(level, str) and level not in ("+", "#"):
        return level
    if isinstance(level, str):
        fresh = chain([ANY_LEVEL], ("~" * length for length in count(1)))  # no id holds ~, so one length is free
        return next(text for text in fresh if not any(_following_only_text(node, text, asker) for node in nodes))
    members = examples_of(level, asker.membership)
    found = next((text for text in members if not any(text in node.literals for node in nodes)), None)
    return example((level,), asker.membership) if found is None else found


def _following_only_text(node: Node[T], text: str, asker: Asker) -> bool:
    return text in node.literals or any(True for _ in templates_at(node, text, asker))


def _common_ends(node: Node[T], pattern: Pattern, at: int, path: _Path) -> Iterator[tuple[Pattern, T]]:
    """What ends here: patterns that stop, or go on with ``#``, against what is left of the filter (no empty topic)."""
    if node.end is not None and (at == len(pattern) or pattern[at] == "#"):
        common = _unrolled(path)
        if not has_no_parent(common):
            yield common, node.end
    if node.many is not None and not (path is None and begins_with_dollar(pattern[0])):
        common = (*_unrolled(path), *pattern[at:])
        if not has_no_parent(common):
            yield common, node.many


def _onward(
    node: Node[T], pattern: Pattern, at: int, path: _Path, asker: Asker
) -> Iterator[tuple[Node[T], int, _Path]]:
    """The children with something in common with this level; a ``#`` stays for all that is below."""
    level, after = ("+", at) if pattern[at] == "#" else (pattern[at], at + 1)
    for edge, child in _edges(node, level, asker):
        if path is None and "+" in (edge, level) and (begins_with_dollar(edge) or begins_with_dollar(level)):
            continue
        common = common_level(edge, level, asker.membership)
        if common is not None:
            yield child, after, (path, common)


def _edges(node: Node[T], level: Level, asker: Asker) -> Iterator[tuple[Level, Node[T]]]:
    if node.plus is not None:
        yield "+", node.plus
    if isinstance(level, str) and level != "+":
        if level in node.literals:
            yield level, node.literals[level]
        yield from ((level, child) for child in templates_at(node, level, asker))
        return
    yield from node.literals.items()
    for alike in (node.templates or {}).values():
        for parts, owners in alike.items():
            for segment, child in owners.items():
                template = Template(parts, segment)
                yield template if segment else template.of(asker.device_id), child


def _unrolled(path: _Path) -> Pattern:
    levels = []
    while path is not None:
        path, level = path
        levels.append(level)
    return tuple(reversed(levels))
