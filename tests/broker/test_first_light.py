"""Real sockets, real TLS, the real broker: what is allowed arrives, and what is not does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from mqttseg.wire.packets import Publish
from tests.support.brokers import BackendName, RunningBroker
from tests.support.clients import RawClient
from tests.support.sites import TestSite


@pytest.fixture(scope="module", params=get_args(BackendName))
def broker(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[RunningBroker]:
    with RunningBroker(TestSite(tmp_path_factory.mktemp("site")), backend=request.param) as running:
        yield running


def client(broker: RunningBroker, device_id: str) -> RawClient:
    client = RawClient(broker.site.tls(device_id), broker.port)
    assert client.connect(device_id).code == 0
    return client


def test_message_inside_a_segment_arrives(broker: RunningBroker) -> None:
    with client(broker, "cam-1") as one, client(broker, "cam-2") as two:
        assert two.subscribe("cameras/#") == (0,)
        one.publish("cameras/door", b"open", qos=1)
        assert two.expect(Publish) == Publish("cameras/door", b"open")


def test_message_through_a_conduit_arrives(broker: RunningBroker) -> None:
    with client(broker, "thermo-1") as thermo, client(broker, "etl-1") as etl:
        assert etl.subscribe("hvac/+/telemetry/#") == (0,)
        thermo.publish("hvac/thermo-1/telemetry/t", b"21")
        assert etl.expect(Publish).payload == b"21"


def test_message_to_another_segment_does_not_arrive(broker: RunningBroker) -> None:
    with client(broker, "bms-1") as bms, client(broker, "cam-1") as camera:
        bms.subscribe("hvac/#")
        camera.publish("hvac/x", b"evil", qos=1)
        bms.publish("hvac/all/x", b"good", qos=1)
        assert bms.expect(Publish).payload == b"good"
        assert bms.messages() == []
    broker.wait_for_reason(Kind.DENY, Reason.OUTSIDE_SEGMENT, "cam-1")


def test_listens_on_several_addresses_of_both_families(tmp_path: Path) -> None:
    listen = ("mqtts://127.0.0.1:0", "mqtts://[::1]:0")
    with RunningBroker(TestSite(tmp_path), listen) as running:
        context = running.site.tls("cam-1")
        for endpoint in running.endpoints:
            with RawClient(context, endpoint.port, endpoint.host) as one:
                assert one.connect("cam-1").code == 0
