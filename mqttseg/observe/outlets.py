"""Where events go: the log, readable on a terminal and JSON off it, and the audit file, one JSON object a line.

Writing happens on threads, and making the text too: a slow or full disk never stops enforcement, and thousands of
events at once do not hold the loop. The log's thread is that of ``mqttseg run`` (cli/logs.py).
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Protocol

from mqttseg.errors import OperatorError
from mqttseg.observe.backlog import Backlog
from mqttseg.observe.events import CLIPPED, Event, Kind, Outlet, clip
from mqttseg.observe.fold import Fold

log = logging.getLogger("mqttseg.events")
trouble = logging.getLogger("mqttseg.audit")  # not the events' own, whose lines are events and nothing else

WAITING = 10_000
"""Events that may wait for the disk; more are counted and dropped, loudly."""

_QUIET = frozenset({Kind.CONNECT, Kind.DISCONNECT, Kind.WILL})


def as_fields(event: Event, now: datetime) -> dict[str, object]:
    """What happened, as JSON has it; what is empty is left out."""
    fields = {name: getattr(event, name) for name in Event.__slots__}
    told = {name: value for name, value in fields.items() if value not in (None, "", False)}
    return {"time": now.isoformat(timespec="milliseconds"), **told}


def as_json(event: Event, now: datetime, **more: object) -> str:
    """One line of JSON, control characters escaped. ``more`` comes first."""
    return json.dumps({**more, **as_fields(event, now)}, ensure_ascii=True)


def as_text(event: Event) -> str:
    """One line for a person; what a peer sent is quoted and escaped."""
    parts = [f"{event.kind:<10} {event.reason}"]
    named = (("device", event.device), ("segment", event.segment), ("from", event.address))
    parts += [f"{name}={value}" for name, value in named if value]
    if event.action:
        parts.append(f"{event.action} {event.topic!r}" if event.topic else event.action)
    if event.rule:
        parts.append(f"by {event.rule}")
    if event.observed:
        parts.append("(observed: let through)")
    if event.repeated:
        parts.append(f"{event.count} more since it was told")
    elif event.count > 1:
        parts.append(f"x{event.count}")
    if event.who:
        parts.append(f"who={ascii(event.who)[1:-1]}")
    parts += [f"- {ascii(text)[1:-1]}" for text in (event.why, event.detail) if text]
    return "  ".join(parts)


class Line:
    """An event as a line, made when somebody writes it."""

    __slots__ = ("_text", "at", "event")

    def __init__(self, event: Event, text: Callable[[Event, datetime], str]) -> None:
        self.event = event
        self.at = datetime.now(UTC)
        self._text = text

    def __str__(self) -> str:
        return self._text(self.event, self.at)


def log_outlet(event: Event) -> None:
    """Log an event: what somebody should look at as a warning, the rest as information."""
    level = logging.INFO if event.kind in _QUIET or event.reason == "ok" else logging.WARNING
    if log.isEnabledFor(level):
        log.log(level, "%s", Line(event, _as_logged))


def _as_logged(event: Event, now: datetime) -> str:
    return as_text(event) if sys.stderr.isatty() else as_json(event, now)


class _PrivateFile(logging.handlers.TimedRotatingFileHandler):
    """Only its owner may read it, from the first byte. That it cannot be written is told once, not for every event."""

    _told = False

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "a", encoding=self.encoding)

    def handleError(self, record: logging.LogRecord | None) -> None:  # noqa: ARG002, N802  # logging's own
        """Called where an exception is being handled."""
        if not self._told:
            self._told = True
            error = sys.exc_info()[1]
            why = getattr(error, "strerror", None) or error
            trouble.error("%s: %s; events are being lost, see to the disk", self.baseFilename, why)

    def close(self) -> None:
        """Close the file; what the disk does not take is lost, and told like the rest."""
        try:
            super().close()
        except OSError:
            self.handleError(None)


def _open(path: Path, keep_days: int) -> _PrivateFile:
    """The file, opened: what would never be written must not be found out by the first event."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _PrivateFile(path, when="midnight", utc=True, backupCount=keep_days, encoding="utf-8")
    except OSError as error:
        raise OperatorError(
            f"{path}: the audit file cannot be written: {error.strerror or error};"
            " let the broker's user write there, or name another place with `audit: file:` in mqttseg.yaml"
        ) from error


class AuditFile:
    """Appends events to a file that is rotated at midnight UTC and kept for so many days.

    OperatorError when the file cannot be opened. Later, what the disk refuses is logged once and lost.
    """

    def __init__(self, path: Path, keep_days: int) -> None:
        target = _open(path, keep_days)
        target.setFormatter(logging.Formatter("%(message)s"))
        self._backlog = Backlog("mqttseg-audit", target.handle, WAITING)
        self._target = target
        self._lost = 0

    def __call__(self, event: Event) -> None:
        """Take an event; never waits."""
        if not self._backlog.add(logging.makeLogRecord({"msg": Line(event, as_json), "levelno": logging.INFO})):
            self._lost += 1
            if self._lost == 1:
                trouble.error("the audit file does not keep up: events are being lost")

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._backlog.close()
        self._target.close()


class Keeping(Protocol):
    """An outlet that keeps what it is told, until it is closed."""

    def __call__(self, event: Event) -> None:
        """Take an event; never waits."""

    def close(self) -> None:
        """Keep what waits."""


class Outlets:
    """Folds repeated events, then hands each to every outlet."""

    def __init__(self, outlets: Iterable[Outlet], files: Iterable[Keeping] = ()) -> None:
        self._files = tuple(files)
        self._outlets: tuple[Outlet, ...] = (*outlets, *self._files)
        self._fold = Fold(self._tell)

    def __call__(self, event: Event) -> None:
        """Take an event; of what its peer wrote, as much as is kept: each outlet holds thousands that wait."""
        if len(event.topic or "") > CLIPPED or len(event.detail) > CLIPPED:
            event = replace(event, topic=event.topic and clip(event.topic), detail=clip(event.detail))
        self._fold.tell(event, time.monotonic())

    def _tell(self, event: Event) -> None:
        for outlet in self._outlets:
            outlet(event)

    def tick(self) -> None:
        """Tell what a window that has ended still owes; to be called now and then."""
        self._fold.tick(time.monotonic())

    def close(self) -> None:
        """Tell what is still owed, and close the files."""
        self._fold.flush()
        for file in self._files:
            file.close()


def standard_outlets(audit: Path, keep_days: int, *more: Keeping) -> Outlets:
    """The log, the audit file, and what else keeps events. Raises OperatorError as AuditFile does."""
    return Outlets([log_outlet], [AuditFile(audit, keep_days), *more])
