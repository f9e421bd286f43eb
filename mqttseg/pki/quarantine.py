"""Which devices are out for now: the register of quarantines in the state directory.

Owns the file: it is the truth, for the broker and for commands while none runs, so every change is on disk before it
counts. Refuses to know connections, and how the clock of a running broker is kept (``QuarantineClock`` is told the
time). A file that cannot be read is an error, never an empty register: that would let everybody in again.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from mqttseg.errors import OperatorError
from mqttseg.pki import files
from mqttseg.pki.bundle import complaint
from mqttseg.pki.identity import DEVICE_ID

FILE = "quarantine.json"
LONGEST_WHY = 500
LONGEST = timedelta(days=3650)
_REMEDY = "restore it from a backup; or remove it, which lets every quarantined device in again"


@dataclass(frozen=True, slots=True)
class Quarantine:
    """One device that is out. Times are UTC; ``until`` None: until it is released. ``by``: who said so."""

    device: str
    since: datetime
    until: datetime | None
    by: str
    why: str = ""

    def left(self, now: datetime) -> float | None:
        """Seconds left at ``now``; None: no end. Never more than was meant, should the clock have been set back."""
        if self.until is None:
            return None
        return min((self.until - now).total_seconds(), (self.until - self.since).total_seconds())


def quarantine_of(device: str, seconds: float | None, *, by: str, why: str, now: datetime) -> Quarantine:
    """A quarantine that begins now. Raises OperatorError for what cannot be one."""
    if DEVICE_ID.fullmatch(device) is None:
        raise OperatorError(f"{device!r} is not a device id: letters, digits and . _ : - only, at most 64")
    if seconds is not None and not 0 < seconds <= LONGEST.total_seconds():
        raise OperatorError(f"a quarantine lasts more than nothing and at most {LONGEST.days} days, or has no end")
    if len(why) > LONGEST_WHY or not why.isprintable():
        raise OperatorError(f"the reason must be one line of at most {LONGEST_WHY} characters")
    until = None if seconds is None else now + timedelta(seconds=seconds)
    return Quarantine(device, now, until, by, why)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime
    until: AwareDatetime | None
    by: str
    why: str


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1]
    devices: dict[Annotated[str, StringConstraints(pattern=f"^{DEVICE_ID.pattern}$")], _Entry] = Field(
        default_factory=dict
    )


class Register:
    """The quarantines of a site, in its state directory."""

    def __init__(self, state: Path) -> None:
        self.path = state / FILE

    def load(self) -> dict[str, Quarantine]:
        """Device id -> its quarantine, also of those that have run out and were not removed.

        Raises:
            ConfigurationError: the file is there and cannot be read.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise complaint(self.path, f"cannot be read: {error.strerror}", "let the broker's user read it") from error
        try:
            found = _File.model_validate_json(text, strict=False)
            return {device: _quarantine(device, entry) for device, entry in found.devices.items()}
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "it"
            raise complaint(self.path, f"is not a register of quarantines: {place}: {first['msg']}", _REMEDY) from error
        except OverflowError as error:
            raise complaint(self.path, "is not a register of quarantines: a moment out of range", _REMEDY) from error

    def add(self, entry: Quarantine) -> None:
        """Put a device in; on disk when this returns. A device that is in already gets the new terms.

        Raises:
            OperatorError: nothing was changed.
        """
        with files.operator_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with files.locked(self.path.parent):
                self._write([*(e for e in self.load().values() if e.device != entry.device), entry])

    def remove(self, device: str) -> Quarantine | None:
        """Let a device out; on disk when this returns. None: it was not in.

        Raises:
            OperatorError: nothing was changed.
        """
        if not self.path.exists():
            return None
        with files.operator_errors(), files.locked(self.path.parent):
            entries = self.load()
            removed = entries.pop(device, None)
            if removed is not None:
                self._write(entries.values())
            return removed

    def _write(self, entries: Iterable[Quarantine]) -> None:
        held = {e.device: _Entry(since=e.since, until=e.until, by=e.by, why=e.why) for e in entries}
        text = _File(version=1, devices=held).model_dump_json(indent=1)
        staged = self.path.with_name(f".{FILE}.{secrets.token_hex(6)}{files.STAGED}")
        try:
            files.create(staged, text.encode() + b"\n")
            _leave_to_broker(staged, self.path)
            staged.replace(self.path)
        except OSError:
            staged.unlink(missing_ok=True)
            raise
        files.sync_directory(self.path.parent)


def _leave_to_broker(staged: Path, path: Path) -> None:
    """What root writes is the broker's to read: give it to whose the file was, or else the directory."""
    if path.exists():
        files.keep_access(staged, path)
    elif os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(staged, owner.st_uid, owner.st_gid)


def _quarantine(device: str, entry: _Entry) -> Quarantine:
    until = None if entry.until is None else entry.until.astimezone(UTC)
    return Quarantine(device, entry.since.astimezone(UTC), until, entry.by, entry.why)


class QuarantineClock:
    """When quarantines end, by a steady clock: setting the system's clock lets nobody out, and keeps nobody in.

    The system's clock counts once, when an entry is first seen: after a restart there is no other. ``steady``:
    seconds of any clock that is never set, and goes on while the machine sleeps.
    """

    def __init__(self) -> None:
        self._known: Mapping[str, Quarantine] = {}
        self._ends: dict[str, float] = {}

    def follow(self, entries: Mapping[str, Quarantine], now: datetime, steady: float) -> None:
        """These are the quarantines from now on; those that are known keep the end that they have."""
        known, self._known = self._known, dict(entries)
        ends = {}
        for device, entry in entries.items():
            left = entry.left(now)
            if left is not None:
                ends[device] = self._ends[device] if known.get(device) == entry else steady + left
        self._ends = ends

    def ended(self, steady: float) -> list[Quarantine]:
        """Those that have run out."""
        return [self._known[device] for device, end in self._ends.items() if end <= steady]
