"""What is shown and where: data on stdout, messages on stderr.

Tables are rich on a terminal and plain columns off it. Refuses to know what any of it means.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from mqttseg.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN_ALIKE = 20
"""Problems of one file with one remedy that are shown: a list may have thousands of lines that are wrong alike."""

_STYLES: Mapping[str, str] = {
    "valid": "green",
    "ok": "green",
    "expired": "red",
    "revoked": "red",
    "failed": "red",
    "down": "red",
    "not published": "red",
    "tests fail": "red",
}


def say(message: str) -> None:
    """A message for the person at the keyboard."""
    print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Something that will surprise later."""
    _complain("warning", message, typer.colors.YELLOW)


def fail(message: str, code: int) -> int:
    """Say what went wrong; returns the exit code."""
    _complain("error", message, typer.colors.RED)
    return code


def fail_with_problems(error: ConfigurationError) -> int:
    """Every problem on its own line; of many that are mended alike, the first ones. Returns the exit code."""
    alike = Counter((problem.source.file, problem.remedy) for problem in error.problems)
    shown: Counter[tuple[str, str]] = Counter()
    for problem in error.problems:
        kind = (problem.source.file, problem.remedy)
        shown[kind] += 1
        if shown[kind] <= SHOWN_ALIKE:
            fail(str(problem), error.exit_code)
        elif shown[kind] == alike[kind]:
            fail(
                f"{problem.source.file}: {alike[kind] - SHOWN_ALIKE} more like these, to line {problem.source.line}", 1
            )
    return error.exit_code


def _complain(kind: str, message: str, color: str) -> None:
    styled = _is_colorful() and sys.stderr.isatty()
    head = typer.style(f"{kind}:", fg=color, bold=True) if styled else f"{kind}:"
    print(head, _printable(message), file=sys.stderr, flush=True)


def _is_colorful() -> bool:
    return not os.environ.get("NO_COLOR")


def _printable(text: str) -> str:
    """Without control characters, which could rewrite what the terminal shows."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def show(text: str) -> None:
    """Data, as text."""
    print(_printable(text))


def show_json(data: object) -> None:
    """Data, as JSON."""
    print(json.dumps(data, indent=2, ensure_ascii=False))


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows under heads."""
    if sys.stdout.isatty():
        _show_rich(heads, rows)
    else:
        _show_plain(heads, rows)


def _cell(text: str) -> str:
    """A row is one row, whatever a peer put into it."""
    return _printable(text).replace("\n", "\\n")


def _show_plain(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = [[_cell(cell) for cell in row] for row in (list(map(str.upper, heads)), *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _show_rich(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box  # here: what prints no table does not wait for it
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(cell), style=_STYLES.get(cell, "")) for cell in row))
    Console().print(table)
