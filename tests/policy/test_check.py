"""Tests of a policy run on its own decisions; isolation is proven or refuted; every answer says why."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mqttseg.errors import Reason
from mqttseg.policy.check import explain, isolation, run_tests
from mqttseg.policy.compiled import compile_policy
from mqttseg.policy.decide import decide
from mqttseg.policy.load import load_policy
from mqttseg.policy.model import Action
from tests.policy.policies import NOW, compiled, policy

CONFIGS = Path(__file__).parents[2] / "configs"


def leaks(text: str, *segments: str) -> list[tuple[str, str, str]]:
    made = compiled(text)
    found = isolation(made, segments or tuple(made.policy.segments))
    for leak in found:
        assert leak.sender is not None
        assert leak.receiver is not None
        assert decide(made.rights(leak.sender), Action.PUBLISH, leak.topic).allowed
        assert decide(made.rights(leak.receiver), Action.RECEIVE, leak.topic).allowed
    return [(leak.origin, leak.target, leak.topic) for leak in found]


def test_the_shipped_examples_tests_hold() -> None:
    made = compile_policy(load_policy(CONFIGS / "policy.yaml", CONFIGS / "devices.yaml"), NOW)
    assert run_tests(made) == []


def test_a_test_that_does_not_hold_says_where_and_why() -> None:
    made = compiled(
        """
segments:
  a: {members: [d1], publish: [a/x]}
  b: {members: [e1]}
conduits: {c: {from: a, to: b, topics: [a/x]}}
tests:
  - device: d1
    can: [publish a/y]
    cannot: [publish a/x]
  - isolated: [a, b]
