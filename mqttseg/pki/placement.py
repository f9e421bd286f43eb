"""The files of issued certificates: ``NAME.crt`` (leaf plus issuing chain) and ``NAME.key`` (owner-only).

Owns the order that makes a crash harmless:

1. New keys are staged under hidden names, and are on disk.
2. The caller commits the records (``records.py``). Until then no certificate exists outside this process.
3. Keys are renamed into place, certificates are written from the records; then the records are marked as placed.

A crash before 2 leaves keys that nothing certifies: ``recover`` removes them. A crash after 2 leaves records that
are not marked: ``recover`` does step 3 again. Everything here runs under the authority's lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mqttseg.errors import OperatorError
from mqttseg.pki import files
from mqttseg.pki.records import Record, Records


@dataclass(frozen=True, slots=True)
class Draft:
    """A certificate about to be recorded, and its key when we made one (PEM)."""

    record: Record
    key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The `certs` directory, as the place where certificates are put. ``chain``: what follows the leaf, PEM."""

    certs: Path
    chain: bytes

    def certificate_file(self, record: Record) -> Path:
        """Where a certificate goes."""
        return self.certs / record.directory / f"{_stem(record)}.crt"

    def key_file(self, record: Record) -> Path:
        """Where its key goes."""
        return self.certs / record.directory / f"{_stem(record)}.key"

    def chain_of(self, record: Record) -> bytes:
        """The content of the certificate file: usable as it is by mosquitto and paho."""
        return record.certificate.encode("ascii") + self.chain

    def stage(self, drafts: Sequence[Draft]) -> None:
        """Step 1."""
        written = []
        for draft in drafts:
            staged = _staged(self.key_file(draft.record))
            staged.unlink(missing_ok=True)
            if draft.key is not None:
                files.create(staged, draft.key, durable=False)
                written.append(staged)
        files.sync([*written, *{path.parent for path in written}])

    def place(self, records: Sequence[Record]) -> None:
        """Step 3, but for the mark. May be done twice."""
        for record in records:
            staged = _staged(self.certificate_file(record))
            staged.unlink(missing_ok=True)
            files.create(staged, self.chain_of(record), files.PUBLIC, durable=False)
        files.sync(_staged(self.certificate_file(record)) for record in records)
        for record in records:
            if record.kind == "broker":  # whose service may run as another user, and read the key as its group
                files.keep_access(_staged(self.key_file(record)), self.key_file(record))
            _move(self.key_file(record))
            _move(self.certificate_file(record))
        files.sync({self.certificate_file(record).parent for record in records})

    def recover(self, records: Records) -> None:
        """Finish or undo what a crash has cut off."""
        unplaced = records.unplaced()
        # A directory that has gone (a memory stick) takes its files with it; the record stays, for renew and revoke.
        self.place([record for record in unplaced if self.certificate_file(record).parent.is_dir()])
        if unplaced:
            records.mark_placed(record.serial for record in unplaced)
        for directory in (self.certs, self.certs / "devices"):
            _remove_staged(directory)


def _stem(record: Record) -> str:
    return record.name if record.kind == "device" else "broker"


def _staged(path: Path) -> Path:
    return path.with_name(f".{path.name}{files.STAGED}")


def _move(path: Path) -> None:
    staged = _staged(path)
    if staged.exists():
        staged.replace(path)


def _remove_staged(directory: Path) -> None:
    if not directory.is_dir():
        return
    with os.scandir(directory) as entries:
        stale = [
            Path(entry)
            for entry in entries
            if entry.name.endswith(files.STAGED) and entry.is_file(follow_symlinks=False)
        ]
    for path in stale:
        path.unlink(missing_ok=True)


def refuse_existing(paths: Iterable[Path]) -> None:
    """OperatorError when anything is at one of these places: nothing is ever overwritten unasked."""
    for path in paths:
        if os.path.lexists(path):
            raise OperatorError(f"{path} exists already; move it away, or give another directory")
