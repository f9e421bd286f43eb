"""The tables of the state file, and how older ones become these.

Owns the schema and its version. Refuses to know what the rows mean to the engine.

Each entry of ``MIGRATIONS`` takes a file from the version before to its own (its index plus one), in one transaction.
Entries are never edited once released: a change is a new entry.
"""

from __future__ import annotations

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
    ("CREATE INDEX deliveries_by_session ON deliveries (session)",),
]