"""
    )
    failures = run_tests(made)
    assert [(f.source.line, f.what) for f in failures] == [
        (10, "d1 cannot publish a/y, against the test"),
        (11, "d1 can publish a/x, against the test"),
        (12, "a, b are not isolated"),
    ]
    assert failures[0].why[0] == "denied: not-granted"
    assert "a/x (p:5:32)" in failures[0].why[-1]
    assert failures[2].why == (
        "d1 (a) reaches e1 (b) on a/x through the conduit c: publish by p:5:32, receive by p:7:41",
    )
    assert json.loads(json.dumps(failures[0].as_json()))["line"] == 10


ISOLATION = {
    "no conduit": ("segments: {a: {members: [a1]}, b: {members: [b1]}}\n", []),
    "conduit": (
        "segments: {a: {members: [a1]}, b: {members: [b1]}}\nconduits: {c: {from: a, to: b, topics: [a/t]}}\n",
        [("a", "b", "a/t")],
    ),
    "conduit on to's topics": (
        "segments: {a: {members: [a1]}, b: {members: [b1]}}\nconduits: {c: {from: a, to: b, topics: ['b/in/#']}}\n",
        [("a", "b", "b/in")],
    ),
    "conduit that nobody writes to": (
        "segments: {a: {members: [a1], publish: [a/y]}, b: {members: [b1]}}\n"
        "conduits: {c: {from: a, to: b, topics: [a/t]}}\n",
        [],
    ),
    "conduit that nobody reads": (
        "segments: {a: {members: [a1]}, b: {members: [b1], subscribe: [b/y]}}\n"
        "conduits: {c: {from: a, to: b, topics: [b/t]}}\n",
        [],
    ),
    "conduit that has ended": (
        "segments: {a: {members: [a1]}, b: {members: [b1]}}\n"
        "conduits: {c: {from: a, to: b, topics: [a/t], until: 2026-01-01T00:00:00Z}}\n",
        [],
    ),
    "conduit on trial": (
        "segments: {a: {members: [a1]}, b: {members: [b1]}}\n"
        "conduits: {c: {from: a, to: b, topics: [a/t], mode: observe}}\n",
        [("a", "b", "a/t")],
    ),
    "conduit to a role without members": (
        "segments: {a: {members: [a1]}, b: {members: [b1], roles: {r: {}}}}\n"
        "conduits: {c: {from: a, to: b/r, topics: [a/t]}}\n",
        [],
    ),
    "conduit denied to its sender": (
        "segments: {a: {members: [a1], deny: ['a/t/#']}, b: {members: [b1]}}\n"
        "conduits: {c: {from: a, to: b, topics: ['a/t/#']}}\n",
        [],
    ),
    "conduit denied to its receiver in part": (
        "segments: {a: {members: [a1]}, b: {members: [b1], deny: [a/t]}}\n"
        "conduits: {c: {from: a, to: b, topics: ['a/t/#']}}\n",
        [("a", "b", "a/t/x")],
    ),
    "denies of both ends together": (
        "segments: {a: {members: [a1], deny: [a/t]}, b: {members: [b1], deny: ['a/t/+/#']}}\n"
        "conduits: {c: {from: a, to: b, topics: ['a/t/#']}}\n",
        [],
    ),
    "each device denied its own": (
        "segments:\n  a: {members: [a1, a2], publish: ['a/${device}/#'], deny: ['a/${device}/s/#']}\n"
        "  b: {members: [b1]}\n"
        "conduits: {c: {from: a, to: b, topics: ['a/+/s/#']}}\n",
        [],
    ),
    "a device that the topic names": (
        "segments: {a: {members: ['d-*'], publish: ['a/${device}/#']}, b: {members: [b1]}}\n"
        "conduits: {c: {from: a, to: b, topics: ['a/d-77/t']}}\n",
        [("a", "b", "a/d-77/t")],
    ),
    "a device that no member is": (
        "segments: {a: {members: ['d-*'], publish: ['a/${device}/#']}, b: {members: [b1]}}\n"
        "conduits: {c: {from: a, to: b, topics: ['a/door/t']}}\n",
        [],
    ),
    "two conduits that meet on a third segment's topics": (
        "segments: {a: {members: [a1]}, b: {members: [b1]}, hub: {members: [h1]}}\n"
        "conduits:\n  up: {from: a, to: hub, topics: ['hub/+/t']}\n  down: {from: hub, to: b, topics: ['hub/x/#']}\n",
        [("a", "b", "hub/x/t")],
    ),
    "two conduits that do not meet": (
        "segments: {a: {members: [a1]}, b: {members: [b1]}, hub: {members: [h1]}}\n"
        "conduits:\n  up: {from: a, to: hub, topics: ['hub/up/#']}\n"
        "  down: {from: hub, to: b, topics: ['hub/down/#']}\n",
        [],
    ),
    "the segment that owns the rest": (
        "segments: {a: {namespace: '#', members: [a1]}, b: {members: [b1]}}\n"
        "conduits: {c: {from: a, to: b, topics: ['x/#']}}\n",
        [("a", "b", "x")],
    ),
    "a shared template": (
        "segments:\n  a: {namespace: 'tele/${device}', members: ['a*']}\n"
        "  b: {namespace: 'tele/${device}', members: ['b*']}\n",
        [],
    ),
    "a conduit on a template": (
        "segments:\n  a: {namespace: 'tele/${device}', members: [a1]}\n  b: {namespace: b, members: [b1]}\n"
        "conduits: {c: {from: a, to: b, topics: ['tele/${device}/t']}}\n",
        [("a", "b", "tele/a1/t")],
    ),
}


@pytest.mark.parametrize("case", ISOLATION)
def test_isolation_is_proven_or_refuted_with_a_message_that_flows(case: str) -> None:
    text, expected = ISOLATION[case]
    made = compiled(text)
    found = isolation(made, ["a", "b"])
    assert [(leak.origin, leak.target, leak.topic) for leak in found] == expected


def test_a_leak_is_shown_by_the_decisions_of_the_broker() -> None:
    text, _ = ISOLATION["two conduits that meet on a third segment's topics"]
    assert leaks(text, "a", "b") == [("a", "b", "hub/x/t")]
    assert set(leaks(text)) == {("a", "b", "hub/x/t"), ("a", "hub", "hub/x/t"), ("hub", "b", "hub/x")}


def test_isolation_concerns_only_the_named_segments() -> None:
    text, _ = ISOLATION["conduit"]
    made = compiled(text.replace("segments: {", "segments: {z: {members: [z1]}, "))
    assert isolation(made, ["a", "z"]) == []
    assert isolation(made, ["z", "b"]) == []


def test_a_leak_that_could_not_be_excluded_is_no_proof_of_isolation() -> None:
    """More devices than are tried, each denied its own topic: reported without devices, not passed over."""
    members = ", ".join(f"d{number}" for number in range(60))
    text = (
        f"segments: {{a: {{members: [{members}], publish: ['a/${{device}}/#'], deny: ['a/${{device}}/s/#']}}, "
        "b: {members: [b1]}}\nconduits: {c: {from: a, to: b, topics: ['a/+/s/#']}}\n"
    )
    (leak,) = isolation(compiled(text), ["a", "b"])
    assert leak.sender is None
    assert "a may reach b" in str(leak)


HVAC = """\
segments:
  hvac:
    members: ["thermo-*", ahu-01]
    publish: ["hvac/${device}/#"]
    deny: ["hvac/+/factory/#"]
    roles:
      boss: {members: [bms-1], publish: ["hvac/+/cmd/#"], subscribe: ["hvac/#"]}
  cams: {members: ["cam-*"], subscriptions: narrow}
