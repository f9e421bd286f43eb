"""What is learnt from flows, and how it is written."""

from __future__ import annotations

import pytest
import yaml

from mqttseg.learn.draft import Denied
from mqttseg.learn.evidence import Support
from mqttseg.policy.model import Action
from tests.learn.drafts import HEAD, SITE, compiled, filters, flow, learn


def line_with(text: str, part: str) -> str:
    (line,) = [line for line in text.splitlines() if part in line]
    return line


def test_the_own_id_becomes_device_and_a_number_a_plus() -> None:
    made = learn([flow("t-1", "publish hvac/t-1/temp/7"), flow("t-2", "publish hvac/t-2/temp/8")])
    assert filters(made) == ["hvac publish hvac/${device}/temp/+"]


def test_each_line_says_what_it_rests_on() -> None:
    made = learn([flow(f"t-{n}", f"publish hvac/t-{n}/temp", 5_000) for n in range(1, 6)])
    line, comment = line_with(made.text, "- ").split("  # ")
    assert line.strip() == '- "hvac/${device}/temp"'
    assert comment == "t-1, t-2, t-3 and 2 more devices, 25,000 times, 2026-11-20 08:00 to 2026-11-22 11:00"


def test_ids_of_others_become_a_plus_when_several_were_seen_and_stay_when_one_was() -> None:
    both = [flow("b-1", "publish hvac/t-1/set"), flow("b-1", "publish hvac/t-2/set"), flow("t-2", "publish hvac/x")]
    several = learn([*both, flow("t-1", "publish hvac/x")])
    assert "hvac boss publish hvac/+/set" in filters(several)
    alone = learn([both[0], flow("t-1", "publish hvac/x")])
    assert "hvac boss publish hvac/t-1/set" in filters(alone)


def test_a_flow_across_segments_becomes_a_conduit_that_names_members() -> None:
    through = HEAD + SITE + 'conduits: {temps: {from: hvac, to: cams, topics: ["hvac/#"], description: Kept}}\n'
    made = learn(
        [
            flow("t-1", "publish hvac/t-1/temp"),
            flow("t-2", "publish hvac/t-2/temp"),
            *(flow("c-1", f"receive hvac/t-{n}/temp") for n in (1, 2)),
        ],
        through.removeprefix(HEAD),
    )
    assert filters(made) == ["hvac cams topics hvac/${device}/temp", "hvac publish hvac/${device}/temp"]
    assert "description: Kept" in made.text


def test_a_message_into_another_segment_becomes_a_conduit_from_the_sender() -> None:
    site = SITE + 'conduits: {still: {from: hvac/boss, to: cams, topics: ["cams/#"]}}\n'
    made = learn([flow("b-1", "publish cams/c-1/still")], site)
    assert filters(made) == ["hvac/boss cams topics cams/c-1/still"]


def test_a_role_in_which_nothing_was_seen_gets_nothing_rather_than_its_whole_namespace() -> None:
    policy = yaml.safe_load(learn([flow("t-1", "publish hvac/x")]).text)
    assert policy["segments"]["cams"] == {"members": ["c-*"], "publish": [], "subscribe": []}
    assert policy["segments"]["hvac"]["subscribe"] == []


def test_what_came_through_a_subscription_needs_no_line_of_its_own() -> None:
    made = learn([flow("t-1", "subscribe hvac/cmd/#", 1), flow("t-1", "receive hvac/cmd/off", 9)])
    assert filters(made) == ["hvac subscribe hvac/cmd/#"]


def test_a_filter_over_several_segments_is_left_out_with_the_reason() -> None:
    site = SITE.replace("cams: {", "cams: {subscriptions: narrow, ")
    made = learn([flow("c-1", "subscribe #"), flow("c-1", "receive cams/x")], site)
    assert filters(made) == ["cams subscribe cams/x"]
    assert [one.flow.example for one in made.proposal.left_out] == ["#"]
    assert "not inside one segment" in made.text


def test_below_either_threshold_nothing_is_learnt() -> None:
    many = [flow(f"t-{n}", "publish hvac/temp") for n in range(1, 6)]
    rare, lonely = flow("t-1", "publish hvac/rare", 2), flow("t-1", "publish hvac/lonely", 900)
    made = learn([*many, rare, lonely], support=Support(devices=2, count=3))
    assert filters(made) == ["hvac publish hvac/temp"]
    assert {one.flow.example for one in made.proposal.left_out} == {"hvac/rare", "hvac/lonely"}


def test_a_role_of_one_device_is_learnt_from_that_one() -> None:
    assert filters(learn([flow("b-1", "publish hvac/all/off")], support=Support(devices=3))) == [
        "hvac boss publish hvac/all/off"
    ]


