"""Questions that an operator asks of a compiled policy: do its tests hold, and why was this decided?

Owns running a policy's tests and explaining one decision with file and line. Refuses to decide: every answer is that of
decide.py, or of isolation.py for flows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mqttseg.errors import Reason, Source
from mqttseg.policy.compiled import Compiled
from mqttseg.policy.decide import Decision, decide
from mqttseg.policy.isolation import Leak, isolation
from mqttseg.policy.membership import Placement, glob_matches
from mqttseg.policy.model import Action, Expectation, Rule
from mqttseg.policy.pattern import DEVICE, SEGMENT

__all__ = ["Explanation", "Failure", "Leak", "explain", "isolation", "run_tests"]

_NEAREST = 3

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Failure:
    """A test of the policy that does not hold: where it is written, what is wrong, and why."""

    source: Source
    what: str
    why: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n  ".join((f"{self.source}: {self.what}", *self.why))

    def as_json(self) -> Json:
        return {**self.source.as_json(), "what": self.what, "why": list(self.why)}


@dataclass(frozen=True, slots=True)
class Grant:
    """A right near the one that was asked for: as written, for this device, and the conduit it comes through."""

    rule: Rule
    filter: str
    conduit: str | None

    def as_json(self) -> Json:
        return {
            "filter": self.filter,
            "written": self.rule.filter,
            "conduit": self.conduit,
            **self.rule.source.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a device may or may not do something. ``placed_by`` says why it is in its segment and role."""

    device: str
    action: Action
    topic: str
    decision: Decision
    placement: Placement | None
    placed_by: str
    placed_at: Source | None
    conduit: str | None
    nearest: tuple[Grant, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """For people: the verdict first."""
        return tuple(self._lines())

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def as_json(self) -> Json:
        """For programs: the same, with places taken apart."""
        rule = self.decision.rule
        return {
            "device": self.device,
            "action": str(self.action),
            "topic": self.topic,
            "allowed": self.decision.allowed,
            "reason": str(self.decision.reason),
            "observed": self.decision.observed,
            "narrowed": self.decision.narrowed,
            "segment": self.placement.segment.name if self.placement else None,
            "role": (self.placement.role.name or None) if self.placement else None,
            "placed_by": {"what": self.placed_by, **(self.placed_at.as_json() if self.placed_at else {})},
            "rule": rule.as_json() if rule else None,
            "conduit": self.conduit,
            "nearest": [grant.as_json() for grant in self.nearest],
        }

    def _lines(self) -> Iterator[str]:
        yield f"{_verdict(self.decision)}: {self.decision.reason}"
        yield f"  asked    {self.device} {self.action} {self.topic}"
        place = f" ({self.placed_at})" if self.placed_at else ""
        yield f"  device   {self.placed_by}{place}"
        if self.decision.rule is not None:
            yield f"  rule     {self._kind_of_rule()} {self.decision.rule}"
        for grant in self.nearest:
            conduit = f", through the conduit {grant.conduit}" if grant.conduit else ""
            yield f"  granted  {grant.filter}{conduit} ({grant.rule.source})"
        if not self.nearest and not self.decision.allowed and self.placement is not None:
            yield f"  granted  nothing to {self.action}"

    def _kind_of_rule(self) -> str:
        if self.decision.rule in self._denies():
            return "deny"
        if self.conduit is not None:
            return f"conduit {self.conduit}:"
        own = self.placement.segment.namespace if self.placement else ()
        outside = self.decision.reason in {Reason.NOT_GRANTED, Reason.OUTSIDE_SEGMENT}
        return "namespace" if outside or self.decision.rule in own else "grant"

    def _denies(self) -> tuple[Rule, ...]:
        return (*self.placement.segment.deny, *self.placement.role.deny) if self.placement else ()


def run_tests(compiled: Compiled) -> list[Failure]:
    """The policy's tests that do not hold, in file order; none: all hold."""
    failures = [failure for test in compiled.policy.expectations if (failure := _fails(compiled, test))]
    for test in compiled.policy.isolations:
        if leaks := isolation(compiled, test.segments):
            what = f"{', '.join(test.segments)} are not isolated"
            failures.append(Failure(test.source, what, tuple(str(leak) for leak in leaks)))
    return sorted(failures, key=lambda failure: (failure.source.line, failure.source.column))


def explain(compiled: Compiled, device_id: str, action: Action, topic: str) -> Explanation:
    """Why ``device_id`` may or may not do this. ``topic`` is a filter when the action is subscribe."""
    decision = decide(compiled.rights(device_id), action, topic)
    placement = compiled.placement(device_id)
    placed_by, placed_at = _placed(compiled, device_id, placement)
    conduit = compiled.conduit_of(decision.rule) if decision.rule else None
    return Explanation(
        device=device_id,
        action=action,
        topic=topic,
        decision=decision,
        placement=placement,
        placed_by=placed_by,
        placed_at=placed_at,
        conduit=conduit.name if conduit else None,
        nearest=()
        if decision.allowed or placement is None
        else _nearest(compiled, device_id, placement, action, topic),
    )


def _fails(compiled: Compiled, test: Expectation) -> Failure | None:
    if decide(compiled.rights(test.device), test.action, test.topic).allowed == test.can:
        return None
    verb = "cannot" if test.can else "can"
    what = f"{test.device} {verb} {test.action} {test.topic}, against the test"
    return Failure(test.source, what, explain(compiled, test.device, test.action, test.topic).lines)


def _verdict(decision: Decision) -> str:
    if decision.allowed:
        return "allowed, narrowed" if decision.narrowed else "allowed"
    return "denied, but let through by observe mode" if decision.observed else "denied"


def _placed(compiled: Compiled, device_id: str, placement: Placement | None) -> tuple[str, Source | None]:
    """Why the device is where it is."""
    if placement is None:
        return f"{device_id} is a member of no segment", None
    role = f", role {placement.role.name}" if placement.role.name else ""
    where = f"{device_id} is in segment {placement.segment.name}{role}"
    entry = compiled.policy.devices.get(device_id)
    if entry is not None and (entry.segment or entry.role):
        return f"{where}: the inventory says so", entry.source
    members = placement.role.members
    exact = (member for member in members if member.pattern == device_id)
    globs = (member for member in members if member.is_glob and glob_matches(member.pattern, device_id))
    member = next(exact, None) or next(globs, None)
    return (f"{where}: member {member.pattern}", member.source) if member else (where, placement.role.source)


def _nearest(compiled: Compiled, device_id: str, placement: Placement, action: Action, topic: str) -> tuple[Grant, ...]:
    """The device's grants for this action that look most like what was asked for."""

    def closeness(grant: Grant) -> int:
        return _alike(grant.filter, topic)

    grants = [*_own(device_id, placement, action), *_through_conduits(compiled, placement, action)]
    return tuple(sorted(grants, key=closeness, reverse=True)[:_NEAREST])


def _own(device_id: str, placement: Placement, action: Action) -> Iterator[Grant]:
    segment, role = placement.segment, placement.role
    if role.publish is None and role.subscribe is None:
        for rule in segment.namespace:
            bound = rule.filter.replace(SEGMENT, segment.name)
            yield Grant(rule, bound if bound == "#" else f"{bound}/#", None)
    for rule in (role.publish if action is Action.PUBLISH else role.subscribe) or ():
        yield Grant(rule, rule.filter.replace(SEGMENT, segment.name).replace(DEVICE, device_id), None)


def _through_conduits(compiled: Compiled, placement: Placement, action: Action) -> Iterator[Grant]:
    """What conduits open to the device: publish at their origin, receive at their target."""
    for conduit in compiled.policy.conduits.values():
        publishes = action is Action.PUBLISH
        end = conduit.origin if publishes else conduit.target
        foreign = (conduit.target if publishes else conduit.origin).segment
        if end.segment != placement.segment.name or end.role not in (None, placement.role.name):
            continue
        for rule in conduit.topics:
            if compiled.conduit_of(rule) is conduit and compiled.topic_owner(conduit, rule) == foreign:
                yield Grant(rule, rule.filter.replace(SEGMENT, foreign), conduit.name)


def _alike(granted: str, asked: str) -> int:
    """How many levels agree, from the left; a wildcard agrees with anything, less than a text does."""
    score = 0
    for one, other in zip(granted.split("/"), asked.split("/"), strict=False):
        if one == other:
            score += 2
        elif one in ("+", "#") or other in ("+", "#"):
            score += 1
        else:
            break
    return score
