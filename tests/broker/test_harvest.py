"""What passed ends up in the file: counted once, told apart, and nothing held up by it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from mqttseg.broker import harvest as harvesting
from mqttseg.broker import service
from mqttseg.broker.harvest import Harvest
from mqttseg.config import load_config
from mqttseg.guard.traffic import UNTOLD_OF_ONE, UntoldTraffic
from mqttseg.observe.flows import Direction, Traffic
from mqttseg.observe.queries import read_flows
from mqttseg.observe.shapes import MOST_SHAPES
from mqttseg.wire.packets import Publish
from tests.cli.conftest import (
    Command,
    mqttseg,  # noqa: F401  # a fixture
)
from tests.support.brokers import RunningBroker
from tests.support.clients import RawClient
from tests.support.sites import POLICY, TestSite

OBSERVING = POLICY.replace("version: 1", "version: 1\nmode: observe")


@pytest.fixture(autouse=True)
def _only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "EVERY", 3600.0)


def join(broker: RunningBroker, device_id: str) -> RawClient:
    client = RawClient(broker.site.tls(device_id), broker.port)
    assert client.connect(device_id).code == 0
    return client


def test_what_devices_do_is_shown_by_flows(tmp_path: Path, mqttseg: Command) -> None:  # noqa: F811
    """Over TLS: device, direction, shape and counts; what only observe mode let through is told apart."""
    site = TestSite(tmp_path, policy=OBSERVING)
    with RunningBroker(site) as broker, join(broker, "cam-2") as reader, join(broker, "cam-1") as writer:
        reader.subscribe("cameras/#")
        for number in range(3):
            writer.publish(f"cameras/cam-1/{number}/frame", b"data", qos=1)
            reader.expect(Publish)
        broker.do(lambda: broker.plugin.service._harvest.once(broker.guard))
        writer.publish("cameras/cam-1/3/frame", b"data", qos=1)
        reader.expect(Publish)
        writer.publish("hvac/thermo-1/x", b"not mine", qos=1)
    result = mqttseg("flows", "--json", "-c", site.config)
    told = [json_of(line) for line in result.out.splitlines()]
    assert told == [
        ("cam-1", "cameras", "publish", "cameras/${device}/+/frame", 4, 16, 0),
        ("cam-1", "cameras", "publish", "hvac/thermo-1/x", 1, 8, 1),
        ("cam-2", "cameras", "receive", "cameras/cam-1/+/frame", 4, 16, 0),
        ("cam-2", "cameras", "subscribe", "cameras/#", 1, 0, 0),
    ]


def json_of(line: str) -> tuple[object, ...]:
    flow = json.loads(line)
    names = ("device", "segment", "direction", "shape", "count", "bytes", "observed")
    return tuple(flow.get(name, 0) for name in names)


def test_what_is_denied_is_no_flow(tmp_path: Path) -> None:
    site = TestSite(tmp_path)
    with RunningBroker(site) as broker, join(broker, "thermo-1") as device:
        device.publish("cameras/x", b"attack", qos=1)
        device.publish("hvac/thermo-1/t", b"1", qos=1)
    assert [flow.shape for flow in read_flows(load_config(site.config).event_store)] == ["hvac/${device}/t"]


def test_a_device_that_publishes_to_ever_new_topics_grows_neither_memory_nor_the_file(tmp_path: Path) -> None:
    """And nobody else's flows become coarser by it, and none of its own messages goes uncounted."""
    site, many = TestSite(tmp_path), 20_000
    with RunningBroker(site) as broker, join(broker, "thermo-1") as attacker, join(broker, "thermo-2") as honest:
        for first in range(0, many, 500):
            topics = [f"hvac/thermo-1/{'x' * (n % 7)}y{n}z/{n * 7919 % 10_007}q" for n in range(first, first + 500)]
            attacker.send(*(Publish(topic, b"1") for topic in topics))
            attacker.publish("hvac/thermo-1/there", b"", qos=1)
            kept = broker.do(lambda: len(broker.guard.traffic._sums))
            assert kept <= UNTOLD_OF_ONE + 1
        honest.publish("hvac/thermo-2/t", b"1", qos=1)
    flows = list(read_flows(load_config(site.config).event_store))
    assert [flow.shape for flow in flows if flow.device == "thermo-2"] == ["hvac/${device}/t"]
    theirs = [flow for flow in flows if flow.device == "thermo-1"]
    assert len(theirs) <= MOST_SHAPES
    assert sum(flow.count for flow in theirs) == many + many // 500


class BusyKeeper:
    def __init__(self) -> None:
        self.takes_traffic = True
        self.noted: list[Traffic] = []

    def note(self, traffic: Sequence[Traffic]) -> None:
        self.noted += traffic


class FewConnections:
    """A guard with nothing but sums that wait."""

    def __init__(self, waiting: int) -> None:
        self.traffic = UntoldTraffic()
        for number in range(waiting):
            self.traffic.add(Traffic(f"d-{number}", None, Direction.PUBLISH, "t", 1))

    async def tell_in_turns(self) -> None:
        pass

    def harvest(self) -> list[Traffic]:
        return self.traffic.take()


def test_others_have_their_turns_while_much_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harvesting, "TURN", 0.0)
    keeper, turns = BusyKeeper(), 0

    async def main() -> None:
        nonlocal turns
        guard, harvest = FewConnections(10_000), Harvest(keeper)
        task = asyncio.create_task(harvest.once(guard))  # type: ignore[arg-type]  # all that is asked of a guard
        while not task.done():
            await asyncio.sleep(0)
            turns += 1

    asyncio.run(main())
    assert len(keeper.noted) == 10_000
    assert turns >= 10_000 // harvesting.AT_ONCE


def test_a_keeper_that_is_busy_loses_nothing() -> None:
    keeper, heard = BusyKeeper(), list[Traffic]()
    guard, harvest = FewConnections(10), Harvest(keeper, [heard.extend])
    keeper.takes_traffic = False
    asyncio.run(harvest.once(guard))  # type: ignore[arg-type]  # all that is asked of a guard
    assert not keeper.noted
    keeper.takes_traffic = True
    asyncio.run(harvest.once(guard))  # type: ignore[arg-type]  # all that is asked of a guard
    assert len(keeper.noted) == 10
    assert heard == keeper.noted


def test_what_was_taken_when_the_broker_stops_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The harvest is cancelled in the middle of it."""
    monkeypatch.setattr(harvesting, "TURN", 0.0)
    keeper = BusyKeeper()

    async def main() -> None:
        guard, harvest = FewConnections(5000), Harvest(keeper)
        task = asyncio.create_task(harvest.once(guard))  # type: ignore[arg-type]  # all that is asked of a guard
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert 0 < len(guard.traffic._sums) < 5000
        await harvest.finish(guard)  # type: ignore[arg-type]  # all that is asked of a guard

    asyncio.run(main())
    assert len(keeper.noted) == 5000
