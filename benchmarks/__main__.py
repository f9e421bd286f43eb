"""``make bench``: what decisions, policies and floods cost. Shown as tables, kept in benchmarks/results/."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from rich.console import Console

from benchmarks import apply, decisions, detect, events, flood, gateway, observing, policy_check
from benchmarks.brokers.process import raise_descriptor_limit
from benchmarks.figures import RESULTS, Report, write_summary

BENCHMARKS: dict[str, Callable[[], Report]] = {
    "decisions": decisions.run,
    "detect": detect.run,
    "events": events.run,
    "observing": observing.run,
    "policy_check": policy_check.run,
    "flood": flood.run,
    "apply": apply.run,
    "gateway": gateway.run,
}


def main() -> int:
    """Run, show, write; 1 when a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)} (all)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write JSON and markdown")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - BENCHMARKS.keys())
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    raise_descriptor_limit()
    reports = [_measure(name, options.results) for name in BENCHMARKS if name in (options.names or BENCHMARKS)]
    write_summary(reports, options.results)
    return int(any(figure.met is False for report in reports for figure in report.figures))


def _measure(name: str, results: Path) -> Report:
    console = Console()
    start = perf_counter()
    with Console(stderr=True).status(f"measuring {name}"):
        report = BENCHMARKS[name]()
    report.write(results)
    console.print(report.table())
    console.print(f"{name}: {perf_counter() - start:.0f} s, kept in {results / f'{name}.json'}\n", style="dim")
    return report


if __name__ == "__main__":
    raise SystemExit(main())
