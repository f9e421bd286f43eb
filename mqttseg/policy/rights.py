"""The rights of one device as sets of topics.

Owns the questions that decisions are made of: is a topic granted, tried, denied, owned; is a filter covered,
denied, touched. Refuses to know reasons, modes and verdicts (decide.py), and how a policy becomes rights
(compiled.py). Rights are compiled per role; binding them to a device id costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mqttseg.errors import Reason
from mqttseg.policy.cover import Budget, cover, meets
from mqttseg.policy.membership import Membership, Placement
from mqttseg.policy.model import Action, Limits, Mode, OnDenied, Policy, Rule
from mqttseg.policy.pattern import Pattern
from mqttseg.policy.trie import Asker, Node, match

Roots = tuple[Node[Rule], ...]


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace as written, and whose it is."""

    segment: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Grants:
    """A union of grants. Those in ``rest`` end where a namespace of another segment begins: they are rights in
    the namespace ``#``, which is what no other segment owns."""

    plain: Roots = ()
    rest: Roots = ()


@dataclass(frozen=True, slots=True)
class Direction:
    """What a role may do in one direction, and what conduits on trial (mode observe) would add."""

    granted: Grants = Grants()
    trial: Grants = Grants()


@dataclass(frozen=True, slots=True)
class RoleRights:
    """The rights of every device in one role: ``${device}`` not yet filled in."""

    publish: Direction = Direction()
    receive: Direction = Direction()
    denied: Roots = ()
    own: Roots = ()  # its segment's namespace, unless that is the rest


@dataclass(frozen=True, slots=True)
class Site:
    """What all rights share: who owns which topics, and who is a member of what."""

    policy: Policy
    membership: Membership
    namespaces: Node[Namespace]  # of all segments but the one that owns the rest
    rest: Namespace | None  # the namespace ``#``, in at most one segment
    carved: Node[Rule]  # the same topics as ``namespaces``
    enforcing: Node[Rule]  # the part of them whose segments enforce
    observing: Node[Rule]  # the other part

    def owner(self, levels: Sequence[str], asker: Asker) -> Namespace | None:
        """Whose the topic is; ``$`` topics are nobody's."""
        found = match((self.namespaces,), levels, asker)
        return self.rest if found is None and levels[0][:1] != "$" else found

    def enforces(self, segment: str) -> bool:
        """Whether the segment is protected from others' devices in observe mode."""
        return (self.policy.segments[segment].mode or self.policy.mode) is Mode.ENFORCE


