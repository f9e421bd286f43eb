"""Short ways to write a policy as values: every rule gets a line of its own, so that tests can name it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import count

from mqttseg.errors import Source
from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.model import Conduit, Device, End, Member, Mode, Policy, Role, Rule, Segment, Width

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_lines = count(1)


def source() -> Source:
    return Source("policy.yaml", next(_lines), 1)


def rules(filters: Iterable[str]) -> tuple[Rule, ...]:
    return tuple(Rule(text, source()) for text in filters)


def _maybe_rules(filters: Iterable[str] | None) -> tuple[Rule, ...] | None:
    return None if filters is None else rules(filters)


def role(
    name: str = "",
    members: Iterable[str] = (),
    publish: Iterable[str] | None = None,
    subscribe: Iterable[str] | None = None,
    deny: Iterable[str] = (),
) -> Role:
    return Role(
        name=name,
        source=source(),
        members=tuple(Member(pattern, source()) for pattern in members),
        publish=_maybe_rules(publish),
        subscribe=_maybe_rules(subscribe),
        deny=rules(deny),
    )


def segment(
    name: str,
    members: Iterable[str] = (),
    publish: Iterable[str] | None = None,
    subscribe: Iterable[str] | None = None,
    deny: Iterable[str] = (),
    *,
    namespace: Iterable[str] | None = None,
    roles: Iterable[Role] = (),
    mode: Mode | None = None,
    width: Width = Width.EXACT,
) -> Segment:
    return Segment(
        name=name,
        source=source(),
        namespace=rules([name] if namespace is None else namespace),
        base=role("", members, publish, subscribe),
        roles={role.name: role for role in roles},
        deny=rules(deny),
        mode=mode,
        width=width,
    )


def conduit(
    origin: str, target: str, topics: Iterable[str], *, until: datetime | None = None, mode: Mode | None = None
) -> Conduit:
    """Ends as in the file: ``segment`` or ``segment/role``."""
    ends = [End(*text.split("/")) for text in (origin, target)]
    return Conduit(f"{origin}-{target}", source(), ends[0], ends[1], rules(topics), until=until, mode=mode)


def device(device_id: str, segment: str | None = None, role: str | None = None) -> Device:
    return Device(device_id, source(), segment=segment, role=role)


def policy(
    segments: Iterable[Segment],
    conduits: Iterable[Conduit] = (),
    devices: Iterable[Device] = (),
    mode: Mode = Mode.ENFORCE,
) -> Policy:
    numbered: Mapping[str, Conduit] = {f"{c.name}-{number}": c for number, c in enumerate(conduits)}
    return Policy(
        source=source(),
        trust_domain="plant7.example",
        segments={s.name: s for s in segments},
        mode=mode,
        conduits=numbered,
        devices={d.id: d for d in devices},
    )


def compiled(
    segments: Iterable[Segment],
    conduits: Iterable[Conduit] = (),
    devices: Iterable[Device] = (),
    mode: Mode = Mode.ENFORCE,
) -> Compiled:
    return compile_policy(policy(segments, conduits, devices, mode), NOW)
