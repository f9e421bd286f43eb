"""``mqttseg events`` and ``mqttseg flows``: what happened, and who talks about what, whether a broker runs or not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mqttseg.cli.options import ConfigOption, JsonOption
from mqttseg.cli.output import say, show, show_table
from mqttseg.cli.site import find_site, near
from mqttseg.errors import Reason
from mqttseg.observe.events import Kind

if TYPE_CHECKING:
    from mqttseg.observe.flows import Flow
    from mqttseg.observe.queries import EventQuery, Reader, Recorded

FOLLOW = 0.25
"""Seconds between two looks at whether there is more."""

_LIMIT = 100

DeviceOption = Annotated[str | None, typer.Option("--device", metavar="ID", help="Of this device.")]
SegmentOption = Annotated[str | None, typer.Option("--segment", metavar="NAME", help="Of this segment.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="WHEN", help="Not before: 1h ago, or 2026-11-22T12:00:00Z.")
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="WHEN", help="Before: 10m ago, or 2026-11-22T13:00:00Z.")
]


def events(
    device: DeviceOption = None,
    segment: SegmentOption = None,
    denied: Annotated[bool, typer.Option("--denied", help="What was not allowed: deny, refuse, withdraw.")] = False,
    kind: Annotated[Kind | None, typer.Option("--kind", metavar="KIND", help=f"One of {', '.join(Kind)}.")] = None,
    reason: Annotated[
        Reason | None, typer.Option("--reason", metavar="REASON", help="A reason code, such as outside-segment.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help=f"The latest N; default: {_LIMIT}, 0 is all.")
    ] = _LIMIT,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on: show what happens until Ctrl-C.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg events --denied --since 1h

    $ mqttseg events --device cam-1 --follow

    $ mqttseg events --kind quarantine --json

    Show what happened: denials with their reason and the policy line that decided, who came and went, what was done
    about whom. It is read from state/events.db, whether a broker runs or not. With --json: one object a line.
    """
    from mqttseg.observe.queries import EventQuery, Reader

    path = find_site(config).event_store
    since_at, until_at = moment(since, "--since"), moment(until, "--until")
    query = EventQuery(device, segment, kind, reason, denied, since_at, until_at, limit=limit or None)
    with Reader.open(path) as reader:
        file = _inode(path)
        last = reader.last_id()
        found = reader.events(query)
    last = max([last, *(recorded.id for recorded in found)])
    _show(found, as_json=as_json, as_lines=follow)
    if not found and not follow:
        say(f"Nothing of that is in {near(path)}.")
    if follow:
        for recorded in _following(path, query, last, file):
            _show([recorded], as_json=as_json, as_lines=True)


def _show(found: list[Recorded], *, as_json: bool, as_lines: bool) -> None:
    """A table needs to know all of its rows; who follows gets lines."""
    from mqttseg.observe.outlets import as_json as line_of
    from mqttseg.observe.outlets import as_text

    if as_json:
        for recorded in found:
            print(line_of(recorded.event, recorded.at, id=recorded.id), flush=True)
    elif as_lines:
        for recorded in found:
            show(f"{_clock(recorded.at)}  {as_text(recorded.event)}")
    elif found:
        heads = ("time", "kind", "reason", "device", "segment", "what", "count", "detail")
        show_table(heads, [_row(recorded) for recorded in found])


def _row(recorded: Recorded) -> tuple[str, ...]:
    event = recorded.event
    told = (
        event.address and event.device is None and f"from {event.address}",
        event.observed and "observed: let through",
        event.rule and f"by {event.rule}",
        event.who and f"by {event.who}",
        event.why,
        event.detail,
    )
    what = " ".join(text for text in (event.action, event.topic) if text)
    texts = (event.kind, event.reason, event.device or "", event.segment or "", what)
    return (_clock(recorded.at), *texts, str(event.count), "; ".join(text for text in told if text))


def _following(path: Path, query: EventQuery, last: int, file: int | None) -> Iterator[Recorded]:
    """What is recorded after ``last``; also in a new file, which the broker begins when the old one is damaged."""
    from mqttseg.observe.queries import Reader

    while True:
        while (now := _inode(path)) is None:
            time.sleep(FOLLOW)
        if now != file:
            file, last = now, 0
        with Reader.open(path) as reader:
            for recorded in _following_one(reader, query, last, partial(_is_another, path, now)):
                last = recorded.id
                yield recorded


def _following_one(reader: Reader, query: EventQuery, last: int, has_ended: Callable[[], bool]) -> Iterator[Recorded]:
    from dataclasses import replace

    seen = -1
    while not has_ended():
        version = reader.version()
        if version != seen:
            seen = version
            known = reader.last_id()  # before: what comes meanwhile is asked for again
            found = reader.events(replace(query, after=last, limit=None))
            last = max([known, *(recorded.id for recorded in found)])
            yield from found
        time.sleep(FOLLOW)


def _is_another(path: Path, file: int) -> bool:
    return _inode(path) != file


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def flows(
    device: DeviceOption = None,
    segment: SegmentOption = None,
    direction: Annotated[
        Literal["publish", "subscribe", "receive"] | None,
        typer.Option("--direction", metavar="DIRECTION", help="publish, subscribe or receive."),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="The first N; default: 0, which is all.")
    ] = 0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """$ mqttseg flows --device thermo-1

    $ mqttseg flows --segment hvac --since 7d --json

    Show what devices do that is allowed, one line for each shape of topic: how often, how much, since when and when
    last (which is what --since and --until are about). With --json: one object a line.
    """
    from mqttseg.observe.flows import Direction
    from mqttseg.observe.queries import FlowQuery, read_flows

    path = find_site(config).event_store
    wanted = None if direction is None else Direction(direction)
    query = FlowQuery(device, segment, wanted, moment(since, "--since"), moment(until, "--until"), limit or None)
    found = list(read_flows(path, query))
    if as_json:
        for flow in found:
            print(_flow_line(flow))
    elif found:
        heads = ("device", "segment", "direction", "shape", "count", "bytes", "observed", "first seen", "last seen")
        show_table(heads, [_flow_row(flow) for flow in found])
    else:
        say(f"Nothing of that is in {near(path)}.")


def _flow_row(flow: Flow) -> tuple[str, ...]:
    numbers = (str(flow.count), str(flow.bytes), str(flow.observed or ""))
    seen = (_clock(flow.first_seen), _clock(flow.last_seen))
    return (flow.device, flow.segment or "", flow.direction, flow.shape, *numbers, *seen)


def _flow_line(flow: Flow) -> str:
    import json
    from dataclasses import asdict

    moments = {"first_seen": _exact(flow.first_seen), "last_seen": _exact(flow.last_seen)}
    return json.dumps(asdict(flow) | moments)


def moment(text: str | None, option: str) -> datetime | None:
    """A moment, or how long ago."""
    from pydantic_core import PydanticCustomError

    from mqttseg.policy.fields import parse_duration, parse_moment

    if text is None:
        return None
    try:
        if text[:4].isdigit() and "-" in text:
            return parse_moment(text)
        return datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except (PydanticCustomError, OverflowError) as error:
        raise typer.BadParameter(_told(error), param_hint=option) from None


def _told(error: Exception) -> str:
    remedy = (getattr(error, "context", None) or {}).get("remedy", "write a shorter time")
    return f"{error}; {remedy}, or a moment such as 2026-11-22T12:00:00Z"


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}Z"


def _exact(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
