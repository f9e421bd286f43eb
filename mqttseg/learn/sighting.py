"""One flow as a line of a policy: where the line would stand, and its filter, still with every id spelled out.

Owns placing a flow (a right in its own segment, or a conduit) and the reasons for which one cannot be written at all.
Refuses to know other flows (folding.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from mqttseg.learn.ground import Ground
from mqttseg.learn.yaml_text import quoted
from mqttseg.observe.flows import Direction, Flow
from mqttseg.policy.compiled import Compiled
from mqttseg.policy.document import parse_document
from mqttseg.policy.fields import PublishFilter, SubscribeFilter
from mqttseg.policy.model import End
from mqttseg.policy.pattern import DEVICE

_PUBLISH: TypeAdapter[str] = TypeAdapter(PublishFilter)
_SUBSCRIBE: TypeAdapter[str] = TypeAdapter(SubscribeFilter)
LONGEST = 512  # characters of a filter that an operator can be asked to read
_SYSTEM = "$SYS/"


@dataclass(frozen=True, slots=True)
class Right:
    """A place in the lists of a role ("" is the segment's base)."""

    segment: str
    role: str
    publishes: bool

    def as_json(self) -> dict[str, object]:
        """For programs: which list of whose."""
        return {
            "segment": self.segment,
            "role": self.role or None,
            "list": "publish" if self.publishes else "subscribe",
        }


@dataclass(frozen=True, slots=True)
class Crossing:
    """A place in a conduit. ``owner``: the segment whose topics they are."""

    origin: End
    target: End
    owner: str

    def as_json(self) -> dict[str, object]:
        """For programs: the conduit by its ends."""
        return {"from": str(self.origin), "to": str(self.target), "list": "topics"}


Place = Right | Crossing


@dataclass(frozen=True, slots=True)
class Sighting:
    """A flow and the line that would allow just it. In ``levels`` the device's own id is ``${device}`` only where a
    policy means the same by it."""

    flow: Flow
    place: Place
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A flow that no line is proposed for, and why not."""

    flow: Flow
    why: str


def sight(flow: Flow, compiled: Compiled, ground: Ground) -> Sighting | LeftOut:
    """Where a flow would stand in a policy with these segments."""
    placement = compiled.placement(flow.device)
    if placement is None:
        return LeftOut(flow, "the device is in no segment: place it first")
    segment, role = placement.segment.name, placement.role.name
    if flow.shape.startswith(_SYSTEM) and flow.direction is not Direction.PUBLISH:
        return _written(flow, Right(segment, role, False), tuple(flow.shape.split("/")))
    owner = ground.owner_of_filter(flow.example) if _subscribes(flow) else ground.owner(flow.example)
    if owner is None:
        return LeftOut(flow, _unowned(flow))
    publishes = flow.direction is Direction.PUBLISH
    if owner == segment:
        return _written(flow, Right(segment, role, publishes), _levels(flow, ground, owner))
    mine, theirs = End(segment, role or None), End(owner)
    ends = (mine, theirs) if publishes else (theirs, mine)
    levels = _levels(flow, ground, owner)
    return _written(flow, Crossing(*ends, owner), tuple(level.replace(DEVICE, flow.device) for level in levels))


def _written(flow: Flow, place: Place, levels: tuple[str, ...]) -> Sighting | LeftOut:
    """What a device wrote into a topic is not to become a variable of the policy. Where a shape leaves a level to
    the device, the example shows it."""
    if "${" in flow.example and any("${" in level for level in levels):
        return LeftOut(flow, "its topic holds ${, which a policy cannot write")
    if sum(map(len, levels)) + len(levels) > LONGEST:
        return LeftOut(flow, f"its topic is longer than {LONGEST} characters")
    subscribes = isinstance(place, Right) and not place.publishes
    if not _is_writable("/".join(levels), subscribes):
        return LeftOut(flow, "a policy cannot hold it")
    return Sighting(flow, place, levels)


@lru_cache(maxsize=10_000)
def _is_writable(text: str, subscribes: bool) -> bool:
    """Whether a policy takes the filter there: no control characters, no shared subscription, and so on."""
    kind = _SUBSCRIBE if subscribes else _PUBLISH
    try:
        kind.validate_python(text)
    except ValidationError:
        return False
    return not parse_document(quoted(text), "filter").problems


def _levels(flow: Flow, ground: Ground, owner: str) -> tuple[str, ...]:
    shape, example = flow.shape.split("/"), flow.example.split("/")
    spelled = [level.replace(DEVICE, flow.device) for level in shape]
    inside = ground.within(owner, spelled, example)
    own = [level == DEVICE for level in shape] + [False] * len(inside)
    mine = tuple(
        DEVICE if is_own and level == flow.device else level for is_own, level in zip(own, inside, strict=False)
    )
    return mine if ground.holds(owner, "/".join(mine)) else inside


def _subscribes(flow: Flow) -> bool:
    return flow.direction is Direction.SUBSCRIBE


def _unowned(flow: Flow) -> str:
    if _subscribes(flow):
        return "the filter is not inside one segment's namespace: write narrower ones, or `subscriptions: narrow`"
    return "the topic is in no segment's namespace"
