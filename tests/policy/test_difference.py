"""What changes from one policy to another: each kind of change, with who, what and where."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mqttseg.policy.difference import Difference, difference
from mqttseg.policy.model import Action, Rule
from mqttseg.policy.surplus import Holding, surplus
from mqttseg.policy.trie import Asker
from tests.policy.policies import compiled

SITE = """
segments:
  hvac:
    members: ["t-*"]
    publish: ["hvac/${device}/#"]
    subscribe: ["hvac/cmd/#"]
    roles:
      boss: {members: [b-1], publish: ["hvac/cmd/#"], subscribe: ["hvac/#"]}
  cams: {members: ["c-*"]}
conduits:
  temps: {from: hvac, to: cams, topics: ["hvac/+/temp"]}
"""


def after(*replacements: str, devices: tuple[str, ...] = ()) -> Difference:
    """What changes when texts in SITE are replaced: old, new, old, new, ..."""
    text = SITE
    for old, new in zip(replacements[::2], replacements[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    return difference(compiled(SITE), compiled(text), devices)


def rights(found: Difference) -> list[tuple[str, str, str, str]]:
    return [
        ("+" if c.gained else "-", "/".join(filter(None, c.after or ())), str(c.action), c.topic) for c in found.rights
    ]


def test_a_policy_written_otherwise_that_means_the_same_differs_in_nothing() -> None:
    assert after('["hvac/cmd/#"]\n    roles', '["hvac/cmd", "hvac/cmd/+/#"]\n    roles').empty
    assert after("segments:", "mode: enforce\n\nsegments:  # a comment").empty


def test_a_wider_grant_is_a_gain_with_a_topic_that_was_refused() -> None:
    found = after('subscribe: ["hvac/cmd/#"]', 'subscribe: ["hvac/+/#"]')
    assert rights(found) == [("+", "hvac", "receive", "hvac/x")]
    (change,) = found.gains
    assert (change.everyone, change.but, change.rule.source.line) == (True, (), 8)
    assert (str(change.refusal.reason), change.refusal.rule and change.refusal.rule.source.line) == ("not-granted", 5)


def test_a_deny_is_a_loss_of_each_right_that_it_cuts() -> None:
    found = after("    roles", '    deny: ["hvac/+/factory"]\n    roles')
    assert {(sign, action, topic) for sign, _, action, topic in rights(found)} == {
        ("-", "publish", "hvac/t-1/factory"),
        ("-", "publish", "hvac/cmd/factory"),
        ("-", "receive", "hvac/cmd/factory"),
        ("-", "receive", "hvac/x/factory"),
    }
    assert all(str(change.refusal.reason) == "denied-by-rule" for change in found.losses)


def test_a_deny_of_one_device_concerns_that_device_alone() -> None:
    found = after("    roles", '    deny: ["hvac/t-7/factory"]\n    roles', devices=("t-1", "t-7"))
    members = [change for change in found.losses if change.before == ("hvac", "") and change.action is Action.PUBLISH]
    assert [(change.everyone, change.devices) for change in members] == [(False, ("t-7",))]


def test_a_device_that_rules_treat_apart_is_left_out_of_everyone() -> None:
    found = after('["hvac/${device}/#"]', '["hvac/${device}/temp"]\n    deny: ["hvac/t-7/#"]', devices=("t-1", "t-7"))
    (change,) = [c for c in found.losses if c.action is Action.PUBLISH and c.before == ("hvac", "") and c.everyone]
    assert (change.devices, change.but) == (("t-1", "t-7"), ())  # both lose some of it
    back = difference(
        compiled(SITE.replace("    roles", '    deny: ["hvac/t-7/#"]\n    roles')), compiled(SITE), ["t-1"]
    )
    assert {(c.everyone, c.devices) for c in back.gains if c.after == ("hvac", "")} == {(False, ("t-7",))}


def test_a_device_that_moves_loses_the_old_place_and_gains_the_new() -> None:
    found = after('["c-*"]', '["c-*", t-9]', devices=("t-1", "t-9"))
    assert [(m.device, m.before, m.after) for m in found.moves] == [("t-9", ("hvac", ""), ("cams", ""))]
    assert {c.devices for c in found.losses if c.everyone} == {("t-9",)}
    assert ("+", "cams", "publish", "cams") in rights(found)


def test_a_known_device_that_is_in_no_segment_any_more_loses_everything() -> None:
    found = after('["c-*"]', "[c-1]", devices=("c-2", "stranger"))
    assert [str(move) for move in found.moves] == ["> c-2 moves from cams to no segment"]
    assert {str(change.refusal.reason) for change in found.losses} == {"no-segment"}


def test_devices_that_nobody_named_move_with_their_glob() -> None:
    found = after('["t-*"]', '["t-?"]')
    assert found.moves == ()
    (loss,) = [change for change in found.losses if change.action is Action.PUBLISH and change.after is None]
    assert loss.device.startswith("t-")
    assert len(loss.device) != len("t-?")
    assert "devices like" in str(loss)


def test_a_conduit_that_ends_up_elsewhere_is_both_settings_and_rights() -> None:
    found = after("to: cams", "to: cams, until: 2020-01-01T00:00:00Z")
    assert rights(found) == [("-", "cams", "receive", "hvac/x/temp")]
    assert [str(change) for change in found.settings] == [
        "~ conduit temps: until no end becomes 2020-01-01T00:00:00+00:00 (p:13:3)"
    ]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("segments:", "mode: observe\nsegments:", "~ policy: mode enforce becomes observe (p:1:1)"),
        ("  cams: {", "  cams: {mode: observe, ", "~ segment cams: mode enforce becomes observe (p:11:3)"),
        ("  cams: {", "  cams: {limits: {burst: 5}, ", "~ segment cams: limits.burst unlimited becomes 5 (p:11:3)"),
        (
            "  cams: {",
            "  cams: {on_denied: disconnect, ",
            "~ segment cams: on_denied acknowledge becomes disconnect (p:11:3)",
        ),
        (
            "  cams: {",
            "  cams: {subscriptions: narrow, ",
            "~ segment cams: subscriptions exact becomes narrow (p:11:3)",
        ),
        ("  cams: {", "  cams: {network: {allow: [dns]}, ", "~ segment cams: network.allow dns is new (p:11:28)"),
        ("  cams: {", "  new: {}\n  cams: {", "~ segment new is new (p:11:3)"),
        ("temps: {", "temps: {mode: observe, ", "~ conduit temps: mode enforce becomes observe (p:13:3)"),
        ("conduits:", "tests: [{isolated: [hvac, new]}]\nconduits:", ""),
    ],
)
def test_a_setting_that_differs_is_told(old: str, new: str, line: str) -> None:
    if not line:
        new, line = new.replace("new", "cams"), "~ tests: isolated: cams, hvac is new (p:12:9)"
    assert line in after(old, new).lines()


def test_the_trust_domain_is_a_setting() -> None:
    old, new = compiled(SITE), compiled(SITE)
    object.__setattr__(new.policy, "trust_domain", "elsewhere.example")
    assert [(c.old and c.old.value, c.new and c.new.value) for c in difference(old, new).settings] == [
        ("t.example", "elsewhere.example")
    ]


def test_a_new_member_under_a_namespace_of_devices_widens_what_its_segment_may_do() -> None:
    text = 'segments:\n  a: {namespace: "t/${device}", members: [d1]}\n  b: {members: [d2]}\n'
    found = difference(compiled(text), compiled(text.replace("[d1]", "[d1, d3]")))
    assert [(c.device, c.topic) for c in found.gains if c.before == ("a", "")] == [("d1", "t/d3"), ("d1", "t/d3")]


def test_roles_written_alike_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []

    def counting(more: Holding, less: Holding, asker: Asker) -> Iterator[tuple[Rule, str]]:
        searched.append(asker.device_id)
        return surplus(more, less, asker)

    monkeypatch.setattr("mqttseg.policy.difference.surplus", counting)
    text = "segments:\n" + "".join(f'  s{n}: {{members: [d{n}], publish: ["s{n}/+"]}}\n' for n in range(50))
    found = difference(compiled(text), compiled(text.replace("s7/+", "s7/a")))
    assert [change.topic for change in found.losses] == ["s7/x"]
    assert searched == ["d7", "d7"]  # what is gained, and what is lost
