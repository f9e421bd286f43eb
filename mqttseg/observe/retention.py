"""How much is kept: so long, and so many bytes; then the oldest goes.

By size, the noisiest goes first: a device that is denied all day must not push out what is known of the others, and
what was done about devices stays longest. Refuses to know when it is time to look.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, Final

from mqttseg.observe.events import ACTIONS
from mqttseg.observe.store import transaction

AT_ONCE: Final = 5000
"""Rows deleted in one transaction: others may read meanwhile, and the write-ahead log stays small."""

_FEW: Final = 100
"""Rows deleted at the least."""

_ROOM: Final = 0.9
"""Of the size: what is left once it was exceeded, so that it is not exceeded again by the next row."""

_ACTIONS: Final = ", ".join(repr(str(kind)) for kind in sorted(ACTIONS))
_OLDEST: Final = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE {} ORDER BY at LIMIT ?)"
_OLDEST_FLOWS: Final = """DELETE FROM flows WHERE (device, direction, shape, segment) IN
    (SELECT device, direction, shape, segment FROM flows WHERE {} ORDER BY last_seen LIMIT ?)"""


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many seconds events and flows are kept, and in how many bytes at the most."""

    keep: float
    size: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows went."""

    events: int = 0
    flows: int = 0


def prune(database: sqlite3.Connection, retention: Retention, now: int) -> Pruned:
    """Delete what is too old at ``now`` (milliseconds since 1970), then what is too much. Raises sqlite3.Error."""
    before = now - round(retention.keep * 1000)
    events = _delete_all(database, _OLDEST.format("at < ?"), before)
    flows = _delete_all(database, _OLDEST_FLOWS.format("last_seen < ?"), before)
    if used(database) > retention.size:
        more = _shrink(database, round(retention.size * _ROOM))
        events, flows = events + more.events, flows + more.flows
    _give_back(database, retention.size)
    return Pruned(events, flows)


def used(database: sqlite3.Connection) -> int:
    """Bytes that rows and indexes take up in the file."""
    return (_pragma(database, "page_count") - _pragma(database, "freelist_count")) * _pragma(database, "page_size")


def _shrink(database: sqlite3.Connection, size: int) -> Pruned:
    events = flows = 0
    while (now := used(database)) > size:
        gone = _delete_noisiest(database, 1 - size / now)
        events += gone
        if not gone:
            gone = _delete(database, _OLDEST_FLOWS.format("TRUE"), AT_ONCE)
            flows += gone
        if not gone:
            break
    return Pruned(events, flows)


def _delete_noisiest(database: sqlite3.Connection, part: float) -> int:
    """A part of the events: the oldest of the device that has the most, but not below twice the fair share.

    Where no device has more than that: the oldest of all. Connections that nobody could be made of count as one device.
    """
    tallies = "SELECT device, count(*) AS rows FROM events GROUP BY device"
    total, holders = database.execute(f"SELECT coalesce(sum(rows), 0), count(*) FROM ({tallies})").fetchone()  # noqa: S608
    if not total:
        return 0
    rows = min(max(round(total * part), _FEW), AT_ONCE)
    device, most = database.execute(f"{tallies} ORDER BY rows DESC LIMIT 1").fetchone()
    kinds = f"+kind NOT IN ({_ACTIONS})"
    excess = most - 2 * total // holders
    gone = _delete(database, _OLDEST.format(f"device IS ? AND {kinds}"), device, min(excess, rows)) if excess > 0 else 0
    return gone or _delete(database, _OLDEST.format(kinds), rows) or _delete(database, _OLDEST.format("TRUE"), rows)


def _delete_all(database: sqlite3.Connection, statement: str, *values: Any) -> int:
    total = 0
    while gone := _delete(database, statement, *values, AT_ONCE):
        total += gone
    return total


def _delete(database: sqlite3.Connection, statement: str, *values: Any) -> int:
    with transaction(database):
        return database.execute(statement, values).rowcount


def _give_back(database: sqlite3.Connection, size: int) -> None:
    """Make the file smaller, when it is larger than it may be; else what is free in it is used again."""
    page = _pragma(database, "page_size")
    excess = min(_pragma(database, "page_count") - size // page, _pragma(database, "freelist_count"))
    if excess > 0:
        database.executescript(f"PRAGMA incremental_vacuum({excess})")  # ``execute`` stops after the first page


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
