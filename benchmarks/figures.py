"""What a benchmark found: figures with their targets, shown as a table, kept as JSON and markdown."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. A target is an upper bound (``at_most``), a lower one (``at_least``), or there is none."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def target(self) -> str:
        """The target in words, or nothing."""
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return "" if self.at_least is None else f">= {self.at_least:g}"

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    def cells(self) -> tuple[str, str, str, str, str, str]:
        """The figure as the columns of a table."""
        verdict = {True: "yes", False: "NO", None: ""}[self.met]
        return self.what, shown(self.value), self.unit, self.target, verdict, self.note


COLUMNS = ("what", "value", "unit", "target", "met", "note")


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one benchmark, and how it was run."""

    name: str
    title: str
    figures: Sequence[Figure]
    how: str
    detail: object = field(default=None)

    def table(self) -> Table:
        """For a terminal."""
        table = Table(*COLUMNS, title=self.title, caption=self.how, title_justify="left", caption_justify="left")
        table.columns[1].justify = "right"
        for figure in self.figures:
            style = {True: "green", False: "red", None: None}[figure.met]
            table.add_row(*figure.cells(), style=style)
        return table

    def markdown(self) -> str:
        """For a document."""
        rows = [COLUMNS, ("---", "---:", "---", "---", "---", "---"), *(figure.cells() for figure in self.figures)]
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        return "\n".join((f"## {self.title}", "", self.how, "", *lines, ""))

    def write(self, directory: Path) -> None:
        """Keep everything as JSON."""
        directory.mkdir(parents=True, exist_ok=True)
        data = {"machine": machine(), **asdict(self)}
        (directory / f"{self.name}.json").write_text(json.dumps(data, indent=1) + "\n")


def write_summary(reports: Iterable[Report], directory: Path) -> None:
    """Keep the tables as markdown."""
    about = ", ".join(f"{name} {value}" for name, value in machine().items())
    parts = ["# Figures of one run", "", about, "", *(report.markdown() for report in reports)]
    (directory / "summary.md").write_text("\n".join(parts))


def machine() -> dict[str, str]:
    """What the figures depend on."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def shown(value: float) -> str:
    """Three digits, or whole numbers."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.3g}"
