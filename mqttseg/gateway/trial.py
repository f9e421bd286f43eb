"""A ruleset on trial: loaded, and gone again unless somebody who can still reach the gateway confirms it.

Owns the files of a trial (the snapshot to go back to, who waits until when), and that one command at a time works on
them. The files are written and on disk before the kernel is touched.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from mqttseg.errors import OperatorError
from mqttseg.gateway import kernel
from mqttseg.pki import files


@dataclass(frozen=True, slots=True)
class Pending:
    """A trial that waits for its confirmation. ``deadline`` is in seconds since the epoch."""

    token: str
    revision: int
    deadline: float


class Trials:
    """The trials of one gateway, in its state directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pending = folder / "pending.json"
        self._snapshot = folder / "rollback.nft"
        self._applied = folder / "applied.nft"
        self._confirmed = folder / "confirmed.nft"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One command at a time; a second waits. The kernel lets go when the process ends, however it does."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def pending(self) -> Pending | None:
        """The trial that waits, or None."""
        try:
            return Pending(**json.loads(self._pending.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise OperatorError(f"{self._pending}: {error}; look at it, then remove it") from error

    def begin(self, pending: Pending, snapshot: str, ruleset: str) -> None:
        """Write down what to go back to, before anything changes."""
        files.replace(self._snapshot, snapshot.encode(), files.PRIVATE)
        files.replace(self._applied, ruleset.encode(), files.PRIVATE)
        files.replace(self._pending, json.dumps(asdict(pending)).encode(), files.PRIVATE)

    def confirm(self) -> Pending:
        """Keep what is loaded. OperatorError when nothing waits."""
        with self.lock():
            pending = self.pending()
            if pending is None:
                raise OperatorError("nothing waits for confirmation; it may have been rolled back: see gateway status")
            self.keep()
            self.forget()
        return pending

    def keep(self) -> None:
        """The ruleset that was applied is the one to load at boot."""
        files.replace(self._confirmed, self._applied.read_text().encode(), files.PRIVATE)

    def forget(self) -> None:
        """No trial waits any more."""
        self._pending.unlink(missing_ok=True)

    def roll_back(self, *, token: str | None = None) -> bool:
        """Load the snapshot. With a token, only while that trial waits; returns whether it was loaded."""
        with self.lock():
            pending = self.pending()
            if token is not None and (pending is None or pending.token != token):
                return False
            if not self._snapshot.exists():
                raise OperatorError("there is nothing to go back to: nothing was applied yet")
            kernel.load(self._snapshot.read_text())
            self.forget()
        return True
