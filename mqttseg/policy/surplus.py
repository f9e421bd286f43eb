"""The topics that one set of rights holds and another does not.

Owns that difference, exact over all topics, as a witness topic for each right that has one: grants minus denies on
both sides, and a right in the namespace ``#`` ends where others' namespaces begin. Refuses to know whose rights they
are, and verdicts: whoever shows a witness asks decide.py about it.

Theory: with G, R, D and C the grants, grants of the rest, denies and carved namespaces of one side, and a right p in
its G, a topic of p that the other side lacks is outside D here, and there either in D, or outside G and R, or in C and
outside G. Each of the three is a gap in a union (cover.py). For a right in R the topic is outside C here, too. Where p
is in both, only what has changed of D and C can make the difference, so that equal rights cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mqttseg.policy.cover import Budget, gap, meets
from mqttseg.policy.model import Rule
from mqttseg.policy.pattern import Pattern, Template, bind
from mqttseg.policy.trie import Asker, Node

_STEPS = 10_000_000  # for one right; an operator waits for the answer, no device does
_Union = Mapping[Pattern, Rule]


@dataclass(frozen=True, slots=True)
class Holding:
    """The rights of a role in one direction. ``${device}`` may stand in them unfilled."""

    plain: _Union = field(default_factory=dict)
    rest: _Union = field(default_factory=dict)
    denied: _Union = field(default_factory=dict)
    carved: _Union = field(default_factory=dict)

    @property
    def unions(self) -> tuple[_Union, ...]:
        return self.plain, self.rest, self.denied, self.carved

    def is_like(self, other: Holding) -> bool:
        """Whether both are written alike, and so hold the same topics."""
        return all(one.keys() == another.keys() for one, another in zip(self.unions, other.unions, strict=True))

    def changed(self, other: Holding) -> set[Pattern]:
        """The patterns that are in only one of the two."""
        found: set[Pattern] = set()
        for one, another in zip(self.unions, other.unions, strict=True):
            found |= one.keys() ^ another.keys()
        return found


def surplus(more: Holding, less: Holding, asker: Asker) -> Iterator[tuple[Rule, str]]:
    """Each right of ``more`` with a topic that ``more`` gives to the asker and ``less`` does not."""
    comparison = _Comparison(_bound(more, asker), _bound(less, asker), asker)
    for union, rest in ((more.plain, False), (more.rest, True)):
        for pattern, rule in union.items():
            topic = comparison.outside(bind(pattern, asker.device_id), rest=rest)
            if topic is not None:
                yield rule, topic


class _Comparison:
    def __init__(self, more: Holding, less: Holding, asker: Asker) -> None:
        self.more, self.less, self.asker = more, less, asker
        self.denied = [_tree(more.denied)]
        self.denied_or_foreign = [*self.denied, _tree(more.carved)]
        self.granted = [_tree(less.plain)]
        self.granted_or_rest = [*self.granted, _tree(less.rest)]
        self.newly_denied = _tree(_without(less.denied, more.denied))
        self.foreign = _tree(less.carved) if less.rest else Node[Rule]()
        self.newly_foreign = _tree(_without(less.carved, more.carved)) if less.rest else Node[Rule]()

    def outside(self, pattern: Pattern, *, rest: bool) -> str | None:
        """A topic of the right that the other side lacks. ``rest``: it is a right in the namespace ``#``."""
        members = self.asker.membership
        if any(isinstance(lv, Template) and members.any_member(lv.segment or "") is None for lv in pattern):
            return None
        return next(self._gaps(pattern, self.denied_or_foreign if rest else self.denied, rest), None)

    def _gaps(self, pattern: Pattern, away: list[Node[Rule]], rest: bool) -> Iterator[str]:
        if pattern not in self.less.plain and not (rest and pattern in self.less.rest):
            yield from self._gap([*away, *self.granted_or_rest], pattern)
        yield from self._gaps_in(self.newly_denied, away, pattern)
        if pattern not in self.less.plain:
            foreign = self.newly_foreign if rest else self.foreign
            yield from self._gaps_in(foreign, [*away, *self.granted], pattern)

    def _gaps_in(self, parts: Node[Rule], away: list[Node[Rule]], pattern: Pattern) -> Iterator[str]:
        for part, _ in meets([parts], pattern, self.asker, Budget(_STEPS)):
            yield from self._gap(away, part)

    def _gap(self, away: list[Node[Rule]], pattern: Pattern) -> Iterator[str]:
        found = gap(away, pattern, self.asker, Budget(_STEPS))
        if found is not None:
            yield found


def _bound(holding: Holding, asker: Asker) -> Holding:
    """The rights of one device: ``${device}`` filled in. Of rules that then are the same, one stays."""
    unions = ({bind(pattern, asker.device_id): rule for pattern, rule in union.items()} for union in holding.unions)
    return Holding(*unions)


def _without(union: _Union, other: _Union) -> _Union:
    return {pattern: rule for pattern, rule in union.items() if pattern not in other}


def _tree(union: _Union) -> Node[Rule]:
    root: Node[Rule] = Node()
    for pattern, rule in union.items():
        root.add(pattern, rule)
    return root
