"""Batches on their way into the file, and what is done when the file fails: say so, and try again.

Owns the file's state: open, failed, set aside because it is damaged. Refuses to know threads and queues (recorder.py).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mqttseg.migration import NewerSchema
from mqttseg.observe.flows import Traffic
from mqttseg.observe.retention import Retention, prune
from mqttseg.observe.store import Store, Told

trouble = logging.getLogger("mqttseg.store")

PRUNE_EVERY: Final = 60_000
"""Milliseconds between two looks at age and size."""

PRUNE_ROWS: Final = 20_000
"""Events after which to look at once."""

_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY: Final = 0xFF  # of SQLite's extended result codes
_OURS: Final = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError)
_SET_ASIDE: Final = 3
"""Damaged files that are kept; then the disk is the operator's to see to."""


class Writer:
    """Writes batches; after a failure the file is opened anew at the next. For one thread."""

    def __init__(self, path: Path, retention: Retention, open_store: Callable[[Path], Store] = Store.open) -> None:
        self.path = path
        self._retention = retention
        self._open_store = open_store
        self._store: Store | None = None
        self._failure = ""
        self._prune_at = 0
        self._rows = 0

    def write(self, events: Sequence[Told], traffic: Sequence[Traffic], now: int) -> bool:
        """Keep a batch at this moment (milliseconds since 1970). False: it was not kept; try again later.

        Raises sqlite3.Error when the batch itself is at fault: a bug of ours, and trying again would not help.
        """
        try:
            store = self._opened()
            store.add(events, traffic, now)
            self._recovered()
            self._prune(store, now, len(events))
        except _OURS:
            raise
        except (sqlite3.Error, OSError, ValueError, NewerSchema) as error:
            self._failed(error)
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open_store(self.path)
        return self._store

    def _prune(self, store: Store, now: int, rows: int) -> None:
        self._rows += rows
        if now >= self._prune_at or self._rows >= PRUNE_ROWS:
            self._prune_at, self._rows = now + PRUNE_EVERY, 0
            if prune(store.database, self._retention, now).flows:
                store.forget_shapes()

    def _failed(self, error: Exception) -> None:
        self.close()
        if getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _DAMAGED:
            self._set_aside(error)
            return
        failure = f"{self.path}: {error}; {_remedy(error)}"
        if failure != self._failure:
            self._failure = failure
            trouble.error("events are not kept for `mqttseg events`: %s; it is tried again and again", failure)

    def _set_aside(self, error: Exception) -> None:
        """A damaged file will not mend: keep it for whoever can, and begin a new one at the next batch."""
        places = [self.path.with_name(f"{self.path.name}.damaged-{number}") for number in range(1, _SET_ASIDE + 1)]
        place = next((place for place in places if not place.exists()), None)
        if place is None:
            what = f"{self.path}: damaged again: {error}; see to the disk, and move {places[0]} and the others away"
        else:
            what = f"{self.path}: damaged: {error}; it is set aside as {place.name}, and a new one is begun"
            for suffix in ("", "-wal", "-shm"):
                source = Path(f"{self.path}{suffix}")
                if source.exists():
                    source.replace(f"{place}{suffix}")
        if what != self._failure:
            self._failure = what
            trouble.error("%s", what)

    def _recovered(self) -> None:
        if self._failure:
            self._failure = ""
            trouble.warning("%s: events are kept again", self.path)


def _remedy(error: Exception) -> str:
    match error:
        case NewerSchema():
            return "run the mqttseg that wrote it, or move the file away"
        case ValueError():
            return "move that file away"
        case sqlite3.OperationalError() if "full" in str(error):
            return "free disk space"
    return "check that its directory exists, is writable and has space"
