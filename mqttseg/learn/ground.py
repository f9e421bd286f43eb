"""Whose topics a flow is about, and how its topics are written inside their owner's namespace.

Owns that question for filters and shapes, exactly. Refuses to know devices' rights.
"""

from __future__ import annotations

from collections.abc import Sequence

from mqttseg.policy.compiled import Compiled
from mqttseg.policy.cover import Budget, TooMuchWorkError, cover, meets
from mqttseg.policy.model import Rule
from mqttseg.policy.pattern import Pattern, namespace_pattern, parse_pattern
from mqttseg.policy.trie import Asker, Node

_STEPS = 100_000  # for one filter


class Ground:
    """The namespaces of a policy."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._asker = Asker("", compiled.membership)
        self._held: dict[tuple[str, str], bool] = {}
        self._of = {name: self._namespace(name) for name in compiled.policy.segments}

    def owner(self, topic: str) -> str | None:
        """The segment that owns a topic."""
        return self._compiled.owner(topic)

    def owner_of_filter(self, wanted: str) -> str | None:
        """The one segment that owns all topics of a filter; None when there is no such one."""
        return next((name for name in self._met(wanted) if self.holds(name, wanted)), None)

    def holds(self, segment: str, text: str) -> bool:
        """Whether all topics of a filter as a policy writes it (``${device}``: any member) are the segment's."""
        if (segment, text) not in self._held:
            self._held[segment, text] = self._holds(segment, parse_pattern(text, owner=segment, device=segment))
        return self._held[segment, text]

    def _holds(self, segment: str, pattern: Pattern) -> bool:
        try:
            if cover([self._of[segment]], pattern, self._asker, Budget(_STEPS)) is None:
                return False
            return not self._owns_rest(segment) or not self._carved(pattern)
        except TooMuchWorkError:
            return False

    def within(self, segment: str, levels: Sequence[str], example: Sequence[str]) -> tuple[str, ...]:
        """The levels, with as many of the first ones taken from an example as it needs to stay in the namespace."""
        for kept in range(len(example)):
            found = (*example[:kept], *(levels[kept:] or (["#"] if levels[-1] == "#" else [])))
            if self.holds(segment, "/".join(found)):
                return found
        return tuple(example)

    def _namespace(self, name: str) -> Node[Rule]:
        node: Node[Rule] = Node()
        for rule in self._compiled.policy.segments[name].namespace:
            node.add(namespace_pattern(rule.filter, owner=name), rule)
        return node

    def _met(self, wanted: str) -> list[str]:
        """The segments that own some topic of a filter, among them who owns the rest."""
        site, pattern = self._compiled.site, tuple(wanted.split("/"))
        try:
            met = [namespace.segment for _, namespace in meets([site.namespaces], pattern, self._asker, Budget(_STEPS))]
        except TooMuchWorkError:
            return []
        return [*dict.fromkeys(met), *([site.rest.segment] if site.rest else [])]

    def _owns_rest(self, segment: str) -> bool:
        rest = self._compiled.site.rest
        return rest is not None and rest.segment == segment

    def _carved(self, pattern: Pattern) -> bool:
        found = meets([self._compiled.site.carved], pattern, self._asker, Budget(_STEPS))
        return any(True for _ in found)
