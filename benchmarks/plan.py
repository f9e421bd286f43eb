"""What the load generator is asked to do, and what it answers: values that pass between two processes as JSON."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

from pydantic import TypeAdapter

GRACE = 60.0
"""Seconds that a load may take beyond what it was asked to, before it counts as stuck."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One connection: whose, under which client id, with which certificate and key."""

    device: str
    client_id: str
    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes where; ``receivers`` is how many subscribers each of its messages is owed to."""

    seat: Seat
    topic: str
    receivers: int = 1


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who subscribes to what."""

    seat: Seat
    filter: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A load.

    ``batch``: messages that a publisher puts in one write. ``window``: deliveries that may be outstanding in all, so
    that brokers without flow control are measured at the rate they sustain, not at the rate they buffer.
    ``in_flight``: unacknowledged messages of each publisher at QoS 1 and 2. ``rate``: messages per second of each
    publisher, 0 for as many as the window allows. ``watch``: the broker's process, whose CPU time is read.
    Sizes in bytes, times in seconds.
    """

    port: int
    ca: str
    publishers: tuple[Publisher, ...]
    subscribers: tuple[Subscriber, ...]
    qos: int = 0
    payload: int = 64
    batch: int = 1
    window: int = 1000
    in_flight: int = 20
    rate: float = 0.0
    warm_up: float = 1.0
    seconds: float = 3.0
    watch: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. Rate in deliveries per second; latencies in milliseconds, from write to receipt, 0 when
    nothing came.

    CPU shares are of one core, over the measured time: a generator near 1.0 would have been the bottleneck.
    ``stalls``: times that the window had to be opened again because nothing came for a second.
    """

    rate: float
    sent: int
    received: int
    lost: int
    duplicated: int
    reordered: int
    stalls: int
    p50: float
    p99: float
    generator_cpu: float
    broker_cpu: float

    @property
    def broker_us(self) -> float:
        """Microseconds of the broker's CPU for each delivery."""
        return self.broker_cpu / self.rate * 1e6 if self.rate else 0.0

    @property
    def faults(self) -> str:
        """What went wrong, in words."""
        named = (("lost", self.lost), ("duplicated", self.duplicated), ("reordered", self.reordered))
        return ", ".join(f"{count} {name}" for name, count in named if count)


PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)
OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)


def start(plan: Plan) -> subprocess.Popen[bytes]:
    """Start a load in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(PLAN.dump_json(plan))
    process.stdin.close()
    process.stdin = None
    return process


def finish(process: subprocess.Popen[bytes], patience: float) -> Outcome:
    """Wait for the outcome of a load that was started."""
    try:
        answer, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    if process.returncode:
        raise RuntimeError(f"the load generator failed with status {process.returncode}")
    return OUTCOME.validate_json(answer)


def drive(plan: Plan) -> Outcome:
    """Put a load on a broker, and wait for the outcome."""
    return finish(start(plan), plan.warm_up + plan.seconds + GRACE)
