"""Puts what was measured into docs/performance.md, between the marks that the page has for it."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.compare import tables
from benchmarks.compare.targets import Kept

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


def refresh(kept: Kept, page: Path = PAGE) -> None:
    """Rewrite the marked parts; the prose between them stays."""
    text, parts = page.read_text(), _parts(kept)
    for name in re.findall(r"<!-- measured: (\S+) -->\n", text):
        before, begin, rest = text.partition(f"<!-- measured: {name} -->\n")
        part = parts.get(name, "Not in the results that are kept.\n")
        text = f"{before}{begin}{part}\n<!-- end -->{rest.partition('<!-- end -->')[2]}"
    page.write_text(text)


def _parts(kept: Kept) -> dict[str, str]:
    parts = {"targets": tables.targets(kept), "machine": _machine(kept)}
    for name, results in kept.items():
        picture = f"![{results.title}](../benchmarks/results/brokers-{name}.svg)"
        parts[name] = f"{picture}\n\n{tables.scenario(results)}"
    return parts


def _machine(kept: Kept) -> str:
    about = next(iter(kept.values()))
    lines = [", ".join(f"{name} {value}" for name, value in about.machine.items() if name != "load") + "."]
    every = {name: text for results in kept.values() for name, text in results.brokers.items()}
    return "\n".join([*lines, "", *(f"- `{name}`: {text}" for name, text in every.items()), ""])
