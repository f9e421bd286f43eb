"""A connection that ends is freed then and there: its TLS buffers, 256 KiB, do not wait for the garbage collector.

The collector is off in each of these tests, so that what is part of a cycle stays, and is seen. Our own engine's only:
how long stock amqtt holds on to a connection is its own affair.
"""

from __future__ import annotations

import gc
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from mqttseg.broker.engine_backend import EngineConversation
from mqttseg.engine.connection import Connection as EngineConnection
from mqttseg.errors import Reason
from mqttseg.guard.connection import Connection
from mqttseg.guard.inflow import Inflow
from mqttseg.guard.keepalive import Watchdog
from mqttseg.guard.monitor import Monitor
from mqttseg.guard.outflow import Outflow
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import Connect, Disconnect, Pingreq, Publish, Will
from tests.support import listening_plugin
from tests.support.brokers import RunningBroker
from tests.support.clients import RawClient
from tests.support.sites import TestSite

OF_A_CONNECTION = frozenset(
    {Connection, Inflow, Outflow, Watchdog, Monitor, EngineConversation, EngineConnection, ssl.SSLObject}
)
"""What each connection has one of. ssl.SSLObject is the broker's end of TLS: the clients here have sockets."""

AT_ONCE = 5.0
"""Seconds: more than a closed connection waits for its peer's close_notify, and less than anybody's patience."""


@pytest.fixture(scope="module", params=[{}, {listening_plugin.PATH: {}}], ids=["alone", "with a plugin"])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    site = TestSite(tmp_path_factory.mktemp("site"))
    with RunningBroker(site, backend="engine", plugins=request.param) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_is_left(broker: RunningBroker) -> Iterator[None]:
    """Around each test: the collector is off, and every connection that the test made is gone after it."""
    gc.collect()
    gc.disable()
    try:
        assert not broker.do(_living)
        yield
        _await_nothing(broker)
    finally:
        gc.enable()


def _living() -> Counter[str]:
    return Counter(f"{type(x).__module__}.{type(x).__name__}" for x in gc.get_objects() if type(x) in OF_A_CONNECTION)


def _await_nothing(broker: RunningBroker) -> None:
    until = time.monotonic() + AT_ONCE
    while living := broker.do(_living):
        assert time.monotonic() < until, f"still there, though every connection has ended: {living}"


def join(broker: RunningBroker, device_id: str = "cam-1", **how: object) -> RawClient:
    client = RawClient(broker.site.tls(device_id), broker.port)
    assert client.connect(device_id, **how).code == 0  # type: ignore[arg-type]  # CONNECT's own
    client.subscribe("cameras/#", qos=2)
    for qos in (0, 1, 2):
        client.publish("cameras/door", b"open", qos=qos)
    return client


def test_after_disconnect(broker: RunningBroker) -> None:
    client = join(broker)
    client.send(Disconnect())
    client.expect_end()
    client.close()


def test_after_the_device_broke_off(broker: RunningBroker) -> None:
    join(broker, will=Will("cameras/will", b"gone", 1)).close()


def test_of_a_session_that_is_kept(broker: RunningBroker) -> None:
    join(broker, clean=False).close()
    with join(broker, clean=False) as back:
        back.send(Disconnect())
        back.expect_end()


def test_of_a_session_whose_connack_waited_for_a_commit(broker: RunningBroker) -> None:
    """A clean session in the place of one that was kept."""
    join(broker, clean=False).close()
    join(broker, clean=True).close()


def test_after_a_cut(broker: RunningBroker) -> None:
    with join(broker) as client:
        broker.do(lambda: broker.guard.roster.of("cam-1")[0].cut(Reason.QUARANTINED, "put out"))
        client.expect_end()


def test_after_a_takeover(broker: RunningBroker) -> None:
    old = join(broker)
    with join(broker):
        old.expect_end()
        old.close()


@pytest.mark.parametrize(
    "wrong",
    [encode(Connect("cam-1")), b"\x30\xff\xff\xff\xff\xff", b"\xf0\x00"],
    ids=["a second CONNECT", "a length without end", "a reserved type"],
)
def test_after_a_protocol_error(broker: RunningBroker, wrong: bytes) -> None:
    with join(broker) as client:
        client.send_bytes(wrong)
        client.expect_end()


def test_after_half_a_packet(broker: RunningBroker) -> None:
    with join(broker) as client:
        client.send_bytes(encode(Publish("cameras/door", b"open"))[:9])


@pytest.mark.parametrize("connect", [Connect("bms-1"), Connect("cam-1", will=Will("hvac/all/x", b"gone"))])
def test_of_a_refused_connect(broker: RunningBroker, connect: Connect) -> None:
    with RawClient(broker.site.tls("cam-1"), broker.port) as client:
        client.send(connect)
        client.expect_end()


@pytest.mark.parametrize("first", [encode(Pingreq()), b"GET / HTTP/1.1\r\n\r\n", b""])
def test_without_connect(broker: RunningBroker, first: bytes) -> None:
    with RawClient(broker.site.tls("cam-1"), broker.port) as client:
        client.send_bytes(first)


def test_without_a_certificate(broker: RunningBroker) -> None:
    with RawClient(broker.site.tls_without_certificate(), broker.port) as client:
        client.expect_end()


@pytest.mark.parametrize("first", [b"", b"\x10\x10\x00\x04MQTT", b"\x16\x03\x01\x02\x00\x01"])
def test_without_tls(broker: RunningBroker, first: bytes) -> None:
    with socket.create_connection(("127.0.0.1", broker.port), AT_ONCE) as plain:
        plain.sendall(first)
