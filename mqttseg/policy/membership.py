"""Which segment and role a device id belongs to.

Owns ids, globs over ids, their overlap, and placement: inventory override, else exact id, else glob; the globs of the
segment that owns the rest of the topics (``namespace: "#"``) come last, so that it has the rest of the devices, too.
Refuses to know topics, rights, and whether the policy's members are consistent (load.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import Protocol

from mqttseg.policy.model import Device, Member, Policy, Role, Segment
from mqttseg.policy.words import LONGEST_ID, common_ids, ids_of

DEVICE_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:-]{{0,{LONGEST_ID - 1}}}", re.ASCII)

_WILDCARD = re.compile(r"[*?]")


def is_device_id(text: str) -> bool:
    """Whether ``text`` can be a device id; such text never holds ``+ # / $`` or a space."""
    return DEVICE_ID.fullmatch(text) is not None


def glob_matches(glob: str, device_id: str) -> bool:
    """Whether a legal id matches the glob: ``*`` is any run, ``?`` any one character."""
    return _regex(glob).fullmatch(device_id) is not None


def glob_overlap(a: str, b: str, excluding: Mapping[str, object] | frozenset[str] = frozenset()) -> str | None:
    """A legal id outside ``excluding`` that both patterns match, or None. Exact, also for plain ids."""
    if not may_agree(split_glob(a), split_glob(b)):  # the quick way out of nearly all pairs
        return None
    for word in (plain_id(b), plain_id(a)):
        if word not in excluding and is_device_id(word) and glob_matches(a, word) and glob_matches(b, word):
            return word
    return next((word for word in common_ids(a, b) if word not in excluding), None)


class Members(Protocol):
    """What the topic algebra asks: who is in which segment."""

    def segment_of(self, device_id: str) -> str | None:
        """The name of the device's segment, or None."""

    def ids(self, segment: str) -> tuple[str, ...]:
        """The members that have been named."""

    def globs(self, segment: str) -> tuple[str, ...]:
        """The globs that place others in it."""

    def by_globs(self, segment: str) -> Iterator[Iterator[str]]:
        """For each glob, ids that it places: many of them, if not all."""

    def any_member(self, segment: str) -> str | None:
        """One member, or None when no id is one."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a device belongs: exactly one role (perhaps the base) of exactly one segment."""

    segment: Segment
    role: Role


@dataclass(frozen=True, slots=True)
class _Glob:
    rank: int  # file order, but a segment's roles before its base, and who owns the rest last: the lowest wins
    pattern: str
    regex: re.Pattern[str] | None  # None for the common ``text*``, which the text alone decides
    placement: Placement

    def fits(self, device_id: str) -> bool:
        """Whether the glob matches an id that begins with its text."""
        return self.regex is None or self.regex.fullmatch(device_id) is not None


