"""What the algebra and the decisions say, against trying every topic."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.cover import Budget, cover, gap, meets
from mqttseg.policy.decide import decide
from mqttseg.policy.membership import Membership
from mqttseg.policy.model import Action, Policy
from mqttseg.policy.topics import contains, filter_problem, intersect, matches, witness
from mqttseg.policy.trie import Asker, Node, match
from tests.policy.brute_force import Reference, Universe
from tests.policy.policy_values import NOW, policy
from tests.policy.random_policies import IDS, LEVELS, random_filter, random_policy, with_deny, with_grant

PLAIN = Universe(["a", "b", "", "$x", "~"], 5)
SITE = Universe(LEVELS, 4)
NOBODY = Asker("", Membership(policy([])))


def _plain_filter(random: Random) -> str:
    while True:
        levels = random.choices(["a", "b", "", "$x", "+", "+"], k=random.randint(1, 4))
        if random.random() < 0.4:
            levels[-1] = "#"
        if filter_problem("/".join(levels)) is None:
            return "/".join(levels)


def _topic_outside(union: int, wanted: int) -> bool:
    return wanted & ~union != 0


@pytest.mark.parametrize("seed", range(4))
def test_one_filter_against_another_is_exact(seed: int) -> None:
    random = Random(seed)
    for _ in range(1_000):
        a, b = _plain_filter(random), _plain_filter(random)
        topics_of_a, topics_of_b = PLAIN.of(a), PLAIN.of(b)
        assert contains(a, b) is not _topic_outside(topics_of_a, topics_of_b), (a, b)
        common = intersect(a, b)
        assert (PLAIN.of(common) if common is not None else 0) == topics_of_a & topics_of_b, (a, b)
        assert matches(a, witness(a)), a
        topic = random.choice(PLAIN.topics)
        assert matches(a, topic) is bool(topics_of_a & PLAIN.bit[topic]), (a, topic)


def _check_union(random: Random) -> None:
    union: Node[str] = Node()
    filters = [_plain_filter(random) for _ in range(random.randint(0, 6))]
    topics = 0
    for text in filters:
        union.add(tuple(text.split("/")), text)
        topics |= PLAIN.of(text)
    for text in [_plain_filter(random) for _ in range(6)]:
        wanted, wanted_topics = tuple(text.split("/")), PLAIN.of(text)
        covered = cover([union], wanted, NOBODY, Budget(10_000))
        assert (covered is None) is _topic_outside(topics, wanted_topics), (filters, text)
        outside = gap([union], wanted, NOBODY, Budget(10_000))
        assert (outside is None) is (covered is not None), (filters, text)
        if outside is not None:
            assert matches(text, outside), (filters, text, outside)
            assert match([union], outside.split("/"), NOBODY) is None, (filters, text, outside)
        for common, found in meets([union], wanted, NOBODY, Budget(10_000)):
            assert PLAIN.of("/".join(map(str, common))) == PLAIN.of(found) & wanted_topics, (text, found)
        met = {found for _, found in meets([union], wanted, NOBODY, Budget(10_000))}
        assert met == {other for other in filters if PLAIN.of(other) & wanted_topics}, (filters, text)
    for topic in random.choices(PLAIN.topics, k=10):
        assert (match([union], topic.split("/"), NOBODY) is not None) is bool(topics & PLAIN.bit[topic])


@pytest.mark.parametrize("seed", range(4))
def test_unions_are_exact(seed: int) -> None:
    random = Random(seed)
    for _ in range(250):
        _check_union(random)


def _check_policy(policy: Policy, random: Random) -> None:
    compiled = compile_policy(policy, NOW)
    reference = Reference(policy, SITE, IDS)
    for device_id in random.sample(IDS, 2):
        rights = compiled.rights(device_id)
        for action in (Action.PUBLISH, Action.RECEIVE):
            for topic in random.choices(SITE.topics, k=6):
                decision = decide(rights, action, topic)
                got = decision.allowed, decision.reason, decision.observed, decision.narrowed
                assert got == reference.verdict(device_id, action, topic), (device_id, action, topic, policy)
        for text in [random_filter(random) for _ in range(8)]:
            decision = decide(rights, Action.SUBSCRIBE, text)
            got = decision.allowed, decision.reason, decision.observed, decision.narrowed
            assert got == reference.verdict(device_id, Action.SUBSCRIBE, text), (device_id, text, policy)


@pytest.mark.parametrize("seed", range(10))
def test_decisions_are_those_of_trying_every_topic(seed: int) -> None:
    random = Random(seed)
    for _ in range(200):
        _check_policy(random_policy(random), random)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 125))
def test_decisions_are_those_of_trying_every_topic_for_long(seed: int) -> None:
    random = Random(seed)
    for _ in range(1_000):
        _check_union(random)
        _check_policy(random_policy(random), random)


def _allowed(compiled: Compiled, device_id: str, questions: list[tuple[Action, str]]) -> set[tuple[Action, str]]:
    rights = compiled.rights(device_id)
    return {(action, topic) for action, topic in questions if decide(rights, action, topic).allowed}


def _questions(random: Random) -> list[tuple[Action, str]]:
    topics = [(action, t) for action in (Action.PUBLISH, Action.RECEIVE) for t in random.choices(SITE.topics, k=10)]
    return topics + [(Action.SUBSCRIBE, random_filter(random)) for _ in range(10)]


@pytest.mark.parametrize("seed", range(2))
def test_adding_a_deny_never_widens(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        before = random_policy(random)
        name = random.choice(list(before.segments))
        stricter = replace(before.segments[name], deny=with_deny(before.segments[name], random_filter(random)))
        after = replace(before, segments={**before.segments, name: stricter})
        asked = _questions(random)
        for device_id in IDS:
            now = _allowed(compile_policy(after, NOW), device_id, asked)
            assert now <= _allowed(compile_policy(before, NOW), device_id, asked)


@pytest.mark.parametrize("seed", range(2))
def test_adding_a_grant_never_narrows(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        before = random_policy(random)
        name = random.choice(list(before.segments))
        base = before.segments[name].base
        if base.publish is None or base.subscribe is None:
            continue  # an explicit list takes the place of the whole namespace: that is meant to narrow
        wider = replace(before.segments[name], base=with_grant(base, random_filter(random)))
        after = replace(before, segments={**before.segments, name: wider})
        asked = _questions(random)
        for device_id in IDS:
            was = _allowed(compile_policy(before, NOW), device_id, asked)
            assert was <= _allowed(compile_policy(after, NOW), device_id, asked)


@pytest.mark.parametrize("seed", range(2))
def test_what_a_subscription_matches_is_received(seed: int) -> None:
    """A filter that is allowed as it stands brings no topic that the device may not receive."""
    random = Random(seed)
    for _ in range(100):
        compiled = compile_policy(random_policy(random), NOW)
        for device_id in IDS:
            rights = compiled.rights(device_id)
            for text in [random_filter(random) for _ in range(4)]:
                decision = decide(rights, Action.SUBSCRIBE, text)
                if decision.allowed and not decision.narrowed:
                    wanted = [t for t in random.choices(SITE.topics, k=200) if matches(text, t)]
                    assert all(decide(rights, Action.RECEIVE, topic).allowed for topic in wanted)
