"""Isolation against brute force: there is a leak exactly when some topic flows between some two devices."""

from __future__ import annotations

from itertools import permutations, product
from random import Random

import pytest

from mqttseg.errors import ConfigurationError
from mqttseg.policy.check import Leak, isolation
from mqttseg.policy.compiled import Compiled
from mqttseg.policy.decide import decide
from mqttseg.policy.model import Action
from tests.policy.policies import compiled

IDS = ("d1", "d2", "d3", "e1", "e2", "h1", "d77")
LEVELS = ("x", "d1", "d2", "d3", "e1", "e2", "h1", "~")  # "~" stands for every level that no rule mentions
TOPICS = ["/".join((first, *rest)) for size in (0, 1, 2) for first in "abhtx" for rest in product(LEVELS, repeat=size)]
SUFFIXES = ["", "/#", "/+", "/x", "/x/#", "/+/#", "/${device}", "/${device}/#", "/d1", "/e1/#"]
NAMESPACES = [("a", "b", "h"), ("a", "b", "#"), ("t/${device}", "t/${device}", "h"), ("t/${device}", "b", "#")]
MEMBERS = {"A": ["[d1, d2]", "['d*']", "[d1]"], "B": ["[e1]", "['e*']"], "H": ["[h1]", "[]"]}


def random_text(random: Random) -> str:
    prefixes = dict(zip("ABH", random.choice(NAMESPACES), strict=True))
    segments = [f"  {name}: {{{_segment(random, name, prefix)}}}" for name, prefix in prefixes.items()]
    conduits = [_conduit(random, number, prefixes) for number in range(random.randint(1, 3))]
    return "\n".join(["segments:", *segments, "conduits:", *conduits]) + "\n"


def _segment(random: Random, name: str, prefix: str) -> str:
    members = [*MEMBERS[name], "['*']", "['?1', 'd??']"] if prefix == "#" else MEMBERS[name]
    keys = [f"namespace: '{prefix}'", f"members: {random.choice(members)}"]
    for key, chance in (("publish", 0.5), ("subscribe", 0.5), ("deny", 0.4)):
        if random.random() < chance:
            keys.append(f"{key}: [{', '.join(_filter(random, prefix) for _ in range(random.randint(0, 2)))}]")
    return ", ".join(keys)


def _conduit(random: Random, number: int, prefixes: dict[str, str]) -> str:
    origin, target = random.sample(sorted(prefixes), 2)
    topics = ", ".join(_filter(random, prefixes[random.choice([origin, target])]) for _ in range(random.randint(1, 2)))
    return f"  c{number}: {{from: {origin}, to: {target}, topics: [{topics}]}}"


def _filter(random: Random, prefix: str) -> str:
    return f"'{'x' if prefix == '#' else prefix}{random.choice(SUFFIXES)}'"


def flows(made: Compiled) -> set[tuple[str, str]]:
    """Every pair of segments between which a message flows, by trying all topics between all devices."""
    can: dict[tuple[str, Action], set[str]] = {
        (device_id, action): {topic for topic in TOPICS if decide(made.rights(device_id), action, topic).allowed}
        for device_id in IDS
        for action in (Action.PUBLISH, Action.RECEIVE)
    }
    found = set()
    for sender, receiver in permutations(IDS, 2):
        ends = [made.placement(device_id) for device_id in (sender, receiver)]
        if can[sender, Action.PUBLISH] & can[receiver, Action.RECEIVE]:
            origin, target = (end.segment.name if end else "" for end in ends)
            if origin != target:
                found.add((origin, target))
    return found


def is_real(made: Compiled, leak: Leak) -> bool:
    """Whether the broker itself would let the leak's message through. It may be deeper than the topics tried."""
    return (
        leak.sender is not None
        and leak.receiver is not None
        and decide(made.rights(leak.sender), Action.PUBLISH, leak.topic).allowed
        and decide(made.rights(leak.receiver), Action.RECEIVE, leak.topic).allowed
    )


def agree(seeds: range) -> int:
    tried = 0
    for seed in seeds:
        text = random_text(Random(seed))
        try:
            made = compiled(text)
        except ConfigurationError:
            continue
        tried += 1
        leaks = isolation(made, made.policy.segments)
        assert all(is_real(made, leak) for leak in leaks), text
        assert {(leak.origin, leak.target) for leak in leaks} >= flows(made), text
    return tried


def test_a_leak_is_found_exactly_when_a_message_flows() -> None:
    assert agree(range(40)) > 30


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_leak_is_found_exactly_when_a_message_flows_in_many_policies() -> None:
    assert agree(range(1000, 5000)) > 3000
