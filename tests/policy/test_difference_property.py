"""The difference of two policies against brute force: what is gained and lost, by trying every topic."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import or_
from random import Random

import pytest

from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.decide import decide
from mqttseg.policy.difference import Difference, RightChange, difference
from mqttseg.policy.model import Action, Conduit, Device, Policy, Segment
from tests.policy.brute_force import Reference, Universe
from tests.policy.policy_values import NOW, device
from tests.policy.random_policies import IDS, LEVELS, random_filter, random_policy, with_deny, with_grant

MORE = ("d4", "d77", "e4", "c4", "a2")  # for every glob two ids at least that nobody names
EVERYBODY = (*IDS, *MORE)
SITE = Universe((*LEVELS, *MORE, "z1"), 4)
DIRECTIONS = (Action.PUBLISH, Action.RECEIVE)


def changed(before: Policy, random: Random) -> Policy:
    """The policy after one change of the kind that operators make, or another policy altogether."""
    name = random.choice(list(before.segments))
    segment = before.segments[name]
    others = random_policy(random)
    text = random_filter(random, device_levels=True)
    moved: dict[str, Device] = {i: device(i, name) for i in random.sample(IDS, 2)}
    return random.choice(
        [
            others,
            replace(before, conduits=_conduits_of(before, others)),
            replace(before, devices=moved),
            replace(before, segments={**before.segments, name: replace(segment, base=with_grant(segment.base, text))}),
            replace(before, segments={**before.segments, name: replace(segment, deny=with_deny(segment, text))}),
            replace(before, segments={**before.segments, name: replace(segment, deny=())}),
            _with_members_of(before, others),
        ]
    )


def _with_members_of(policy: Policy, other: Policy) -> Policy:
    def like(segment: Segment) -> Segment:
        found = other.segments.get(segment.name, segment)
        return replace(segment, base=replace(segment.base, members=found.base.members))

    return replace(policy, segments={name: like(segment) for name, segment in policy.segments.items()})


def _conduits_of(policy: Policy, other: Policy) -> dict[str, Conduit]:
    ends = (
        (name, conduit, {conduit.origin.segment, conduit.target.segment}) for name, conduit in other.conduits.items()
    )
    return {name: conduit for name, conduit, segments in ends if segments <= set(policy.segments)}


def allowed(reference: Reference, device_id: str, action: Action) -> int:
    """Every topic that the device may publish or receive."""
    placed = reference.place(device_id)
    if placed is None:
        return 0
    segment, role = placed
    rules = (*segment.deny, *role.deny)
    topics = reference.granted(segment, role, device_id, action)
    for rule in rules:
        topics &= ~SITE.of(rule.filter.replace("${device}", device_id))
    dollar = SITE.of("$SYS/#")
    return topics & ~dollar if action is Action.PUBLISH else topics


def concerns(change: RightChange, device_id: str, old: Compiled, new: Compiled) -> bool:
    places = [
        place and (place.segment.name, place.role.name)
        for place in (old.placement(device_id), new.placement(device_id))
    ]
    return device_id in change.devices or (
        change.everyone and places == [change.before, change.after] and device_id not in change.but
    )


def topics_of(change: RightChange, reference: Reference, device_id: str) -> int:
    """The topics of the right that changes, denied or not."""
    text = change.rule.filter
    found = SITE.of(text.replace("${device}", device_id))
    for name in reference.policy.segments:
        found |= reference.of_members(text, name) | reference.of_members(f"{text}/#" if text != "#" else text, name)
    return found


def check(before: Policy, after: Policy, known: tuple[str, ...]) -> None:
    old, new = compile_policy(before, NOW), compile_policy(after, NOW)
    found = difference(old, new, known)
    was, now = Reference(before, SITE, EVERYBODY), Reference(after, SITE, EVERYBODY)
    for device_id in EVERYBODY:
        for action in DIRECTIONS:
            one, other = allowed(was, device_id, action), allowed(now, device_id, action)
            for gained, really, reference in ((True, other & ~one, now), (False, one & ~other, was)):
                told = [
                    change
                    for change in found.rights
                    if change.gained is gained and change.action is action and concerns(change, device_id, old, new)
                ]
                where = (device_id, action, gained, found.lines())
                assert bool(told) is bool(really), where
                explained = reduce(or_, (topics_of(change, reference, device_id) for change in told), 0)
                assert really & ~explained == 0, where
    assert_shown(found, old, new)


def assert_shown(found: Difference, old: Compiled, new: Compiled) -> None:
    for change in found.rights:
        verdicts = [decide(c.rights(change.device), change.action, change.topic).allowed for c in (old, new)]
        assert verdicts == [not change.gained, change.gained], str(change)
        assert concerns(change, change.device, old, new), str(change)


def try_many(seeds: range) -> None:
    for seed in seeds:
        random = Random(seed)
        before = random_policy(random)
        known = random.choice([(), IDS, EVERYBODY])
        check(before, changed(before, random), known)


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_a_right_is_told_of_exactly_when_a_topic_is_newly_allowed_or_refused(first: int) -> None:
    try_many(range(first, first + 50))


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_right_is_told_of_exactly_when_a_topic_is_newly_allowed_or_refused_in_many_policies() -> None:
    try_many(range(1_000, 6_000))


@pytest.mark.parametrize("seed", range(20))
def test_a_policy_does_not_differ_from_itself(seed: int) -> None:
    old, new = (compile_policy(random_policy(Random(seed)), NOW) for _ in range(2))
    assert difference(old, new, EVERYBODY).empty
