"""What is on the map: who is in which segment, what was seen to pass between segments, and what does not fit.

Owns putting policy, records of certificates and recorded traffic side by side. Refuses to know how it is drawn.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from mqttseg.observe.flows import Direction, Flow
from mqttseg.observe.queries import Activity
from mqttseg.policy.compiled import Compiled
from mqttseg.policy.decide import Decision, decide
from mqttseg.policy.model import Action, Conduit, Role, Rule, Segment


@dataclass(frozen=True, slots=True)
class Zone:
    """A segment. ``mode`` is the one in effect."""

    name: str
    description: str
    mode: str
    namespace: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """A device. ``segment`` None: in none. ``enrolled`` None: nobody knows, for the authority's records are elsewhere.

    ``denied``: how often it was refused something.
    """

    id: str
    segment: str | None
    role: str
    enrolled: bool | None
    last_seen: datetime | None
    denied: int
    published: int
    received: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Trace:
    """A flow, and what policy says of it now. ``owner``: the segment whose topics they are; ``rule`` allows it."""

    flow: Flow
    owner: str | None
    allowed: bool
    reason: str
    rule: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """What may pass, or did, from one segment to another. ``conduit`` None: no conduit allows it.

    ``ends`` as written, with roles; ``until``: when the conduit ends.
    """

    origin: str
    target: str
    conduit: str | None
    ends: tuple[str, str]
    topics: tuple[str, ...]
    until: datetime | None
    devices: int
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Unused:
    """A line of the policy that no recorded flow rests on. ``seen``: devices of its role that were seen at all."""

    where: str
    direction: str
    rule: str
    seen: int


@dataclass(frozen=True, slots=True)
class SiteMap:
    """The whole of it. Segments in the order of the file, devices by id."""

    zones: tuple[Zone, ...]
    dots: tuple[Dot, ...]
    traces: tuple[Trace, ...]
    lines: tuple[Line, ...]
    unused: tuple[Unused, ...]
    since: datetime | None
    made: datetime

    @property
    def strangers(self) -> list[Dot]:
        """Seen, and not enrolled here."""
        return [dot for dot in self.dots if dot.last_seen is not None and dot.enrolled is False]

    @property
    def silent(self) -> list[Dot]:
        """Enrolled, and never seen."""
        return [dot for dot in self.dots if dot.last_seen is None and dot.enrolled]

    @property
    def uncovered(self) -> list[Trace]:
        """What passed (in observe mode, or under another policy), and no line of the policy allows now."""
        return [trace for trace in self.traces if not trace.allowed]


@dataclass(frozen=True, slots=True)
class Sources:
    """What the map is made of. ``enrolled`` None: the authority's records could not be read."""

    flows: Collection[Flow]
    activity: Collection[Activity]
    enrolled: Collection[str] | None


def make_map(compiled: Compiled, sources: Sources, made: datetime, since: datetime | None = None) -> SiteMap:
    """The map of a site by the policy now in force, at the moment ``made``."""
    judged = [_judged(compiled, flow) for flow in sources.flows]
    traces = tuple(trace for trace, _ in judged)
    policy = compiled.policy
    zones = tuple(
        Zone(s.name, s.description, s.mode or policy.mode, tuple(rule.filter for rule in s.namespace))
        for s in policy.segments.values()
    )
    dots = tuple(_dots(compiled, sources))
    lines = tuple(_lines(compiled, judged))
    return SiteMap(zones, dots, traces, lines, tuple(_unused(compiled, judged, dots)), since, made)


_Judged = tuple[Trace, Decision]


def _judged(compiled: Compiled, flow: Flow) -> _Judged:
    decision = decide(compiled.rights(flow.device), Action(flow.direction), flow.example)
    rule = None if decision.rule is None else str(decision.rule)
    owner = None if flow.direction is Direction.SUBSCRIBE else compiled.owner(flow.example)
    return Trace(flow, owner, decision.allowed, decision.reason, rule), decision


# --- devices


def _dots(compiled: Compiled, sources: Sources) -> Iterator[Dot]:
    flows: defaultdict[str, list[Flow]] = defaultdict(list)
    for flow in sources.flows:
        flows[flow.device].append(flow)
    active = {entry.device: entry for entry in sources.activity}
    listed = {*compiled.policy.devices, *compiled.membership.named()}
    for device in sorted({*flows, *active, *listed, *(sources.enrolled or ())}):
        yield _dot(compiled, device, flows[device], active.get(device), sources)


def _dot(
    compiled: Compiled,
    device: str,
    flows: list[Flow],
    active: Activity | None,
    sources: Sources,
) -> Dot:
    placement = compiled.placement(device)
    moments = [flow.last_seen for flow in flows] + ([active.last_seen] if active else [])
    counts = Counter[Direction]()
    for flow in flows:
        counts[flow.direction] += flow.count
    return Dot(
        id=device,
        segment=placement.segment.name if placement else None,
        role=placement.role.name if placement else "",
        enrolled=None if sources.enrolled is None else device in sources.enrolled,
        last_seen=max(moments, default=None),
        denied=active.denied if active else 0,
        published=counts[Direction.PUBLISH],
        received=counts[Direction.RECEIVE],
        bytes=sum(flow.bytes for flow in flows),
    )


# --- between segments


@dataclass(slots=True)
class _Passed:
    devices: set[str]
    count: int = 0
    bytes: int = 0