class Rights:
    """What one device may do. ``refusal``: why it may do nothing at all (no segment, or an impossible id)."""

    __slots__ = ("_asker", "_role", "device_id", "placement", "refusal", "site")

    def __init__(
        self, site: Site, device_id: str, placement: Placement | None, role: RoleRights, refusal: Reason | None
    ) -> None:
        self.site = site
        self.device_id = device_id
        self.placement = placement
        self.refusal = refusal
        self._role = role
        self._asker = Asker(device_id, site.membership)

    @property
    def limits(self) -> Limits:
        """The limits of the device's segment."""
        return self.placement.segment.limits if self.placement else Limits()

    @property
    def on_denied(self) -> OnDenied:
        """What the device gets for a PUBLISH outside its rights (rule 4 of enforcement)."""
        return self.placement.segment.on_denied if self.placement else OnDenied.ACKNOWLEDGE

    @property
    def mode(self) -> Mode:
        """Whether what is not allowed to the device is refused, or only recorded."""
        own = self.placement.segment.mode if self.placement else None
        return own or self.site.policy.mode

    def granted(self, action: Action, levels: Sequence[str]) -> Rule | None:
        """The grant or conduit topic that the topic is in."""
        return self._in_grants(self._direction(action).granted, levels)

    def on_trial(self, action: Action, levels: Sequence[str]) -> Rule | None:
        """The topic of a conduit on trial that the topic is in."""
        return self._in_grants(self._direction(action).trial, levels)

    def denied(self, levels: Sequence[str]) -> Rule | None:
        """The deny that the topic is in."""
        return match(self._role.denied, levels, self._asker) if self._role.denied else None

    def owner(self, levels: Sequence[str]) -> Namespace | None:
        """Whose the topic is."""
        return self.site.owner(levels, self._asker)

    def owner_met(self, wanted: Pattern, budget: Budget) -> Namespace | None:
        """An owner of some topic of the filter, the owner of the rest last."""
        found = meets((self.site.namespaces,), wanted, self._asker, budget)
        return next((namespace for _, namespace in found), self.site.rest)

    def covering(
        self, wanted: Pattern, budget: Budget, *, trial: bool = False, action: Action = Action.RECEIVE
    ) -> Rule | None:
        """A grant (or conduit topic on trial, if asked), if together they hold all of the filter."""
        asked = self._direction(action)
        plain = asked.granted.plain + (asked.trial.plain if trial else ())
        rest = asked.granted.rest + (asked.trial.rest if trial else ())
        found = cover(plain, wanted, self._asker, budget)
        if found is not None or not rest:
            return found
        found = cover(plain + rest, wanted, self._asker, budget)
        foreign = meets((self.site.carved,), wanted, self._asker, budget)
        if found is not None and all(cover(plain, part, self._asker, budget) is not None for part, _ in foreign):
            return found
        return None

    def meeting_deny(self, wanted: Pattern, budget: Budget) -> Rule | None:
        """A deny that some topic of the filter is in."""
        return next((rule for _, rule in meets(self._role.denied, wanted, self._asker, budget)), None)

    def denying_all(self, wanted: Pattern, budget: Budget) -> Rule | None:
        """A deny, if together they hold all of the filter."""
        return cover(self._role.denied, wanted, self._asker, budget)

    def touching(self, wanted: Pattern, budget: Budget, *, trial: bool = False) -> Rule | None:
        """A grant (or conduit topic on trial) with a topic of the filter in it that no deny takes away."""
        grants = self._role.receive.trial if trial else self._role.receive.granted
        for part, rule in meets(grants.plain, wanted, self._asker, budget):
            if cover(self._role.denied, part, self._asker, budget) is None:
                return rule
        for part, rule in meets(grants.rest, wanted, self._asker, budget):
            if not self._taken_away(part, budget):
                return rule
        return None

    def touches_own(self, wanted: Pattern, budget: Budget) -> bool:
        """Whether some topic of the filter is in the namespace of the device's segment."""
        own = self.placement.segment.name if self.placement else None
        if self.site.rest is not None and self.site.rest.segment == own:
            return cover((self.site.carved,), wanted, self._asker, budget) is None
        return any(True for _ in meets(self._role.own, wanted, self._asker, budget))

    def in_protected(self, wanted: Pattern, budget: Budget) -> bool:
        """Whether every topic of the filter is owned by a segment that enforces."""
        if self.site.rest is not None and self.site.enforces(self.site.rest.segment):
            return not any(True for _ in meets((self.site.observing,), wanted, self._asker, budget))
        return cover((self.site.enforcing,), wanted, self._asker, budget) is not None

    def reaching(self, action: Action, wanted: Pattern, budget: Budget) -> Iterator[tuple[Pattern, Rule, bool]]:
        """Each grant's common part with a pattern, its rule, and whether it ends at others' namespaces.

        Denies are not taken off. For analysis (who can reach whom), not for decisions.
        """
        grants = self._direction(action).granted
        for roots, ends in ((grants.plain, False), (grants.rest, True)):
            for part, rule in meets(roots, wanted, self._asker, budget):
                yield part, rule, ends

    def denials(self, wanted: Pattern, budget: Budget) -> Iterator[tuple[Pattern, Rule]]:
        """Each deny's common part with a pattern. For analysis, not for decisions."""
        return meets(self._role.denied, wanted, self._asker, budget)

    def _direction(self, action: Action) -> Direction:
        return self._role.publish if action is Action.PUBLISH else self._role.receive

    def _in_grants(self, grants: Grants, levels: Sequence[str]) -> Rule | None:
        found = match(grants.plain, levels, self._asker) if grants.plain else None
        if found is None and grants.rest:
            found = match(grants.rest, levels, self._asker)
            if found is not None and match((self.site.carved,), levels, self._asker) is not None:
                return None
        return found

    def _taken_away(self, part: Pattern, budget: Budget) -> bool:
        """Whether denies and others' namespaces together hold all of a grant's part."""
        return cover((*self._role.denied, self.site.carved), part, self._asker, budget) is not None
