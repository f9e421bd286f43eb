"""Whether rights stay on their own ground: grants inside the segment's namespace, conduits inside one of two.

Owns the proof, exact over all topics, with a witness topic for each right that strays. Refuses to know which rights a
device ends up with (compiled.py). Here ``${device}`` stands for every member of the segment whose topics they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mqttseg.errors import Problem
from mqttseg.policy.cover import Budget, TooMuchWorkError, gap, meets
from mqttseg.policy.membership import Membership
from mqttseg.policy.model import Conduit, Policy, Rule, Segment
from mqttseg.policy.pattern import Pattern, example, namespace_pattern, parse_pattern
from mqttseg.policy.trie import Asker, Node, match

_STEPS = 1_000_000  # for one right; far more than a right that a person wrote needs


class Territory:
    """Who owns which topics. Segments that are not ``known`` are treated as owning what their rights need."""

    def __init__(self, policy: Policy, membership: Membership, known: Callable[[Segment], bool]) -> None:
        self._policy = policy
        self._known = known
        self._asker = Asker("", membership)
        self._all: Node[str] = Node()
        self._of: dict[str, Node[str]] = {}
        self._rest: str | None = None
        for segment in policy.segments.values():
            self._settle(segment)

    def _settle(self, segment: Segment) -> None:
        own = self._of[segment.name] = Node()
        for rule in segment.namespace:
            if rule.filter == "#":
                self._rest = self._rest or segment.name
                continue
            pattern = namespace_pattern(rule.filter, owner=segment.name)
            own.add(pattern, segment.name)
            self._all.add(pattern, segment.name)

    def problems(self) -> Iterator[Problem]:
        """Every right that reaches outside its ground."""
        for segment in filter(self._known, self._policy.segments.values()):
            for rule in _grants(segment):
                yield from self._of_grant(segment, rule)
        for conduit in self._policy.conduits.values():
            yield from self._of_conduit(conduit)

    def _of_grant(self, segment: Segment, rule: Rule) -> Iterator[Problem]:
        if rule.filter.startswith("$SYS/"):
            return
        stray = self._stray(segment, rule)
        if stray is not None:
            what = f"{rule.filter} reaches outside the namespace of {segment.name}: {self._described(stray)}"
            yield Problem(rule.source, what, f"keep it inside {_ground(segment)}, or write a conduit")

    def _of_conduit(self, conduit: Conduit) -> Iterator[Problem]:
        ends = [self._policy.segments.get(end.segment) for end in (conduit.origin, conduit.target)]
        origin, target = ends
        if origin is None or target is None or origin is target or not (self._known(origin) and self._known(target)):
            return
        for rule in conduit.topics:
            strays = [self._stray(segment, rule) for segment in (origin, target)]
            if None not in strays:
                what = f"{rule.filter} is not inside the namespace of {origin.name} ({self._described(strays[0])})"
                what += f", nor of {target.name} ({self._described(strays[1])})"
                yield Problem(
                    rule.source, what, "a conduit carries topics of one of its two ends: write one filter for each"
                )

    def _stray(self, segment: Segment, rule: Rule) -> str | None:
        """A topic of the rule that the segment does not own, or None. Text that is no topic says why it cannot tell."""
        pattern = parse_pattern(rule.filter, owner=segment.name, device=segment.name)
        try:
            outside = gap([self._of[segment.name]], pattern, self._asker, Budget(_STEPS))
            if outside is None or self._rest != segment.name:
                return outside
            return self._of_another(segment, pattern)
        except TooMuchWorkError:
            return ""

    def _of_another(self, segment: Segment, pattern: Pattern) -> str | None:
        """For the segment that owns the rest: a topic of the pattern that another segment owns."""
        for common, owner in meets([self._all], pattern, self._asker, Budget(_STEPS)):
            if owner != segment.name:
                return example(common, self._asker.membership)
        return None

    def _described(self, topic: str | None) -> str:
        if not topic:
            return "it is too complex to check"
        owner = match([self._all], topic.split("/"), self._asker) or self._rest
        return f"{topic} belongs to {owner}" if owner else f"{topic} is nobody's"


def _grants(segment: Segment) -> Iterator[Rule]:
    for role in (segment.base, *segment.roles.values()):
        yield from role.publish or ()
        yield from role.subscribe or ()


def _ground(segment: Segment) -> str:
    return " or ".join("what no other segment owns" if r.filter == "#" else f"{r.filter}/#" for r in segment.namespace)
