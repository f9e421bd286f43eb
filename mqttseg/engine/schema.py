"""The tables of the state file, and how older ones become these.

Owns the schema and its version. Refuses to know what the rows mean to the engine.

Each entry of ``MIGRATIONS`` takes a file from the version before to its own (its index plus one), in one transaction.
Entries are never edited once released: a change is a new entry.
"""

from __future__ import annotations

import sqlite3
from typing import Final

APPLICATION_ID: Final = 0x6D717365
"""Marks the file as ours ("mqse")."""

MIGRATIONS: Final[list[tuple[str, ...]]] = [
    (
        "CREATE TABLE sessions (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, left_at REAL)",
        """CREATE TABLE subscriptions (session INTEGER NOT NULL, filter TEXT NOT NULL, qos INTEGER NOT NULL,
            PRIMARY KEY (session, filter)) WITHOUT ROWID""",
        """CREATE TABLE messages (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL,
            qos INTEGER NOT NULL, origin TEXT)""",
        """CREATE TABLE deliveries (id INTEGER PRIMARY KEY, session INTEGER NOT NULL, message INTEGER NOT NULL,
            qos INTEGER NOT NULL, retain INTEGER NOT NULL, packet_id INTEGER NOT NULL, released INTEGER NOT NULL)""",
        """CREATE TABLE incoming (session INTEGER NOT NULL, packet_id INTEGER NOT NULL, topic TEXT NOT NULL,
            payload BLOB NOT NULL, retain INTEGER NOT NULL, PRIMARY KEY (session, packet_id))""",
        """CREATE TABLE retained (topic TEXT PRIMARY KEY, payload BLOB NOT NULL, qos INTEGER NOT NULL,
            origin TEXT)""",
    ),
]


class NewerSchema(Exception):  # noqa: N818  # it is a finding; the store says what to do about it
    """The file was written by a later version."""


def migrate(database: sqlite3.Connection) -> None:
    """Bring the file to this version. Raises NewerSchema, or ValueError when the file is another program's."""
    version = _pragma(database, "user_version")
    application = _pragma(database, "application_id")
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and (tables or application or version):
        raise ValueError("it is a database of another program")
    if version > len(MIGRATIONS):
        raise NewerSchema(f"its schema version is {version}, this mqttseg knows {len(MIGRATIONS)}")
    for target, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        database.execute("BEGIN IMMEDIATE")
        for statement in statements:
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {target}")
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute("COMMIT")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
