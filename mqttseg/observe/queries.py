"""What happened, asked of the file in which it is kept: by anybody who may read it, whether a broker runs or not.

Owns the questions and their SQL. Refuses to write: it opens the file read-only, beside the broker that writes it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from mqttseg.errors import OperatorError, Reason
from mqttseg.migration import NewerSchema, version_of
from mqttseg.observe.events import DENIALS, Event, Kind
from mqttseg.observe.flows import Direction, Flow
from mqttseg.observe.schema import APPLICATION_ID, DENIED, MIGRATIONS

FIELDS = tuple(field.name for field in fields(Event))
"""The columns that hold an event, in its own order."""

_PATIENCE = 5.0
_EVENTS, _FLOWS = 1, 2
"""The versions of the schema that brought the tables."""

_OWN = {Kind.CONNECT, Kind.DISCONNECT, Kind.CUT, Kind.REFUSE, Kind.LIMIT, Kind.WILL} | DENIALS
"""What a device did itself, and was not done about it: only then it was there."""

_COLUMNS = f"id, at, {', '.join(FIELDS)}"
_FLOW = ", ".join(field.name for field in fields(Flow))
_FLOW_ORDER = "device, direction, shape, segment"
_ACTIVITY = f"""SELECT device, max(at), sum(iif({DENIED}, count, 0)) FROM events
    WHERE device IS NOT NULL AND at >= ? AND kind IN ({", ".join(f"'{kind}'" for kind in sorted(_OWN))})
    GROUP BY device ORDER BY device"""  # noqa: S608
_LEADING = ("device", "reason", "segment", "kind")
"""Whose index is used, the most selective first: without statistics SQLite would guess."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event that was kept. Numbers grow, and no number is given twice."""

    id: int
    at: datetime
    event: Event


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events: all that is given must hold. ``limit``: the latest so many. ``after``: with a greater number.

    ``since`` is included, ``until`` is not.
    """

    device: str | None = None
    segment: str | None = None
    kind: Kind | None = None
    reason: Reason | None = None
    denied: bool = False
    since: datetime | None = None
    until: datetime | None = None
    after: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class FlowQuery:
    """Which flows: all that is given must hold. ``since`` and ``until`` are about when a flow was last seen."""

    device: str | None = None
    segment: str | None = None
    direction: Direction | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """One device in the events: when it was last told of, and how often it was not allowed something."""

    device: str
    last_seen: datetime
    denied: int


def read_activity(path: Path, since: datetime | None = None) -> list[Activity]:
    """Every device that was connected or refused, by id. Raises OperatorError as ``read_events`` does."""
    with Reader.open(path) as reader:
        return reader.activity(since)


def read_events(path: Path, query: EventQuery | None = None) -> list[Recorded]:
    """The events asked for, oldest first. Raises OperatorError when there is no such file, or it cannot be read."""
    with Reader.open(path) as reader:
        return reader.events(query or EventQuery())


def read_flows(path: Path, query: FlowQuery | None = None) -> Iterator[Flow]:
    """The flows asked for, by device, direction and shape. Raises OperatorError as ``read_events`` does."""
    with Reader.open(path) as reader:
        yield from reader.flows(query or FlowQuery())


class Reader:
    """The file, open for reading. Sees what is committed meanwhile."""

    def __init__(self, path: Path, database: sqlite3.Connection, version: int) -> None:
        self.path = path
        self._database = database
        self._version = version

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file. Raises OperatorError."""
        with _operator_errors(path):
            database = _connect(path)
            try:
                return cls(path, database, version_of(database, APPLICATION_ID, len(MIGRATIONS)))
            except BaseException:
                database.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def events(self, query: EventQuery) -> list[Recorded]:
        """The events asked for, oldest first. Raises OperatorError."""
        if self._version < _EVENTS:
            return []
        conditions, values = _event_conditions(query)
        table = "events INDEXED BY events_denied" if conditions.startswith(DENIED) else "events"
        order = "id" if query.after is not None else "at DESC, id DESC"
        statement = f"SELECT {_COLUMNS} FROM {table} WHERE {conditions} ORDER BY {order} LIMIT ?"  # noqa: S608
        with _operator_errors(self.path):
            rows = self._database.execute(statement, [*values, _limit(query.limit)]).fetchall()
        found = [_recorded(row) for row in rows]
        return found if query.after is not None else found[::-1]

    def activity(self, since: datetime | None = None) -> list[Activity]:
        """Every device that was connected or refused since then, by id, from its events. Raises OperatorError."""
        if self._version < _EVENTS:
            return []
        with _operator_errors(self.path):
            rows = self._database.execute(_ACTIVITY, [milliseconds(since) if since else 0]).fetchall()
        return [Activity(device, moment(last), denied) for device, last, denied in rows]

    def last_id(self) -> int:
        """The greatest number given so far; 0 when there is none. Raises OperatorError."""
        if self._version < _EVENTS:
            return 0
        with _operator_errors(self.path):
            return int(self._database.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])

    def version(self) -> int:
        """A number that changes when anything was committed: cheap to ask. Raises OperatorError."""
        with _operator_errors(self.path):
            return int(self._database.execute("PRAGMA data_version").fetchone()[0])

    def flows(self, query: FlowQuery) -> Iterator[Flow]:
        """The flows asked for, by device, direction and shape. Raises OperatorError."""
        if self._version < _FLOWS:
            return
        conditions, values = _flow_conditions(query)
        statement = f"SELECT {_FLOW} FROM flows WHERE {conditions} ORDER BY {_FLOW_ORDER} LIMIT ?"  # noqa: S608
        with _operator_errors(self.path), closing(self._database.cursor()) as cursor:
            for row in cursor.execute(statement, [*values, _limit(query.limit)]):
                yield _flow(row)


