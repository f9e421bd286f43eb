"""A SQLite file of ours, brought to the version of this program: marked as ours, and migrated step by step.

Owns how, once for every file. Refuses to know any schema: whoever owns a file brings its steps.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence


class NewerSchema(Exception):  # noqa: N818  # it is a finding; whoever owns the file says what to do about it
    """The file was written by a later version."""


def migrate(database: sqlite3.Connection, application_id: int, steps: Sequence[Sequence[str]]) -> None:
    """Take the file from its version to ``len(steps)``, each step in one transaction. The connection is in autocommit.

    Raises NewerSchema, or ValueError when the file is another program's.
    """
    version = version_of(database, application_id, len(steps))
    for target, statements in enumerate(steps[version:], start=version + 1):
        database.execute("BEGIN IMMEDIATE")
        for statement in statements:
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {target}")
        database.execute(f"PRAGMA application_id = {application_id}")
        database.execute("COMMIT")


def version_of(database: sqlite3.Connection, application_id: int, newest: int) -> int:
    """The file's version; 0 when it is empty. Raises as ``migrate`` does."""
    version = _pragma(database, "user_version")
    application = _pragma(database, "application_id")
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != application_id and (tables or application or version):
        raise ValueError("it is a database of another program")
    if version > newest:
        raise NewerSchema(f"its schema version is {version}, this mqttseg knows {newest}")
    return version


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
