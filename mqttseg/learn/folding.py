"""Lines that differ only in device ids, folded into one.

Owns generalising: ids of which several were seen in the same place become ``+``, or in a conduit ``${device}`` when all
are members of the segment whose topics they are. One id alone stays as it is: nothing says that others do the same.
Numbers are ``+`` already (observe/shapes.py). Refuses to know how much evidence is enough.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mqttseg.learn.ground import Ground
from mqttseg.learn.sighting import Crossing, Place, Sighting
from mqttseg.observe.flows import Direction, Flow
from mqttseg.policy.pattern import DEVICE

_ID = None  # in a mask: an id stands here
_Mask = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A filter in its place, and the flows that it was learnt from, by what they did."""

    place: Place
    filter: str
    flows: tuple[Flow, ...]

    @property
    def subscribed(self) -> bool:
        """Whether devices subscribed to the filter; else they received topics of it, or published to them."""
        return self.flows[0].direction is Direction.SUBSCRIBE


def fold(
    sightings: Iterable[Sighting], ids: frozenset[str], segment_of: Callable[[str], str | None], ground: Ground
) -> Iterator[Line]:
    """The lines. ``ids``: of all devices known."""
    alike: dict[tuple[Place, bool, _Mask], list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        mask = tuple(_ID if level in ids else level for level in sighting.levels)
        alike[sighting.place, sighting.flow.direction is Direction.SUBSCRIBE, mask].append(sighting)
    for (place, _, mask), group in alike.items():
        for text, flows in _written(place, mask, group, segment_of, ground).items():
            yield Line(place, text, tuple(flows))


def _written(
    place: Place,
    mask: _Mask,
    group: Sequence[Sighting],
    segment_of: Callable[[str], str | None],
    ground: Ground,
) -> dict[str, list[Flow]]:
    if len({sighting.levels for sighting in group}) > 1:
        for text in _wider(place, mask, group, segment_of):
            if ground.holds(place.owner if isinstance(place, Crossing) else place.segment, text):
                return {text: [sighting.flow for sighting in group]}
    found: dict[str, list[Flow]] = defaultdict(list)
    for sighting in group:
        found["/".join(sighting.levels)].append(sighting.flow)
    return found


def _wider(
    place: Place, mask: _Mask, group: Sequence[Sighting], segment_of: Callable[[str], str | None]
) -> Iterator[str]:
    """The narrowest first."""
    if isinstance(place, Crossing):
        ids = {level for s in group for level, masked in zip(s.levels, mask, strict=True) if masked is _ID}
        if all(segment_of(device_id) == place.owner for device_id in ids):
            yield "/".join(DEVICE if level is _ID else level for level in mask)
    yield "/".join("+" if level is _ID else level for level in mask)
