"""The tables of the file in which events and flows are kept, and how older ones become these.

Times are milliseconds since 1970, UTC. Refuses to know who writes and who asks.

Each entry of ``MIGRATIONS`` takes a file from the version before to its own (its index plus one), in one transaction.
Entries are never edited once released: a change is a new entry.
"""

from __future__ import annotations

from typing import Final

from mqttseg.observe.events import DENIALS

APPLICATION_ID: Final = 0x6D717376
"""Marks the file as ours ("mqsv")."""

DENIED: Final = f"kind IN ({', '.join(repr(str(kind)) for kind in sorted(DENIALS))})"
"""Rows that tell of a denial. Word for word that of the partial index, or SQLite would not use it."""

_INDEXED = ("device", "segment", "kind", "reason")

MIGRATIONS: Final[list[tuple[str, ...]]] = [
    (
        """CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL,
            reason TEXT NOT NULL, device TEXT, segment TEXT, client_id TEXT, address TEXT, action TEXT, topic TEXT,
            rule TEXT, observed INTEGER NOT NULL, count INTEGER NOT NULL, repeated INTEGER NOT NULL, who TEXT,
            why TEXT, detail TEXT NOT NULL)""",
        "CREATE INDEX events_at ON events (at)",
        *(f"CREATE INDEX events_{column} ON events ({column}, at)" for column in _INDEXED),
        "CREATE INDEX events_denied ON events (at) WHERE kind IN ('deny', 'refuse', 'withdraw')",
    ),
    (
        """CREATE TABLE flows (device TEXT NOT NULL, direction TEXT NOT NULL, shape TEXT NOT NULL,
            segment TEXT NOT NULL, example TEXT NOT NULL, count INTEGER NOT NULL, bytes INTEGER NOT NULL,
            observed INTEGER NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
            PRIMARY KEY (device, direction, shape, segment)) WITHOUT ROWID""",
        "CREATE INDEX flows_last_seen ON flows (last_seen)",
    ),
]
"""1: events. 2: flows; a segment that there is none of is ''."""
