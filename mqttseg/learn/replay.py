"""Recorded flows against a candidate policy: what would break, for whom and why.

Owns the comparison. A flow stands for all topics of its shape, of which one example is known: it breaks when the
example is refused, and breaks in part when other topics of the shape would be. Refuses to judge: decide.py does, and
the rights say whether they hold a whole shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mqttseg.observe.flows import Direction, Flow
from mqttseg.observe.shapes import filter_of
from mqttseg.policy.compiled import Compiled
from mqttseg.policy.cover import Budget, TooMuchWorkError
from mqttseg.policy.decide import FILTER_STEPS, Decision, decide
from mqttseg.policy.model import Action
from mqttseg.policy.rights import Rights

Json = dict[str, object]


class Outcome(StrEnum):
    """What a candidate does to a flow."""

    ALLOWED = "allowed"
    OBSERVED = "observed"  # not allowed, but let through by observe mode
    IN_PART = "in part"  # its example is allowed, other topics of its shape are not
    BREAKS = "breaks"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A flow, what becomes of it under a candidate, and the candidate's decision about its example."""

    flow: Flow
    outcome: Outcome
    decision: Decision
    segment: str | None

    @property
    def why(self) -> str:
        """The reason, and the rule that decides."""
        if self.outcome is Outcome.IN_PART:
            return f"only some of {self.flow.shape} is allowed"
        rule = f" by {self.decision.rule}" if self.decision.rule else ""
        return f"{self.decision.reason}{rule}"

    def as_json(self) -> Json:
        flow, rule = self.flow, self.decision.rule
        return {
            "outcome": str(self.outcome),
            "device": flow.device,
            "segment": self.segment,
            "direction": str(flow.direction),
            "shape": flow.shape,
            "example": flow.example,
            "count": flow.count,
            "observed": flow.observed,
            "last_seen": flow.last_seen.isoformat(),
            "reason": str(self.decision.reason),
            "rule": rule.as_json() if rule else None,
        }


def replay(candidate: Compiled, flows: Iterable[Flow]) -> Iterator[Replayed]:
    """What becomes of each flow under the candidate, in the order of the flows."""
    for flow in flows:
        rights = candidate.rights(flow.device)
        decision = decide(rights, Action(flow.direction), flow.example)
        placement = rights.placement
        yield Replayed(flow, _outcome(rights, flow, decision), decision, placement.segment.name if placement else None)


def _outcome(rights: Rights, flow: Flow, decision: Decision) -> Outcome:
    if not decision.passes:
        return Outcome.BREAKS
    if not decision.allowed:
        return Outcome.OBSERVED
    return Outcome.ALLOWED if decision.narrowed or holds_shape(rights, flow) else Outcome.IN_PART


def holds_shape(rights: Rights, flow: Flow) -> bool:
    """Whether every topic of the flow's shape is allowed. False when it takes too long to tell."""
    wanted = tuple(filter_of(flow.shape, flow.device).split("/"))
    action = Action.PUBLISH if flow.direction is Direction.PUBLISH else Action.RECEIVE
    budget = Budget(FILTER_STEPS)
    try:
        return (
            rights.covering(wanted, budget, action=action) is not None and rights.meeting_deny(wanted, budget) is None
        )
    except TooMuchWorkError:
        return False
