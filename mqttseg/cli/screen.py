"""What ``mqttseg top`` shows: two looks at a broker, as one screen of any size.

Owns the arrangement: what matters most is at the top, and what does not fit is left out from the bottom of its part.
Refuses to know where a look is from, and terminals. Every text may be a peer's: none of it is markup here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mqttseg.observe.queries import Recorded
from mqttseg.observe.snapshot import BrokerStatus, Expiry
from mqttseg.pki.quarantine import Quarantine

SOON: Final = timedelta(days=30)
_WIDE: Final = 110
_HEAD, _FRAME = 3, 2
_UNBOUND: Final = 12
"""Rows of each part where the screen has no end."""


@dataclass(frozen=True, slots=True)
class Look:
    """The broker at one moment. ``taken`` in seconds of a steady clock; ``events``: the latest, oldest first."""

    status: BrokerStatus
    quarantines: tuple[Quarantine, ...]
    events: tuple[Recorded, ...]
    taken: float


def screen(before: Look, now: Look, width: int, height: int | None) -> RenderableType:
    """Everything, in so many columns and rows (None: as many as it takes)."""
    parts = [
        ("connected", *_segments(now)),
        ("denied since the start", *_denied(before, now)),
        ("busiest, messages/s", *_busiest(now)),
    ]
    if width >= _WIDE:
        parts.append(("attention", *_attention(now)))
    else:
        parts[2:] = [("attention", *_attention(now))] if _needs_attention(now) else parts[2:]
    rows, rest = _share(height, max(len(lines) for _, _, lines in parts))
    middle = Table.grid(expand=True, padding=0)
    for _ in parts:
        middle.add_column(ratio=1)
    middle.add_row(*(_panel(title, heads, lines, rows) for title, heads, lines in parts))
    events = _events(now, rest)
    return Group(_head(before, now), middle, _panel("latest events", (), events, rest, first_grows=False))


def _share(height: int | None, wanted: int) -> tuple[int, int]:
    """Rows for the middle and for the events."""
    if height is None:
        return min(max(wanted, 3) + 1, _UNBOUND), _UNBOUND
    left = height - _HEAD - 2 * _FRAME
    middle = min(max(wanted, 3) + 1, max(left // 2, 3))
    return middle, max(left - middle, 1)


def _head(before: Look, now: Look) -> RenderableType:
    status, policy = now.status, now.status.policy
    up = datetime.now(UTC) - status.started
    first = Text.assemble(
        ("mqttseg ", "bold"),
        f"{status.version}, up {_span(up)}   policy revision {policy.revision} since ",
        f"{policy.since.astimezone():%Y-%m-%d %H:%M}, ",
        (f"mode {policy.mode}", "yellow" if policy.mode == "observe" else ""),
        no_wrap=True,
        overflow="ellipsis",
    )
    second = Text.assemble(
        (f"{status.connected}", "bold"),
        f" of {status.sessions} sessions connected  in ",
        (f"{rate(before, now, 'received'):,.0f}/s", "bold"),
        "  out ",
        (f"{rate(before, now, 'sent'):,.0f}/s", "bold"),
        f"  dropped {status.counters.get('dropped', 0):,}  quarantined ",
        (f"{status.quarantined}", "bold red" if status.quarantined else ""),
        f"  retained {status.retained:,}",
        no_wrap=True,
        overflow="ellipsis",
    )
    return Group(first, second, Text(""))


def rate(before: Look, now: Look, counter: str) -> float:
    """How much of it there was per second; a broker that was restarted meanwhile began anew."""
    seconds = now.taken - before.taken
    if seconds <= 0 or before.status.started != now.status.started:
        return 0.0
    return (now.status.counters.get(counter, 0) - before.status.counters.get(counter, 0)) / seconds


_Part = tuple[Sequence[str], list[tuple[str | Text, ...]]]


def _segments(now: Look) -> _Part:
    ranked = sorted(now.status.segments.items(), key=lambda item: (-item[1], item[0]))
    return ("segment", "devices"), [(_plain(name or "in no segment"), f"{count:,}") for name, count in ranked]


def _denied(before: Look, now: Look) -> _Part:
    status = now.status
    ranked = sorted(status.denied.items(), key=lambda item: (-item[1], item[0]))
    rows: list[tuple[str | Text, ...]] = [
        (Text(reason, style="red" if count > before.status.denied.get(reason, 0) else ""), f"{count:,}")
        for reason, count in ranked
    ]
    rows += [
        (Text(f"{reason} (let through)", style="yellow"), f"{count:,}")
        for reason, count in sorted(status.observed.items())
    ]
    return ("reason", "times"), rows or [("nothing", "")]


def _busiest(now: Look) -> _Part:
    rows: list[tuple[str | Text, ...]] = [
        (_plain(busy.device), f"{busy.published:,.0f}", f"{busy.received:,.0f}") for busy in now.status.busiest
    ]
    return ("device", "in", "out"), rows or [("none in the last seconds", "", "")]


def _needs_attention(now: Look) -> bool:
    return bool(now.quarantines or _soon(now))


def _soon(now: Look) -> list[Expiry]:
    end = datetime.now(UTC) + SOON
    return [expiry for expiry in now.status.expiring if expiry.until <= end]


def _attention(now: Look) -> _Part:
    rows: list[tuple[str | Text, ...]] = [
        (Text.assemble((f"{entry.device} out", "red"), _plain(f": {entry.why}" if entry.why else "")),)
        for entry in now.quarantines
    ]
    for expiry in _soon(now):
        left = expiry.until - datetime.now(UTC)
        when = f": expires in {_span(left)}" if left > timedelta(0) else ": has expired"
        rows.append((Text.assemble((expiry.device or "the broker's certificate", "yellow"), when),))
    return ("devices out, certificates",), rows or [("nothing",)]


def _events(now: Look, rows: int) -> list[tuple[str | Text, ...]]:
    shown = list(now.events)[-rows:][::-1]
    return [(_event_line(recorded),) for recorded in shown] or [("none were recorded",)]


def _event_line(recorded: Recorded) -> Text:
    event = recorded.event
    style = "red" if event.kind in {"deny", "refuse", "cut", "quarantine", "error"} else ""
    what = " ".join(text for text in (event.action, event.topic) if text)
    times = f"x{event.count}" if event.count > 1 else ""
    told = (event.device or "", what, times, "observed" if event.observed else "", event.why or event.detail)
    return Text.assemble(
        f"{recorded.at.astimezone():%H:%M:%S}  ",
        (f"{event.kind:<10} {event.reason:<18}", style),
        " ",
        _plain("  ".join(text for text in told if text)),
    )


def _panel(
    title: str, heads: Sequence[str], lines: Sequence[tuple[str | Text, ...]], rows: int, *, first_grows: bool = True
) -> Panel:
    """A frame of exactly so many rows, whatever there is to show."""
    table = Table(box=None, expand=first_grows, show_header=bool(heads), pad_edge=False, header_style="dim")
    for number, head in enumerate(heads or ("",)):
        table.add_column(head, no_wrap=True, overflow="ellipsis", justify="right" if number else "left")
    room = rows - bool(heads)
    for line in lines[:room]:
        table.add_row(*line)
    return Panel(table, title=title, title_align="left", box=box.ROUNDED, height=rows + _FRAME, border_style="dim")


def _plain(text: str) -> Text:
    """A text as it is: no markup in it, no line break, nothing that moves the cursor."""
    return Text("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))


def _span(span: timedelta) -> str:
    seconds = max(int(span.total_seconds()), 0)
    minutes = seconds // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    return (
        f"{days}d {hours}h"
        if days
        else f"{hours}h {minutes % 60}m"
        if hours
        else f"{minutes}m"
        if minutes
        else f"{seconds}s"
    )


def look_json(before: Look, now: Look) -> Mapping[str, object]:
    """For programs: the status as the control API has it, with rates and who is out."""
    status = asdict(now.status)
    return {
        **_timed(status),
        "rates": {name: round(rate(before, now, name), 1) for name in now.status.counters},
        "quarantines": [_timed(asdict(entry)) for entry in now.quarantines],
    }


def _timed(value: Mapping[str, object]) -> dict[str, object]:
    return {key: _json(item) for key, item in value.items()}


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, Mapping):
        return _timed(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_json(item) for item in value]
    return value
