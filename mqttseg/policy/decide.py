"""What is allowed: the one place where it is decided.

Owns verdicts and their reasons. Refuses to know how rights are stored (rights.py, compiled.py), packets, clocks
and connections. The rules, in the order in which they are asked; the first that speaks decides:

 D1. A topic that MQTT does not allow is refused: ``invalid-topic``. So is such a filter.
 D2. ``$`` topics are nobody's: ``system-topic``. Only ``$SYS/...`` can be subscribed to and received, where the
     device's role lists an explicit ``$SYS/...`` filter under subscribe. Nothing is published to ``$`` topics.
 D3. A device in no segment may do nothing: ``no-segment``; an impossible id neither: ``identity-invalid``.
 D4. A deny beats every grant and conduit, in both directions: ``denied-by-rule``. (A filter: when all of it is denied.)
 D5. A grant of the role, or a topic of a conduit whose end the device is, allows: ``ok``. A conduit gives its right
     only to the end for which the topics are foreign. A filter is allowed when the grants together contain it and
     no topic of it is denied: contained exactly, not matched.
 D6. A conduit on trial (its own mode is observe) grants nothing, but what it would grant is let through and
     recorded: ``outside-segment``, observed. Its topics pass into enforcing segments too: that is what is tried.
 D7. A filter of which some, but not all, is allowed is refused: ``filter-too-wide``. With ``subscriptions: narrow`` it
     is allowed, narrowed: each delivery is judged by ``receive``, and only what is allowed arrives. A filter whose
     judgement takes more than FILTER_STEPS steps is refused as too wide in any case.
 D8. Anything else is refused: ``not-granted`` if it is (for a filter: touches) the device's own segment's
     namespace, else ``outside-segment``. The rule is then the namespace that stands in the way.

Observe mode. Refusals by D3 (no-segment), D4, D7 and D8 are let through, ``observed``, when the device's segment
is in observe mode (its own mode, else the policy's; for a device in no segment, the policy's), except:

 O1. A topic owned by another segment that enforces is refused all the same: being observed does not let anyone into
     a protected zone. A filter is refused when all of it is so owned; else its deliveries are judged one by one.
 O2. ``$`` topics, invalid topics and impossible ids are never let through: observing concerns topics, not identity.
"""

from __future__ import annotations

from dataclasses import dataclass

from mqttseg.errors import Reason
from mqttseg.policy.cover import Budget, TooMuchWorkError
from mqttseg.policy.model import Action, Mode, Rule, Width
from mqttseg.policy.pattern import Pattern
from mqttseg.policy.rights import Namespace, Rights
from mqttseg.policy.topics import filter_problem, topic_problem

