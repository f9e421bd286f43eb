"""A running broker counts what real devices do, whichever backend serves them."""

from __future__ import annotations

import asyncio
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mqttseg.broker.operations import LiveOperations
from mqttseg.errors import OperatorError
from mqttseg.observe.busiest import Busiest
from tests.support.brokers import BACKENDS, BackendName, RunningBroker
from tests.support.clients import RawClient
from tests.support.sites import TestSite

SETTINGS = "listen: ['mqtts://127.0.0.1:0']\nmetrics: http://127.0.0.1:0\n"


def scrape(broker: RunningBroker) -> dict[str, float]:
    """Each sample by its name and labels, as the text has them."""
    broker.do(broker.guard.tell_in_turns)  # what is counted where it is judged is told now
    with urllib.request.urlopen(f"http://127.0.0.1:{broker.plugin.metrics.port}/metrics", timeout=20) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        f"{s.name}{{{','.join(f'{k}={v}' for k, v in sorted(s.labels.items()))}}}": s.value
        for family in families
        for s in family.samples
    }


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_devices_do_is_counted(tmp_path: Path, backend: BackendName) -> None:
    site = TestSite(tmp_path, settings=SETTINGS)
    with RunningBroker(site, backend=backend) as broker, RawClient(site.tls("cam-1"), broker.port) as camera:
        camera.connect("cam-1")
        camera.subscribe("cameras/#", qos=2)
        for qos in (0, 1, 2):
            camera.publish("cameras/a", b"12345", qos=qos)
        camera.publish("hvac/foreign", b"1", qos=1)
        camera.ping()
        found = scrape(broker)
    assert found["mqttseg_connections{segment=cameras}"] == 1
    assert found["mqttseg_connections{segment=hvac}"] == 0
    assert found["mqttseg_decisions_total{action=connect,outcome=allowed,reason=ok}"] == 1
    assert found["mqttseg_decisions_total{action=publish,outcome=allowed,reason=ok}"] == 3
    assert found["mqttseg_decisions_total{action=publish,outcome=denied,reason=outside-segment}"] == 1
    assert found["mqttseg_decisions_total{action=subscribe,outcome=allowed,reason=ok}"] == 1
    assert found["mqttseg_payload_bytes_total{direction=publish,segment=cameras}"] == 15
    assert found["mqttseg_sessions{}"] == 1
    assert found["mqttseg_certificate_expiry_timestamp_seconds{certificate=broker}"] > 0
    if backend == "engine":
        assert [found[f"mqttseg_messages_received_total{{qos={qos}}}"] for qos in range(3)] == [1, 1, 1]
        assert [found[f"mqttseg_messages_sent_total{{qos={qos}}}"] for qos in range(3)] == [1, 1, 1]


def test_a_scrape_is_answered_while_a_device_floods(tmp_path: Path) -> None:
    site = TestSite(tmp_path, settings=SETTINGS)
    with RunningBroker(site) as broker, RawClient(site.tls("cam-1"), broker.port) as camera:
        camera.connect("cam-1")
        for _ in range(20):
            camera.send_bytes(b"\x30\x0d\x00\x09cameras/aok" * 500)
            scrape(broker)
        camera.ping()
        assert scrape(broker)["mqttseg_messages_received_total{qos=0}"] == 10_000


def test_without_the_address_nobody_is_let_in(tmp_path: Path) -> None:
    """A site that is to be watched, and cannot be, is said to be wrong at the start and not found out later."""
    first, second = tmp_path / "a", tmp_path / "b"
    with RunningBroker(TestSite(first, settings=SETTINGS)) as broker:
        taken = f"listen: ['mqtts://127.0.0.1:0']\nmetrics: http://127.0.0.1:{broker.plugin.metrics.port}\n"
        with (
            pytest.raises(OperatorError, match="metrics cannot be served on"),
            RunningBroker(TestSite(second, settings=taken)),
        ):
            pass


def test_status_tells_segments_denials_and_certificates(tmp_path: Path) -> None:
    site = TestSite(tmp_path)
    with RunningBroker(site) as broker, RawClient(site.tls("cam-1"), broker.port) as camera:
        operations = broker.do(lambda: LiveOperations(broker.plugin.service, broker.plugin.backend, Busiest()))
        camera.connect("cam-1")
        camera.publish("hvac/foreign", b"1", qos=1)
        status = asyncio.run(operations.status())
    assert status.segments == {"hvac": 0, "cameras": 1, "analytics": 0, "lab": 0}
    assert status.denied == {"outside-segment": 1}
    assert [expiry.device for expiry in status.expiring] == [None, "cam-1"]
    assert status.counters["dropped"] == 0
