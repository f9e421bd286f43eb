"""A person's terminals: interactive shells, each on a pseudo-terminal, so that what is tested is what is seen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PATIENCE = 20.0
"""Seconds after which something that should have been printed has not. Never slept through."""

_PROMPT = "\x02done\x03"  # no program prints this
_SHELL = 'exec bash --norc --noprofile --noediting -i <>"$0" >&0 2>&1'  # a session's first terminal controls it
_NOT_TEXT = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


class Terminal:
    """One shell. Everything printed on it is in ``text``, colours and carriage returns removed."""

    def __init__(self, directory: Path, extra: Mapping[str, str]) -> None:
        self._changed = threading.Condition()
        self._raw = b""
        self._commands = 0
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        mode = termios.tcgetattr(slave)
        mode[3] &= ~termios.ECHO  # what is typed is not output
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        self._shell = subprocess.Popen(
            ["sh", "-c", _SHELL, os.ttyname(slave)], cwd=directory, env=_environment(extra), start_new_session=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait_for_prompt()
        os.close(slave)  # not before the shell has opened it: the terminal would be gone

    @property
    def text(self) -> str:
        """What was printed so far."""
        with self._changed:
            return _NOT_TEXT.sub("", self._raw.decode(errors="replace")).replace(_PROMPT, "")

    def type(self, command: str) -> None:
        """Enter a command, when the shell is ready for one."""
        self.wait_for_prompt()
        self._commands += 1
        os.write(self._master, command.encode() + b"\n")

    def interrupt(self) -> None:
        """Ctrl-C."""
        os.write(self._master, b"\x03")

    def wait_for_prompt(self) -> None:
        """Wait until the last command is over, or runs in the background."""
        self.wait_until(lambda: self._raw.count(_PROMPT.encode()) > self._commands, "the prompt")

    def wait_until(self, holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        """Wait until what is printed makes ``holds()`` true; fails with what was printed instead."""
        deadline = time.monotonic() + patience
        with self._changed:
            while not holds():
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise AssertionError(f"waited in vain for {what}; the terminal shows:\n{self.text}")

    def close(self) -> None:
        """End the shell and everything started in it: whatever belongs to its session, and nothing else."""
        for pid in _session(self._shell.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._shell.wait(PATIENCE)
        self._reader.join(PATIENCE)
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the last process of the terminal is gone
                return
            with self._changed:
                self._raw += data
                self._changed.notify_all()


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The commands of this Python environment first; no settings of whoever runs the tests."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"
    prompts = {"PS1": _PROMPT, "PS2": "", "HISTFILE": "/dev/null", "TERM": "xterm", "TZ": "UTC"}
    return {**kept, "PATH": path, **prompts, **extra}


def _session(leader: int) -> list[int]:
    """The processes of a session, the leader last: it would tell them that the terminal is gone."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader:
                    found.append(int(entry.name))
    return sorted(found, key=lambda pid: pid == leader)
