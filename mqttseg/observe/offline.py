"""What an operator does while no broker runs, in the same audit file.

Owns appending one line, on disk when it returns. Refuses to know rotation: the next broker sees to that.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from mqttseg.errors import OperatorError
from mqttseg.observe.events import Event
from mqttseg.observe.outlets import as_json


def append(path: Path, event: Event, now: datetime) -> None:
    """Add an event to the audit file. Raises OperatorError when it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        existed = path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, as_json(event, now).encode() + b"\n")
            os.fsync(descriptor)
            if not existed and os.geteuid() == 0:  # the broker's, not root's, or the broker could not write it
                owner = path.parent.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OperatorError(f"{path}: the audit file cannot be written: {error.strerror or error}") from error
