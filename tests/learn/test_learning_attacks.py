"""A device that chooses its topics to get more into a learnt policy than it may do."""

from __future__ import annotations

import pytest
import yaml

from mqttseg.learn.draft import Denied, Draft
from mqttseg.learn.evidence import Support
from mqttseg.policy.decide import decide
from mqttseg.policy.model import Action
from mqttseg.policy.topics import topic_problem
from tests.learn.drafts import compiled, filters, flow, learn

INJECTIONS = [
    "hvac/x\n  evil: {members: ['*']}",
    "hvac/x\r\nmode: observe",
    'hvac/x"\n    subscribe: ["#"]  # ',
    "hvac/x'] #",
    'hvac/ # - "hvac/#"',
    "hvac/x\u2028mode: observe",
    "hvac/x\x85mode: observe",
    "hvac/\ufeff\x7f\x1b[2J",
    "hvac/%TAG ! tag:x\n---\nversion: 1",
    "hvac/*alias &anchor !!python/object:os.system",
    'hvac/\\n\\"',
    "hvac/" + "y" * 400 + "\n- z",
]
HONEST = [flow("t-1", "publish hvac/ok"), flow("t-2", "publish hvac/ok")]


def assert_harmless(made: Draft) -> None:
    """Nothing but the rights that are told of has changed: one document, with the keys that it is to have."""
    (policy,) = yaml.safe_load_all(made.text)
    assert set(policy) <= {"version", "trust_domain", "segments", "conduits", "tests"}
    assert set(policy["segments"]) == {"hvac", "cams"}
    assert set(policy["segments"]["hvac"]) == {"members", "publish", "subscribe", "roles"}
    assert made.text.isascii()
    assert compiled(made.text).policy.mode == "enforce"


@pytest.mark.parametrize("topic", [topic for topic in INJECTIONS if topic_problem(topic) is None])
def test_yaml_in_a_learnt_topic_stays_text(topic: str) -> None:
    made = learn([*HONEST, flow("t-1", f"publish {topic}")])
    assert_harmless(made)
    learnt = [] if made.proposal.left_out else [topic]
    assert yaml.safe_load(made.text)["segments"]["hvac"]["publish"] == sorted(["hvac/ok", *learnt])
    assert decide(compiled(made.text).rights("t-1"), Action.PUBLISH, topic).allowed is bool(learnt)


def test_control_characters_in_one_topic_do_not_spoil_the_rest() -> None:
    made = learn([*HONEST, flow("t-1", "publish hvac/\x1b[2J"), flow("t-1", "subscribe $share/g/hvac/x")])
    assert filters(made) == ["hvac publish hvac/ok"]
    assert len(made.proposal.left_out) == 2


@pytest.mark.parametrize("topic", INJECTIONS)
def test_yaml_in_a_topic_that_is_only_told_of_stays_a_comment(topic: str) -> None:
    rare, observed = flow("t-1", f"publish {topic}", 1), flow("c-1", f"publish {topic}", observed=10)
    placeless = flow("x", f"publish {topic}", observed=10)
    denied = [Denied(device, Action.PUBLISH, topic, "not-granted", 1) for device in ("t-1", topic)]
    made = learn([*HONEST, rare, observed, placeless], denied=denied)
    assert_harmless(made)
    assert filters(made) == ["hvac publish hvac/ok"]


@pytest.mark.parametrize("level", ["${device}", "${segment}", "x${device}", "${other}", "${", "$${device}"])
@pytest.mark.parametrize("text", ["publish hvac/{}", "publish hvac/{}/x", "subscribe hvac/{}/#", "receive cams/{}"])
def test_a_variable_spelled_in_a_topic_does_not_become_one(level: str, text: str) -> None:
    made = learn([*HONEST, flow("t-1", text.format(level))])
    assert_harmless(made)
    assert not any("${" in line for line in filters(made))


def test_huge_topics_are_left_out() -> None:
    made = learn([*HONEST, flow("t-1", "publish hvac/" + "a" * 60_000), flow("t-1", "publish hvac" + "/b" * 30_000)])
    assert filters(made) == ["hvac publish hvac/ok"]
    assert len(made.text) < 5_000


def test_the_noise_of_one_compromised_device_is_not_learnt() -> None:
    noise = [flow("t-1", f"publish hvac/admin/{word}", 1_000) for word in ("reset", "unlock", "firmware")]
    made = learn([*HONEST, *noise], support=Support(devices=2))
    assert filters(made) == ["hvac publish hvac/ok"]


def test_a_wide_subscription_of_one_device_does_not_take_the_evidence_of_others() -> None:
    others = [flow(f"t-{n}", "subscribe hvac/cmd") for n in (2, 3)] + [flow("t-2", "receive hvac/cmd")]
    greedy = [flow("t-1", "subscribe hvac/#", 1), *(flow("t-1", f"receive hvac/{word}", 99) for word in "abc")]
    assert filters(learn([*others, *greedy], support=Support(devices=2))) == ["hvac subscribe hvac/cmd"]


def test_a_flood_of_topics_leaves_a_draft_that_can_be_read() -> None:
    flood = [flow("t-1", f"publish hvac/q{chr(97 + n % 26)}{n}z", 1) for n in range(5_000)]
    made = learn([*HONEST, *flood])
    assert len(made.text.splitlines()) < 60


def test_what_was_denied_is_not_learnt_through_the_generalisation_of_others_unnoticed() -> None:
    allowed = [flow("b-1", f"publish hvac/t-{n}/set") for n in (1, 2)]
    waiting = flow("b-1", "publish hvac/vault/set", 5, observed=5)
    site = """
segments:
  hvac: {members: ["t-*"], roles: {boss: {members: [b-1], publish: [hvac/t-1/set, hvac/t-2/set]}}}
  cams: {members: ["c-*"]}
"""
    ids = [flow(f"t-{n}", "receive hvac/x") for n in (1, 2)]
    made = learn([*allowed, *ids, waiting], site)
    assert made.warnings == ("b-1 publish 'hvac/vault/set' is denied now, and would be allowed by 'hvac/+/set'",)
