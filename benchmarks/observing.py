"""What keeping events and flows and watching for attacks costs: enforcement with all of it, and with none, in turns."""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.brokers.ours import COMMIT, UNOBSERVED
from benchmarks.brokers.process import Broker
from benchmarks.figures import Figure, Report
from benchmarks.load.drive import Load, drive
from benchmarks.load.plan import Outcome, Plan, Publisher, Subscriber
from benchmarks.site import Certificates, Right, Segmentation, Site

ROUNDS = 5
SECONDS = 6.0
"""Longer than the broker waits between two harvests."""

DEVICES = 20
DENIED_RATE = 100.0

HOW = (
    f"{DEVICES} devices send 64 bytes at QoS 0 to {DEVICES} others as fast as they are taken, on mutual TLS, while one "
    f"device is denied {DENIED_RATE:.0f} times a second. Events, flows and detection on and off in turns, {ROUNDS} "
    f"rounds of {SECONDS:.0f} s; the ratio of each round, and its median."
)


def run() -> Report:
    """Measure."""
    senders = [f"dev-{number}" for number in range(DEVICES)]
    right = Right(publish=["plant/${device}/#"], subscribe=["plant/#"])
    rights = Segmentation({"plant": {**dict.fromkeys(senders, right), "thief": Right(publish=["plant/thief"])}})
    with tempfile.TemporaryDirectory() as directory:
        site = Site(Path(directory), rights, Certificates.of(Path(directory) / "certs", [*senders, "thief"]))
        with COMMIT.start(site) as on, UNOBSERVED.start(site) as off:
            for broker in (on, off):
                _driven(site, broker)  # warm
            pairs = [(_driven(site, on), _driven(site, off)) for _ in range(ROUNDS)]
    ratios = [with_all.rate / with_none.rate for with_all, with_none in pairs]
    figures = [
        Figure("throughput with events, flows and detection", statistics.median(on.rate for on, _ in pairs), "1/s"),
        Figure("throughput without", statistics.median(off.rate for _, off in pairs), "1/s"),
        Figure("ratio", statistics.median(ratios), "", at_least=0.9, note=f"{min(ratios):.2f} to {max(ratios):.2f}"),
    ]
    return Report("observing", "What observing costs", figures, HOW, [[*map(asdict, pair)] for pair in pairs])


def _driven(site: Site, broker: Broker) -> Outcome:
    with Load(_denied(site, broker)) as denied:
        denied.connect()
        denied.begin()
        return drive(_plan(site, broker))


def _plan(site: Site, broker: Broker) -> Plan:
    return Plan(
        port=broker.port,
        ca=str(site.ca),
        publishers=tuple(Publisher(site.seat(f"dev-{n}"), f"plant/dev-{n}/t") for n in range(DEVICES)),
        subscribers=tuple(Subscriber(site.seat(f"dev-{n}", "in"), (f"plant/dev-{n}/t",)) for n in range(DEVICES)),
        seconds=SECONDS,
        watch=broker.pid,
    )


def _denied(site: Site, broker: Broker) -> Plan:
    thief = Publisher(site.seat("thief"), "plant/dev-0/t", receivers=0)
    return Plan(port=broker.port, ca=str(site.ca), publishers=(thief,), subscribers=(), rate=DENIED_RATE)
