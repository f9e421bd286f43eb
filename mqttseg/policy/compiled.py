"""A policy made ready for decisions.

Owns turning a checked ``Policy`` into rights: compiled once per role, never per device, so that a decision
costs the same at any policy size. Refuses to know reasons and verdicts (decide.py) and files (load.py).

A policy that load.py would refuse still compiles to something safe: a conduit topic in neither end's namespace
grants nothing.
"""

from __future__ import annotations

from datetime import datetime

from mqttseg.errors import Reason
from mqttseg.policy.cover import Budget, TooMuchWorkError, cover
from mqttseg.policy.membership import Membership, Placement, is_device_id
from mqttseg.policy.model import Action, Conduit, End, Mode, Policy, Role, Rule, Segment
from mqttseg.policy.pattern import Pattern, begins_with_dollar, namespace_pattern, parse_pattern
from mqttseg.policy.rights import Direction, Grants, Namespace, Rights, RoleRights, Roots, Site
from mqttseg.policy.trie import Asker, Node

__all__ = ["Compiled", "Placement", "Rights", "compile_policy"]

_NOTHING = RoleRights()
_CONDUIT_STEPS = 100_000  # for finding out whose a conduit's topic is


class Compiled:
    """A policy ready for decisions, for the time up to ``valid_until`` (then a conduit ends: compile again)."""

    def __init__(self, policy: Policy, now: datetime) -> None:
        self.policy = policy
        untils = [c.until for c in policy.conduits.values() if c.until is not None and c.until > now]
        self.valid_until: datetime | None = min(untils, default=None)
        self.membership = Membership(policy)
        self._nobody = Asker("", self.membership)
        self._namespaces = {s.name: _namespace_trie(s) for s in policy.segments.values()}
        self._crossings = _Crossings()
        self._conduit_of: dict[Rule, Conduit] = {}
        self.conduits = tuple(c for c in policy.conduits.values() if c.until is None or c.until > now)  # the open ones
        for conduit in self.conduits:
            self._connect(conduit)
        self.site = self._site()
        self._roles = {
            (segment.name, role.name): self._role_rights(segment, role)
            for segment in policy.segments.values()
            for role in (segment.base, *segment.roles.values())
        }

    def placement(self, device_id: str) -> Placement | None:
        """The segment and role of a device: inventory override, else exact id, else glob; None: no segment."""
        return self.membership.placement(device_id)

    def rights(self, device_id: str) -> Rights:
        """The device's rights, at no cost; for a device in no segment, and for an impossible id, none."""
        placement = self.membership.placement(device_id)
        if placement is None:
            refusal = Reason.NO_SEGMENT if is_device_id(device_id) else Reason.IDENTITY_INVALID
            return Rights(self.site, device_id, None, _NOTHING, refusal)
        role = self._roles[placement.segment.name, placement.role.name]
        return Rights(self.site, device_id, placement, role, None)

    def role_rights(self, segment: str, role: str) -> RoleRights:
        """The rights of every device in a role ("" is the segment's base), ``${device}`` not yet filled in."""
        return self._roles[segment, role]

    def owner(self, topic: str) -> str | None:
        """The segment that owns the topic."""
        found = self.site.owner(topic.split("/"), self._nobody)
        return None if found is None else found.segment

    def conduit_of(self, rule: Rule) -> Conduit | None:
        """The conduit that a rule is a topic of, if it is one now in force."""
        return self._conduit_of.get(rule)

    def topic_owner(self, conduit: Conduit, topic: Rule) -> str | None:
        """Which end's namespace holds a conduit's topic: the segment's name, or None when neither does.

        A namespace ``#`` is asked last, since it owns what others do not; else ``from`` is asked before ``to``
        (they can both hold it only where they share a template).
        """
        ends = (conduit.origin.segment, conduit.target.segment)
        for name in sorted(ends, key=self._owns_rest):
            pattern = parse_pattern(topic.filter, owner=name, device=name)
            if self._inside_namespace(pattern, name):
                return name
        return None

    def _inside_namespace(self, pattern: Pattern, segment: str) -> bool:
        try:
            return cover((self._namespaces[segment],), pattern, self._nobody, Budget(_CONDUIT_STEPS)) is not None
        except TooMuchWorkError:
            return False

    def _owns_rest(self, segment: str) -> bool:
        return self._namespaces[segment].many is not None

    def _connect(self, conduit: Conduit) -> None:
        """Add the right only at the end for which the topics are foreign."""
        if conduit.origin.segment == conduit.target.segment:
            return
        for topic in conduit.topics:
            owner = self.topic_owner(conduit, topic)
            if owner is None:
                continue
            self._conduit_of.setdefault(topic, conduit)
            from_origin = owner == conduit.origin.segment
            end, action = (conduit.target, Action.RECEIVE) if from_origin else (conduit.origin, Action.PUBLISH)
            trial, rest = conduit.mode is Mode.OBSERVE, self._owns_rest(owner)
            trie = self._crossings.trie(end, action, trial=trial, rest=rest)
            trie.add(parse_pattern(topic.filter, owner=owner, device=owner), topic)

    def _site(self) -> Site:
        namespaces: Node[Namespace] = Node()
        carved: Node[Rule] = Node()
        modes: dict[Mode, Node[Rule]] = {mode: Node() for mode in Mode}
        rest = None
        for segment in self.policy.segments.values():
            mode = segment.mode or self.policy.mode
            for pattern, rule in _namespace_patterns(segment):
                if pattern == ("#",):
                    rest = rest or Namespace(segment.name, rule)
                    continue
                namespaces.add(pattern, Namespace(segment.name, rule))
                carved.add(pattern, rule)
                modes[mode].add(pattern, rule)
        return Site(
            policy=self.policy,
            membership=self.membership,
            namespaces=namespaces,
            rest=rest,
            carved=carved,
            enforcing=modes[Mode.ENFORCE],
            observing=modes[Mode.OBSERVE],
        )

    def _role_rights(self, segment: Segment, role: Role) -> RoleRights:
        denied: Node[Rule] = Node()
        for rule in (*segment.deny, *role.deny):
            denied.add(parse_pattern(rule.filter, owner=segment.name), rule)
        return RoleRights(
            publish=self._direction(segment, role, Action.PUBLISH),
            receive=self._direction(segment, role, Action.RECEIVE),
            denied=(denied,) if segment.deny or role.deny else (),
            own=(self._namespaces[segment.name],),
        )

    def _direction(self, segment: Segment, role: Role, action: Action) -> Direction:
        own, system = self._own_grants(segment, role, action)
        granted, trial = self._crossings.at(segment.name, role.name, action)
        if self._owns_rest(segment.name):
            return Direction(Grants(system + granted.plain, own + granted.rest), trial)
        return Direction(Grants(own + system + granted.plain, granted.rest), trial)

    def _own_grants(self, segment: Segment, role: Role, action: Action) -> tuple[Roots, Roots]:
        """The role's grants, and apart from them those on ``$`` topics, which are in nobody's namespace."""
        if role.publish is None and role.subscribe is None:
            return (self._namespaces[segment.name],), ()
        own: Node[Rule] = Node()
        system: Node[Rule] = Node()
        rules = (role.publish if action is Action.PUBLISH else role.subscribe) or ()
        for rule in rules:
            pattern = parse_pattern(rule.filter, owner=segment.name)
            (system if begins_with_dollar(pattern[0]) else own).add(pattern, rule)
        return (own,) if rules else (), (system,) if system.literals else ()


