"""What was promised, as ratios in one run: the table of targets, and whether each is met."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
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

    def met(self, value: float) -> bool:
        """Whether a figure keeps it."""
        return value >= self.wanted if self.at_least else value <= self.wanted

    def row(self, kept: Kept) -> tuple[str, str, str, str]:
        """What, target, measured with its spread, met or not."""
        values, bound = self.measured(kept), f"{'at least' if self.at_least else 'at most'} {self.wanted:g} {self.unit}"
        if not values:
            return self.what, bound, "not measured", ""
        value = statistics.median(values)
        spread = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
        return self.what, bound, f"{value:.2f}{spread}", "yes" if self.met(value) else "**no**"


def _against(scenario: str, case: str, other: str) -> Callable[[Kept], list[float]]:
    return _ratio(scenario, (case, "mqttseg"), (case, other))


def _ratio(scenario: str, one: tuple[str, str], other: tuple[str, str]) -> Callable[[Kept], list[float]]:
    return lambda kept: kept[scenario].ratios(one, other) if scenario in kept else []


def _idle(kept: Kept) -> list[float]:
    return [turn.found.value for turn in kept["idle"].of("5000", "mqttseg")] if "idle" in kept else []


TARGETS = (
    Target(
        "QoS 0, 10 to 1, one message per write, to Mosquitto with acl_file",
        2.0,
        True,
        "times",
        _against("fan-in", "q0-w1", "mosquitto"),
    ),
    Target("the same, to stock amqtt with its ACL plugin", 10.0, True, "times", _against("fan-in", "q0-w1", "amqtt")),
    Target(
        "QoS 0, 10 to 1, four per write, to Mosquitto", 4.0, True, "times", _against("fan-in", "q0-w4", "mosquitto")
    ),
    Target("QoS 0, 1 to 100, to Mosquitto", 1.0, True, "times", _against("fan-out", "q0", "mosquitto")),
    Target(
        "QoS 1, 10 to 1, receivers present, to Mosquitto", 1.0, True, "times", _against("fan-in", "q1-w1", "mosquitto")
    ),
    Target(
        "QoS 1 to an absent persistent session, durability commit, to off",
        0.7,
        True,
        "times",
        _ratio("absent", ("q1", "mqttseg"), ("q1", "mqttseg-off")),
    ),
    Target(
        "QoS 0 at 10,000 rules and subscriptions, to 10",
        0.8,
        True,
        "times",
        _ratio("rules", ("r10000", "mqttseg"), ("r10", "mqttseg")),
    ),
    Target(
        "connect rate, mutual TLS 1.3, P-256, to stock amqtt", 1.5, True, "times", _against("connect", "tls13", "amqtt")
    ),
    Target(
        "latency p99, each at half of its own rate, to Mosquitto",
        3.0,
        False,
        "times",
        _against("latency", "half", "mosquitto"),
    ),
    Target(
        "latency p99, both at 4,000 msg/s, to Mosquitto", 3.0, False, "times", _against("latency", "4000", "mosquitto")
    ),
    Target("memory per idle connection, of 5,000", 60.0, False, "KiB", _idle),
)
