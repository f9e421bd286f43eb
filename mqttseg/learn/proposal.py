"""The least policy that allows what was seen: which lines it has, what they rest on, and what was left out.

Owns choosing. A line needs enough evidence (evidence.py); what passed by observe mode only is proposed to the operator,
and learnt when he says so; what was refused is never learnt. Refuses to know how a proposal is written (writing.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mqttseg.learn.evidence import Evidence, Support
from mqttseg.learn.folding import Line, fold
from mqttseg.learn.ground import Ground
from mqttseg.learn.sighting import Crossing, LeftOut, Place, Right, Sighting, sight
from mqttseg.observe.flows import Direction, Flow
from mqttseg.policy.compiled import Compiled
from mqttseg.policy.topics import contains, matches

BELOW = "it was seen too seldom, or from too few devices"


@dataclass(frozen=True, slots=True)
class Learnt:
    """A line of the proposal. ``active``: it is to hold; else it waits for the operator's word, since all that it rests
    on passed by observe mode only."""

    line: Line
    evidence: Evidence
    active: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is to stand in each place, and what is not."""

    places: Mapping[Place, tuple[Learnt, ...]]
    left_out: tuple[LeftOut, ...]

    @property
    def lines(self) -> Iterator[Learnt]:
        """Every line that is to hold."""
        return (learnt for found in self.places.values() for learnt in found if learnt.active)


def propose(compiled: Compiled, flows: Sequence[Flow], support: Support, *, learn_observed: bool = False) -> Proposal:
    """The least policy with the segments, members and denies of ``compiled`` that allows the flows."""
    ground = Ground(compiled)
    found = [sight(flow, compiled, ground) for flow in flows]
    sightings = [one for one in found if isinstance(one, Sighting)]
    left_out = [one for one in found if isinstance(one, LeftOut)]
    ids = frozenset(compiled.membership.named()) | {flow.device for flow in flows}
    places: dict[Place, list[Learnt]] = defaultdict(list)
    chooser = _Chooser(sightings, support, learn_observed)
    for active, pool in _pools(sightings, learn_observed):
        for line in fold(pool, ids, compiled.membership.segment_of, ground):
            evidence = chooser.evidence(line)
            if chooser.is_enough(line, evidence, active):
                places[line.place].append(Learnt(line, evidence, active))
            else:
                left_out += [LeftOut(flow, BELOW) for flow in line.flows]
    return Proposal({place: tuple(_least(lines)) for place, lines in places.items()}, tuple(left_out))


def _pools(sightings: Iterable[Sighting], learn_observed: bool) -> Iterator[tuple[bool, list[Sighting]]]:
    """What is to be learnt, and apart from it what only waits: folded together, the one would widen the other."""
    allowed: list[Sighting] = []
    observed: list[Sighting] = []
    for sighting in sightings:
        only_observed = sighting.flow.observed >= sighting.flow.count
        (observed if only_observed and not learn_observed else allowed).append(sighting)
    yield True, allowed
    yield False, observed


class _Chooser:
    """Which lines have enough evidence."""

    def __init__(self, sightings: Iterable[Sighting], support: Support, learn_observed: bool) -> None:
        self._support = support
        self._learn_observed = learn_observed
        self._seen: dict[tuple[str, str], set[str]] = defaultdict(set)  # devices, by segment and role
        self._received: dict[str, list[Flow]] = defaultdict(list)
        for sighting in sightings:
            self._seen[_users(sighting.place)].add(sighting.flow.device)
            if sighting.flow.direction is Direction.RECEIVE:
                self._received[sighting.flow.device].append(sighting.flow)

    def evidence(self, line: Line) -> Evidence:
        """What a subscription brought speaks for it, too."""
        if not line.subscribed:
            return Evidence.of(line.flows)
        received = {
            id(flow): flow
            for own in line.flows
            for flow in self._received[own.device]
            if matches(own.example, flow.example)
        }
        return Evidence.of(line.flows, received.values())

    def is_enough(self, line: Line, evidence: Evidence, active: bool) -> bool:
        count = evidence.count if self._learn_observed or not active else evidence.count - evidence.observed
        return self._support.is_met(len(evidence.devices), len(self._seen[_users(line.place)]), count)


def _users(place: Place) -> tuple[str, str]:
    """The segment and role of the devices that a line is for."""
    if isinstance(place, Right):
        return place.segment, place.role
    end = place.target if place.owner == place.origin.segment else place.origin
    return end.segment, end.role or ""


def _least(lines: Sequence[Learnt]) -> Iterator[Learnt]:
    """Without lines that another one holds altogether, for the same devices and more; in order of their filters."""
    kept: list[Learnt] = []
    for learnt in sorted(lines, key=lambda one: (not one.active, one.line.filter.count("/"), one.line.filter)):
        if not any(_is_held(learnt, other) for other in kept):
            kept = [other for other in kept if not _is_held(other, learnt)] + [learnt]
    yield from sorted(kept, key=lambda one: one.line.filter)


def _is_held(learnt: Learnt, other: Learnt) -> bool:
    return (
        other.active is learnt.active
        and other.evidence.devices >= learnt.evidence.devices
        and contains(other.line.filter, learnt.line.filter)
    )


__all__ = ["Crossing", "Learnt", "LeftOut", "Proposal", "Right", "propose"]
