"""Policies of any size: as values for decisions, as a file for ``policy check``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mqttseg.errors import Source
from mqttseg.policy.compiled import Rights, compile_policy
from mqttseg.policy.model import Conduit, End, Member, Policy, Role, Rule, Segment

HERE = Source("benchmark", 1, 1)
DEVICE = "dev-1"
_SHAPES = ("plant/line{i}/+/temp", "plant/line{i}/${{device}}/#", "plant/line{i}/cell/state", "plant/line{i}/#")


def grant(index: int) -> str:
    """The filter of one rule of many: literals, wildcards and templates in turn."""
    return _SHAPES[index % len(_SHAPES)].format(i=index)


def topic(index: int, unique: int = 0) -> str:
    """A topic that only the rule ``grant(index)`` matches; ``unique`` makes others of it where the rule allows."""
    last = (f"n{unique}/temp", f"{DEVICE}/n{unique}", "cell/state", f"x/n{unique}")[index % len(_SHAPES)]
    return f"plant/line{index}/{last}"


@dataclass(frozen=True, slots=True)
class Sized:
    """A policy with ``size`` rules (or segments, or conduits), seen from one device of it."""

    name: str
    size: int
    rights: Rights


def many_rules(size: int) -> Sized:
    """One role with that many grants in each direction."""
    rules = tuple(Rule(grant(index), HERE) for index in range(size))
    return Sized("rules in one role", size, _rights({"plant": _segment("plant", DEVICE, rules)}, {}))


def many_segments(size: int) -> Sized:
    """That many segments with a hundred grants each; the device's own is the one named plant."""
    rules = tuple(Rule(grant(index), HERE) for index in range(100))
    others = (
        _segment(f"s{n}", f"other-{n}", tuple(Rule(f"s{n}/line{index}/#", HERE) for index in range(100)))
        for n in range(size - 1)
    )
    segments = {segment.name: segment for segment in (_segment("plant", DEVICE, rules), *others)}
    return Sized("segments of 100 rules", size, _rights(segments, {}))


def many_conduits(size: int) -> Sized:
    """That many conduits out of plant into the device's segment, one topic each."""
    segments = {"plant": _segment("plant", "other-1", None), "sink": _segment("sink", DEVICE, None)}
    conduits = {
        f"c{index}": Conduit(f"c{index}", HERE, End("plant"), End("sink"), (Rule(_through(index), HERE),))
        for index in range(size)
    }
    return Sized("conduits into one segment", size, _rights(segments, conduits))


def _through(index: int) -> str:
    return grant(index).replace("${device}", DEVICE)


def _segment(name: str, member: str, rules: tuple[Rule, ...] | None) -> Segment:
    base = Role("", HERE, (Member(member, HERE),), rules, rules)
    return Segment(name, HERE, (Rule(name, HERE),), base)


def _rights(segments: dict[str, Segment], conduits: dict[str, Conduit]) -> Rights:
    policy = Policy(HERE, "bench.example", segments, conduits=conduits)
    return compile_policy(policy, datetime.now(UTC)).rights(DEVICE)


def write_large(path: Path, segments: int, grants: int) -> None:
    """A policy file of that many segments and grants in all, with conduits and tests as a real one has."""
    path.write_text("\n".join(_large(segments, grants // segments)) + "\n")


def _large(segments: int, each: int) -> Iterator[str]:
    yield "version: 1"
    yield "trust_domain: bench.example"
    yield "segments:"
    for n in range(segments):
        yield f"  s{n}:"
        yield f'    members: ["dev-{n}-*"]'
        for direction, first in (("publish", 0), ("subscribe", each // 2)):
            yield f"    {direction}:"
            yield from (f'      - "s{n}/{grant(index)}"' for index in range(first, first + each // 2))
    yield "conduits:"
    for n in range(0, segments - 1, 2):
        yield f'  c{n}: {{from: s{n}, to: s{n + 1}, topics: ["s{n}/plant/line0/+/temp"]}}'
    yield "tests:"
    for n in range(0, segments - 1, 2):
        yield f"  - device: dev-{n}-1"
        yield f'    can: ["publish s{n}/plant/line0/a/temp"]'
        yield f'    cannot: ["publish s{n + 1}/plant/line0/a/temp", "subscribe s{n}/#"]'
    yield "  - isolated: [s0, s2, s4, s6, s8, s10]"
