"""Claims that two parts of a policy make on the same thing: a device, a stretch of topics, an address.

Owns the proof that every device id is in at most one segment and role, and that no topic has two owners. Each conflict
comes with a witness: an id or a topic that both would own. Refuses to know rights (territory.py) and decisions.
No pair of things is compared unless an index says that the two may meet: cost grows with the policy, not its square.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mqttseg.errors import Problem, Source
from mqttseg.policy.cover import Budget, meets
from mqttseg.policy.membership import Membership, glob_overlap
from mqttseg.policy.model import Device, Member, Policy, Rule, Segment
from mqttseg.policy.pattern import example, namespace_pattern
from mqttseg.policy.trie import Asker, Node

_MOST = 100  # overlaps to report: each takes a search, and nobody reads on
_STEPS = 10_000_000  # for one namespace entry against all others: it meets few of them


@dataclass(frozen=True, slots=True)
class _Claim:
    """A member entry and who makes it."""

    member: Member
    segment: str
    role: str

    def __str__(self) -> str:
        return f"{self.segment}/{self.role}" if self.role else self.segment

    def conflicts(self, other: _Claim) -> bool:
        """A named role refines its segment's own members; any other two claims exclude each other."""
        if self.segment != other.segment:
            return True
        return self.role != other.role and bool(self.role) and bool(other.role)


def member_conflicts(policy: Policy) -> Iterator[Problem]:
    """Every id that is listed in two places, and every two globs that share an id nothing more exact decides."""
    exact: dict[str, _Claim] = {}
    globs: list[_Claim] = []
    yielding: list[_Claim] = []  # globs of the segment that owns the rest: they take what all others leave
    for claim in _claims(policy):
        if claim.member.is_glob:
            (yielding if policy.segments[claim.segment].owns_rest else globs).append(claim)
            continue
        first = exact.setdefault(claim.member.pattern, claim)
        if claim.conflicts(first):
            what = f"{claim.member.pattern} is a member of {claim} and of {first} ({first.member.source})"
            yield Problem(claim.member.source, what, "remove it from one of them: a device has one place")
    decided = frozenset(exact) | {device.id for device in policy.devices.values() if device.segment}
    yield from _glob_conflicts(globs, decided)
    yield from _glob_conflicts(yielding, decided)


def _claims(policy: Policy) -> Iterator[_Claim]:
    for segment in policy.segments.values():
        for role in (segment.base, *segment.roles.values()):
            for member in role.members:
                yield _Claim(member, segment.name, role.name)


def _glob_conflicts(globs: list[_Claim], decided: frozenset[str]) -> Iterator[Problem]:
    """One problem per glob at most: a glob that meets many says nothing new with each."""
    found = 0
    ordered = sorted(globs, key=lambda claim: _edges(claim.member.pattern)[0])
    starts = [_edges(claim.member.pattern)[0] for claim in ordered]
    for at, claim in enumerate(ordered):
        end = bisect_left(starts, starts[at] + "\U0010ffff", lo=at)  # those whose fixed beginning extends this one's
        for other in ordered[at + 1 : end]:
            if claim.conflicts(other) and (problem := _glob_conflict(claim, other, decided)):
                found += 1
                yield problem
                break
        if found == _MOST:
            what = f"{_MOST} overlaps of globs are reported, and no more were looked for"
            yield Problem(max((c.member.source for c in globs), key=_in_file_order), what, "mend those first")
            return


def _glob_conflict(a: _Claim, b: _Claim, decided: frozenset[str]) -> Problem | None:
    left, right = _edges(a.member.pattern)[1], _edges(b.member.pattern)[1]
    if not left.endswith(right) and not right.endswith(left):
        return None
    shared = glob_overlap(a.member.pattern, b.member.pattern, decided)
    if shared is None:
        return None
    first, second = sorted((a, b), key=lambda claim: _in_file_order(claim.member.source))
    what = (
        f"{second.member.pattern} in {second} overlaps {first.member.pattern} in {first} ({first.member.source}): "
        f"{shared} would be in both"
    )
    return Problem(second.member.source, what, "narrow one of them, or list the shared ids exactly")


def _in_file_order(source: Source) -> tuple[int, int]:
    return source.line, source.column


def _edges(glob: str) -> tuple[str, str]:
    """The fixed text before the first wildcard and after the last."""
    parts = re.split(r"[*?]", glob)
    return parts[0], parts[-1]


@dataclass(frozen=True, slots=True)
class _Holding:
    """A namespace entry, and the segment that owns it."""

    segment: str
    rule: Rule


def namespace_conflicts(policy: Policy, membership: Membership, known: Callable[[Segment], bool]) -> Iterator[Problem]:
    """Topics with two owners. Segments that are not ``known`` are left out: part of their namespace did not parse."""
    seen: Node[_Holding] = Node()
    rest: Rule | None = None
    for segment in filter(known, policy.segments.values()):
        for rule in segment.namespace:
            if rule.filter != "#":
                yield from _overlap(_Holding(segment.name, rule), seen, membership)
                seen.add(namespace_pattern(rule.filter, owner=segment.name), _Holding(segment.name, rule))
            elif rest is None:
                rest = rule
            else:
                what = f"a second segment owns # (the first: {rest.source})"
                yield Problem(rule.source, what, "only one segment can own all that no other owns")


def _overlap(new: _Holding, seen: Node[_Holding], membership: Membership) -> Iterator[Problem]:
    """At most one problem per entry."""
    pattern = namespace_pattern(new.rule.filter, owner=new.segment)
    for common, old in meets([seen], pattern, Asker("", membership), Budget(_STEPS)):
        if old.segment != new.segment:
            what = f"the namespace {new.rule.filter} of {new.segment} overlaps {old.rule.filter} of {old.segment} "
            what += f"({old.rule.source}): both would own {example(common, membership)}"
            yield Problem(new.rule.source, what, "give every topic one owner, and let a conduit cross")
            return


def device_conflicts(devices: Mapping[str, Device]) -> Iterator[Problem]:
    """Addresses that two devices of the inventory claim: the gateway tells devices apart by them."""
    macs: dict[str, Device] = {}
    addresses: dict[str, Device] = {}
    for device in devices.values():
        if device.mac is not None:
            yield from _claimed(device, "MAC address", device.mac, macs)
        for address in device.addresses:
            yield from _claimed(device, "address", address, addresses)


def _claimed(device: Device, kind: str, value: str, seen: dict[str, Device]) -> Iterator[Problem]:
    first = seen.setdefault(value, device)
    if first is not device:
        what = f"{device.id} has the {kind} {value}, which {first.id} has too ({first.source})"
        yield Problem(device.source, what, "correct one of them")
