"""The pieces of an nftables file: tables, sets, maps, chains.

Owns layout and names. Every name has a prefix of ours, because words such as fwd, log and counter are reserved, and a
name may not begin with a digit. Only validated literals are written: nft asks DNS about whatever it cannot parse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_INDENT = "  "


@dataclass(slots=True)
class Table:
    """A table being written: ``family name``, its comment, and what it holds in order."""

    family: str
    name: str
    comment: str
    _lines: list[str] = field(default_factory=list)

    def add_set(self, name: str, kind: str, elements: Iterable[str] = (), *, flags: str = "", more: str = "") -> None:
        """A named set; ``kind`` is its type clause, ``flags`` such as ``interval``."""
        self._add_elements(f"set {name}", kind, elements, flags=flags, more=more)

    def add_map(self, name: str, kind: str, elements: Iterable[str] = ()) -> None:
        """A named map to verdicts."""
        self._add_elements(f"map {name}", kind, elements)

    def add_counter(self, name: str) -> None:
        """A named counter."""
        self._lines.append(f"{_INDENT}counter {name} {{ }}")

    def add_chain(self, name: str, rules: Iterable[str], *, hook: str = "") -> None:
        """A chain; ``hook`` is its type, hook and priority clause for a base chain, which accepts by default."""
        self._lines.append(f"{_INDENT}chain {name} {{")
        if hook:
            self._lines.append(f"{_INDENT * 2}{hook}; policy accept;")
        self._lines.extend(f"{_INDENT * 2}{rule}" for rule in rules)
        self._lines.append(f"{_INDENT}}}")

    def lines(self) -> Iterator[str]:
        """The table as a file holds it."""
        yield f"table {self.family} {self.name} {{"
        yield f'{_INDENT}comment "{self.comment}"'
        yield from self._lines
        yield "}"

    def _add_elements(self, what: str, kind: str, elements: Iterable[str], *, flags: str = "", more: str = "") -> None:
        self._lines.append(f"{_INDENT}{what} {{")
        clauses = (kind, flags and f"flags {flags}", more)
        self._lines += [f"{_INDENT * 2}{clause}" for clause in clauses if clause]
        if held := f",\n{_INDENT * 3}".join(elements):  # an empty list, and a blank line inside one, are syntax errors
            self._lines.append(f"{_INDENT * 2}elements = {{\n{_INDENT * 3}{held}\n{_INDENT * 2}}}")
        self._lines.append(f"{_INDENT}}}")


def quoted(name: str) -> str:
    """An interface or port name; the plan has proved that it holds neither quote nor wildcard."""
    return f'"{name}"'
