"""Random policies, small enough to try every topic, odd enough to hit every corner."""

from __future__ import annotations

from random import Random

from mqttseg.policy.model import Conduit, Mode, Policy, Role, Rule, Segment, Width
from tests.policy.policy_values import conduit, device, policy, role, rules, segment

IDS = ("d1", "d2", "d3", "e1", "e2", "c1", "z1")  # d3 and e2 are only ever matched by globs; z1 is nobody's
LEVELS = (
    "a",
    "b",
    "t",
    "d1",
    "d2",
    "d3",
    "e1",
    "e2",
    "c1",
    "~",
    "$SYS",
)  # "~" stands for every text that no rule mentions
_SHAPES = [
    (["a"], ["b"], None),
    (["t/${device}"], ["b"], None),
    (["t/${device}"], ["t/${device}"], ["#"]),
    (["a", "t/${device}"], ["t/${device}/a", "b"], ["#"]),
    (["a"], ["b"], ["#"]),
    (["a/a"], ["a/b", "b"], ["#"]),
]


def random_filter(random: Random, *, device_levels: bool = False) -> str:
    texts = ["a", "b", "t", "d1", "e1", "+", "+"] + ["${device}"] * 2 * device_levels
    levels = random.choices(texts, k=random.randint(1, 3))
    if random.random() < 0.4:
        levels[-1] = "#"
    return "$SYS/" + "/".join(levels[:2]) if random.random() < 0.04 else "/".join(levels)


def random_policy(random: Random) -> Policy:
    """Three segments at most, of which one may own the rest."""
    first, second, third = random.choice(_SHAPES)
    segments = [
        _segment(random, "A", random.choice([["d*"], ["d1", "d2"], ["d?", "d1"]]), first),
        _segment(random, "B", random.choice([["e1"], ["e*"], ["e1", "d2"]]), second),
    ]
    if third:
        segments.append(_segment(random, "C", random.choice([["c1"], ["c1", "d*"], ["?2", "c*"]]), third))
    random.shuffle(segments)
    names = [s.name for s in segments]
    conduits = [_conduit(random, names) for _ in range(random.choice([0, 1, 1, 2]))]
    moved = [device("d2", random.choice(names))] if random.random() < 0.2 else []
    return policy(segments, conduits, moved, mode=random.choice([Mode.ENFORCE] * 3 + [Mode.OBSERVE]))


def _segment(random: Random, name: str, members: list[str], namespace: list[str]) -> Segment:
    chief = role("chief", [members.pop()] if random.random() < 0.3 else [], *_lists(random), deny=_denies(random))
    publish, subscribe = _lists(random)
    return segment(
        name,
        members,
        publish,
        subscribe,
        _denies(random),
        namespace=namespace,
        roles=[chief],
        mode=random.choice([None, None, None, Mode.ENFORCE, Mode.OBSERVE]),
        width=random.choice([Width.EXACT, Width.EXACT, Width.NARROW]),
    )


def _lists(random: Random) -> tuple[list[str] | None, list[str] | None]:
    if random.random() < 0.35:
        return None, None
    lists = [[random_filter(random, device_levels=True) for _ in range(random.randint(0, 4))] for _ in range(2)]
    return lists[0], random.choice([lists[1], lists[1], None])


def _denies(random: Random) -> list[str]:
    return [random_filter(random, device_levels=True) for _ in range(random.choice([0, 0, 0, 1, 2]))]


def _conduit(random: Random, names: list[str]) -> Conduit:
    texts = ["a/#", "a/+", "b/#", "b/a", "t/${device}/#", "t/${device}", "t/d1/#", "t/e1/#", "+/b", "a/a/+", "#"]
    origin, target = random.choices(names, k=2)
    if random.random() < 0.2:
        target += "/chief"
    mode = random.choice([None, None, None, Mode.OBSERVE])
    return conduit(origin, target, random.choices(texts, k=random.randint(1, 3)), mode=mode)


def with_grant(given: Role, text: str) -> Role:
    """The role with one more filter in both directions."""
    return role(
        given.name,
        [m.pattern for m in given.members],
        [*_texts(given.publish), text],
        [*_texts(given.subscribe), text],
        _texts(given.deny),
    )


def with_deny(given: Segment, text: str) -> tuple[Rule, ...]:
    """The segment's denies and one more."""
    return (*given.deny, *rules([text]))


def _texts(listed: tuple[Rule, ...] | None) -> list[str]:
    return [rule.filter for rule in listed or ()]
