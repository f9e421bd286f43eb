"""The engine alone: messages a second, without sockets, TLS and guard. Run: python -m benchmarks.engine

Each figure is the best of five short runs; figures of one run of this program may be compared, others may not.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mqttseg.engine import Connection, Durability, Engine, EngineSettings
from mqttseg.engine.committer import commit_now
from mqttseg.engine.store import Store
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import Packet, Puback, Publish, Subscribe

PAYLOAD = bytes(64)


class Sink:
    """A device that reads everything and, at QoS 1, acknowledges at once."""

    def __init__(self, engine: Engine, key: str, *, clean: bool = True) -> None:
        self.writable = True
        self.count = 0
        self.connection: Connection = engine.connect(key, clean=clean, outbox=self, now=0.0)

    def send(self, packet: Packet) -> None:
        self.count += 1
        if type(packet) is Publish and packet.qos:
            self.connection.receive(Puback(packet.packet_id))

    def subscribe(self, *filters: str, qos: int = 0) -> Sink:
        self.connection.receive(Subscribe(1, tuple((topic_filter, qos) for topic_filter in filters)))
        return self


def packets(topics: list[str], qos: int = 0) -> list[Publish]:
    made = []
    for number, topic in enumerate(topics):
        packet = Publish(topic, PAYLOAD, qos, packet_id=number % 60_000 + 1 if qos else 0)
        packet.frame = encode(packet)
        made.append(packet)
    return made


def rate(step: Callable[[], int], seconds: float = 0.25, runs: int = 5) -> float:
    """Messages per second: ``step`` returns how many it did."""
    best = 0.0
    for _ in range(runs):
        done, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < seconds:
            done += step()
        best = max(best, done / spent)
    return best


def publishing(engine: Engine, topics: list[str], writers: int = 10, qos: int = 0) -> float:
    devices = [Sink(engine, f"writer-{number}") for number in range(writers)]
    plan = [
        (devices[number % writers].connection.receive, packet) for number, packet in enumerate(packets(topics, qos))
    ]

    def step() -> int:
        for receive, packet in plan:
            receive(packet)
        return len(plan)

    return rate(step)


def _ignore(_: object) -> None:
    """Nobody listens."""


def engine_of() -> Engine:
    return Engine(EngineSettings(), None, _ignore)


def fan_in(qos: int = 0) -> float:
    engine = engine_of()
    Sink(engine, "reader").subscribe("plant/#", qos=qos)
    return publishing(engine, [f"plant/d{number}/telemetry/t" for number in range(10)], qos=qos)


def fan_out(qos: int = 0) -> float:
    """Deliveries, not messages."""
    engine = engine_of()
    for number in range(100):
        Sink(engine, f"reader-{number}").subscribe("plant/+/all", qos=qos)
    return 100 * publishing(engine, ["plant/bms/all"], writers=1, qos=qos)


def many_subscriptions(filters: int) -> float:
    engine = engine_of()
    Sink(engine, "reader").subscribe("plant/#")
    idle = Sink(engine, "idle")
    for number in range(filters):
        idle.subscribe(f"site/{number % 100}/d{number}/+/#")
    return publishing(engine, [f"plant/d{number}/telemetry/t" for number in range(10)])


def churn() -> float:
    """10,000 warm topics, and per 100 messages one subscribe and one unsubscribe elsewhere."""
    engine = engine_of()
    Sink(engine, "reader").subscribe("plant/#")
    restless = Sink(engine, "restless")
    writer = Sink(engine, "writer").connection
    plan = packets([f"plant/d{number}/telemetry/t" for number in range(10_000)])
    turn = 0

    def step() -> int:
        nonlocal turn
        turn = (turn + 1) % 100
        engine.router.subscribe(restless.connection.session, (f"plant/d{turn}/#", 0))
        for packet in plan[turn * 100 : turn * 100 + 100]:
            writer.receive(packet)
        engine.router.unsubscribe(restless.connection.session, f"plant/d{turn}/#")
        return 100

    return rate(step)


def absent(durability: Durability, window: int = 200) -> float:
    """QoS 1 to an absent stored session: a window of messages, one commit, all acknowledgements."""
    with tempfile.TemporaryDirectory() as directory:
        store = None if durability is Durability.OFF else Store.open(Path(directory) / "s.db")
        settings = EngineSettings(durability=durability, queue_messages=10**9, queue_bytes=10**12)
        engine = Engine(settings, store, _ignore)
        Sink(engine, "reader", clean=False).subscribe("plant/#", qos=1)
        if store is not None:
            commit_now(engine.journal, store)
        session = engine.sessions["reader"]
        engine.connection("reader").end(0.0)  # type: ignore[union-attr]  # it was connected
        writer = Sink(engine, "writer")
        plan = packets(["plant/d/telemetry/t"] * window, 1)

        def step() -> int:
            for packet in plan:
                writer.connection.receive(packet)
            if store is not None:
                commit_now(engine.journal, store)
            return len(plan)

        found = rate(step, runs=3)
        assert writer.count - 1 == session.owed
        if store is not None:
            store.close()
        return found


def main() -> None:
    base = fan_in()
    rows: list[tuple[str, float]] = [
        ("QoS 0, 10 to 1", base),
        ("QoS 0, 1 to 100 (deliveries)", fan_out()),
        ("QoS 0, 10 to 1, 10,000 other filters", many_subscriptions(10_000)),
        ("QoS 0, 10,000 topics, subscription churn", churn()),
        ("QoS 1, 10 to 1", fan_in(1)),
        ("QoS 1, 1 to 100 (deliveries)", fan_out(1)),
        *((f"QoS 1, absent session, durability {kind}", absent(kind)) for kind in reversed(Durability)),
    ]
    for name, found in rows:
        print(f"{name:45} {found:12,.0f} /s   {found / base:6.2f} of the first")


if __name__ == "__main__":
    main()