FILTER_STEPS = 20_000  # about 20 ms at worst, so that one device's filter cannot hold up the others
_SYSTEM = "$SYS"


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, why, and the rule of the policy that decided, if one did.

    ``observed``: not allowed, but let through and to be recorded. ``narrowed``: the filter stands, but only some
    of what it matches will be delivered.
    """

    allowed: bool
    reason: Reason
    rule: Rule | None
    observed: bool = False
    narrowed: bool = False

    @property
    def passes(self) -> bool:
        """Whether the message or subscription goes through."""
        return self.allowed or self.observed


def decide(rights: Rights, action: Action, topic: str) -> Decision:
    """Judge one action of one device. ``topic`` is a filter when the action is subscribe."""
    if action is Action.SUBSCRIBE:
        return _decide_filter(rights, topic)
    if topic_problem(topic) is not None:
        return Decision(False, Reason.INVALID_TOPIC, None)  # D1
    levels = topic.split("/")
    if topic[0] == "$" and (action is Action.PUBLISH or not _lists_system_topic(rights, action, levels)):
        return Decision(False, Reason.SYSTEM_TOPIC, None)  # D2
    if rights.refusal is not None:
        return _refuse(rights, levels, rights.refusal, None)  # D3
    rule = rights.denied(levels)
    if rule is not None:
        return _refuse(rights, levels, Reason.DENIED_BY_RULE, rule)  # D4
    rule = rights.granted(action, levels)
    if rule is not None:
        return Decision(True, Reason.OK, rule)  # D5
    rule = rights.on_trial(action, levels)
    if rule is not None:
        return Decision(False, Reason.OUTSIDE_SEGMENT, rule, observed=True)  # D6
    return _refuse(rights, levels, None, None)  # D8


def _lists_system_topic(rights: Rights, action: Action, levels: list[str]) -> bool:
    return levels[0] == _SYSTEM and rights.granted(action, levels) is not None


def _refuse(rights: Rights, levels: list[str], reason: Reason | None, rule: Rule | None) -> Decision:
    """A refused topic. Without a reason, D8 gives it, with the namespace that stands in the way."""
    owner = rights.owner(levels)
    own = owner is not None and _is_own(rights, owner)
    if reason is None:
        reason = Reason.NOT_GRANTED if own else Reason.OUTSIDE_SEGMENT
        rule = owner.rule if owner is not None else _own_namespace(rights)
    protected = owner is not None and not own and rights.site.enforces(owner.segment)  # O1
    return Decision(False, reason, rule, observed=_observing(rights, levels[0], reason) and not protected)


def _observing(rights: Rights, first: str, reason: Reason) -> bool:
    """Whether observe mode concerns this refusal (O2)."""
    return rights.mode is Mode.OBSERVE and first[:1] != "$" and reason is not Reason.IDENTITY_INVALID


def _is_own(rights: Rights, owner: Namespace) -> bool:
    return rights.placement is not None and rights.placement.segment.name == owner.segment


def _own_namespace(rights: Rights) -> Rule | None:
    return next(iter(rights.placement.segment.namespace), None) if rights.placement else None


def _decide_filter(rights: Rights, text: str) -> Decision:
    if filter_problem(text) is not None:
        return Decision(False, Reason.INVALID_TOPIC, None)  # D1
    wanted: Pattern = tuple(text.split("/"))
    if text[0] == "$" and wanted[0] != _SYSTEM:
        return Decision(False, Reason.SYSTEM_TOPIC, None)  # D2
    try:
        decision = _judge_filter(rights, wanted, Budget(FILTER_STEPS))
    except TooMuchWorkError:
        decision = Decision(False, Reason.FILTER_TOO_WIDE, None)  # D7
    if decision.passes or not _observing(rights, text, decision.reason):
        return decision
    return Decision(False, decision.reason, decision.rule, observed=not _is_protected(rights, wanted))


def _is_protected(rights: Rights, wanted: Pattern) -> bool:
    """O1, for a filter. When it takes too long to tell, the filter is refused."""
    try:
        return rights.in_protected(wanted, Budget(FILTER_STEPS))
    except TooMuchWorkError:
        return True


def _judge_filter(rights: Rights, wanted: Pattern, budget: Budget) -> Decision:
    if rights.refusal is not None:  # D3, but D2 comes first
        return Decision(False, Reason.SYSTEM_TOPIC if wanted[0] == _SYSTEM else rights.refusal, None)
    grant = rights.covering(wanted, budget)
    deny = rights.meeting_deny(wanted, budget)
    if grant is not None and deny is None:
        return Decision(True, Reason.OK, grant)  # D5
    if deny is not None and (rule := rights.denying_all(wanted, budget)) is not None:
        return Decision(False, Reason.DENIED_BY_RULE, rule)  # D4
    trial = rights.touching(wanted, budget, trial=True)
    if trial is not None and deny is None and rights.covering(wanted, budget, trial=True) is not None:
        return Decision(False, Reason.OUTSIDE_SEGMENT, trial, observed=True)  # D6
    touched = rights.touching(wanted, budget)
    if touched is None and (trial is None or not _narrows(rights)):
        return _refuse_filter(rights, wanted, budget)
    if _narrows(rights):
        return _narrowed(touched, trial)
    return Decision(False, Reason.FILTER_TOO_WIDE, touched if grant is None else deny)  # D7


def _narrows(rights: Rights) -> bool:
    return rights.placement is not None and rights.placement.segment.width is Width.NARROW


def _narrowed(touched: Rule | None, trial: Rule | None) -> Decision:
    """D7 of a narrowing segment: what arrives is granted, or at least let through by a conduit on trial (D6)."""
    if touched is not None:
        return Decision(True, Reason.OK, touched, narrowed=True)
    return Decision(False, Reason.OUTSIDE_SEGMENT, trial, observed=True, narrowed=True)


def _refuse_filter(rights: Rights, wanted: Pattern, budget: Budget) -> Decision:
    """D8, and D2 for what is left of ``$SYS``."""
    if wanted[0] == _SYSTEM:
        return Decision(False, Reason.SYSTEM_TOPIC, None)
    if rights.touches_own(wanted, budget):
        return Decision(False, Reason.NOT_GRANTED, _own_namespace(rights))
    owner = rights.owner_met(wanted, budget)
    return Decision(False, Reason.OUTSIDE_SEGMENT, _own_namespace(rights) if owner is None else owner.rule)
