"""The baselines on disk, so that a restart does not begin to learn anew.

Owns one SQLite file, a row for each device. What cannot be read is learnt again: detection then is blind for as long
as it learns, which is told; nothing else of the broker depends on it.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

from mqttseg.migration import NewerSchema, migrate
from mqttseg.observe.detect.amounts import Amounts
from mqttseg.observe.detect.detector import DEVICES, Known
from mqttseg.observe.detect.silence import Presence

trouble = logging.getLogger("mqttseg.detect")

APPLICATION_ID: Final = 0x6D717364
"""Marks the file as ours ("mqsd")."""

MIGRATIONS: Final = [("CREATE TABLE baselines (device TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",)]
AT_ONCE: Final = 100
"""Devices in one transaction: what makes JSON holds the interpreter, and a busy loop waits for it."""

_INSERT = "INSERT OR REPLACE INTO baselines SELECT value ->> 0, value ->> 1 FROM json_each(?)"


class Memory:
    """The file. Nothing of it raises: what goes wrong is told, once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told = False

    def load(self) -> dict[str, Known]:
        """What was known; nothing, when it cannot be read."""
        try:
            with _opened(self._path) as database:
                rows = database.execute("SELECT device, value FROM baselines LIMIT ?", (DEVICES,))
                return {device: _known(json.loads(value)) for device, value in rows}
        except (OSError, sqlite3.Error, ValueError, KeyError, TypeError, NewerSchema) as error:
            self._tell("cannot be read, so what is usual for each device is learnt anew", error)
            return {}

    def save(self, known: Mapping[str, Known], changed: Collection[str]) -> bool:
        """Write down what is known of these devices; whether that went well."""
        try:
            with _opened(self._path) as database:
                devices = iter([device for device in changed if device in known])
                while some := list(islice(devices, AT_ONCE)):
                    rows = [(device, json.dumps(_value(known[device]))) for device in some]
                    database.execute(_INSERT, (json.dumps(rows),))
                excess = database.execute("SELECT count(*) FROM baselines").fetchone()[0] - DEVICES
                if excess > 0:
                    self._forget_others(database, known)
        except (OSError, sqlite3.Error, ValueError, NewerSchema) as error:
            self._tell("cannot be written, so a restart would learn anew what is usual for each device", error)
            return False
        self._told = False
        return True

    def _forget_others(self, database: sqlite3.Connection, known: Mapping[str, Known]) -> None:
        database.execute("DELETE FROM baselines WHERE device NOT IN (SELECT value FROM json_each(?))", _json(known))

    def _tell(self, what: str, error: Exception) -> None:
        if not self._told:
            self._told = True
            trouble.error("%s: %s: %s; see to the disk, or move the file away", self._path, what, error)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    database = sqlite3.connect(path, isolation_level=None, timeout=1)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        migrate(database, APPLICATION_ID, MIGRATIONS)
        yield database
    finally:
        database.close()


def _json(known: Mapping[str, Known]) -> tuple[str]:
    return (json.dumps(list(known)),)


def _value(known: Known) -> dict[str, Any]:
    presence, amounts = known.presence, known.amounts
    return {
        "since": known.since,
        "networks": known.addresses.networks,
        "messages": [round(value, 1) for value in amounts.messages.past],
        "bytes": [round(value, 1) for value in amounts.bytes.past],
        "longest": [round(value, 1) for value in presence.longest],
        "known": list(presence.known),
        "active": list(presence.active),
    }


def _known(value: dict[str, Any]) -> Known:
    known = Known(float(value["since"]))
    known.addresses.networks = {str(network): float(at) for network, at in value["networks"].items()}
    known.amounts = Amounts(value["messages"], value["bytes"])
    known.presence = Presence(value["longest"], value["known"], value["active"])
    return known