conduits: {t: {from: hvac, to: cams, topics: ["hvac/+/t"]}}
"""


@pytest.mark.parametrize(
    ("device", "action", "topic", "reason", "said"),
    [
        ("thermo-1", "publish", "hvac/thermo-1/x", Reason.OK, ["rule     grant hvac/${device}/# (p:6:15)"]),
        (
            "thermo-1",
            "publish",
            "hvac/thermo-2/x",
            Reason.NOT_GRANTED,
            ["denied: not-granted", "member thermo-* (p:5:15)", "namespace hvac (p:4:3)", "hvac/thermo-1/# (p:6:15)"],
        ),
        (
            "ahu-01",
            "publish",
            "hvac/ahu-01/factory/x",
            Reason.DENIED_BY_RULE,
            ["member ahu-01 (p:5:27)", "deny hvac/+/factory/# (p:7:12)"],
        ),
        ("bms-1", "subscribe", "#", Reason.FILTER_TOO_WIDE, ["segment hvac, role boss", "granted  hvac/# (p:9:71)"]),
        ("bms-1", "publish", "cams/x", Reason.OUTSIDE_SEGMENT, ["rule     namespace cams (p:10:3)"]),
        ("cam-1", "receive", "hvac/a/t", Reason.OK, ["rule     conduit t: hvac/+/t (p:11:47)"]),
        ("cam-1", "subscribe", "#", Reason.OK, ["allowed, narrowed: ok"]),
        ("cam-1", "receive", "hvac/a/u", Reason.OUTSIDE_SEGMENT, ["hvac/+/t, through the conduit t (p:11:47)"]),
        ("thermo-1", "receive", "hvac/x", Reason.NOT_GRANTED, ["granted  nothing to receive"]),
        ("nobody", "publish", "hvac/x", Reason.NO_SEGMENT, ["nobody is a member of no segment"]),
        ("thermo-1", "publish", "a/#", Reason.INVALID_TOPIC, ["denied: invalid-topic"]),
    ],
)
def test_an_explanation_names_device_rule_and_nearest_grants(
    device: str, action: str, topic: str, reason: Reason, said: list[str]
) -> None:
    explanation = explain(compiled(HVAC), device, Action(action), topic)
    assert explanation.decision.reason is reason
    for part in said:
        assert part in str(explanation)
    assert json.loads(json.dumps(explanation.as_json()))["reason"] == str(reason)


def test_an_explanation_names_the_inventory_when_it_placed_the_device() -> None:
    made = compiled(HVAC, "  cam-9: {segment: hvac, role: boss}")
    explanation = explain(made, "cam-9", Action.PUBLISH, "cams/x")
    assert "cam-9 is in segment hvac, role boss: the inventory says so (d:3:3)" in str(explanation)
    assert explanation.as_json()["role"] == "boss"


def test_observe_mode_shows_in_the_verdict() -> None:
    explanation = explain(compiled("mode: observe\n" + HVAC), "thermo-1", Action.PUBLISH, "hvac/thermo-2/x")
    assert explanation.lines[0] == "denied, but let through by observe mode: not-granted"


def test_a_conduit_counts_only_until_it_ends() -> None:
    text = (
        "segments: {a: {members: [a1]}, b: {members: [b1]}}\n"
        "conduits: {c: {from: a, to: b, topics: [a/t], until: 2027-01-01T00:00:00Z}}\n"
    )
    loaded = policy(text)
    assert isolation(compile_policy(loaded, NOW), ["a", "b"]) != []
    assert isolation(compile_policy(loaded, datetime(2027, 1, 1, tzinfo=UTC)), ["a", "b"]) == []


def test_a_filter_that_is_too_wide_for_a_deny_shows_the_deny() -> None:
    made = compiled(
        "segments: {hvac: {members: ['thermo-*'], deny: ['hvac/+/factory/#'], roles: {r: {members: [r-1]}}}}\n"
    )
    for device_id in ("thermo-1", "r-1"):
        shown = explain(made, device_id, Action.SUBSCRIBE, "hvac/#")
        assert shown.decision.reason is Reason.FILTER_TOO_WIDE
        assert "  rule     deny hvac/+/factory/# (p:3:49)" in shown.lines


def test_a_filter_that_is_too_wide_for_a_grant_shows_the_grant() -> None:
    made = compiled("segments: {hvac: {members: ['thermo-*'], publish: [], subscribe: [hvac/a]}}\n")
    shown = explain(made, "thermo-1", Action.SUBSCRIBE, "hvac/+")
    assert "  rule     grant hvac/a (p:3:67)" in shown.lines


def test_a_leak_is_shown_between_devices_that_could_be_enrolled() -> None:
    made = compiled(
        "segments: {ovens: {members: ['oven-*'], publish: ['ovens/${device}/#']}, doors: {members: ['door-?-*']}}\n"
        "conduits: {c: {from: ovens, to: doors, topics: [ovens/+/temp]}}\n"
    )
    (leak,) = isolation(made, ["ovens", "doors"])
    assert (leak.sender, leak.receiver, leak.topic) == ("oven-1", "door-1-1", "ovens/oven-1/temp")


def test_a_leak_names_another_device_where_the_policy_treats_the_plain_one_apart() -> None:
    made = compiled(
        "segments: {ovens: {members: ['oven-*'], deny: [ovens/oven-1/temp], publish: ['ovens/${device}/temp']},"
        " doors: {members: ['door-*', oven-2]}}\n"
        "conduits: {c: {from: ovens, to: doors, topics: [ovens/+/temp]}}\n"
    )
    (leak,) = isolation(made, ["ovens", "doors"])
    assert leak.sender not in {None, "oven-1", "oven-2"}


def test_isolation_looks_for_devices_of_the_rest_where_globs_leave_some() -> None:
    made = compiled(
        "segments: {site: {namespace: '#', members: ['*']}, b: {members: ['1*', 'a*', 'x*']}}\n"
        "conduits: {c: {from: site, to: b, topics: [lights/#]}}\n"
    )
    (leak,) = isolation(made, ["site", "b"])
    assert made.placement(str(leak.sender)).segment.name == "site"  # type: ignore[union-attr]  # a leak's is placed
