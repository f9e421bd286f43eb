"""What is measured: scenarios of cases, each broker taking its turn at each; and what a turn found.

Values only. What the scenarios are is in ``scenarios``, how turns are taken in ``run``.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from benchmarks.load.plan import Outcome

if TYPE_CHECKING:  # to read what was kept needs nothing that starts brokers
    from benchmarks.brokers.process import Broker
    from benchmarks.site import Segmentation, Site


REPEATS = ("mqttseg-off", "relay")
"""Of which most scenarios would show nothing new: durability matters where something is stored."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How long one turn lasts, in seconds."""

    warm_up: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """What one turn found: the case's own figure, and everything that the generator told."""

    value: float
    outcome: Outcome | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One load. ``unit`` is of the figure that it is about; ``cannot``: which brokers are left out, and why."""

    name: str
    about: str
    unit: str
    segmentation: Segmentation
    measure: Callable[[Site, Broker, Clock], Found]
    qos: int = 0
    cannot: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """Cases whose turns are taken in one run, and so may be compared. ``without``: brokers of which it would show
    nothing new. ``fresh``: a broker is started for each turn."""

    name: str
    title: str
    cases: Sequence[Case]
    without: tuple[str, ...] = ()
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One broker's turn at one case."""

    case: str
    broker: str
    round: int
    found: Found


@dataclass(frozen=True, slots=True)
class Results:
    """All turns of a scenario, with what a reader needs to know about them."""

    scenario: str
    title: str
    machine: dict[str, str]
    brokers: dict[str, str]
    cases: dict[str, tuple[str, str]]
    left_out: dict[str, dict[str, str]]
    turns: list[Turn]

    def of(self, case: str, broker: str) -> list[Turn]:
        """In the order of the rounds."""
        return [turn for turn in self.turns if (turn.case, turn.broker) == (case, broker)]

    def median(self, case: str, broker: str) -> float | None:
        """Of the case's own figure; None when there was no turn."""
        values = [turn.found.value for turn in self.of(case, broker)]
        return statistics.median(values) if values else None

    def ratios(self, one: tuple[str, str], other: tuple[str, str]) -> list[float]:
        """Of one case and broker to another, round by round."""
        values = {turn.round: turn.found.value for turn in self.of(*one)}
        return _by_round(values, {turn.round: turn.found.value for turn in self.of(*other)})

    def by_cpu(self, one: tuple[str, str], other: tuple[str, str]) -> list[float]:
        """How much more one does than the other with the same CPU time: what a rate is on a machine of its own."""
        return _by_round(self._costs(other), self._costs(one))

    def _costs(self, which: tuple[str, str]) -> dict[int, float]:
        return {turn.round: turn.found.outcome.broker_us for turn in self.of(*which) if turn.found.outcome}


def _by_round(values: Mapping[int, float], bases: Mapping[int, float]) -> list[float]:
    return [value / bases[number] for number, value in values.items() if bases.get(number)]


RESULTS: TypeAdapter[Results] = TypeAdapter(Results)
