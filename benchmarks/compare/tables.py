"""Results as markdown: each scenario's table, and the table of targets."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from benchmarks.compare.targets import TARGETS, Kept
from benchmarks.compare.turns import Results, Turn
from benchmarks.figures import shown
from benchmarks.load.plan import Outcome

OURS = "mqttseg"
_COLUMNS = (
    "broker",
    "median",
    "lowest to highest",
    "mqttseg / it",
    "by CPU",
    "its CPU, us each",
    "its CPU",
    "generator",
    "other",
    "idle",
    "p50, ms",
    "notes",
)
_NOTHING = ("",) * 6


def markdown(kept: Kept) -> str:
    """Everything."""
    return "\n".join([targets(kept), *(scenario(results) for results in kept.values())])


def targets(kept: Kept) -> str:
    """Target, measured, met or not."""
    return table(
        ("", "target", "measured: median (spread)", "by the broker's CPU time", "met"),
        [target.row(kept) for target in TARGETS],
    )


def scenario(results: Results) -> str:
    """A table for each case."""
    return "\n".join(
        f"**{results.title}: {about}** ({unit})\n\n{_case(results, name)}"
        for name, (about, unit) in results.cases.items()
    )


def _case(results: Results, case: str) -> str:
    rows = [_row(results, case, broker) for broker in results.brokers if results.of(case, broker)]
    left_out = [(broker, "", "", "", "", *_NOTHING, why) for broker, why in results.left_out[case].items()]
    return table(_COLUMNS, [*rows, *left_out])


def _row(results: Results, case: str, broker: str) -> tuple[str, ...]:
    turns = results.of(case, broker)
    values = [turn.found.value for turn in turns]
    pair = (case, OURS), (case, broker)
    ratios = ("", "") if broker == OURS else (_median(results.ratios(*pair)), _median(results.by_cpu(*pair)))
    spread = f"{shown(min(values))} to {shown(max(values))}"
    outcomes = [turn.found.outcome for turn in turns if turn.found.outcome]
    median = shown(statistics.median(values))
    cores, paced = int(results.machine["cores"]), results.cases[case][1] == "ms"
    cost = _cost(outcomes, cores, paced=paced) if outcomes else _NOTHING
    return broker, median, spread, *ratios, *cost, "; ".join(_notes(turns, outcomes))


def _median(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f}" if ratios else ""


def _cost(outcomes: Sequence[Outcome], cores: int, *, paced: bool) -> tuple[str, ...]:
    """CPU in shares of one core; ``other`` is what the rest of the machine took."""
    median = statistics.median
    other = [cores - o.broker_cpu - sum(o.generator) - o.idle for o in outcomes]
    return (
        shown(median(o.broker_us for o in outcomes)),
        f"{median(o.broker_cpu for o in outcomes):.0%}",
        " + ".join(f"{median(shares):.0%}" for shares in zip(*(o.generator for o in outcomes), strict=True)),
        f"{max(0.0, median(other)):.0%}",
        f"{median(o.idle for o in outcomes):.0%}",
        f"{median(o.p50 for o in outcomes):.2f}" if paced else "",  # else it is the window's
    )


def _notes(turns: Sequence[Turn], outcomes: Sequence[Outcome]) -> Iterator[str]:
    if crowded := sum(outcome.crowded for outcome in outcomes):
        yield f"generator above 85 % of a core in {crowded} of {len(outcomes)}: a lower bound"
    yield from dict.fromkeys(outcome.faults for outcome in outcomes if outcome.faults)
    yield from dict.fromkeys(turn.found.note for turn in turns if turn.found.note)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
