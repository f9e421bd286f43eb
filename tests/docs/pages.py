"""The documentation as data: its pages, their links, code blocks, and the commands with the output shown for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"

_BLOCK = re.compile(r"^( *)```([^\n`]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced code block. ``info``: the words after the fence; the first is the language."""

    page: Path
    line: int
    info: tuple[str, ...]
    text: str

    @property
    def language(self) -> str:
        return self.info[0] if self.info else ""


@dataclass
class Step:
    """A command and the lines shown below it. Without a command: what the terminal shows later."""

    command: str | None
    output: list[str] = field(default_factory=list)


def pages() -> list[Path]:
    """README.md and every page of docs/."""
    return [README, *sorted(DOCS.rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        body = "".join(line.removeprefix(match[1]) for line in match[3].splitlines(keepends=True))
        found.append(Block(page, text.count("\n", 0, match.start()) + 1, tuple(match[2].split()), body))
    return found


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def steps(block: Block) -> list[Step]:
    """The commands of a console block: lines after ``$``, continued by a backslash or an indented line after ``>``."""
    found: list[Step] = []
    lines = iter(block.text.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command += "\n" + next(lines)
            found.append(Step(command))
        else:
            if not found:
                found.append(Step(None))
            found[-1].output.append(line)
    return found


def commands() -> Iterator[tuple[str, str]]:
    """Every ``mqttseg ...`` command line shown in a console block, with where it is shown."""
    for page in pages():
        for block in blocks(page):
            if block.language == "console":
                for step in steps(block):
                    for command in simple_commands(step.command or ""):
                        yield f"{page.relative_to(ROOT)}:{block.line}", command


def simple_commands(line: str) -> Iterator[str]:
    """The ``mqttseg`` commands of a shell line, without what else the shell is told."""
    for part in re.split(r"&&|\|\||;|\||&(?!\d)", line.replace("\\\n", " ")):
        command = re.sub(
            r"\s(\d?>>?|<|#)\s*.*$", "", re.sub(r"^(sudo )?(/\S+/)?(?=mqttseg )", "", part.strip())
        ).strip()
        if command == "mqttseg" or command.startswith("mqttseg "):
            yield command
