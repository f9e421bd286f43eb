"""The state file: SQLite with a write-ahead log.

Owns the way of rows to the disk and back. One batch is one transaction and one fsync, in few statements of many rows:
each SQLite step gives up the interpreter's lock and must win it back from a busy loop. Refuses to know sessions and
flows: rows come from the journal.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from mqttseg.engine import schema
from mqttseg.engine.journal import Row, Rows
from mqttseg.engine.message import Delivery, Message
from mqttseg.errors import OperatorError
from mqttseg.migration import NewerSchema, migrate

ORPHANS: Final = (
    *(
        f"DELETE FROM {table} WHERE session NOT IN (SELECT id FROM sessions)"  # noqa: S608
        for table in ("subscriptions", "incoming", "deliveries")
    ),
    "DELETE FROM deliveries WHERE message NOT IN (SELECT id FROM messages)",
    "DELETE FROM messages WHERE id NOT IN (SELECT message FROM deliveries)",
)
"""Rows that no session owns: an earlier version left some, and nobody would ever delete them."""
LAST_ID: Final = """SELECT max(last) FROM (SELECT 0 AS last
    UNION SELECT max(id) FROM sessions UNION SELECT max(session) FROM subscriptions
    UNION SELECT max(session) FROM incoming UNION SELECT max(session) FROM deliveries
    UNION SELECT max(id) FROM messages UNION SELECT max(id) FROM deliveries
    UNION SELECT max(released) FROM deliveries)"""
"""All numbers in use, also as a mere reference: a new session must not inherit rows by its number."""
CHUNKS: Final = (128, 32, 8, 1)
"""Rows per INSERT. Few sizes, so that the statements stay prepared; at most 999 variables each."""


@dataclass(slots=True)
class Stored:
    """What a run begins with. Deliveries are in the order of sending, released ones last in the order of PUBREC."""

    last_id: int
    sessions: list[tuple[int, str, float | None]]
    subscriptions: list[tuple[int, str, int]]
    deliveries: list[tuple[int, Delivery]]
    incoming: list[tuple[int, int, Message]]
    retained: list[Message]


class Store:
    """An open state file. ``commit`` may be called from another thread, one call at a time."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path = path
        self._database = database

    @classmethod
    def open(cls, path: Path, *, fsync: bool = True) -> Store:
        """Open or create the file, for its owner only and for this process alone.

        ``fsync`` False leaves the moment of writing to the system (durability: relaxed). Raises OperatorError.
        """
        with _operator_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
            try:
                _prepare(database, fsync=fsync)
            except BaseException:
                database.close()
                raise
        return cls(path, database)

    def close(self) -> None:
        """Close the file. What was not committed is lost."""
        self._database.close()

    def commit(self, rows: Rows) -> None:
        """Store one batch, whole or not at all. Raises OperatorError."""
        with _operator_errors(self.path), self._transaction():
            self._write(rows)

    def load(self) -> Stored:
        """All that was committed, after what belongs to no session or no message is deleted. Raises OperatorError."""
        with _operator_errors(self.path):
            fetch = self._fetch
            last_id = fetch(LAST_ID)[0][0]
            self._delete_orphans()
            return Stored(
                last_id=last_id,
                sessions=fetch("SELECT id, key, left_at FROM sessions ORDER BY id"),
                subscriptions=fetch("SELECT session, filter, qos FROM subscriptions"),
                deliveries=self._deliveries(),
                incoming=[
                    (session, packet_id, Message(topic, payload, 2, bool(retain), key))
                    for session, packet_id, topic, payload, retain, key in fetch(
                        "SELECT session, packet_id, topic, payload, retain, key FROM incoming"
                        " JOIN sessions ON sessions.id = session ORDER BY incoming.rowid"
                    )
                ],
                retained=[
                    Message(topic, payload, qos, True, origin)
                    for topic, payload, qos, origin in fetch("SELECT topic, payload, qos, origin FROM retained")
                ],
            )

    def _delete_orphans(self) -> None:
        with self._transaction():
            for statement in ORPHANS:
                self._database.execute(statement)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _deliveries(self) -> list[tuple[int, Delivery]]:
        messages: dict[int, Message] = {}
        for number, topic, payload, qos, origin in self._fetch("SELECT id, topic, payload, qos, origin FROM messages"):
            messages[number] = Message(topic, payload, qos, False, origin)
            messages[number].id = number
        found = []
        for number, session, message_id, qos, retain, packet_id, released in self._fetch(
            "SELECT * FROM deliveries ORDER BY released, id"
        ):
            message = messages[message_id]
            message.owed += 1
            delivery = Delivery(message, qos, bool(retain))
            delivery.id, delivery.packet_id, delivery.released = number, packet_id, released
            delivery.sent = packet_id > 0
            found.append((session, delivery))
        return found

    def _fetch(self, query: str) -> list[Any]:
        """Rows in the types of the schema, which only SQLite can vouch for."""
        return self._database.execute(query).fetchall()

    def _write(self, rows: Rows) -> None:
        """Deletions first: a session may have gone and come back under another id."""
        self._delete_all("sessions", "id", rows.sessions.gone)
        for owned in ("subscriptions", "incoming", "deliveries"):
            # By the session's number, so that no batch before this one can have left anything behind
            self._delete_all(owned, "session", rows.sessions.gone)
        self._delete_all("messages", "id", rows.messages.gone)
        self._delete_all("deliveries", "id", rows.deliveries.gone)
        self._delete_pairs("subscriptions", "filter", rows.subscriptions.gone)
        self._delete_pairs("incoming", "packet_id", rows.incoming.gone)
        self._delete_all("retained", "topic", rows.retained.gone)
        self._insert("sessions", rows.sessions.rows)
        self._insert("subscriptions", rows.subscriptions.rows)
        self._insert("messages", rows.messages.rows)
        self._insert("incoming", rows.incoming.rows)
        self._insert("retained", rows.retained.rows)
        self._insert("deliveries", rows.deliveries.rows)

    def _delete_all(self, table: str, column: str, keys: Sequence[int | str]) -> None:
        if keys:
            statement = f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))"  # noqa: S608
            self._database.execute(statement, (json.dumps(keys),))

    def _delete_pairs(self, table: str, column: str, keys: Sequence[tuple[int, int | str]]) -> None:
        """What sessions own, by the session's number and this column: one statement, however many a device gave up."""
        if keys:
            pairs = "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)"
            statement = f"DELETE FROM {table} WHERE (session, {column}) IN ({pairs})"  # noqa: S608
            self._database.execute(statement, (json.dumps(keys),))

    def _insert(self, table: str, rows: Sequence[Row]) -> None:
        start = 0
        for size in CHUNKS:
            while len(rows) - start >= size:
                chunk = rows[start : start + size]
                statement = _insertion(table, size, len(chunk[0]))
                self._database.execute(statement, [value for row in chunk for value in row])
                start += size


