"""Programs run as users run them: their output read line by line as it comes, and their end made sure of."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.brokers import PATIENCE


class Program:
    """A running program. Its stdout and stderr are one stream of lines."""

    def __init__(self, command: Sequence[str | Path], cwd: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [*map(str, command)],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.output: list[str] = []
        self._reader = threading.Thread(target=self._read, name="program output")
        self._reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def kill(self) -> None:
        """End it without warning."""
        self._process.kill()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for_line(self, part: str) -> str:
        """The next line that holds this text."""
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            self.output.append(line)
            if part in line:
                return line
        raise AssertionError(f"the program ended without {part!r}:\n" + "\n".join(self.output))

    def wait(self) -> int:
        """The exit status, once it has ended by itself."""
        status = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            self.output.append(line)
        return status

    @property
    def text(self) -> str:
        """All output read so far."""
        return "\n".join(self.output)


def program(name: str) -> str:
    """The path of a program that is not ours; without it a test is skipped, and fails where it must run."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        reason = f"{name} is not installed (apt-get install mosquitto-clients)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found
