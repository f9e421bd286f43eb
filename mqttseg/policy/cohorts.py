"""Which devices are alike, seen from two policies: those that both policies place alike.

Owns finding every such cohort, also of devices that nobody has named, and the membership by which topics of the two
policies are compared: a ``${device}`` of a segment stands for that segment's members in one policy, which need not be
its members in the other. Refuses to know rights. No two globs are compared unless their fixed beginnings agree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice, takewhile

from mqttseg.policy.membership import Membership, is_device_id, may_agree, plain_id, split_glob
from mqttseg.policy.words import common_ids, ids_of

Place = tuple[str, str]  # segment and role, by name ("" is the base)
Pair = tuple[Place | None, Place | None]  # in the old policy, and in the new one
_TRIES = 1_000  # words of a glob to look at beyond the named ids


@dataclass(frozen=True, slots=True)
class Cohort:
    """Devices with the same place in the old policy, and the same in the new one. ``named``: those that somebody named;
    there may be others, or none at all: ``Cohorts.strangers`` knows."""

    before: Place | None
    after: Place | None
    named: tuple[str, ...]


class _Globs:
    """The globs of one policy, the one that wins first."""

    def __init__(self, membership: Membership) -> None:
        ranked = membership.ranked_globs()
        self.patterns = [pattern for pattern, _ in ranked]
        self.places: list[Place] = [(place.segment.name, place.role.name) for _, place in ranked]
        self.rank: dict[str, int] = {}
        self._by_text: dict[str, list[int]] = defaultdict(list)
        for rank, pattern in enumerate(self.patterns):
            self.rank.setdefault(pattern, rank)
            self._by_text[split_glob(pattern)[0]].append(rank)
        self._texts = sorted(self._by_text)

    def beside(self, pattern: str) -> Iterator[int]:
        """The globs that may share ids with the pattern."""
        parts = split_glob(pattern)
        for text in self._alike(parts[0]):
            yield from (rank for rank in self._by_text[text] if may_agree(parts, split_glob(self.patterns[rank])))

    def _alike(self, text: str) -> Iterator[str]:
        """The fixed beginnings that the text begins with, or that begin with the text."""
        yield from (text[:size] for size in range(len(text)) if text[:size] in self._by_text)
        at = bisect_left(self._texts, text)
        yield from takewhile(lambda other: other.startswith(text), islice(self._texts, at, None))

    def takes(self, pattern: str, before: int) -> bool:
        """Whether a glob that wins over that rank takes all ids of the pattern."""
        return self.rank.get(pattern, before) < before

    def alternatives(self, pattern: str, before: int | None) -> list[str]:
        """The globs that may take ids of the pattern away from that rank; None: from all."""
        return [self.patterns[rank] for rank in self.beside(pattern) if before is None or rank < before]


_Meeting = tuple[int | None, int | None]  # the ranks of an old and a new glob that both place the same ids


class Cohorts:
    """All cohorts of two policies. ``known``: ids of devices that exist, named in the policies or not."""

    def __init__(self, old: Membership, new: Membership, known: Iterable[str]) -> None:
        self._old, self._new = old, new
        self._before, self._after = _Globs(old), _Globs(new)
        named: dict[Pair, list[str]] = defaultdict(list)
        ids = dict.fromkeys(chain(old.named(), new.named(), filter(is_device_id, known)))
        for device_id in ids:
            named[self.pair_of(device_id)].append(device_id)
        self._ids = frozenset(ids)
        self._named = {pair: tuple(found) for pair, found in named.items() if pair != (None, None)}

    def __iter__(self) -> Iterator[Cohort]:
        for before, after in dict.fromkeys(chain(self._named, self._meetings)):
            yield Cohort(before, after, self._named.get((before, after), ()))

    def pair_of(self, device_id: str) -> Pair:
        """Where the two policies place a device."""
        return _place(self._old, device_id), _place(self._new, device_id)

    def strangers(self, before: Place | None, after: Place | None) -> Iterator[Iterator[str]]:
        """For each pair of globs that place devices so, ids that nobody has named: many, if not all, of them."""
        for meeting in self._meetings.get((before, after), ()):
            yield self._placed_by(meeting, (before, after))

    def globs(self, before: Place | None, after: Place | None) -> Iterator[str]:
        """Globs that match all of those strangers, and others."""
        for one, other in self._meetings.get((before, after), ()):
            yield self._after.patterns[other] if other is not None else self._before.patterns[one or 0]

    @cached_property
    def _meetings(self) -> Mapping[Pair, list[_Meeting]]:
        found: dict[Pair, list[_Meeting]] = defaultdict(list)
        for one, other in self._all_meetings():
            before = None if one is None else self._before.places[one]
            after = None if other is None else self._after.places[other]
            found[before, after].append((one, other))
        return dict(found)

    def _all_meetings(self) -> Iterator[_Meeting]:
        before, after = self._before, self._after
        if before.patterns == after.patterns:
            yield from ((rank, rank) for rank in range(len(before.patterns)))
            return
        for one, pattern in enumerate(before.patterns):
            rivals = (other for other in after.beside(pattern) if not after.takes(pattern, other))
            yield from ((one, other) for other in rivals if not before.takes(after.patterns[other], one))
            if pattern not in after.rank:
                yield one, None
        yield from ((None, other) for other, pattern in enumerate(after.patterns) if pattern not in before.rank)

    def _placed_by(self, meeting: _Meeting, pair: Pair) -> Iterator[str]:
        """A readable one first."""
        one, other = meeting
        globs = [] if one is None else [self._before.patterns[one]]
        globs += [] if other is None else [self._after.patterns[other]]
        rivals = {r for glob in globs for r in self._before.alternatives(glob, one)}
        rivals |= {r for glob in globs for r in self._after.alternatives(glob, other)}
        readable = dict.fromkeys(map(plain_id, globs))
        found = (
            common_ids(globs[0], globs[-1], sorted(rivals))
            if globs[0] != globs[-1]
            else ids_of(globs[0], sorted(rivals))
        )
        words = chain(readable, (word for word in found if word not in readable))
        for word in islice(words, len(self._ids) + _TRIES):
            if word not in self._ids and is_device_id(word) and self.pair_of(word) == pair:
                yield word


class JointMembership:
    """Who is in which segment of the old policy and which of the new one: together, one segment of the two.

    A segment here is named by ``joint``; the topic algebra asks of it what it asks of any membership.
    """

    def __init__(self, cohorts: Cohorts) -> None:
        self._cohorts = cohorts
        self._parts: dict[str, list[Cohort]] = defaultdict(list)
        self._of: tuple[dict[str, list[str]], dict[str, list[str]]] = (defaultdict(list), defaultdict(list))
        for cohort in cohorts:
            name = _joint(cohort.before, cohort.after)
            if name not in self._parts:
                for place, of in zip((cohort.before, cohort.after), self._of, strict=True):
                    of[place[0] if place else ""].append(name)
            self._parts[name].append(cohort)
        self._members: dict[str, str | None] = {}

    def parts(self, segment: str, *, new: bool) -> tuple[str, ...]:
        """The joint segments that make up a segment of the old or the new policy."""
        return tuple(self._of[new].get(segment, ()))

    def segment_of(self, device_id: str) -> str | None:
        pair = self._cohorts.pair_of(device_id)
        return None if pair == (None, None) else _joint(*pair)

    def ids(self, segment: str) -> tuple[str, ...]:
        return tuple(device_id for cohort in self._parts[segment] for device_id in cohort.named)

    def globs(self, segment: str) -> tuple[str, ...]:
        return tuple(glob for c in self._parts[segment] for glob in self._cohorts.globs(c.before, c.after))

    def by_globs(self, segment: str) -> Iterator[Iterator[str]]:
        for cohort in self._parts[segment]:
            yield from self._cohorts.strangers(cohort.before, cohort.after)

    def any_member(self, segment: str) -> str | None:
        if segment not in self._members:
            found = chain(self.ids(segment), chain.from_iterable(self.by_globs(segment)))
            self._members[segment] = next(found, None)
        return self._members[segment]


def _place(membership: Membership, device_id: str) -> Place | None:
    found = membership.placement(device_id)
    return None if found is None else (found.segment.name, found.role.name)


def _joint(before: Place | None, after: Place | None) -> str:
    """No segment's name holds a space."""
    return f"{before[0] if before else ''} {after[0] if after else ''}"
