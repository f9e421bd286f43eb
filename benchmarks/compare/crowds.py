"""Scenarios of many connections and no messages: what connecting takes, and what being connected costs."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.brokers.process import Broker
from benchmarks.compare.devices import device
from benchmarks.compare.turns import REPEATS, Case, Clock, Found, Scenario
from benchmarks.load.drive import Load
from benchmarks.load.plan import Plan, Subscriber
from benchmarks.site import CONNECTIONS_PER_DEVICE, Right, Segmentation, Site

IDLE_CONNECTIONS = 5000
FEWER = 500
"""For brokers of which 5,000 connections would take gigabytes."""

CONNECTS = 400
_SETTLE = 1.0


def _crowd(site: Site, broker: Broker, count: int) -> Plan:
    names = [(device(n), f"s{s}") for s in range(CONNECTIONS_PER_DEVICE) for n in range(500)][:count]
    members = tuple(Subscriber(site.seat(name, session), (f"idle/{name}/{session}",)) for name, session in names)
    return Plan(broker.port, str(site.ca), (), members, writers=0, readers=2, watch=broker.pid)


def _connect(site: Site, broker: Broker, _: Clock) -> Found:
    with Load(_crowd(site, broker, CONNECTS)) as load:
        outcome = load.connecting()
    return Found(outcome.rate, outcome)


def _idle(site: Site, broker: Broker, _: Clock, *, count: int) -> Found:
    """KiB for each connection with a subscription, over what the broker had before the first."""
    empty = broker.rss()
    with Load(_crowd(site, broker, count)) as load:
        load.connect()
        time.sleep(_SETTLE)
        connected = broker.rss()
        load.subscribe()
        time.sleep(_SETTLE)
        subscribed = broker.rss()
        there = load.count()
    if there != count:
        raise RuntimeError(f"{broker.name} kept {there} of {count} connections")
    note = f"{empty / 2**20:.0f} MiB empty; {(connected - empty) / count / 1024:.1f} before subscribing"
    return Found((subscribed - empty) / count / 1024, note=note)


_SEGMENTATION = Segmentation(
    {"idle": {device(n): Right(publish=["idle/${device}/#"], subscribe=["idle/${device}/#"]) for n in range(500)}}
)

CONNECT = Scenario(
    "connect",
    "Connect rate, mutual TLS 1.3, P-256",
    [
        Case(
            "tls13",
            f"{CONNECTS} connections, 32 at a time, without resumption",
            "/s",
            _SEGMENTATION,
            _connect,
        )
    ],
    REPEATS,
)

IDLE = Scenario(
    "idle",
    "Memory of an idle connection",
    [
        Case(
            f"{IDLE_CONNECTIONS}",
            f"each of {IDLE_CONNECTIONS:,}, with a subscription",
            "KiB",
            _SEGMENTATION,
            partial(_idle, count=IDLE_CONNECTIONS),
            cannot={"amqtt": "would take gigabytes"},
        ),
        Case(
            f"{FEWER}",
            f"each of {FEWER}, with a subscription",
            "KiB",
            _SEGMENTATION,
            partial(_idle, count=FEWER),
            only=("mqttseg", "amqtt", "mosquitto"),
        ),
    ],
    REPEATS,
    fresh=True,
)
