"""How files come into being: owner-only from the first byte, whole or not at all, on disk before they count.

Owns modes, atomic replacement, syncing and the lock. Refuses to know what is in the files.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from mqttseg.errors import OperatorError

PRIVATE = 0o600
PUBLIC = 0o644
STAGED = ".staged"
"""How a hidden file is called that a crash may leave behind, and that means nothing."""
_SYNC_THREADS = 16  # fsyncs in flight share a journal commit of the file system


def make_private_directory(path: Path) -> None:
    """A directory for its owner alone, whatever the umask; FileExistsError when something is there."""
    path.mkdir(mode=0o700)
    path.chmod(0o700)  # only ever adds owner bits that an odd umask took


def create(path: Path, data: bytes, mode: int = PRIVATE, *, durable: bool = True) -> None:
    """A new file with exactly ``mode``; FileExistsError when anything is there, be it a dangling link.

    ``durable``: on disk when this returns (its directory entry too only after ``sync_directory``).
    """
    flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, PRIVATE), "wb") as file:
        os.fchmod(file.fileno(), mode)  # a public file widens while it is empty; a private one regains odd umask's bits
        file.write(data)
        file.flush()
        if durable:
            os.fsync(file.fileno())


def replace(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """Give a file new content atomically: whoever reads meets the old or the new, also after a crash."""
    staged = path.with_name(f".{path.name}.{secrets.token_hex(6)}{STAGED}")
    try:
        create(staged, data, mode)
        staged.replace(path)
    except OSError:
        staged.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def keep_access(path: Path, former: Path) -> None:
    """Give a private file the owner, group and group's rights of the one that it will replace, as far as we may.

    Nobody gains anything when the owner cannot be set: then the file stays its owner's alone. Others never get in.
    """
    try:
        found = former.lstat()
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if stat.S_ISREG(found.st_mode):
            os.fchown(descriptor, found.st_uid, found.st_gid)
            os.fchmod(descriptor, PRIVATE | found.st_mode & 0o060)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def sync(paths: Iterable[Path]) -> None:
    """Wait until the content of all these files is on disk."""
    with ThreadPoolExecutor(_SYNC_THREADS, thread_name_prefix="fsync") as pool:
        for _ in pool.map(sync_path, paths):
            pass


def sync_path(path: Path) -> None:
    """Wait until one file, or the entries of one directory, are on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


sync_directory = sync_path


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the exclusive lock of a directory; waits for whoever holds it, and ends with the process."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def refuse_shared(path: Path) -> None:
    """OperatorError when others than its owner may enter or read what must be private."""
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise OperatorError(
            f"{path} is open to others (mode {mode:o}); run `chmod go= {path}` and think about who read it"
        )


def missing(path: Path) -> OperatorError:
    """What to say of a file that nothing can make again."""
    return OperatorError(f"{path} is missing; restore it from a backup")


def read_kept(path: Path) -> bytes:
    """The bytes of a file that nothing can make again; OperatorError when it is missing."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise missing(path) from error


@contextmanager
def operator_errors() -> Iterator[None]:
    """What the file system refuses is the operator's to mend: OSError becomes OperatorError."""
    try:
        yield
    except OSError as error:
        raise OperatorError(f"{error.filename or 'file system'}: {error.strerror or error}") from error
