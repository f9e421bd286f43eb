"""What is valid in a policy and probably not meant. Advice only: nothing here refuses a policy.

Owns what is worth a word. Refuses to decide: whether a filter can be subscribed to, decide.py says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from mqttseg.errors import Problem, Reason, Source
from mqttseg.policy.compiled import Compiled
from mqttseg.policy.decide import decide
from mqttseg.policy.model import Action, Role, Segment, Width
from mqttseg.policy.pattern import DEVICE, SEGMENT


def advise(compiled: Compiled, now: datetime) -> list[Problem]:
    """What an operator should look at, in file order. ``now`` is timezone-aware."""
    found = [
        *_unsubscribable(compiled),
        *_empty_segments(compiled),
        *_expired_conduits(compiled, now),
    ]
    return sorted(found, key=lambda problem: (problem.source.line, problem.source.column))


def advise_of_text(text: str, file: str) -> list[Problem]:
    """What stands out in a policy's file as text: one cut off in the middle can be a valid policy with other rights."""
    if text.endswith(("\n", "\r")) or not text:
        return []
    end = Source(file, text.count("\n") + 1, len(text) - text.rfind("\n"))
    what = "the last line does not end: the file may have been cut short"
    return [Problem(end, what, "see whether all of it is there, and end it with a newline")]


def _unsubscribable(compiled: Compiled) -> Iterator[Problem]:
    """Filters that a role lists and cannot subscribe to, because a deny lies inside them."""
    for segment in compiled.policy.segments.values():
        if segment.width is Width.EXACT:
            for role in (segment.base, *segment.roles.values()):
                if segment.deny or role.deny:
                    yield from _blocked(compiled, segment, role)


def _blocked(compiled: Compiled, segment: Segment, role: Role) -> Iterator[Problem]:
    device_id = next(iter(compiled.membership.examples(segment.name, role.name)), None)
    if device_id is None:
        return
    rights = compiled.rights(device_id)
    for rule in role.subscribe or ():
        wanted = rule.filter.replace(SEGMENT, segment.name).replace(DEVICE, device_id)
        decision = decide(rights, Action.SUBSCRIBE, wanted)
        if decision.reason in {Reason.FILTER_TOO_WIDE, Reason.DENIED_BY_RULE} and decision.rule is not None:
            what = f"no device can subscribe to {rule.filter}: the deny {decision.rule.filter} lies in it"
            remedy = f"list narrower filters, or set `subscriptions: narrow` (the deny: {decision.rule.source})"
            yield Problem(rule.source, what, remedy)


def _empty_segments(compiled: Compiled) -> Iterator[Problem]:
    for segment in compiled.policy.segments.values():
        if compiled.membership.any_member(segment.name) is None:
            yield Problem(segment.source, f"no device is in {segment.name}", "list members, or place devices in it")


def _expired_conduits(compiled: Compiled, now: datetime) -> Iterator[Problem]:
    for conduit in compiled.policy.conduits.values():
        if conduit.until is not None and conduit.until <= now:
            what = f"the conduit {conduit.name} ended {conduit.until:%Y-%m-%d %H:%M %Z}, and grants nothing"
            yield Problem(conduit.source, what, "remove it, or give it a later end")
