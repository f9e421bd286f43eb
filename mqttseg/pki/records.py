"""The authority's memory: one row per certificate it ever signed, in SQLite.

Owns the schema and the transactions. A certificate is used nowhere before its row is committed, so that whatever the
authority signed can be found and revoked. Refuses to know keys, files in `certs/devices` and the clock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from mqttseg.errors import OperatorError
from mqttseg.pki import files, keys
from mqttseg.pki.shapes import pem

_VERSION = 1
_BUSY_SECONDS = 60.0
_SCHEMA = f"""
PRAGMA user_version = {_VERSION};
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE certificates (
  serial TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('device', 'broker')),
  name TEXT NOT NULL,
  origin TEXT NOT NULL CHECK (origin IN ('issued', 'signed')),
  key_type TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  issued_at INTEGER NOT NULL,
  certificate TEXT NOT NULL,
  directory TEXT NOT NULL,
  revoked_at INTEGER,
  reason TEXT,
  placed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX certificates_by_name ON certificates (kind, name);
CREATE INDEX certificates_unplaced ON certificates (placed) WHERE placed = 0;
"""
_COLUMNS = (
    "serial, kind, name, origin, key_type, fingerprint, not_before, not_after, issued_at,"
    " certificate, directory, revoked_at, reason"
)
_CRL_FACTS = ("crl_number", "crl_published", "crl_published_at")


class Kind(StrEnum):
    """Whom a certificate is for."""

    DEVICE = "device"
    BROKER = "broker"


class Origin(StrEnum):
    """``issued``: we made the key. ``signed``: the key is somebody else's, and came in a CSR."""

    ISSUED = "issued"
    SIGNED = "signed"


