"""What a flooder in another segment does to a victim's latency: alone and beside it, in turns."""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.brokers.ours import COMMIT
from benchmarks.brokers.process import Broker
from benchmarks.figures import Figure, Report
from benchmarks.load.drive import Load, drive
from benchmarks.load.plan import Outcome, Plan, Publisher, Subscriber
from benchmarks.site import Certificates, Right, Segmentation, Site

ROUNDS = 4
FLOOD = 64 * 1024
VICTIM_RATE = 200.0
SECONDS = 2.0
HEAD_START = 1.0
"""Seconds in which the flooder comes up to speed before the victim starts."""

HOW = (
    f"The victim sends {VICTIM_RATE:.0f} messages of 64 bytes a second and gets them back, on mutual TLS; the flooder, "
    f"in another segment, sends 64 KiB a second. Alone and beside it in turns, {ROUNDS} rounds of {SECONDS:.0f} s; "
    "medians, and ratios of each round. `denied`: the flood is aimed at the victim's own topics."
)


@dataclass(frozen=True, slots=True)
class Flood:
    """A way to flood: bytes of each message, and where it is aimed."""

    name: str
    payload: int
    topic: str


FLOODS = (
    Flood("1,024 messages of 64 bytes", 64, "flood/x"),
    Flood("64 messages of 1 KiB", 1024, "flood/x"),
    Flood("1,024 messages of 64 bytes, denied", 64, "calm/x"),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One round: the victim alone, and beside a flooder."""

    flood: str
    alone: Outcome
    beside: Outcome


def segmentation() -> Segmentation:
    """Two segments that share nothing."""
    return Segmentation(
        {
            "calm": {"victim-1": Right(publish=["calm/#"], subscribe=["calm/#"])},
            "flood": {"flooder-1": Right(publish=["flood/#"], subscribe=["flood/#"])},
        }
    )


def run(rounds: int = ROUNDS) -> Report:
    """Measure."""
    with tempfile.TemporaryDirectory() as directory:
        certificates = Certificates.of(Path(directory) / "certs", ["victim-1", "flooder-1"])
        site = Site(Path(directory), segmentation(), certificates)
        with COMMIT.start(site) as broker:
            drive(_victim(site, broker))  # both sides warm
            pairs = [_pair(site, broker, flood) for _ in range(rounds) for flood in FLOODS]
    figures = [
        figure for flood in FLOODS for figure in _figures(flood.name, [p for p in pairs if p.flood == flood.name])
    ]
    return Report("flood", "Latency beside a flooder", figures, HOW, [asdict(pair) for pair in pairs])


def _pair(site: Site, broker: Broker, flood: Flood) -> Pair:
    alone = drive(_victim(site, broker))
    with Load(_flooder(site, broker, flood)) as flooder:
        flooder.connect()
        flooder.begin()
        time.sleep(HEAD_START)
        beside = drive(_victim(site, broker))
    return Pair(flood.name, alone, beside)


def _victim(site: Site, broker: Broker) -> Plan:
    return Plan(
        port=broker.port,
        ca=str(site.ca),
        publishers=(Publisher(site.seat("victim-1"), "calm/t"),),
        subscribers=(Subscriber(site.seat("victim-1", "back"), ("calm/t",)),),
        rate=VICTIM_RATE,
        warm_up=0.3,
        seconds=SECONDS,
        watch=broker.pid,
    )


def _flooder(site: Site, broker: Broker, flood: Flood) -> Plan:
    """Nobody receives a flood: it costs what the broker spends on taking it in and judging it."""
    return Plan(
        port=broker.port,
        ca=str(site.ca),
        publishers=(Publisher(site.seat("flooder-1"), flood.topic, receivers=0),),
        subscribers=(),
        payload=flood.payload,
        rate=FLOOD / flood.payload,
    )


def _figures(flood: str, pairs: list[Pair]) -> list[Figure]:
    alone, beside = [p.alone for p in pairs], [p.beside for p in pairs]
    faults = "; ".join(o.faults for o in (*alone, *beside) if o.faults)
    return [
        Figure(f"alone: p50 (before: {flood})", statistics.median(o.p50 for o in alone), "ms"),
        Figure(f"alone: p99 (before: {flood})", statistics.median(o.p99 for o in alone), "ms"),
        Figure(f"beside {flood}: p50", statistics.median(o.p50 for o in beside), "ms"),
        Figure(f"beside {flood}: p99", statistics.median(o.p99 for o in beside), "ms", note=faults),
        Figure(
            f"{flood}: p50 ratio", statistics.median(b.p50 / a.p50 for a, b in zip(alone, beside, strict=True)), "times"
        ),
        Figure(
            f"{flood}: p99 ratio",
            statistics.median(b.p99 / a.p99 for a, b in zip(alone, beside, strict=True)),
            "times",
            at_most=5.0,
        ),
    ]
