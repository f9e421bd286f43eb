"""A page that is followed to the letter: every command is typed, and what is printed must be what the page shows.

A console block belongs to the terminal that its second word names; without one, to the reader's own. A block of another
language whose second word is a path is a file that the reader writes (or, with ``append``, adds to). In the output
shown, ``...`` alone on a line stands for any lines. Dates, addresses, process ids and key material are compared by
their shape only.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.docs.pages import Block, Step, steps
from tests.docs.terminals import Terminal

PORT = 8883
_TRIES = 10
_INSTALLING = ("git clone", "python3 -m venv", "pip install", "make ")
_SHAPES = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?", "TIME"),
    (r"\b\d\d:\d\d:\d\d\b", "TIME"),
    (r"\d{4}-\d\d-\d\d", "DATE"),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"^\[1\] \d+$", "[1] PID"),
    (r"\b[0-9a-f]{8,64}\b", "HEX"),
    (r" mqtts://\[::\]:\d+", ""),  # not every machine has IPv6
    (r"(?<![\w/])/\S*/configs/", "configs/"),
)


class Walkthrough:
    """A reader in a directory, with as many terminals as the page asks for."""

    def __init__(self, directory: Path, port: int) -> None:
        self._root = directory
        self._here = directory  # where the reader's own terminal is, and others are opened
        self._port = port
        self._terminals: dict[str, Terminal] = {}
        self._read: dict[str, int] = {}  # how many lines of each terminal are accounted for

    def __enter__(self) -> Walkthrough:
        return self

    def __exit__(self, *_: object) -> None:
        for terminal in self._terminals.values():
            terminal.close()

    def follow(self, blocks: Sequence[Block]) -> None:
        """Do what the blocks say, in order."""
        for block in blocks:
            if block.language == "console":
                name = block.info[1] if len(block.info) > 1 else ""
                for step in steps(block):
                    self.take(name, step)
                    if not name and "..." not in step.output:
                        self.expect_nothing_more(name)
            elif len(block.info) > 1:
                with (self._here / block.info[1]).open("a" if "append" in block.info else "w") as file:
                    file.write(block.text)

    def take(self, name: str, step: Step) -> None:
        """Type the command at this terminal, and see what the page shows for it."""
        if step.command is not None and step.command.startswith(_INSTALLING):
            return
        terminal = self.terminal(name)
        if step.command is not None:
            terminal.wait_for_prompt()
            self._read[name] = len(self.lines(name))  # before typing: a quick command has answered at once
            terminal.type(step.command.replace(str(PORT), str(self._port)))
            if not name:
                terminal.wait_for_prompt()
                self._settle(step.command)
        self.expect(name, step.output)

    def expect_nothing_more(self, name: str) -> None:
        """What the terminal shows is all on the page; whoever reads only the page is not surprised."""
        more = self.lines(name)[self._read[name] :]
        assert not more, f"the page does not show: {more}"

    def repeat_until(self, name: str, step: Step, line: str) -> None:
        """Type the command again until the terminal shows the line: what a person does when nothing happens yet."""
        for _ in range(_TRIES):
            try:
                self.terminal(name).wait_until(lambda: shape(line) in self.lines(name), line, patience=1.0)
            except AssertionError:
                self.take(name, step)
            else:
                return
        self.expect(name, [line])

    def _settle(self, command: str) -> None:
        """What a command of the reader's changes for the rest: the directory, and the port that is free here."""
        if command.startswith("cd ") or " && cd " in command:
            self._here = self._here / command.rpartition("cd ")[2].strip()
        for file in self._root.glob("*/configs/mqttseg.yaml"):
            file.write_text(file.read_text().replace(f":{PORT}", f":{self._port}"))

    def terminal(self, name: str) -> Terminal:
        """The terminal of this name, opened where the reader is when it is first used."""
        if name not in self._terminals:
            self._terminals[name] = Terminal(self._here, {})
            self._read[name] = 0
        return self._terminals[name]

    def lines(self, name: str) -> list[str]:
        """What a terminal shows, line by line, in the shape that is compared."""
        text = self.terminal(name).text.replace(str(self._port), str(PORT))
        return [shape(line) for line in text.splitlines() if line.strip()]

    def expect(self, name: str, output: Sequence[str]) -> None:
        """Wait until the terminal shows these lines, in this order, after what was expected there before."""
        wanted = [shape(line) for line in output if line.strip()]
        start = self._read[name]

        def shown() -> bool:
            return follows(self.lines(name)[start:], wanted) is not None

        self.terminal(name).wait_until(shown, "\n".join(wanted))
        self._read[name] = start + (follows(self.lines(name)[start:], wanted) or 0)


def shape(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, word in _SHAPES:
        line = re.sub(pattern, word, line)
    return re.sub(r" +", " ", line).strip()


def follows(shown: Sequence[str], wanted: Sequence[str]) -> int | None:
    """How many of the lines shown it takes to see all that are wanted, in order; None while some are missing.

    Lines that stand together on the page stand together on the terminal, except around ``...``.
    """
    position = 0
    for group in filter(None, _groups(wanted)):
        found = next((i for i in range(position, len(shown)) if list(shown[i : i + len(group)]) == group), None)
        if found is None:
            return None
        position = found + len(group)
    return position


def _groups(wanted: Sequence[str]) -> Iterator[list[str]]:
    group: list[str] = []
    for line in wanted:
        if line == "...":
            yield group
            group = []
        else:
            group.append(line)
    yield group


def free_port() -> int:
    """A port that nobody listens on, on any address, and that the system gives to no outgoing connection."""
    candidates = list(range(20000, 32000))
    random.shuffle(candidates)
    for port in candidates:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise AssertionError("no port is free")
