"""Compare brokers. All of it takes about half an hour; some brokers and scenarios, one round, a minute."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.brokers.installed import KINDS
from benchmarks.brokers.process import Kind, raise_descriptor_limit
from benchmarks.compare import page, tables
from benchmarks.compare.plots import plot
from benchmarks.compare.run import Comparison
from benchmarks.compare.scenarios import SCENARIOS
from benchmarks.compare.targets import TARGETS
from benchmarks.compare.turns import RESULTS as KEPT
from benchmarks.compare.turns import Clock, Results, Scenario
from benchmarks.figures import RESULTS


def main() -> int:
    """Measure what was asked for, keep it, and show all that is kept; 1 when a target is missed."""
    options = _options()
    raise_descriptor_limit()
    options.results.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    kinds = [KINDS[name] for name in options.brokers]
    for kind in kinds:
        if why := kind.missing():
            console.print(f"{kind.name} is left out: {why}", style="yellow")
    clock = Clock(options.warm_up, options.seconds)
    for name in () if options.tables_only else options.scenarios:
        results = _measure(SCENARIOS[name], kinds, clock, options.rounds, console)
        (options.results / f"brokers-{name}.json").write_bytes(KEPT.dump_json(results, indent=1) + b"\n")
        plot(results, options.results / f"brokers-{name}.svg")
    return _show(options)


def _measure(scenario: Scenario, kinds: Sequence[Kind], clock: Clock, rounds: int, console: Console) -> Results:
    start = time.perf_counter()
    console.print(f"{scenario.title}", style="bold")
    results = Comparison(scenario, kinds, clock, lambda text: console.print(text, style="dim")).run(rounds)
    console.print(f"{time.perf_counter() - start:.0f} s\n", style="dim")
    return results


def _show(options: argparse.Namespace) -> int:
    kept = _kept(options.results)
    (options.results / "brokers.md").write_text(tables.markdown(kept))
    measured = {name: kept[name] for name in options.scenarios if name in kept}
    print("\n".join([tables.targets(kept), *map(tables.scenario, measured.values())]))
    if options.write_docs:
        page.refresh(kept)
    return int(any("**no**" in target.row(measured) for target in TARGETS))


def _kept(directory: Path) -> dict[str, Results]:
    paths = {name: directory / f"brokers-{name}.json" for name in SCENARIOS}
    return {name: KEPT.validate_json(path.read_bytes()) for name, path in paths.items() if path.exists()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--brokers", nargs="+", choices=KINDS, default=list(KINDS), metavar="NAME", help=_list(KINDS))
    parser.add_argument(
        "--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), metavar="NAME", help=_list(SCENARIOS)
    )
    parser.add_argument("--rounds", type=int, default=4, help="turns of each broker at each case (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="measured in each turn (%(default)s)")
    parser.add_argument("--warm-up", type=float, default=0.5, help="seconds before that (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write JSON, markdown and plots")
    parser.add_argument("--write-docs", action="store_true", help="put what is kept there into docs/performance.md")
    parser.add_argument("--tables-only", action="store_true", help="measure nothing: show what is kept")
    return parser.parse_args()


def _list(names: dict[str, Kind] | dict[str, Scenario]) -> str:
    return f"some of: {', '.join(names)} (all)"


if __name__ == "__main__":
    raise SystemExit(main())
