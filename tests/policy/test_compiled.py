"""A policy made ready: conduits in time, placements, owners, limits; and unions with templates in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mqttseg.policy.compiled import compile_policy
from mqttseg.policy.cover import Budget, TooMuchWorkError, cover, gap, meets
from mqttseg.policy.decide import decide
from mqttseg.policy.membership import Membership
from mqttseg.policy.model import Action, Limits, OnDenied
from mqttseg.policy.pattern import Pattern, Template, bind, example, namespace_pattern, parse_pattern
from mqttseg.policy.trie import Asker, Node
from tests.policy.policy_values import NOW, compiled, conduit, policy, segment

HOUR = timedelta(hours=1)
ENDS = [segment("a", ["a-*"]), segment("b", ["b-*"])]


def test_a_conduit_ends_at_its_time() -> None:
    site = policy(ENDS, [conduit("a", "b", ["a/x"], until=NOW + HOUR)])
    before, at = compile_policy(site, NOW), compile_policy(site, NOW + HOUR)
    assert before.valid_until == NOW + HOUR
    assert decide(before.rights("b-1"), Action.RECEIVE, "a/x").allowed
    assert at.valid_until is None
    assert not decide(at.rights("b-1"), Action.RECEIVE, "a/x").passes


def test_the_next_expiry_is_the_earliest_that_is_still_to_come() -> None:
    untils = [NOW - HOUR, NOW, NOW + 2 * HOUR, NOW + HOUR, None]
    assert compiled(ENDS, [conduit("a", "b", ["a/x"], until=until) for until in untils]).valid_until == NOW + HOUR


@pytest.mark.parametrize(
    ("topic", "owner"),
    [("a", "a"), ("a/x/y", "a"), ("b/", "b"), ("c", None), ("ab", None), ("", None), ("$SYS/a", None)],
)
def test_owners(topic: str, owner: str | None) -> None:
    assert compiled(ENDS).owner(topic) == owner


def test_a_conduit_topic_of_neither_end_grants_nothing() -> None:
    site = compiled([*ENDS, segment("c")], [conduit("a", "b", ["c/#", "+/x", "#"])])
    assert not decide(site.rights("b-1"), Action.RECEIVE, "c/x").passes
    assert not decide(site.rights("b-1"), Action.RECEIVE, "a/x").passes
    assert not decide(site.rights("a-1"), Action.PUBLISH, "b/x").passes


def test_a_shared_template_belongs_to_the_conduits_origin() -> None:
    shared = [segment(name, [f"{name}-*"], namespace=["t/${device}"]) for name in ("a", "b")]
    site = compiled(shared, [conduit("a", "b", ["t/${device}/x"])])
    assert decide(site.rights("b-1"), Action.RECEIVE, "t/a-1/x").allowed
    assert not decide(site.rights("a-1"), Action.PUBLISH, "t/b-1/x").passes


def test_a_conduit_within_one_segment_grants_nothing() -> None:
    strict = segment("a", ["a-*"], publish=[], subscribe=[])
    site = compiled([strict], [conduit("a", "a", ["a/x"])])
    assert not decide(site.rights("a-1"), Action.RECEIVE, "a/x").passes


def test_a_rule_leads_to_its_conduit() -> None:
    site = compiled(ENDS, [conduit("a", "b", ["a/x"])])
    rule = decide(site.rights("b-1"), Action.RECEIVE, "a/x").rule
    assert rule is not None
    found = site.conduit_of(rule)
    assert found is not None
    assert found.name == "a-b"


def test_limits_are_those_of_the_segment() -> None:
    limited = replace(ENDS[0], limits=Limits(payload=64), on_denied=OnDenied.DISCONNECT)
    site = compiled([limited, ENDS[1]])
    assert site.rights("a-1").limits == Limits(payload=64)
    assert site.rights("a-1").on_denied is OnDenied.DISCONNECT
    assert site.rights("nobody").limits == Limits()
    assert site.rights("nobody").on_denied is OnDenied.ACKNOWLEDGE
    assert site.rights("nobody").placement is None


def test_patterns() -> None:
    assert parse_pattern("${segment}/in-${device}/+/#", owner="s") == ("s", Template(("in-", "")), "+", "#")
    assert namespace_pattern("t/${device}", owner="s") == ("t", Template(("", ""), "s"), "#")
    assert namespace_pattern("#", owner="s") == ("#",)
    assert bind(parse_pattern("t/${device}/a", owner="s"), "d") == ("t", "d", "a")


MEMBERS = Membership(
    policy([segment("glob", ["g*"]), segment("named", ["n1", "n2"]), segment("empty"), segment("odd", ["n-x*"])])
)
ASKER = Asker("me", MEMBERS)


def _of(text: str, whose: str = "named") -> Pattern:
    return parse_pattern(text, owner=whose, device=whose)


def _union(*patterns: Pattern) -> list[Node[Pattern]]:
    root: Node[Pattern] = Node()
    for pattern in patterns:
        root.add(pattern, pattern)
    return [root]


@pytest.mark.parametrize(
    ("union", "wanted", "covered"),
    [
        # a template is covered by +, by itself, and where all its members are named, by these together
        ([_of("a/+")], _of("a/${device}"), True),
        ([_of("a/#")], _of("a/${device}"), True),
        ([_of("a/${device}/#")], _of("a/${device}/x"), True),
        ([_of("a/${device}")], _of("a/${device}", "glob"), False),
        ([_of("a/x${device}")], _of("a/${device}"), False),
        ([_of("a/n1"), _of("a/n2")], _of("a/${device}"), True),
        ([_of("a/n1")], _of("a/${device}"), False),
        ([_of("a/g1"), _of("a/g")], _of("a/${device}", "glob"), False),
        ([_of("a/${device}", "empty")], _of("a/${device}", "empty"), True),  # also when nobody is a member yet
        # a template covers its members' levels, and never a +
        ([_of("a/${device}", "glob")], _of("a/g7"), True),
        ([_of("a/${device}", "glob")], _of("a/n1"), False),
        ([_of("a/${device}", "glob")], _of("a/+"), False),
        # a template without a segment stands for the one who asks
        ([parse_pattern("a/${device}", owner="s")], _of("a/me"), True),
        ([parse_pattern("a/${device}", owner="s")], _of("a/you"), False),
    ],
)
def test_templates_in_unions(union: list[Pattern], wanted: Pattern, covered: bool) -> None:
    assert (cover(_union(*union), wanted, ASKER, Budget(1_000)) is not None) is covered
    outside = gap(_union(*union), wanted, ASKER, Budget(1_000))
    assert (outside is None) is covered
    if outside is not None:
        levels: Pattern = tuple(outside.split("/"))
        assert cover(_union(wanted), levels, ASKER, Budget(1_000)) is not None
        assert cover(_union(*union), levels, ASKER, Budget(1_000)) is None


@pytest.mark.parametrize(
    ("a", "b", "common"),
    [
        (_of("t/${device}/#"), _of("t/+/x"), "t/n1/x"),
        (_of("t/${device}"), _of("t/n2"), "t/n2"),
        (_of("t/${device}"), _of("t/g1"), None),
        (_of("t/${device}"), _of("t/${device}"), "t/n1"),
        (_of("t/${device}"), _of("t/${device}", "glob"), None),  # no device is in two segments
        (_of("t/${device}", "empty"), _of("t/+"), None),
        (_of("t/${device}", "odd"), _of("t/n-${device}", "glob"), None),
        (_of("t/g-${device}", "odd"), _of("t/${device}", "glob"), "t/g-n-x1"),
        (_of("t/${device}-1", "glob"), _of("t/${device}", "glob"), "t/g-1"),
        (_of("t/${device}/x", "glob"), _of("t/${device}-${device}/#", "glob"), "t/g-g/x"),
    ],
)
def test_what_patterns_have_in_common(a: Pattern, b: Pattern, common: str | None) -> None:
    for one, other in ((a, b), (b, a)):
        found = [example(met, MEMBERS) for met, _ in meets(_union(one), other, ASKER, Budget(1_000))]
        assert len(found) == (common is not None)
        for topic in found:
            levels: Pattern = tuple(topic.split("/"))
            assert cover(_union(a), levels, ASKER, Budget(1_000)) is not None
            assert cover(_union(b), levels, ASKER, Budget(1_000)) is not None


def test_work_is_bounded() -> None:
    many = _union(*(_of(f"a{number}/x") for number in range(1_000)))
    with pytest.raises(TooMuchWorkError):
        list(meets(many, _of("+/y"), ASKER, Budget(500)))
