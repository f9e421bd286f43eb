"""From an attack over TLS to the quarantine that detection imposes, and the restraint that it has."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mqttseg.broker import detection as responding
from mqttseg.broker.detection import Responder
from mqttseg.errors import Reason
from mqttseg.observe.detect.detector import Detection
from mqttseg.observe.detect.settings import NewAddress, Settings
from mqttseg.observe.events import Event, Kind
from tests.support.brokers import RunningBroker
from tests.support.clients import RawClient
from tests.support.sites import TestSite

SETTINGS = """
listen: mqtts://127.0.0.1:0
detect:
  denial_burst: {denials: 20, action: quarantine, for: 10m}
  topic_scan: {topics: 5}
  certificate_expiring: {before: 3650d}
"""


class WatchedBroker(RunningBroker):
    """What it reports is looked at, as without a test that listens."""

    def _record(self, event: Event) -> None:
        super()._record(event)
        self.plugin.watch(event)


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(responding, "_FIRST", 0.0)
    monkeypatch.setattr(responding, "CERTIFICATES", 0.05)
    with WatchedBroker(TestSite(tmp_path, settings=SETTINGS)) as running:
        yield running


def join(broker: RunningBroker, device_id: str) -> RawClient:
    client = RawClient(broker.site.tls(device_id), broker.port)
    assert client.connect(device_id).code == 0
    return client


def test_a_burst_of_denials_puts_the_device_out_and_nobody_else(broker: WatchedBroker) -> None:
    with join(broker, "thermo-2") as honest, join(broker, "thermo-1") as attacker:
        for _ in range(30):
            attacker.publish("cameras/x", b"attack", qos=1)
        told = broker.wait_for_reason(Kind.DETECT, Reason.DENIAL_BURST, "thermo-1")
        assert told.segment == "hvac"
        out = broker.wait_for_reason(Kind.QUARANTINE, Reason.QUARANTINED, "thermo-1")
        assert (out.who, out.why) == ("detect:denial-burst", told.detail)
        broker.wait_for_reason(Kind.CUT, Reason.QUARANTINED, "thermo-1")
        honest.publish("hvac/thermo-2/t", b"still here", qos=1)
    assert list(broker.do(lambda: broker.plugin.service.quarantines.entries)) == ["thermo-1"]


def test_a_scan_is_only_told_where_nothing_else_was_said(broker: WatchedBroker) -> None:
    with join(broker, "thermo-1") as attacker:
        for letter in "abcdefgh":
            attacker.publish(f"cameras/{letter}", b"", qos=1)
        broker.wait_for_reason(Kind.DETECT, Reason.TOPIC_SCAN, "thermo-1")
        attacker.publish("hvac/thermo-1/t", b"still here", qos=1)
    assert not [event for event in broker.events if event.kind is Kind.QUARANTINE]


def test_a_certificate_that_ends_soon_is_told(broker: WatchedBroker) -> None:
    with join(broker, "thermo-1"):
        broker.wait_for_reason(Kind.DETECT, Reason.CERTIFICATE_EXPIRING, "thermo-1")


class FakeQuarantines:
    def __init__(self, *out: str) -> None:
        self.entries = dict.fromkeys(out)
        self.imposed: list[tuple[str, float, str]] = []

    async def impose(self, device: str, seconds: float, *, by: str, why: str) -> None:
        self.imposed.append((device, seconds, by))


class NobodyThere:
    async def certificate_ends(self) -> list[object]:
        return []

    def check_certificates(self, ends: list[object]) -> None:
        pass


def answered(settings: Settings, quarantines: FakeQuarantines, *devices: str | None) -> list[Event]:
    """What is told when these devices are found at a new address."""
    told: list[Event] = []

    async def main() -> None:
        responder, nobody = Responder(settings), NobodyThere()
        work = responder.work(nobody, quarantines, nobody, told.append)  # type: ignore[arg-type]  # as far as used
        task = asyncio.create_task(work)
        await asyncio.sleep(0)
        for device in devices:
            await asyncio.to_thread(responder.found, Detection(Reason.NEW_ADDRESS, device, 0.0, "new"))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(responder.found, Detection(Reason.NEW_ADDRESS, "late", 0.0, "new"))

    asyncio.run(main())
    return told


PUT_OUT = NewAddress(quarantine=60.0)


def test_a_policy_that_denies_everybody_does_not_put_everybody_out() -> None:
    quarantines = FakeQuarantines()
    told = answered(Settings(new_address=PUT_OUT, quarantine_at_most=3), quarantines, *(f"d-{n}" for n in range(10)))
    assert [device for device, _, _ in quarantines.imposed] == ["d-0", "d-1", "d-2"]
    assert sum("quarantine_at_most" in event.detail for event in told) == 7


def test_exempt_devices_are_told_of_and_stay() -> None:
    quarantines = FakeQuarantines()
    told = answered(Settings(new_address=PUT_OUT, never_quarantine=("plc-*",)), quarantines, "plc-1", "cam-1")
    assert quarantines.imposed == [("cam-1", 60.0, "detect:new-address")]
    assert sorted(str(event.device) for event in told) == ["cam-1", "plc-1", "plc-1"]


def test_the_operators_own_quarantine_is_left_as_it_is() -> None:
    quarantines = FakeQuarantines("cam-1")
    answered(Settings(new_address=PUT_OUT), quarantines, "cam-1")
    assert quarantines.imposed == []


def test_a_detection_of_the_site_puts_nobody_out() -> None:
    quarantines = FakeQuarantines()
    assert len(answered(Settings(new_address=PUT_OUT), quarantines, None)) == 1
    assert quarantines.imposed == []