class _Crossings:
    """The topics that conduits open, by the end that gets the right: shared by all roles of a segment."""

    def __init__(self) -> None:
        self._tries: dict[tuple[str, str | None, Action], dict[tuple[bool, bool], Node[Rule]]] = {}

    def trie(self, end: End, action: Action, *, trial: bool, rest: bool) -> Node[Rule]:
        """Where to add a topic of a conduit. ``rest``: its owner's namespace is ``#``."""
        return self._tries.setdefault((end.segment, end.role, action), {}).setdefault((trial, rest), Node())

    def at(self, segment: str, role: str, action: Action) -> tuple[Grants, Grants]:
        """What conduits grant to a role of a segment, and what those on trial would."""
        found = [tries for who in (None, role) if (tries := self._tries.get((segment, who, action)))]

        def roots(trial: bool, rest: bool) -> Roots:
            return tuple(tries[trial, rest] for tries in found if (trial, rest) in tries)

        return Grants(roots(False, False), roots(False, True)), Grants(roots(True, False), roots(True, True))


def compile_policy(policy: Policy, now: datetime) -> Compiled:
    """Make a checked policy ready for decisions at ``now`` (timezone-aware); conduits past it are left out."""
    return Compiled(policy, now)


def _namespace_trie(segment: Segment) -> Node[Rule]:
    trie: Node[Rule] = Node()
    for pattern, rule in _namespace_patterns(segment):
        trie.add(pattern, rule)
    return trie


def _namespace_patterns(segment: Segment) -> list[tuple[Pattern, Rule]]:
    """The namespace, without ``$`` topics, which nobody owns. Beside a ``#``, a segment's prefixes say nothing."""
    patterns = [(namespace_pattern(rule.filter, owner=segment.name), rule) for rule in segment.namespace]
    whole = next((rule for pattern, rule in patterns if pattern == ("#",)), None)
    if whole is not None:
        return [(("#",), whole)]
    return [(pattern, rule) for pattern, rule in patterns if not begins_with_dollar(pattern[0])]
