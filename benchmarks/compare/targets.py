"""What was promised, as ratios in one run: the table of targets, and whether each is met."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.compare.turns import Results

Kept = Mapping[str, Results]
"""Results by scenario."""


@dataclass(frozen=True, slots=True)
class Target:
    """One promise. ``measured`` is each round's figure, or nothing when its turns were not taken."""

    what: str
    wanted: float
    at_least: bool
    unit: str
    measured: Callable[[Kept], list[float]]
    by_cpu: Callable[[Kept], list[float]] = lambda _: []

    def met(self, value: float) -> bool:
        """Whether a figure keeps it."""
        return value >= self.wanted if self.at_least else value <= self.wanted

    def row(self, kept: Kept) -> tuple[str, str, str, str, str]:
        """What, target, measured, by CPU time, met or not."""
        values, bound = self.measured(kept), f"{'at least' if self.at_least else 'at most'} {self.wanted:g} {self.unit}"
        if not values:
            return self.what, bound, "not measured", "", ""
        met = "yes" if self.met(statistics.median(values)) else "**no**"
        return self.what, bound, _spread(values), _spread(self.by_cpu(kept)), met


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _rates(what: str, wanted: float, scenario: str, one: tuple[str, str], other: tuple[str, str]) -> Target:
    """One rate at least so many times another."""
    return Target(
        what,
        wanted,
        True,
        "times",
        lambda kept: kept[scenario].ratios(one, other) if scenario in kept else [],
        lambda kept: kept[scenario].by_cpu(one, other) if scenario in kept else [],
    )


def _beside(what: str, wanted: float, scenario: str, case: str, other: str) -> Target:
    return _rates(what, wanted, scenario, (case, "mqttseg"), (case, other))


def _late(what: str, wanted: float, case: str) -> Target:
    def measured(kept: Kept) -> list[float]:
        return kept["latency"].ratios((case, "mqttseg"), (case, "mosquitto")) if "latency" in kept else []

    return Target(what, wanted, False, "times", measured)


def _idle(kept: Kept) -> list[float]:
    return [turn.found.value for turn in kept["idle"].of("5000", "mqttseg")] if "idle" in kept else []


TARGETS = (
    _beside("QoS 0, 10 to 1, one message per write, to Mosquitto with acl_file", 2.0, "fan-in", "q0-w1", "mosquitto"),
    _beside("the same, to stock amqtt with its ACL plugin", 10.0, "fan-in", "q0-w1", "amqtt"),
    _beside("QoS 0, 10 to 1, four messages per write, to Mosquitto", 4.0, "fan-in", "q0-w4", "mosquitto"),
    _beside("QoS 0, 1 to 100, to Mosquitto", 1.0, "fan-out", "q0", "mosquitto"),
    _beside("QoS 1, 10 to 1, receivers present, to Mosquitto", 1.0, "fan-in", "q1-w1", "mosquitto"),
    _rates(
        "QoS 1 to an absent persistent session, `durability: commit` to `off`",
        0.7,
        "absent",
        ("q1", "mqttseg"),
        ("q1", "mqttseg-off"),
    ),
    _rates("QoS 0 at 10,000 rules and subscriptions, to 10", 0.8, "rules", ("r10000", "mqttseg"), ("r10", "mqttseg")),
    _beside("connect rate, mutual TLS 1.3, P-256, to stock amqtt", 1.5, "connect", "tls13", "amqtt"),
    _late("latency p99, each at half of its own highest rate, to Mosquitto", 3.0, "half"),
    _late("latency p99, both at 4,000 msg/s, to Mosquitto", 3.0, "4000"),
    Target("memory per idle connection, of 5,000", 60.0, False, "KiB", _idle),
)
