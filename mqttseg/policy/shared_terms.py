"""The rights of two policies in terms that both share, so that they can be compared as sets of topics.

Owns reading the compiled rights of a role back into patterns, with every ``${device}`` that stands for the members of a
segment replaced by the joint segments it is made of (cohorts.py). Refuses to compare (surplus.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from mqttseg.policy.cohorts import JointMembership, Place
from mqttseg.policy.compiled import Compiled
from mqttseg.policy.model import Action, Rule
from mqttseg.policy.pattern import Level, Pattern, Template, begins_with_dollar
from mqttseg.policy.rights import Roots
from mqttseg.policy.surplus import Holding
from mqttseg.policy.trie import Node, patterns

_SYSTEM = "$SYS"
_Union = Mapping[Pattern, Rule]


class SharedTerms:
    """One of two policies, read in terms of both. ``new``: which."""

    def __init__(self, compiled: Compiled, joint: JointMembership, *, new: bool) -> None:
        self._compiled = compiled
        self._joint = joint
        self._new = new
        self._read: dict[tuple[int, Action], _Union] = {}

    def holding(self, place: Place | None, action: Action) -> Holding:
        """What devices in that place may publish, or receive; nothing for those in no segment."""
        if place is None:
            return Holding()
        role = self._compiled.role_rights(*place)
        grants = (role.publish if action is Action.PUBLISH else role.receive).granted
        return Holding(
            plain=self._union(grants.plain, action),
            rest=self._union(grants.rest, action),
            denied=self._union(role.denied, Action.RECEIVE),
            carved=self._union((self._compiled.site.carved,), action) if grants.rest else {},
        )

    def _union(self, roots: Roots, action: Action) -> _Union:
        if len(roots) == 1:
            return self._of_root(roots[0], action)
        return {pattern: rule for root in reversed(roots) for pattern, rule in self._of_root(root, action).items()}

    def _of_root(self, root: Node[Rule], action: Action) -> _Union:
        """Kept, since many roles share a root. Left out are rights on ``$`` topics that D2 refuses."""
        key = id(root), action  # which stays this root's: the compiled policy holds it
        if key not in self._read:
            self._read[key] = {
                shared: rule
                for pattern, rule in patterns(root)
                if not begins_with_dollar(pattern[0]) or (action is Action.RECEIVE and pattern[0] == _SYSTEM)
                for shared in self._shared(pattern)
            }
        return self._read[key]

    def _shared(self, pattern: Pattern) -> Iterator[Pattern]:
        if all(isinstance(level, str) or level.segment is None for level in pattern):
            return iter((pattern,))
        return product(*map(self._choices, pattern))

    def _choices(self, level: Level) -> tuple[Level, ...]:
        if isinstance(level, str) or level.segment is None:
            return (level,)
        return tuple(Template(level.parts, part) for part in self._joint.parts(level.segment, new=self._new))
