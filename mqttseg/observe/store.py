"""The file in which events and flows are kept: SQLite with a write-ahead log, in which others may read meanwhile.

Owns the way of rows to the disk: a batch is one transaction, and few statements, since each SQLite step gives up the
interpreter's lock and must win it back from a busy loop. Refuses to know threads and queues (recorder.py). A batch
that was committed survives kill -9; a power cut may cost the last ones, never the file.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from mqttseg.migration import migrate, version_of
from mqttseg.observe import schema
from mqttseg.observe.events import Event, clip
from mqttseg.observe.flows import Direction, Traffic
from mqttseg.observe.queries import FIELDS
from mqttseg.observe.shapes import Shapes

LOG_SIZE: Final = 16 << 20
"""Bytes that SQLite's write-ahead log keeps on the disk when it is empty."""

_SHAPES_KEPT: Final = 20_000
_VALUES: Final = ", ".join(f"value ->> {at}" for at in range(len(FIELDS) + 1))
_INSERT: Final = f"INSERT INTO events (at, {', '.join(FIELDS)}) SELECT {_VALUES} FROM json_each(?)"  # noqa: S608
_FLOW: Final = ("device", "direction", "shape", "segment", "example", "count", "bytes", "observed", "at")
_UPSERT: Final = f"""INSERT INTO flows
    SELECT {", ".join(f"value ->> {at}" for at in range(len(_FLOW)))}, value ->> {len(_FLOW) - 1}
    FROM json_each(?) WHERE TRUE
    ON CONFLICT DO UPDATE SET example = excluded.example, count = count + excluded.count,
    bytes = bytes + excluded.bytes, observed = observed + excluded.observed,
    first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen)"""  # noqa: S608

Told: TypeAlias = tuple[int, Event]
"""An event, and when it happened in milliseconds since 1970."""

_FlowKey: TypeAlias = tuple[str, Direction, str, str]


@dataclass(slots=True)
class _Sum:
    example: str
    count: int = 0
    bytes: int = 0
    observed: int = 0


class Damaged(sqlite3.DatabaseError):
    """SQLite reads the file, and finds it inconsistent."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class Store:
    """An open file, for one thread. What goes wrong with it raises sqlite3.Error or OSError, and changes nothing."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self._shapes: dict[tuple[str, Direction], Shapes] = {}

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open or create the file, for its owner only. Raises as ``migrate`` does, too."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
        try:
            _prepare(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def add(self, events: Sequence[Told], traffic: Sequence[Traffic], at: int) -> None:
        """Keep events, and add traffic that was told at this moment to its flows: both or neither."""
        flows = self._sums(traffic)
        try:
            with transaction(self.database):
                if events:
                    self.database.execute(_INSERT, (json.dumps([_event_row(told) for told in events]),))
                if flows:
                    rows = [_flow_row(key, total, at) for key, total in flows.items()]
                    self.database.execute(_UPSERT, (json.dumps(rows),))
        except BaseException:
            self.forget_shapes()  # those of this batch are not in the file
            raise

    def forget_shapes(self) -> None:
        """Flows were deleted: which shapes there are is read anew."""
        self._shapes.clear()

    def _sums(self, traffic: Sequence[Traffic]) -> dict[_FlowKey, _Sum]:
        sums: dict[_FlowKey, _Sum] = {}
        for item in traffic:
            shape = self._shapes_of(item.device, item.direction).fold(item.topic)
            key = item.device, item.direction, shape, item.segment or ""
            total = sums.get(key)
            if total is None:
                total = sums[key] = _Sum(item.topic)
            total.count += item.count
            total.bytes += item.bytes
            total.observed += item.count if item.observed else 0
        return sums

    def _shapes_of(self, device: str, direction: Direction) -> Shapes:
        shapes = self._shapes.get((device, direction))
        if shapes is None:
            if len(self._shapes) >= _SHAPES_KEPT:
                self._shapes.clear()
            known = self.database.execute(
                "SELECT DISTINCT shape FROM flows WHERE device = ? AND direction = ?", (device, direction)
            )
            shapes = self._shapes[device, direction] = Shapes(device, (shape for (shape,) in known))
        return shapes


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of it, or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _prepare(database: sqlite3.Connection) -> None:
    version_of(database, schema.APPLICATION_ID, len(schema.MIGRATIONS))  # or nothing of it is touched
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before there is a table, or it has no effect
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(f"PRAGMA journal_size_limit = {LOG_SIZE}")
    finding = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise Damaged(finding)
    migrate(database, schema.APPLICATION_ID, schema.MIGRATIONS)


def _event_row(told: Told) -> list[Any]:
    at, event = told
    return [at, *(_kept(getattr(event, name)) for name in FIELDS)]


def _flow_row(key: _FlowKey, total: _Sum, at: int) -> list[Any]:
    device, direction, shape, segment = key
    texts = device, direction, shape, segment, total.example
    return [*map(storable, texts), total.count, total.bytes, total.observed, at]


def _kept(value: Any) -> Any:
    return clip(storable(value)) if isinstance(value, str) else value


def storable(text: str) -> str:
    """The text without what UTF-8 has no bytes for, which a command line may hold, and without NUL."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