class Membership:
    """Device ids to placements, at the same cost for any number of exact ids and of globs that begin with text."""

    def __init__(self, policy: Policy) -> None:
        self._exact: dict[str, Placement] = {}
        self._named: dict[tuple[str, str], Role] = {}  # by segment and exact id
        self._recent: dict[str, Placement | None] = {}  # what globs said
        self._globs: dict[str, list[_Glob]] = {}  # by the text before the first wildcard
        self._examples: dict[str, str | None] = {}
        self._globs_of: dict[str, list[_Glob]] = {name: [] for name in policy.segments}
        rank = count()
        self._yielding = {segment.name for segment in policy.segments.values() if segment.owns_rest}
        for segment in sorted(policy.segments.values(), key=lambda segment: segment.owns_rest):
            for role in (*segment.roles.values(), segment.base):
                for member in role.members:
                    self._admit(member, Placement(segment, role), next(rank))
        self._lengths = sorted({len(prefix) for prefix in self._globs})
        self._exact.update(self._overrides(policy))
        self._recent.clear()  # overrides were worked out before they held
        self._ids_of: dict[str, list[str]] = {name: [] for name in policy.segments}
        for device_id, placement in self._exact.items():
            self._ids_of[placement.segment.name].append(device_id)

    def placement(self, device_id: str) -> Placement | None:
        """Where the device belongs; None when it is in no segment, or no legal id at all."""
        found = self._exact.get(device_id)
        if found is not None:
            return found
        if device_id not in self._recent:
            if len(self._recent) == _REMEMBERED:
                self._recent.clear()
            self._recent[device_id] = self._by_glob(device_id) if is_device_id(device_id) else None
        return self._recent[device_id]

    def segment_of(self, device_id: str) -> str | None:
        """The name of the device's segment, or None."""
        found = self.placement(device_id)
        return None if found is None else found.segment.name

    def named(self) -> Mapping[str, Placement]:
        """Every id that the policy or the inventory names and places."""
        return self._exact

    def ranked_globs(self) -> list[tuple[str, Placement]]:
        """Every glob and where it places, the one that wins first."""
        ranked = sorted((glob for globs in self._globs.values() for glob in globs), key=lambda glob: glob.rank)
        return [(glob.pattern, glob.placement) for glob in ranked]

    def ids(self, segment: str) -> tuple[str, ...]:
        """The ids that the policy or the inventory names and that belong to the segment."""
        return tuple(self._ids_of[segment])

    def globs(self, segment: str) -> tuple[str, ...]:
        """The globs of the segment, in order of precedence."""
        return tuple(glob.pattern for glob in self._globs_of[segment])

    def examples(self, segment: str, role: str | None = None) -> Iterator[str]:
        """Ids that belong to the segment (to the role, if named; "" is the base): all named ones, one per glob."""
        for device_id in self._ids_of[segment]:
            if role is None or self._exact[device_id].role.name == role:
                yield device_id
        for ids in self.by_globs(segment, role):
            yield from islice(ids, 1)

    def by_globs(self, segment: str, role: str | None = None) -> Iterator[Iterator[str]]:
        """For each glob of the segment (of the role, if named) ids that it really places: many of them, if not all."""
        for glob in self._globs_of[segment]:
            if role is None or glob.placement.role.name == role:
                yield self._placed_by(glob)

    def any_member(self, segment: str) -> str | None:
        """One id that belongs to the segment, or None when no id does."""
        if segment not in self._examples:
            self._examples[segment] = next(self.examples(segment), None)
        return self._examples[segment]

    def _admit(self, member: Member, placement: Placement, rank: int) -> None:
        if not member.is_glob:
            if is_device_id(member.pattern):
                self._exact.setdefault(member.pattern, placement)
                self._named.setdefault((placement.segment.name, member.pattern), placement.role)
            return
        text = _WILDCARD.split(member.pattern, maxsplit=1)[0]
        regex = None if member.pattern == f"{text}*" else _regex(member.pattern)
        glob = _Glob(rank, member.pattern, regex, placement)
        self._globs.setdefault(text, []).append(glob)
        self._globs_of[placement.segment.name].append(glob)

    def _by_glob(self, device_id: str) -> Placement | None:
        best: _Glob | None = None
        for length in self._lengths:
            for glob in self._globs.get(device_id[:length], ()):
                if (best is None or glob.rank < best.rank) and glob.fits(device_id):
                    best = glob
        return None if best is None else best.placement

    def _overrides(self, policy: Policy) -> dict[str, Placement]:
        """The inventory's word beats every member list."""
        decided = {}
        for device in policy.devices.values():
            placement = self._overridden(policy, device)
            if placement is not None and is_device_id(device.id):
                decided[device.id] = placement
        return decided

    def _overridden(self, policy: Policy, device: Device) -> Placement | None:
        listed = self.placement(device.id)
        if device.segment is None and (device.role is None or listed is None):
            return listed
        segment = policy.segments[device.segment] if device.segment else listed and listed.segment
        return Placement(segment, self._role_in(segment, device)) if segment else None

    def _role_in(self, segment: Segment, device: Device) -> Role:
        """The role the inventory names, else the one that the segment's own members give it."""
        if device.role is not None:
            return segment.roles[device.role] if device.role else segment.base
        named = self._named.get((segment.name, device.id))
        globs = (g.placement.role for g in self._globs_of[segment.name] if glob_matches(g.pattern, device.id))
        return named or next(globs, segment.base)

    def _placed_by(self, glob: _Glob) -> Iterator[str]:
        """Ids that are not named, nor taken by a glob before it; a readable one first."""
        plain = plain_id(glob.pattern)
        if self._places(glob, plain):
            yield plain
        for tries, word in enumerate(ids_of(glob.pattern, self._before(glob))):
            if word != plain and self._places(glob, word):
                yield word
            if tries > len(self._exact) + _TRIES:
                return

    def _before(self, glob: _Glob) -> list[str]:
        """Globs that may take ids away from this one. In a policy without conflicts, there are no others."""
        own = glob.placement.segment.name
        others = (g for name in self._globs_of if name == own or own in self._yielding for g in self._globs_of[name])
        parts = split_glob(glob.pattern)
        return [g.pattern for g in others if g.rank < glob.rank and may_agree(parts, split_glob(g.pattern))]

    def _places(self, glob: _Glob, device_id: str) -> bool:
        return (
            device_id not in self._exact
            and is_device_id(device_id)
            and glob_matches(glob.pattern, device_id)
            and self._by_glob(device_id) == glob.placement
        )


_REMEMBERED = 4_096  # ids whose globs were looked at lately: bounded, since devices choose the topics we see
_TRIES = 1_000  # words of a glob to look at beyond the named ids: one wholly hidden by another glob has no example


def split_glob(glob: str) -> list[str]:
    """The fixed texts around its wildcards."""
    return _WILDCARD.split(glob)


def plain_id(glob: str) -> str:
    """A word that usually matches the glob, and reads better than the shortest one."""
    return _WILDCARD.sub("1", glob)


def may_agree(a: list[str], b: list[str]) -> bool:
    """Whether the texts before the first and after the last wildcard leave room for a common word."""
    heads = a[0].startswith(b[0]) or b[0].startswith(a[0])
    return heads and (a[-1].endswith(b[-1]) or b[-1].endswith(a[-1]))


def _regex(glob: str) -> re.Pattern[str]:
    """Each ``*`` takes the first fit of what follows it, for good: time stays linear in the id, never exponential."""
    first, *rest = ("".join("." if c == "?" else re.escape(c) for c in part) for part in glob.split("*"))
    if not rest:
        return re.compile(first)
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(f"{first}{middle}.*{rest[-1]}")
