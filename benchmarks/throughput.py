"""Whole brokers, mutual TLS, policy enforced: ten publishers to one subscriber, in turns with stock amqtt."""

from __future__ import annotations

import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.brokers import Broker, installed
from benchmarks.figures import Figure, Report
from benchmarks.plan import Outcome, Plan, Publisher, Subscriber, drive
from benchmarks.relay import relay
from benchmarks.site import Right, Segmentation, Site

PUBLISHERS = 10
ROUNDS = 4
CASES = ((0, 1), (0, 4), (1, 1), (1, 4))
"""QoS, and messages per write."""

HOW = (
    "10 publishers, 1 subscriber on `bench/#`, 64-byte payloads, mutual TLS 1.3, at most 1,000 messages outstanding; "
    f"brokers in turns, medians of {ROUNDS} rounds; ratios are medians of each round's ratio. CPU is of one core. "
    "The relay only does TLS: no broker, but what the generator reaches."
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One broker's turn at one case."""

    broker: str
    qos: int
    batch: int
    outcome: Outcome


def segmentation() -> Segmentation:
    """Ten devices that publish below their own level, and one that gets all of it."""
    rights = {f"pub-{i}": Right(publish=[f"bench/pub-{i}/#"]) for i in range(PUBLISHERS)}
    return Segmentation({"bench": {**rights, "sink-1": Right(subscribe=["bench/#"])}})


def plan(site: Site, broker: Broker, qos: int, batch: int, *, seconds: float = 1.0) -> Plan:
    """Ten to one."""
    devices = [f"pub-{i}" for i in range(PUBLISHERS)]
    return Plan(
        port=broker.port,
        ca=str(site.ca),
        publishers=tuple(Publisher(site.seat(device), f"bench/{device}/telemetry/t") for device in devices),
        subscribers=(Subscriber(site.seat("sink-1"), "bench/#"),),
        qos=qos,
        batch=batch,
        warm_up=0.5,
        seconds=seconds,
        watch=broker.pid,
    )


def run(rounds: int = ROUNDS) -> Report:
    """Measure."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as running:
        site = Site(Path(directory), segmentation())
        starts = {**installed(), "relay": relay}
        brokers = [running.enter_context(start(site)) for start in starts.values()]
        turns = [
            Turn(broker.name, qos, batch, drive(plan(site, broker, qos, batch)))
            for _ in range(rounds)
            for qos, batch in CASES
            for broker in brokers
            if broker.name != "relay" or qos == 0
        ]
    figures = [figure for qos, batch in CASES for figure in _figures(turns, qos, batch)]
    return Report("throughput", "Throughput, 10 to 1", figures, HOW, [asdict(turn) for turn in turns])


def _figures(turns: list[Turn], qos: int, batch: int) -> list[Figure]:
    case = f"QoS {qos}, {batch} per write"
    rates: dict[str, list[Outcome]] = {}
    for turn in turns:
        if (turn.qos, turn.batch) == (qos, batch):
            rates.setdefault(turn.broker, []).append(turn.outcome)
    figures = [
        Figure(f"{case}: {broker}", statistics.median(o.rate for o in outcomes), "msg/s", note=_note(outcomes))
        for broker, outcomes in rates.items()
    ]
    for other in (broker for broker in rates if broker not in {"mqttseg", "relay"}):
        target = 1.0 if other == "amqtt" and qos == 0 else None
        ratio = _ratio(rates["mqttseg"], rates[other])
        figures.append(Figure(f"{case}: mqttseg / {other}", ratio, "times", at_least=target))
        cost = statistics.median(a.broker_us / b.broker_us for a, b in zip(rates["mqttseg"], rates[other], strict=True))
        figures.append(Figure(f"{case}: CPU per message, mqttseg / {other}", cost, "times"))
    return figures


def _ratio(ours: list[Outcome], theirs: list[Outcome]) -> float:
    return statistics.median(a.rate / b.rate for a, b in zip(ours, theirs, strict=True))


def _note(outcomes: list[Outcome]) -> str:
    broker = statistics.median(o.broker_cpu for o in outcomes)
    generator = statistics.median(o.generator_cpu for o in outcomes)
    cost = statistics.median(o.broker_us for o in outcomes)
    spread = f"{min(o.rate for o in outcomes):,.0f} to {max(o.rate for o in outcomes):,.0f}"
    faults = "; ".join(o.faults for o in outcomes if o.faults)
    return f"{spread}; broker {broker:.0%}, {cost:.0f} us each; generator {generator:.0%}" + (
        f"; {faults}" * bool(faults)
    )
