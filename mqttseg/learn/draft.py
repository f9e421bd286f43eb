"""The whole draft of a policy: written, read back, judged, and annotated with what its reader must know.

Owns the promise that a draft is a valid policy that allows every flow it was learnt from, or says which it does not;
and that nothing denied is learnt silently: where a line that generalises also holds what was denied, the draft says so.
Refuses to know files and the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from mqttseg.errors import ConfigurationError, InternalError
from mqttseg.learn.evidence import Support
from mqttseg.learn.proposal import LeftOut, Proposal, propose
from mqttseg.learn.writing import write_rights
from mqttseg.learn.yaml_text import comment, quoted, told, who
from mqttseg.observe.flows import Flow
from mqttseg.policy.check import run_tests
from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.decide import decide
from mqttseg.policy.document import Document, parse_document
from mqttseg.policy.load import policy_of
from mqttseg.policy.model import Action, Policy

_MOST = 20  # things of a kind to name


@dataclass(frozen=True, slots=True)
class Denied:
    """Something that a device tried and that was refused, not let through. ``action``: as in decide.py."""

    device: str
    action: Action
    topic: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Frame:
    """What a draft is made in: the policy now in force, its file's text, and the inventory if there is one."""

    compiled: Compiled
    text: str
    devices: Document | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """Policy YAML, and what it is made of."""

    text: str
    proposal: Proposal
    warnings: tuple[str, ...]


def draft(
    frame: Frame,
    flows: Sequence[Flow],
    denied: Sequence[Denied],
    support: Support,
    now: datetime,
    *,
    learn_observed: bool = False,
) -> Draft:
    """The least policy that allows the flows. Raises InternalError rather than give one that is not valid."""
    proposal = propose(frame.compiled, flows, support, learn_observed=learn_observed)
    rights = list(write_rights(proposal, frame.compiled.policy, frame.text))
    policy = _read("\n".join(rights) + "\n", frame)
    learnt = compile_policy(policy, now)
    warnings = (*_stuck(proposal, learnt), *_denied_and_allowed(frame.compiled, learnt, proposal, denied))
    lines = [
        *comment(_head(flows, proposal, support, learn_observed)),
        *comment(_warned(warnings)),
        "",
        *rights,
        *_tests(policy, frame.compiled.policy, now),
        "",
        *comment(_left_out(proposal.left_out)),
        *comment(_refused(denied)),
    ]
    text = "\n".join(lines).rstrip() + "\n"
    _read(text, frame)
    return Draft(text, proposal, warnings)


def _read(text: str, frame: Frame) -> Policy:
    try:
        return policy_of(parse_document(text, "learnt policy"), frame.devices)
    except ConfigurationError as error:
        raise InternalError(f"what was learnt is no valid policy: {error.problems[0]}") from error


def _head(flows: Sequence[Flow], proposal: Proposal, support: Support, learn_observed: bool) -> Iterator[str]:
    devices = len({flow.device for flow in flows})
    times = [moment for flow in flows for moment in (flow.first_seen, flow.last_seen)]
    span = f", seen from {min(times):%Y-%m-%d %H:%M} to {max(times):%Y-%m-%d %H:%M} UTC" if times else ""
    yield f"Learnt from {len(flows):,} flows of {devices:,} devices{span}. A proposal: read it before you apply it."
    yield (
        f"{sum(1 for _ in proposal.lines):,} lines, each from at least {support.devices:,} devices (or all that were "
        f"seen) and {support.count:,} times. The comment on a line says what it rests on."
    )
    if learn_observed:
        yield "What observe mode let through was learnt, too; such lines are marked."


def _stuck(proposal: Proposal, learnt: Compiled) -> Iterator[str]:
    """Flows that the lines made of them do not allow: a deny stands in the way, say, or a conduit has ended."""
    for line in proposal.lines:
        for flow in line.line.flows:
            decision = decide(learnt.rights(flow.device), Action(flow.direction), flow.example)
            if not decision.allowed:
                yield f"{flow.device} {flow.direction} {told(flow.example)} stays {decision.reason} all the same"


def _denied_and_allowed(now: Compiled, learnt: Compiled, proposal: Proposal, denied: Sequence[Denied]) -> Iterator[str]:
    """What was denied, still is, and would be allowed because it falls under a line that others brought in."""
    waiting = (
        (flow.device, Action(flow.direction), flow.example)
        for found in proposal.places.values()
        for line in found
        if not line.active
        for flow in line.line.flows
    )
    refused = ((one.device, one.action, one.topic) for one in denied)
    left_out = ((one.flow.device, Action(one.flow.direction), one.flow.example) for one in proposal.left_out)
    for device, action, topic in dict.fromkeys((*waiting, *refused, *left_out)):
        if decide(now.rights(device), action, topic).allowed:
            continue
        decision = decide(learnt.rights(device), action, topic)
        if decision.allowed and decision.rule is not None:
            tried = f"{who(device)} {action} {told(topic)}"
            yield f"{tried} is denied now, and would be allowed by {told(decision.rule.filter)}"


def _warned(warnings: Sequence[str]) -> Iterator[str]:
    yield from (f"WARNING: {warning}" for warning in warnings[:_MOST])
    if len(warnings) > _MOST:
        yield f"WARNING: and {len(warnings) - _MOST:,} more like these"


def _tests(learnt: Policy, old: Policy, now: datetime) -> Iterator[str]:
    """The old policy's tests; those that no longer hold are left to the operator."""
    tested = compile_policy(replace(learnt, expectations=old.expectations, isolations=old.isolations), now)
    failed = {failure.source for failure in run_tests(tested)}
    tests = [
        (test.source, f"{{device: {quoted(test.device)}, {'can' if test.can else 'cannot'}: [{quoted(attempt)}]}}")
        for test in old.expectations
        for attempt in [f"{test.action} {test.topic}"]
    ]
    tests += [(test.source, f"isolated: [{', '.join(test.segments)}]") for test in old.isolations]
    if any(source not in failed for source, _ in tests):
        yield from ("", "tests:")
    for source, text in tests:
        yield f"  # - {text}  # DOES NOT HOLD for what was learnt" if source in failed else f"  - {text}"


def _left_out(left_out: Sequence[LeftOut]) -> Iterator[str]:
    for why, group in groupby(sorted(left_out, key=lambda one: (one.why, -one.flow.count)), key=lambda one: one.why):
        flows = [one.flow for one in group]
        yield f"Not learnt, {len(flows):,} flows: {why}."
        for flow in flows[:_MOST]:
            yield f"  {who(flow.device)} {flow.direction} {told(flow.example)}, {flow.count:,} times"


def _refused(denied: Sequence[Denied]) -> Iterator[str]:
    if denied:
        yield f"Refused in this time, and not learnt, {len(denied):,} kinds of attempts; the most frequent:"
    for one in sorted(denied, key=lambda one: -one.count)[:_MOST]:
        yield f"  {who(one.device)} {one.action} {told(one.topic)}, {one.count:,} times: {one.reason}"