@cache
def _insertion(table: str, rows: int, columns: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT OR REPLACE INTO {table} VALUES {', '.join([row] * rows)}"  # noqa: S608


def _prepare(database: sqlite3.Connection, *, fsync: bool) -> None:
    """Exclusive: a second broker on the same file is an error, not a corruption."""
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA synchronous = {'FULL' if fsync else 'NORMAL'}")
    finding = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise sqlite3.DatabaseError(finding)
    migrate(database, schema.APPLICATION_ID, schema.MIGRATIONS)


@contextmanager
def _operator_errors(path: Path) -> Iterator[None]:
    """Whatever goes wrong with the file is the operator's to repair: say what, and how."""
    try:
        yield
    except (OSError, sqlite3.Error, ValueError, NewerSchema) as error:
        raise OperatorError(f"{path}: cannot keep sessions here: {error}; {_remedy(error)}") from error


def _remedy(error: Exception) -> str:
    match error:
        case NewerSchema():
            return "run the mqttseg that wrote it, or move the file away to start without its sessions"
        case sqlite3.OperationalError() if "full" in str(error):
            return "free disk space"
        case sqlite3.OperationalError() if "locked" in str(error):
            return "stop the other broker that uses it, or give this one another state directory"
        case sqlite3.OperationalError() | OSError():
            return "check that the directory exists, is writable and has space"
    return "restore it from a backup, or move it away to start without its sessions"