def moment(at: int) -> datetime:
    """Milliseconds since 1970 as a moment in UTC."""
    return datetime.fromtimestamp(at // 1000, UTC).replace(microsecond=at % 1000 * 1000)


def milliseconds(at: datetime) -> int:
    """A moment as milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def _event_conditions(query: EventQuery) -> tuple[str, list[Any]]:
    """One index is to be used, or none when only new rows count: a ``+`` before a column takes it from SQLite."""
    conditions: list[str] = []
    values: list[Any] = []
    if query.after is not None:
        conditions.append("id > ?")
        values.append(query.after)
    for column in _LEADING:
        value = getattr(query, column)
        if value is not None:
            conditions.append(f"{'+' if conditions else ''}{column} = ?")
            values.append(value)
    if query.denied:
        conditions.append(f"{'+' if conditions else ''}{DENIED}")
    for operator, bound in ((">=", query.since), ("<", query.until)):
        if bound is not None:
            conditions.append(f"{'' if query.after is None else '+'}at {operator} ?")
            values.append(milliseconds(bound))
    return " AND ".join(conditions) or "TRUE", values


def _flow_conditions(query: FlowQuery) -> tuple[str, list[Any]]:
    given: tuple[tuple[str, Any], ...] = (
        ("device = ?", query.device),
        ("segment = ?", query.segment),
        ("direction = ?", query.direction),
        ("last_seen >= ?", None if query.since is None else milliseconds(query.since)),
        ("last_seen < ?", None if query.until is None else milliseconds(query.until)),
    )
    held = [(condition, value) for condition, value in given if value is not None]
    return " AND ".join(condition for condition, _ in held) or "TRUE", [value for _, value in held]


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit  # SQLite's own word for no limit


def _recorded(row: tuple[Any, ...]) -> Recorded:
    number, at, kind, reason, *texts = row
    told = dict(zip(FIELDS[2:], texts, strict=True))
    told |= {"observed": bool(told["observed"]), "repeated": bool(told["repeated"])}
    return Recorded(number, moment(at), Event(Kind(kind), Reason(reason), **told))


def _flow(row: tuple[Any, ...]) -> Flow:
    device, segment, direction, shape, example, count, size, observed, first, last = row
    return Flow(
        device=device,
        segment=segment or None,
        direction=Direction(direction),
        shape=shape,
        example=example,
        count=count,
        bytes=size,
        observed=observed,
        first_seen=moment(first),
        last_seen=moment(last),
    )


def _connect(path: Path) -> sqlite3.Connection:
    """Read-only. SQLite wants files of its own beside a file that is being written; where it may not make them, and
    there are none, nobody is writing and the file can be read as it is."""
    if not path.exists():
        raise FileNotFoundError("nothing was recorded yet")
    name = f"file:{quote(str(path))}"
    database = sqlite3.connect(f"{name}?mode=ro", uri=True, timeout=_PATIENCE, isolation_level=None)
    try:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        database.close()
        if Path(f"{path}-wal").exists():
            raise
        database = sqlite3.connect(f"{name}?immutable=1", uri=True, isolation_level=None)
    return database


@contextmanager
def _operator_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise OperatorError(f"{path}: {error}; `mqttseg run` records it") from error
    except (OSError, sqlite3.Error, ValueError, NewerSchema) as error:
        raise OperatorError(f"{path}: the events cannot be read: {error}; {_remedy(error)}") from error


def _remedy(error: Exception) -> str:
    match error:
        case NewerSchema():
            return "read them with the mqttseg that wrote it"
        case sqlite3.OperationalError() | OSError():
            return "read them as the user that the broker runs as"
    return "the audit file has them too; a running broker begins a new file by itself"
