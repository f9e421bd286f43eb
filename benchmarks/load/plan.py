"""What the load generator is asked to do, and what it answers: values that pass between processes as JSON."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

CROWDED = 0.85
"""Share of a core above which a generator process may have been what was measured."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One connection: whose, under which client id, with which certificate and key."""

    device: str
    client_id: str
    certificate: str
    key: str
    clean: bool = True


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
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A load.

    ``batch``: messages that a publisher puts in one write. ``window``: deliveries that may be outstanding in all, so
    that brokers without flow control are measured at the rate they sustain, not at the rate they buffer.
    ``in_flight``: unacknowledged messages of each publisher at QoS 1 and 2. ``rate``: messages per second of each
    publisher, 0 for as many as the window allows. ``writers`` and ``readers``: processes that publish, and that
    subscribe. ``watch``: the broker's process, whose CPU time is read. Sizes in bytes, times in seconds.
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
    writers: int = 1
    readers: int = 1
    watch: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """One process's part of a plan. ``first`` is the number of its first publisher, of ``total`` in all."""

    plan: Plan
    slot: int
    first: int
    total: int
    ledger: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What one process saw. ``waits``: nanoseconds from write to receipt, of the measured time."""

    duplicated: int
    reordered: int
    closed: int
    waits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. Rates a second: ``rate`` of deliveries, ``acknowledged`` of messages; latencies in
    milliseconds, from write to receipt, 0 when nothing came.

    CPU shares are of one core, over the measured time; ``generator`` has one of each process; ``idle`` is what the
    machine had left, in cores. ``stalls``: times that the window had to be opened again because nothing came.
    ``closed``: connections that the broker closed.
    """

    rate: float
    acknowledged: float
    sent: int
    received: int
    lost: int
    duplicated: int
    reordered: int
    stalls: int
    closed: int
    p50: float
    p99: float
    generator: tuple[float, ...]
    broker_cpu: float
    idle: float

    @property
    def broker_us(self) -> float:
        """Microseconds of the broker's CPU for each delivery, or for each acknowledged message when none is due."""
        rate = self.rate or self.acknowledged
        return self.broker_cpu / rate * 1e6 if rate else 0.0

    @property
    def crowded(self) -> bool:
        """Whether the generator may have been the bottleneck: then the rate is a lower bound."""
        return max(self.generator, default=0.0) > CROWDED

    @property
    def faults(self) -> str:
        """What went wrong, in words."""
        counts = (self.lost, self.duplicated, self.reordered, self.closed)
        named = zip(("lost", "duplicated", "reordered", "closed by the broker"), counts, strict=True)
        return ", ".join(f"{count:,} {name}" for name, count in named if count)


SHARE: TypeAdapter[Share] = TypeAdapter(Share)
TALLY: TypeAdapter[Tally] = TypeAdapter(Tally)
