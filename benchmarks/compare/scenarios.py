"""The scenarios: who publishes what to whom under which policy. Device names are of one width, so all frames are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from benchmarks.brokers.process import Broker
from benchmarks.compare.crowds import CONNECT, IDLE
from benchmarks.compare.devices import device
from benchmarks.compare.turns import REPEATS, Case, Clock, Found, Scenario
from benchmarks.load.drive import Load, drive
from benchmarks.load.plan import Plan, Publisher, Subscriber
from benchmarks.site import Right, Segmentation, Site

SLOW = "walks its list at every message: more than 8 ms each at 10,000 rules"


def fan_in(site: Site, broker: Broker, clock: Clock, *, publishers: int, qos: int = 0, batch: int = 1) -> Plan:
    """Many to one."""
    return Plan(
        port=broker.port,
        ca=str(site.ca),
        publishers=tuple(Publisher(site.seat(device(n)), _topic(n)) for n in range(1, publishers + 1)),
        subscribers=(Subscriber(site.seat(device(0)), ("bench/#",)),),
        warm_up=clock.warm_up,
        seconds=clock.seconds,
        watch=broker.pid,
        qos=qos,
        batch=batch,
    )


def _topic(number: int) -> str:
    return f"bench/{device(number)}/telemetry/t"


def _rate(plan: Callable[[Site, Broker, Clock], Plan]) -> Callable[[Site, Broker, Clock], Found]:
    def measure(site: Site, broker: Broker, clock: Clock) -> Found:
        outcome = drive(plan(site, broker, clock))
        return Found(outcome.rate, outcome)

    return measure


def _to_one(publishers: int) -> Segmentation:
    sources = {device(n): Right(publish=["bench/${device}/#"]) for n in range(1, publishers + 1)}
    return Segmentation({"bench": {**sources, device(0): Right(subscribe=["bench/#"])}})


def _fan_in_case(name: str, about: str, publishers: int, *, qos: int = 0, batch: int = 1) -> Case:
    cannot = {"relay": "it does not know acknowledgements"} if qos else {}
    measure = _rate(partial(fan_in, publishers=publishers, qos=qos, batch=batch))
    return Case(name, about, "msg/s", _to_one(publishers), measure, qos, cannot)


FAN_IN = Scenario(
    "fan-in",
    "Fan-in, 10 to 1",
    [
        _fan_in_case("q0-w1", "QoS 0, one message per write", 10),
        _fan_in_case("q0-w4", "QoS 0, four per write", 10, batch=4),
        _fan_in_case("q1-w1", "QoS 1, one per write", 10, qos=1),
        _fan_in_case("q1-w4", "QoS 1, four per write", 10, qos=1, batch=4),
        _fan_in_case("q2-w1", "QoS 2, one per write", 10, qos=2),
    ],
)

FAN_IN_1000 = Scenario("fan-in-1000", "Fan-in, 1,000 to 1", [_fan_in_case("q0", "QoS 0, one message per write", 1000)])


# One to many


def _fan_out_plan(site: Site, broker: Broker, clock: Clock, *, qos: int) -> Plan:
    source = Publisher(site.seat(device(0)), "bench/all/t", receivers=100)
    ears = tuple(Subscriber(site.seat(device(n)), ("bench/all/#",)) for n in range(1, 101))
    return replace(
        fan_in(site, broker, clock, publishers=0),
        publishers=(source,),
        subscribers=ears,
        qos=qos,
        window=5000,
        readers=2,
    )


def _fan_out_case(name: str, qos: int) -> Case:
    ears = {device(n): Right(subscribe=["bench/all/#"]) for n in range(1, 101)}
    segmentation = Segmentation({"bench": {device(0): Right(publish=["bench/all/#"]), **ears}})
    about = f"QoS {qos}, deliveries"
    return Case(name, about, "msg/s", segmentation, _rate(partial(_fan_out_plan, qos=qos)), qos)


FAN_OUT = Scenario("fan-out", "Fan-out, 1 to 100", [_fan_out_case("q0", 0), _fan_out_case("q1", 1)], REPEATS)


# Segments

_SEGMENTS, _EACH = 100, 20


def _segments_plan(site: Site, broker: Broker, clock: Clock) -> Plan:
    numbers = [(s, s * _EACH + n) for s in range(_SEGMENTS) for n in range(_EACH)]
    return replace(
        fan_in(site, broker, clock, publishers=0),
        publishers=tuple(Publisher(site.seat(device(n)), f"seg{s:03}/{device(n)}/t") for s, n in numbers if n % _EACH),
        subscribers=tuple(Subscriber(site.seat(device(n)), (f"seg{s:03}/#",)) for s, n in numbers if not n % _EACH),
    )


def _segments() -> Iterator[tuple[str, dict[str, Right]]]:
    for segment in range(_SEGMENTS):
        name, first = f"seg{segment:03}", segment * _EACH
        sources = {device(n): Right(publish=[name + "/${device}/#"]) for n in range(first + 1, first + _EACH)}
        yield name, {device(first): Right(subscribe=[f"{name}/#"]), **sources}


SEGMENTS = Scenario(
    "segments",
    "100 segments of 20 devices",
    [
        Case(
            "q0",
            "in each segment 19 publish and one subscribes, QoS 0",
            "msg/s",
            Segmentation(dict(_segments())),
            _rate(_segments_plan),
        )
    ],
    REPEATS,
)


# Size of the policy

_IDLE = 11
"""The number of the device that holds subscriptions which nothing matches."""


def _sized_plan(site: Site, broker: Broker, clock: Clock, *, rules: int) -> Plan:
    plan = fan_in(site, broker, clock, publishers=10)
    own = tuple(f"bench/idle/{n:05}/+" for n in range(rules))
    shares = [own[first::10] for first in range(10)]
    idle = tuple(Subscriber(site.seat(device(_IDLE + n)), filters) for n, filters in enumerate(shares) if filters)
    return replace(plan, subscribers=(*plan.subscribers, *idle))


def _sized(rules: int) -> Segmentation:
    """Ten publishers in a role of that many grants, of which the last is the one that they use."""
    grants = [*(f"bench/x{n:05}/+/set" for n in range(rules - 1)), "bench/+/telemetry/#"]
    sources = {device(n): Right(publish=grants) for n in range(1, 11)}
    idle = {device(_IDLE + n): Right(subscribe=["bench/idle/#"]) for n in range(10)}
    return Segmentation({"bench": {**sources, **idle, device(0): Right(subscribe=["bench/#"])}})


def _sized_case(rules: int) -> Case:
    cannot = {"amqtt": SLOW} if rules >= 10_000 else {}
    about = f"{rules:,} rules, {rules:,} other subscriptions"
    return Case(f"r{rules}", about, "msg/s", _sized(rules), _rate(partial(_sized_plan, rules=rules)), 0, cannot)


RULES = Scenario("rules", "Size of the policy, 10 to 1, QoS 0", [_sized_case(n) for n in (1, 10, 100, 10_000)], REPEATS)


# To a session that is not there


def _absent(site: Site, broker: Broker, clock: Clock) -> Found:
    """The subscriber goes, ten publish to it, it comes back for what it is owed, and its session ends."""
    plan = fan_in(site, broker, clock, publishers=10, qos=1)
    ear = replace(plan.subscribers[0], seat=site.seat(device(0), clean=False))
    parked = replace(plan, publishers=(), subscribers=(ear,))
    with Load(parked) as load:
        load.connect()
        load.subscribe()
    away = replace(plan, publishers=tuple(replace(p, receivers=0) for p in plan.publishers), subscribers=())
    outcome = drive(away)
    with Load(replace(parked, publishers=plan.publishers, writers=0)) as load:
        back = load.collect(outcome.sent)
    ended = replace(plan, publishers=(), subscribers=(replace(ear, seat=plan.subscribers[0].seat),))
    with Load(ended) as load:
        load.connect()
    faults = replace(outcome, received=back.received, lost=back.lost, duplicated=back.duplicated)
    return Found(outcome.acknowledged, replace(faults, reordered=back.reordered))


ABSENT = Scenario(
    "absent",
    "QoS 1 to a persistent session that is away",
    [
        Case(
            "q1",
            "10 publishers of 20 in flight, messages acknowledged",
            "msg/s",
            _to_one(10),
            _absent,
            1,
            {"amqtt": "a QoS 1 message that is not acknowledged in 5 s is dropped"},
        )
    ],
    ("relay",),
)


# Latency


def _half_load(site: Site, broker: Broker, clock: Clock) -> Found:
    top = drive(fan_in(site, broker, clock, publishers=10)).rate
    found = _paced(site, broker, clock, rate=top / 2)
    return replace(found, note=f"at {top / 2:,.0f} msg/s")


def _paced(site: Site, broker: Broker, clock: Clock, *, rate: float) -> Found:
    outcome = drive(replace(fan_in(site, broker, clock, publishers=10), rate=rate / 10))
    return Found(outcome.p99, outcome)


_LATE = {"amqtt": "its highest rate is lower"}

LATENCY = Scenario(
    "latency",
    "Latency, 10 to 1, QoS 0, one message per write",
    [
        Case("half", "p99 at half of its own highest rate", "ms", _to_one(10), _half_load),
        Case("4000", "p99 at 4,000 msg/s", "ms", _to_one(10), partial(_paced, rate=4000.0), 0, _LATE),
    ],
    REPEATS,
)

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (FAN_IN, FAN_IN_1000, FAN_OUT, SEGMENTS, RULES, ABSENT, LATENCY, CONNECT, IDLE)
}
