"""The demo's table: live on a terminal, a line per row off it."""

from __future__ import annotations

from types import TracebackType

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mqttseg.demo.attempt import ALLOWS, Attempt, Outcome

_SPARE = 2  # lines of the terminal that the live table leaves: what is longer than the terminal cannot be replaced
_WIDE = 140  # columns from which on the reason has one of its own; else it stands below what was tried
_HAPPENED = 23  # columns for what happened where there are few, so that a topic fits on its line


class AttemptTable:
    """Rows as they come. While it grows it shows what fits on the terminal; at the end, all."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows: list[tuple[Attempt, Outcome]] = []
        self._live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> AttemptTable:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._console.print(self._table(self._rows, None))

    def begin(self, attempt: Attempt) -> None:
        """It is being tried."""
        self._refresh(attempt)

    def end(self, attempt: Attempt, outcome: Outcome) -> None:
        """It went like this."""
        self._rows.append((attempt, outcome))
        if self._live is None:
            self._console.print(_line(attempt, outcome), soft_wrap=True)
        else:
            self._refresh(None)

    @property
    def surprises(self) -> int:
        """How many went otherwise than the policy says."""
        return sum(not outcome.right for _, outcome in self._rows)

    @property
    def total(self) -> int:
        """How many were tried."""
        return len(self._rows)

    def _refresh(self, trying: Attempt | None) -> None:
        if self._live is not None:
            rows = self._rows
            while len(rows) > 1 and not self._fits(self._table(rows, trying)):
                rows = rows[1:]
            self._live.update(self._table(rows, trying), refresh=True)

    def _fits(self, table: Table) -> bool:
        return len(self._console.render_lines(table, pad=False)) <= self._console.height - _SPARE

    def _table(self, rows: list[tuple[Attempt, Outcome]], trying: Attempt | None) -> Table:
        is_wide = self._console.width >= _WIDE
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        for head in ("device", "tries", "policy", "what happened", *(["why"] if is_wide else [])):
            narrow = _HAPPENED if head == "what happened" and not is_wide else None
            table.add_column(head, overflow="fold", no_wrap=head in ("device", "policy"), max_width=narrow)
        for attempt, outcome in rows:
            tried, why = _tried(attempt), Text(outcome.why, style="dim")
            told = [tried] if is_wide else [Text("\n").join((tried, why))]
            happened = Text(outcome.happened, style=_style(outcome))
            table.add_row(attempt.device, *told, outcome.expected, happened, *([why] if is_wide else []))
        if trying is not None:
            table.add_row(trying.device, _tried(trying), "...")
        return table


def _tried(attempt: Attempt) -> Text:
    return Text.assemble(f"{attempt.what} ", (attempt.topic, "bold"))


def _style(outcome: Outcome) -> str:
    if not outcome.right:
        return "bold white on red"
    return "green" if outcome.expected == ALLOWS else "red"


def _line(attempt: Attempt, outcome: Outcome) -> Text:
    mark = "ok   " if outcome.right else "WRONG"
    tried = f"{attempt.device} {attempt.what} {attempt.topic}"
    return Text(f"{mark} {tried:<62} {outcome.happened:<38} {outcome.why}")
