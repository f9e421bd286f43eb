"""What a decision costs, at any size of policy, beside amqtt's TopicAccessControlListPlugin in the same run.

``decide`` is called as the monitor calls it for a topic it has not seen; the monitor itself is measured too, on a
topic seen before, with ports that do nothing: what is left is what the guard adds to a message on the hot path.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from time import process_time

from amqtt.contexts import Action as AmqttAction
from amqtt.contexts import BaseContext
from amqtt.plugins.topic_checking import TopicAccessControlListPlugin
from amqtt.session import Session

from benchmarks.figures import Figure, Report
from benchmarks.policies import DEVICE, Sized, grant, many_conduits, many_rules, many_segments, topic
from mqttseg.guard.backend import Resumed
from mqttseg.guard.monitor import Monitor
from mqttseg.guard.traffic import TOPICS_KEPT
from mqttseg.observe.events import Event
from mqttseg.observe.flows import Traffic
from mqttseg.policy.decide import decide
from mqttseg.policy.model import Action
from mqttseg.wire.packets import Packet, Publish

SIZES = (10, 1_000, 100_000)
TOPICS = 2_000
ROUNDS = 15
AMQTT_CALLS = {10: 2_000, 1_000: 60, 100_000: 3}

HOW = (
    f"Microseconds of CPU per decision, medians of {ROUNDS} rounds taken in turns over all sizes; {TOPICS:,} different "
    "topics, four kinds of rules (literal, `+`, `#`, `${device}`). `seen` is the whole of Monitor.from_device or "
    "from_backend less the call of a port that does nothing."
)


class NoPorts:
    """Ports that do nothing, so that only judging is measured."""

    def to_device(self, packet: Packet) -> None:
        pass

    def to_backend(self, packet: Packet) -> None:
        pass

    def forget(self, packet_id: int) -> None:
        pass

    def acknowledge(self, packet: Packet) -> None:
        pass

    def postpone(self, act: Callable[[], None]) -> None:
        act()

    def may_retain(self, topic: str) -> bool:  # noqa: ARG002  # a port's name and shape
        return True

    def mute_publisher(self, topic: str, origin: str | None) -> str | None:  # noqa: ARG002
        return None

    def passed(self, traffic: Traffic) -> None:
        pass

    def report(self, event: Event) -> None:
        pass


RULES = "rules in one role"
Key = tuple[str, int, str]
"""What there are many of, how many, and which path of the decision."""

Timed = Callable[[], float]
"""Microseconds per decision, of one short run."""


def run(rounds: int = ROUNDS) -> Report:
    """Measure."""
    cases = _cases()
    taken: dict[Key, list[float]] = {key: [] for key in cases}
    for _ in range(rounds):
        for key, timed in cases.items():
            taken[key].append(timed())
    medians = {key: statistics.median(values) for key, values in taken.items()}
    ratios = [*_growth(taken), *_beside_amqtt(taken)]
    detail = [{"what": what, "size": size, "path": path, "us": us} for (what, size, path), us in medians.items()]
    return Report("decisions", "Decisions", [*_figures(medians), *ratios], HOW, detail)


def _cases() -> dict[Key, Timed]:
    cases: dict[Key, Timed] = {}
    for size in SIZES:
        sized = many_rules(size)
        cases[sized.name, size, "new, allowed"] = _new(sized, Action.PUBLISH, _granted(size))
        cases[sized.name, size, "new, denied"] = _new(sized, Action.PUBLISH, _refused(size))
        cases[sized.name, size, "new, through the monitor"] = _monitor_new(sized, _granted(size))
        cases[sized.name, size, "seen, publish"] = _seen_publish(sized)
        cases[sized.name, size, "seen, receive"] = _seen_receive(sized)
        cases[sized.name, size, "amqtt"] = _amqtt(size)
    for sized, rules in ((many_segments(1_000), 100), (many_conduits(10), 10), (many_conduits(10_000), 10_000)):
        action = Action.RECEIVE if "conduits" in sized.name else Action.PUBLISH
        cases[sized.name, sized.size, "new, allowed"] = _new(sized, action, _granted(rules))
        cases[sized.name, sized.size, "new, denied"] = _new(sized, action, _refused(rules))
    return cases


def _granted(rules: int) -> list[str]:
    """Different topics, each granted by a rule picked at random."""
    chosen = random.Random(1)
    return [topic(chosen.randrange(rules), unique) for unique in range(TOPICS)]


def _refused(rules: int) -> list[str]:
    """Different topics beside a rule picked at random: the search goes as deep as it can, and finds nothing."""
    chosen = random.Random(2)
    return [f"plant/line{chosen.randrange(rules // 4 or 1) * 4}/cell/n{unique}" for unique in range(TOPICS)]


def _new(sized: Sized, action: Action, topics: Sequence[str]) -> Timed:
    expected = {decide(sized.rights, action, name).allowed for name in topics}
    assert len(expected) == 1, f"{sized.name} {sized.size}: the topics are not all of one verdict"
    rights = sized.rights

    def timed() -> float:
        start = process_time()
        for name in topics:
            decide(rights, action, name)
        return (process_time() - start) / len(topics) * 1e6

    return timed


def _monitor_new(sized: Sized, topics: Sequence[str]) -> Timed:
    """A topic the session has not seen, with the bookkeeping of its cache, whose bound is reached on the way."""
    packets = [Publish(name, b"x" * 64) for name in dict.fromkeys(topics)]
    assert len(packets) > TOPICS_KEPT or sized.size == SIZES[0]

    def timed() -> float:
        monitor = Monitor(sized.rights, NoPorts(), max_subscriptions=10)
        return _per_packet(monitor.from_device, packets) - _per_packet(NoPorts().to_backend, packets)

    return timed


def _seen_publish(sized: Sized) -> Timed:
    monitor = Monitor(sized.rights, NoPorts(), max_subscriptions=10)
    packets = [Publish(topic(index % sized.size, 0), b"x" * 64) for index in range(200)] * 10
    _per_packet(monitor.from_device, packets)
    return lambda: _per_packet(monitor.from_device, packets) - _per_packet(NoPorts().to_backend, packets)


def _seen_receive(sized: Sized) -> Timed:
    monitor = Monitor(sized.rights, NoPorts(), max_subscriptions=10)
    monitor.resume(Resumed({"plant/#": 0}))
    packets = [Publish(topic(index % sized.size, 0), b"x" * 64) for index in range(200)] * 10
    _per_packet(monitor.from_backend, packets)
    return lambda: _per_packet(monitor.from_backend, packets) - _per_packet(NoPorts().to_device, packets)


def _per_packet(act: Callable[[Packet], None], packets: Sequence[Publish]) -> float:
    start = process_time()
    for packet in packets:
        act(packet)
    return (process_time() - start) / len(packets) * 1e6


def _amqtt(size: int) -> Timed:
    """Their plugin, with the same rules for one user; awaited without a loop's turn, which favours it."""
    context = BaseContext()
    rules = {DEVICE: [grant(index).replace("${device}", DEVICE) for index in range(size)]}
    config = TopicAccessControlListPlugin.Config(publish_acl=rules, acl=rules)
    context.config = config
    plugin = TopicAccessControlListPlugin(context)
    session = Session()
    session.username = DEVICE
    topics = _granted(size)[: AMQTT_CALLS[size]]

    async def ask() -> float:
        start = process_time()
        for name in topics:
            assert await plugin.topic_filtering(session=session, topic=name, action=AmqttAction.PUBLISH)
        return (process_time() - start) / len(topics) * 1e6

    return lambda: asyncio.run(ask())


def _figures(medians: dict[Key, float]) -> list[Figure]:
    bounds = {"new": 10.0, "seen": 0.5}
    return [
        Figure(f"{size:,} {what}: {path}", us, "us", at_most=bounds.get(path.partition(",")[0]))
        for (what, size, path), us in sorted(medians.items(), key=lambda item: (item[0][2], item[0][0], item[0][1]))
    ]


def _growth(taken: dict[Key, list[float]]) -> Iterator[Figure]:
    for path in ("new, allowed", "new, denied", "seen, publish", "seen, receive"):
        growth = _ratio(taken[RULES, SIZES[-1], path], taken[RULES, SIZES[0], path])
        yield Figure(f"{path}: 100,000 rules / 10", growth, "times", at_most=1.5)


def _beside_amqtt(taken: dict[Key, list[float]]) -> Iterator[Figure]:
    for size in SIZES:
        for path in ("new, allowed", "seen, publish"):
            faster = _ratio(taken[RULES, size, "amqtt"], taken[RULES, size, path])
            yield Figure(f"{size:,} rules: amqtt's plugin / ours, {path}", faster, "times")


def _ratio(ones: Sequence[float], others: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))