def _lines(compiled: Compiled, judged: Iterable[_Judged]) -> Iterator[Line]:
    """Every conduit, used or not; then what crossed without one."""
    passed: defaultdict[tuple[str, str, str | None], _Passed] = defaultdict(lambda: _Passed(set()))
    for trace, decision in judged:
        crossing = _crossing(compiled, trace)
        if crossing is not None:
            conduit = compiled.conduit_of(decision.rule) if decision.rule and decision.allowed else None
            ends = (conduit.origin.segment, conduit.target.segment) if conduit else crossing
            total = passed[(*ends, conduit.name if conduit else None)]
            total.devices.add(trace.flow.device)
            total.count += trace.flow.count
            total.bytes += trace.flow.bytes
    for conduit in compiled.conduits:
        key = conduit.origin.segment, conduit.target.segment, conduit.name
        yield _line(conduit, passed.pop(key, _Passed(set())))
    for (origin, target, _), total in sorted(passed.items(), key=lambda item: item[0][:2]):
        yield Line(
            origin, target, None, (origin, target), (), None, len(total.devices), total.count, total.bytes
        )  # no conduit


def _line(conduit: Conduit, total: _Passed) -> Line:
    return Line(
        origin=conduit.origin.segment,
        target=conduit.target.segment,
        conduit=conduit.name,
        ends=(str(conduit.origin), str(conduit.target)),
        topics=tuple(rule.filter for rule in conduit.topics),
        until=conduit.until,
        devices=len(total.devices),
        count=total.count,
        bytes=total.bytes,
    )


def _crossing(compiled: Compiled, trace: Trace) -> tuple[str, str] | None:
    """From where to where it went, if that is not the same."""
    placement = compiled.placement(trace.flow.device)
    mine = placement.segment.name if placement else ""
    if trace.owner is None or trace.owner == mine:
        return None
    return (mine, trace.owner) if trace.flow.direction is Direction.PUBLISH else (trace.owner, mine)


# --- what nobody uses

_Use = tuple[Rule, bool]
"""A rule, and whether it let somebody publish."""


def _unused(compiled: Compiled, judged: Iterable[_Judged], dots: Iterable[Dot]) -> Iterator[Unused]:
    used: set[_Use] = {
        (decision.rule, trace.flow.direction is Direction.PUBLISH)
        for trace, decision in judged
        if decision.rule is not None and decision.allowed
    }
    seen = Counter((dot.segment, dot.role) for dot in dots if dot.last_seen is not None)
    for segment in compiled.policy.segments.values():
        for role in (segment.base, *segment.roles.values()):
            found = seen[segment.name, role.name]
            where = f"{segment.name}/{role.name}" if role.name else segment.name
            for rule, publishes in _grants(segment, role):
                if (rule, publishes) not in used:
                    yield Unused(where, "publish" if publishes else "subscribe", str(rule), found)
    either = {rule for rule, _ in used}
    for conduit in compiled.conduits:
        for rule in conduit.topics:
            if rule not in either:
                yield Unused(f"conduit {conduit.name}", "pass", str(rule), 0)


def _grants(segment: Segment, role: Role) -> Iterator[_Use]:
    """What a role was given; roles that are nobody's give nothing that could be used."""
    if not role.members and not (role is segment.base and not segment.roles):
        return
    whole = role.publish is None and role.subscribe is None
    for rule in (segment.namespace if whole else role.publish) or ():
        yield rule, True
    for rule in (segment.namespace if whole else role.subscribe) or ():
        yield rule, False


def within(site: SiteMap, segment: str) -> SiteMap:
    """The part of a map that concerns one segment: its devices, and what passes between it and others."""
    lines = tuple(line for line in site.lines if segment in (line.origin, line.target))
    ends = {segment} | {end for line in lines for end in (line.origin, line.target)}
    dots = tuple(dot for dot in site.dots if dot.segment == segment)
    mine = {dot.id for dot in dots}
    return replace(
        site,
        zones=tuple(zone for zone in site.zones if zone.name in ends),
        dots=dots,
        lines=lines,
        traces=tuple(trace for trace in site.traces if trace.flow.device in mine),
        unused=tuple(line for line in site.unused if line.where.partition("/")[0] == segment),
    )


def as_json(site: SiteMap) -> Mapping[str, object]:
    """For programs, and for the page."""
    return {
        "made": site.made.isoformat(timespec="seconds"),
        "since": _moment(site.since),
        "segments": [
            {"name": z.name, "description": z.description, "mode": str(z.mode), "namespace": list(z.namespace)}
            for z in site.zones
        ],
        "devices": [
            {
                "id": d.id,
                "segment": d.segment,
                "role": d.role or None,
                "enrolled": d.enrolled,
                "last_seen": _moment(d.last_seen),
                "denied": d.denied,
                "published": d.published,
                "received": d.received,
                "bytes": d.bytes,
            }
            for d in site.dots
        ],
        "lines": [
            {
                "from": line.origin or None,
                "to": line.target or None,
                "conduit": line.conduit,
                "ends": list(line.ends),
                "topics": list(line.topics),
                "until": _moment(line.until),
                "devices": line.devices,
                "count": line.count,
                "bytes": line.bytes,
            }
            for line in site.lines
        ],
        "flows": [_trace_json(trace) for trace in site.traces],
        "seen_not_enrolled": [dot.id for dot in site.strangers],
        "enrolled_never_seen": [dot.id for dot in site.silent],
        "flows_no_line_allows": [_trace_json(trace) for trace in site.uncovered],
        "lines_no_flow_uses": [
            {"where": u.where, "direction": u.direction, "line": u.rule, "devices_seen": u.seen} for u in site.unused
        ],
    }


def _trace_json(trace: Trace) -> dict[str, object]:
    flow = trace.flow
    return {
        "device": flow.device,
        "direction": str(flow.direction),
        "shape": flow.shape,
        "owner": trace.owner,
        "count": flow.count,
        "bytes": flow.bytes,
        "last_seen": _moment(flow.last_seen),
        "allowed": trace.allowed,
        "reason": trace.reason,
        "line": trace.rule,
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")
