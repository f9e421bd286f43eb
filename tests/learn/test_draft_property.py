"""Laws of learning: it allows what it was learnt from, and nothing that is not a generalisation of it."""

from __future__ import annotations

from random import Random

import pytest

from mqttseg.learn.evidence import Support
from mqttseg.observe.flows import Direction, Flow
from mqttseg.observe.shapes import filter_of
from mqttseg.policy.compiled import Compiled
from mqttseg.policy.decide import decide
from mqttseg.policy.model import Action
from mqttseg.policy.topics import matches
from tests.learn.drafts import HEAD, compiled, flow, learn

SITES = (
    "segments:\n  a: {members: ['d*'], roles: {boss: {members: [d1]}}}\n  b: {members: [e1, e2]}\n"
    "conduits:\n  ab: {from: a, to: b, topics: ['a/#']}\n  ba: {from: b, to: a, topics: ['a/in/#', 'b/out/#']}\n",
    "segments:\n  a: {namespace: 't/${device}', members: ['d*']}\n  b: {namespace: 't/${device}', members: [e1, e2]}\n",
    "mode: observe\nsegments:\n  a: {namespace: '#', members: ['*']}\n  b: {namespace: b, members: [e1, e2]}\n",
)
IDS = ("d1", "d2", "d3", "e1", "e2")
TOPICS = [f"{head}/{middle}/{tail}" for head in "abt" for middle in (*IDS, "in", "out", "7") for tail in ("x", "9")]


def random_flows(random: Random, made: Compiled) -> list[Flow]:
    found = []
    for _ in range(random.randint(1, 25)):
        device_id, topic = random.choice(IDS), random.choice(TOPICS)
        action = random.choice(list(Action))
        if action is Action.SUBSCRIBE:
            topic = random.choice([topic, topic.rsplit("/", 1)[0] + "/#", "/".join([topic.split("/")[0], "+", "x"])])
        decision = decide(made.rights(device_id), action, topic)
        if decision.passes:
            found.append(flow(device_id, f"{action} {topic}", random.randint(1, 9), observed=9 * decision.observed))
    return found


def law(seed: int) -> None:
    random = Random(seed)
    site = random.choice(SITES)
    made = compiled(HEAD + site)
    flows = random_flows(random, made)
    draft = learn(flows, site, support=Support(1, 1))
    learnt = compiled(draft.text)
    left_out = {(one.flow.device, one.flow.direction, one.flow.example) for one in draft.proposal.left_out}
    for one in flows:
        key = (one.device, one.direction, one.example)
        if one.observed or key in left_out:
            continue
        decision = decide(learnt.rights(one.device), Action(one.direction), one.example)
        assert decision.allowed, (key, draft.text)
    assert_only_generalisations(flows, learnt, made, draft.text)


def assert_only_generalisations(flows: list[Flow], learnt: Compiled, made: Compiled, text: str) -> None:
    """Whatever is allowed is what some device of the segment did, but for ids and numbers."""
    for device_id in IDS:
        place = made.placement(device_id)
        for action in (Action.PUBLISH, Action.RECEIVE):
            did = [
                f for f in flows if (f.direction is Direction.PUBLISH) is (action is Action.PUBLISH) and not f.observed
            ]
            peers = [f for f in did if (p := made.placement(f.device)) and place and p.segment is place.segment]
            for topic in TOPICS:
                if decide(learnt.rights(device_id), action, topic).allowed:
                    loose = [_loose(filter_of(f.shape, f.device)) for f in peers]
                    assert any(matches(wide, topic) for wide in loose), (device_id, action, topic, text)


def _loose(wanted: str) -> str:
    return "/".join("+" if level in IDS or level.isdigit() else level for level in wanted.split("/"))


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_a_learnt_policy_allows_what_it_was_learnt_from_and_only_generalisations(first: int) -> None:
    for seed in range(first, first + 50):
        law(seed)