class Status(StrEnum):
    """What a certificate is worth now."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Record:
    """One certificate. ``name``: the device id, or the broker's first host. Times are UTC, whole seconds.

    ``fingerprint``: SHA-256 of the DER, hex. ``directory``: where its files went, relative to `certs` unless the
    operator named another place. ``certificate``: the leaf alone, PEM.
    """

    serial: int
    kind: Kind
    name: str
    origin: Origin
    key_type: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    certificate: str = field(repr=False)
    directory: str
    revoked_at: datetime | None = None
    reason: str | None = None

    def status(self, now: datetime) -> Status:
        """Revoked beats expired."""
        if self.revoked_at is not None:
            return Status.REVOKED
        return Status.EXPIRED if now > self.not_after else Status.VALID


@dataclass(frozen=True, slots=True)
class CrlState:
    """``number`` is due; ``published`` is in its place since ``published_at``."""

    number: int
    published: int
    published_at: datetime


def record_of(
    certificate: x509.Certificate, now: datetime, *, kind: Kind, name: str, origin: Origin, directory: str
) -> Record:
    """The record of a certificate just signed."""
    return Record(
        serial=certificate.serial_number,
        kind=kind,
        name=name,
        origin=origin,
        key_type=keys.name_of(keys.accept(certificate.public_key())),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        issued_at=now.replace(microsecond=0),
        certificate=pem(certificate).decode("ascii"),
        directory=directory,
    )


@dataclass(frozen=True, slots=True)
class Records:
    """The database file. Every method is one transaction, on its own connection; OperatorError when it fails."""

    path: Path

    @classmethod
    def create(cls, path: Path, trust_domain: str) -> Records:
        """A new, owner-only database."""
        files.create(path, b"")
        records = cls(path)
        with records._transaction() as database:
            for statement in _SCHEMA.split(";"):
                database.execute(statement)
            facts = [("trust_domain", trust_domain), *((name, "0") for name in _CRL_FACTS)]
            database.executemany("INSERT INTO facts VALUES (?, ?)", facts)
        return records

    def trust_domain(self) -> str:
        """The one whose devices this authority certifies."""
        with self._transaction(read_only=True) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version != _VERSION:
                raise OperatorError(f"{self.path}: these records are of version {version}, not {_VERSION}")
            return _fact(database, "trust_domain")

    def add(self, records: Iterable[Record]) -> None:
        """All of them or none; on disk when this returns. Their files are not in place yet."""
        rows = [_row(record) for record in records]
        with self._transaction() as database:
            marks = ", ".join("?" * len(rows[0]))
            database.executemany(f"INSERT INTO certificates ({_COLUMNS}) VALUES ({marks})", rows)  # noqa: S608  # constants

    def unplaced(self) -> tuple[Record, ...]:
        """Those whose files may not be in place: of a run that was cut off."""
        return self._select("placed = 0")

    def mark_placed(self, serials: Iterable[int]) -> None:
        """Their files are in place."""
        with self._transaction() as database:
            statement = "UPDATE certificates SET placed = 1 WHERE serial = ?"
            database.executemany(statement, [(f"{serial:x}",) for serial in serials])

    def of(self, kind: Kind, name: str) -> tuple[Record, ...]:
        """Every certificate of one name, newest first."""
        return self._select("kind = ? AND name = ? ORDER BY issued_at DESC, rowid DESC", kind, name)

    def all(self, kind: Kind) -> tuple[Record, ...]:
        """Every certificate of one kind, by name, newest first."""
        return self._select("kind = ? ORDER BY name, issued_at DESC, rowid DESC", kind)

    def with_serial(self, serial: int) -> Record | None:
        """The certificate of this serial."""
        return next(iter(self._select("serial = ?", f"{serial:x}")), None)

    def valid_names(self, kind: Kind, now: datetime) -> frozenset[str]:
        """The names that hold a certificate which is neither revoked nor expired."""
        condition = "kind = ? AND revoked_at IS NULL AND not_after >= ?"
        with self._transaction(read_only=True) as database:
            rows = database.execute(f"SELECT DISTINCT name FROM certificates WHERE {condition}", (kind, _seconds(now)))  # noqa: S608
            return frozenset(name for (name,) in rows)

    def revoke(self, serials: Sequence[int], reason: str, now: datetime) -> None:
        """Revoke these, and make a new revocation list due, in one step."""
        with self._transaction() as database:
            statement = "UPDATE certificates SET revoked_at = ?, reason = ? WHERE serial = ? AND revoked_at IS NULL"
            database.executemany(statement, [(_seconds(now), reason, f"{serial:x}") for serial in serials])
            _raise_crl_number(database)

    def revoked(self, expired_after: datetime) -> tuple[Record, ...]:
        """What a revocation list must hold: the revoked, less those that expired before this moment."""
        return self._select("revoked_at IS NOT NULL AND not_after >= ? ORDER BY revoked_at", _seconds(expired_after))

    def demand_crl(self) -> int:
        """Make a new revocation list due, and give its number."""
        with self._transaction() as database:
            _raise_crl_number(database)
            return int(_fact(database, "crl_number"))

    def crl_state(self) -> CrlState:
        """Where the revocation list stands."""
        with self._transaction(read_only=True) as database:
            number, published, published_at = (int(_fact(database, name)) for name in _CRL_FACTS)
        return CrlState(number, published, _moment(published_at))

    def mark_published(self, number: int, now: datetime) -> None:
        """The list of this number is in its place."""
        with self._transaction() as database:
            facts = [(str(number), "crl_published"), (str(_seconds(now)), "crl_published_at")]
            database.executemany("UPDATE facts SET value = ? WHERE name = ?", facts)

    def _select(self, condition: str, *values: str | int) -> tuple[Record, ...]:
        with self._transaction(read_only=True) as database:
            rows = database.execute(f"SELECT {_COLUMNS} FROM certificates WHERE {condition}", values)  # noqa: S608
            return tuple(map(_record, rows))

    @contextmanager
    def _transaction(self, *, read_only: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            with closing(
                sqlite3.connect(
                    f"{self.path.absolute().as_uri()}?mode=rw", _BUSY_SECONDS, uri=True, isolation_level=None
                )
            ) as database:
                # EXTRA: the commit outlives a power cut also when it consists in deleting the journal
                database.execute("PRAGMA synchronous = EXTRA")
                database.execute("BEGIN" if read_only else "BEGIN IMMEDIATE")
                yield database
                database.execute("COMMIT")
        except sqlite3.Error as error:
            raise OperatorError(f"{self.path}: {error}; if it is damaged, restore it from a backup") from error


def _fact(database: sqlite3.Connection, name: str) -> str:
    row = database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return str(row[0])


def _raise_crl_number(database: sqlite3.Connection) -> None:
    database.execute("UPDATE facts SET value = CAST(value AS INTEGER) + 1 WHERE name = 'crl_number'")


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _row(record: Record) -> tuple[str | int | None, ...]:
    return (
        f"{record.serial:x}",
        record.kind,
        record.name,
        record.origin,
        record.key_type,
        record.fingerprint,
        _seconds(record.not_before),
        _seconds(record.not_after),
        _seconds(record.issued_at),
        record.certificate,
        record.directory,
        None if record.revoked_at is None else _seconds(record.revoked_at),
        record.reason,
    )


def _record(row: tuple[str, str, str, str, str, str, int, int, int, str, str, int | None, str | None]) -> Record:
    serial, kind, name, origin, key_type, fingerprint, not_before, not_after, issued_at, leaf, directory, at, why = row
    return Record(
        serial=int(serial, 16),
        kind=Kind(kind),
        name=name,
        origin=Origin(origin),
        key_type=key_type,
        fingerprint=fingerprint,
        not_before=_moment(not_before),
        not_after=_moment(not_after),
        issued_at=_moment(issued_at),
        certificate=leaf,
        directory=directory,
        revoked_at=None if at is None else _moment(at),
        reason=why,
    )
