"""Where the API is reached: one Unix socket in the state directory, and who is at its other end.

Owns that it is its owner's from the moment it exists, that a live broker's is never taken and a dead one's always is.
Refuses to know what is said over it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from mqttseg.errors import OperatorError
from mqttseg.pki import files

NAME = "control.sock"
LONGEST_PATH = 107
"""Bytes: what sockaddr_un holds, less its final zero (unix(7))."""

_PROBE_TIMEOUT = 2.0
_BACKLOG = 64
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


def socket_path(state: Path) -> Path:
    """Where the broker of this state directory listens. OperatorError when the system cannot name it."""
    path = state / NAME
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise OperatorError(
            f"{path}: a Unix socket's path has at most {LONGEST_PATH} bytes;"
            " give the site a directory with a shorter name, or `state:` another place"
        )
    return path


@contextlib.contextmanager
def listening(state: Path) -> Iterator[socket.socket]:
    """The socket of this state directory, listening, for its owner alone; gone at the end.

    Raises:
        OperatorError: another broker listens there, or the directory does not take a socket.
    """
    path = socket_path(state)
    with files.operator_errors():
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        with files.locked(state):  # or two that start together would each take the other's for a dead one's
            _clear(path)
            bound = _bind(path)
            inode = path.stat().st_ino
    with bound:
        try:
            yield bound
        finally:
            with contextlib.suppress(OSError):
                if path.stat().st_ino == inode:
                    path.unlink()


def _clear(path: Path) -> None:
    """Make room: the socket of a broker that is no more may go, nothing else."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OperatorError(f"{path}: this is where the broker listens, and something else is there; move it away")
    if is_answered(path):
        raise OperatorError(f"{path}: a broker of this site is running; stop it first, or run this one with another")
    path.unlink()


def is_answered(path: Path) -> bool:
    """Whether somebody listens on the socket of this path; one that is too busy to accept does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_TIMEOUT)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except TimeoutError:
            return True
        return True


def _bind(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(bound.fileno(), files.PRIVATE)  # of the socket, before there is a file: the file is born with it
        bound.bind(str(path))
        bound.listen(_BACKLOG)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def user_at(connection: socket.socket) -> tuple[str, int]:
    """Who connected, by the kernel's word (SO_PEERCRED, unix(7)): name and number; a user without a name is uid:N."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(packed)
    return user_name(uid), uid


def user_name(uid: int) -> str:
    """The login name of a user, as operators are called in the audit trail."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"
