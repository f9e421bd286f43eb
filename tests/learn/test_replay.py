"""Recorded flows against a candidate."""

from __future__ import annotations

import pytest

from mqttseg.learn.replay import Outcome, replay
from tests.learn.drafts import HEAD, compiled, flow

CANDIDATE = """
segments:
  hvac:
    members: ["t-*"]
    publish: ["hvac/${device}/#"]
    subscribe: ["hvac/cmd/#"]
    deny: ["hvac/${device}/factory"]
  trial: {members: ["x-*"], mode: observe, publish: [], subscribe: []}
  wide: {members: ["w-*"], subscriptions: narrow}
"""


@pytest.mark.parametrize(
    ("device", "did", "outcome", "why"),
    [
        ("t-1", "publish hvac/t-1/temp", Outcome.ALLOWED, "ok"),
        ("t-1", "publish hvac/t-2/temp", Outcome.BREAKS, "not-granted"),
        ("t-1", "publish hvac/t-1/factory", Outcome.BREAKS, "denied-by-rule"),
        ("t-1", "publish wide/x", Outcome.BREAKS, "outside-segment"),
        ("t-1", "subscribe hvac/cmd/#", Outcome.ALLOWED, "ok"),
        ("t-1", "subscribe hvac/#", Outcome.BREAKS, "filter-too-wide"),
        ("t-1", "receive hvac/cmd/off", Outcome.ALLOWED, "ok"),
        ("x-1", "publish trial/a", Outcome.OBSERVED, "not-granted"),
        ("w-1", "subscribe #", Outcome.ALLOWED, "ok"),
        ("gone", "publish hvac/x", Outcome.BREAKS, "no-segment"),
    ],
)
def test_what_becomes_of_a_flow(device: str, did: str, outcome: Outcome, why: str) -> None:
    (one,) = replay(compiled(HEAD + CANDIDATE), [flow(device, did)])
    assert (one.outcome, str(one.decision.reason)) == (outcome, why)


def test_a_shape_of_which_only_the_example_is_allowed_breaks_in_part() -> None:
    made = compiled(HEAD + "segments:\n  hvac: {members: [t-1], publish: [hvac/7/temp]}\n")
    (one,) = replay(made, [flow("t-1", "publish hvac/7/temp")])
    assert (one.outcome, one.why) == (Outcome.IN_PART, "only some of hvac/+/temp is allowed")


def test_the_rule_that_decides_is_told() -> None:
    (one,) = replay(compiled(HEAD + CANDIDATE), [flow("t-1", "publish hvac/t-1/factory", 42)])
    assert one.why == "denied-by-rule by hvac/${device}/factory (policy.yaml:9:12)"
    told = one.as_json()
    assert (told["outcome"], told["device"], told["count"], told["segment"]) == ("breaks", "t-1", 42, "hvac")