def test_what_observe_mode_let_through_is_put_aside_unless_asked_for() -> None:
    flows = [flow("t-1", "publish hvac/ok"), flow("t-1", "publish cams/x", 7, observed=7)]
    aside = learn(flows)
    assert filters(aside) == ["hvac publish hvac/ok"]
    assert line_with(aside.text, '"cams/x"').startswith("#")
    assert "OBSERVE MODE ONLY" in line_with(aside.text, '"cams/x"')
    taken = learn(flows, observed=True)
    assert filters(taken) == ["hvac cams topics cams/x", "hvac publish hvac/ok"]
    assert "7 of them let through by observe mode only" in line_with(taken.text, '"cams/x"')


def test_a_conduit_that_waits_is_valid_once_its_comment_signs_are_taken_away() -> None:
    waiting = learn([flow("t-1", "publish hvac/ok"), flow("t-1", "publish cams/x", observed=10)]).text
    block = waiting[waiting.index("#   hvac-to-cams") :]
    taken = "conduits:\n" + block.replace("# ", "", block[: block.index("LET")].count("\n#") + 1)
    assert yaml.safe_load(taken)["conduits"]["hvac-to-cams"] == {"from": "hvac", "to": "cams", "topics": ["cams/x"]}


def test_what_was_refused_is_told_and_not_learnt() -> None:
    made = learn([flow("t-1", "publish hvac/ok")], denied=[Denied("c-1", Action.PUBLISH, "hvac/off", "not-granted", 4)])
    assert filters(made) == ["hvac publish hvac/ok"]
    assert line_with(made.text, "hvac/off") == "#   c-1 publish 'hvac/off', 4 times: not-granted"


def test_a_line_that_would_also_allow_what_was_refused_is_warned_of() -> None:
    site = SITE.replace('    members: ["t-*"]\n', '    members: ["t-*"]\n    publish: [hvac/t-1/a, hvac/t-2/a]\n')
    flows = [flow(one, f"publish hvac/{other}/a") for one in ("t-1", "t-2") for other in ("t-1", "t-2")]
    refused = Denied("t-1", Action.PUBLISH, "hvac/t-3/a", "not-granted", 1)
    made = learn([f for f in flows if f.device != f.example.split("/")[1]], site, [refused])
    assert made.warnings == ("t-1 publish 'hvac/t-3/a' is denied now, and would be allowed by 'hvac/+/a'",)
    assert "WARNING: t-1 publish" in made.text


def test_limits_denies_and_the_network_are_taken_over() -> None:
    site = """
mode: observe
segments:
  hvac:
    members: ["t-*"]
    deny: ["hvac/+/factory"]
    limits: {payload: 64KiB}
    network: {allow: [dns]}
network: {interfaces: [br-iot]}
"""
    old, new = compiled(HEAD + site).policy, compiled(learn([flow("t-1", "publish hvac/x")], site).text).policy
    assert [rule.filter for rule in new.segments["hvac"].deny] == ["hvac/+/factory"]
    assert new.segments["hvac"].limits == old.segments["hvac"].limits
    assert [service.name for service in new.segments["hvac"].allow] == ["dns"]
    assert (new.mode, new.network and new.network.interfaces) == (old.mode, ("br-iot",))


def test_tests_that_no_longer_hold_are_kept_as_comments() -> None:
    site = SITE + "tests:\n  - {device: t-1, can: [publish hvac/x, publish hvac/y]}\n  - isolated: [hvac, cams]\n"
    made = learn([flow("t-1", "publish hvac/x")], site)
    policy = compiled(made.text).policy
    assert [test.topic for test in policy.expectations] == ["hvac/x"]
    assert [test.segments for test in policy.isolations] == [("hvac", "cams")]
    assert "DOES NOT HOLD" in line_with(made.text, "publish hvac/y")


@pytest.mark.parametrize("namespace", ["'tele/${device}'", "'#'"])
def test_any_kind_of_namespace_can_be_learnt_in(namespace: str) -> None:
    site = f"segments: {{all: {{namespace: {namespace}, members: ['*']}}}}\n"
    flows = [
        flow("d1", "publish tele/d1/STATE"),
        flow("d2", "publish tele/d2/STATE"),
        flow("d1", "subscribe tele/d1/#"),
    ]
    assert filters(learn(flows, site)) == ["all publish tele/${device}/STATE", "all subscribe tele/${device}/#"]


def test_a_shape_that_is_wider_than_the_namespace_is_kept_inside_it() -> None:
    site = "segments:\n  a: {namespace: '7/x', members: [d1]}\n  b: {namespace: '8', members: [d2]}\n"
    assert filters(learn([flow("d1", "publish 7/x/9")], site)) == ["a publish 7/x/+"]


def test_a_device_without_a_segment_is_told_of() -> None:
    made = learn([flow("t-1", "publish hvac/x"), flow("stranger", "publish hvac/x", observed=10)])
    assert "place it first" in made.text
    assert filters(made) == ["hvac publish hvac/x"]
