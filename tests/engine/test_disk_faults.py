"""Disks that are full or may not be written, when the state file is opened and later: an error, and nothing lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from mqttseg.engine.events import StoreFailed, StoreRecovered
from mqttseg.engine.store import Store
from mqttseg.errors import OperatorError
from mqttseg.wire.packets import Puback
from tests.engine.engine_harness import Site


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A disk with room for so many pages of each file that is opened."""
    room = {"pages": 1}
    connect = sqlite3.connect

    def narrow(*arguments: Any, **options: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*arguments, **options)
        database.execute(f"PRAGMA max_page_count = {room['pages']}")
        return database

    monkeypatch.setattr(sqlite3, "connect", narrow)
    return room


def test_disk_that_is_full_when_the_state_file_is_made_is_named(tmp_path: Path, small_disk: dict[str, int]) -> None:
    path = tmp_path / "state" / "sessions.db"
    with pytest.raises(OperatorError, match="free disk space") as error:
        Store.open(path)
    assert str(path) in str(error.value)
    small_disk["pages"] = 100_000
    site = Site(path)
    site.device("d", clean=False).subscribe(("a", 1))
    site.kill()
    assert site.engine.subscriptions == {"a": {"d": 1}}
    assert site.store is not None
    site.store.close()


def test_disk_that_is_full_when_the_broker_comes_back_keeps_what_it_had(
    tmp_path: Path, small_disk: dict[str, int]
) -> None:
    """It starts, for what was acknowledged can be read; it acknowledges nothing more until there is room."""
    small_disk["pages"] = 100_000
    site = Site(tmp_path / "s.db")
    reader = site.device("r", clean=False)
    reader.subscribe(("a", 1))
    site.engine.publish("a", b"before", 1)
    site.commit()
    small_disk["pages"] = 1  # SQLite takes no less than the file has
    site.kill()
    writer = site.device("w")
    for _ in range(20):
        writer.publish("a", bytes(4000), 1)
    site.commit()
    (failed,) = site.told(StoreFailed)
    assert isinstance(failed, StoreFailed)
    assert "free disk space" in failed.detail
    assert writer.take(Puback) == []
    assert site.store is not None
    site.store._database.execute("PRAGMA max_page_count = 100000")
    site.commit()
    assert site.told(StoreRecovered)
    assert len(writer.take(Puback)) == 20
    site.kill()
    assert site.engine.sessions["r"].owed == 21
    site.store.close()


READ_ONLY = """
import os, sys
from pathlib import Path
from mqttseg.engine.store import Store
from mqttseg.errors import OperatorError
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)  # root may write anything
try:
    Store.open(Path(sys.argv[1]))
except OperatorError as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.parametrize("what", ["directory", "directory of a file that exists", "file"])
def test_state_that_may_not_be_written_is_an_error_that_says_what_to_check(what: str) -> None:
    with tempfile.TemporaryDirectory() as top:  # not tmp_path: nobody else may enter that
        Path(top).chmod(0o755)
        state = Path(top) / "state"
        state.mkdir()
        path = state / "sessions.db"
        if what != "directory":
            Store.open(path).close()
            path.chmod(0o444)
        state.chmod(0o777 if what == "file" else 0o555)
        child = subprocess.run(
            [sys.executable, "-c", READ_ONLY, path],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert child.returncode == 3, child.stderr
        assert str(path) in child.stdout
        assert "check that the directory exists, is writable and has space" in child.stdout
