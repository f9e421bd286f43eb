"""What an idle mutual-TLS connection costs in memory: thousands held at once, then each with one subscription."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.brokers import Broker, Start, installed
from benchmarks.figures import Figure, Report
from benchmarks.holder import Crowd, Held
from benchmarks.plan import Subscriber
from benchmarks.site import CONNECTIONS_PER_DEVICE, Right, Segmentation, Site

CONNECTIONS = 5_000
OTHERS = 300
"""Connections to the brokers that ours is compared with."""

HOW = (
    f"{CONNECTIONS:,} connections to mqttseg, {OTHERS:,} to the others, from devices with {CONNECTIONS_PER_DEVICE} "
    "sessions each; KiB of the broker's RSS per connection, over what it had before the first; P-256 certificates."
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one broker needed: bytes of RSS and seconds."""

    broker: str
    connections: int
    empty: int
    connected: int
    subscribed: int
    connecting: float
    subscribing: float


def run(connections: int = CONNECTIONS) -> Report:
    """Measure."""
    devices = [f"dev-{n}" for n in range(connections // CONNECTIONS_PER_DEVICE)]
    right = Right(publish=["idle/${device}/#"], subscribe=["idle/${device}/#"])
    with tempfile.TemporaryDirectory() as directory:
        site = Site(Path(directory), Segmentation({"idle": dict.fromkeys(devices, right)}))
        crowd = [
            Subscriber(site.seat(device, f"s{n}"), f"idle/{device}/{n}")
            for n in range(CONNECTIONS_PER_DEVICE)
            for device in devices
        ]
        costs = [
            _cost(site, start, crowd if name == "mqttseg" else crowd[:OTHERS]) for name, start in installed().items()
        ]
    return Report("idle", "Idle connections", [f for cost in costs for f in _figures(cost)], HOW, [*map(asdict, costs)])


def _cost(site: Site, start: Start, members: list[Subscriber]) -> Cost:
    with start(site) as broker:
        empty = broker.rss()
        with Held(Crowd(broker.port, str(site.ca), tuple(members))) as held:
            connected = broker.rss()
            subscribing = held.subscribe()
            subscribed = broker.rss()
            _check(held, broker, len(members))
            return Cost(broker.name, len(members), empty, connected, subscribed, held.connecting, subscribing)


def _check(held: Held, broker: Broker, count: int) -> None:
    there = held.still_there()
    if there != count:
        raise RuntimeError(f"{broker.name} kept {there} of {count} connections")


def _figures(cost: Cost) -> list[Figure]:
    def each(bytes_: int) -> float:
        return (bytes_ - cost.empty) / cost.connections / 1024

    name, target = f"{cost.broker}, {cost.connections:,}", 100.0 if cost.broker == "mqttseg" else None
    rate, subscribing = cost.connections / cost.connecting, cost.connections / cost.subscribing
    return [
        Figure(
            f"{name}: connected",
            each(cost.connected),
            "KiB",
            at_most=target,
            note=f"{cost.empty / 2**20:.0f} MiB empty",
        ),
        Figure(f"{name}: with a subscription", each(cost.subscribed), "KiB", at_most=target),
        Figure(f"{name}: connect rate", rate, "/s"),
        Figure(f"{name}: subscribe rate", subscribing, "/s"),
    ]
