"""What a device sent before it left counts: its messages are delivered, and its DISCONNECT keeps the will."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mqttseg.wire.packets import Disconnect, Publish, Will
from tests.support.clients import RawClient
from tests.support.sites import POLICY
from tests.support.stages import Stage

MANY = 2000


def half_close(client: RawClient) -> None:
    socket.socket.shutdown(client.socket, socket.SHUT_WR)
    while client.read():
        pass


def close_tls(client: RawClient) -> None:
    with contextlib.suppress(OSError):
        client.socket.unwrap()


@pytest.mark.parametrize("leave", [half_close, close_tls, RawClient.expect_end])
def test_messages_sent_just_before_disconnect_are_delivered(tmp_path: Path, leave: Callable[[RawClient], None]) -> None:
    with Stage(tmp_path) as stage:
        listener = stage.listener("cam-2", "cameras/#")
        device = stage.join("cam-1", will=Will("cameras/will", b"gone"))
        device.send(*(Publish("cameras/x", str(number).encode()) for number in range(MANY)), Disconnect())
        leave(device)
        stage.settle("cam-1")
        stage.join("cam-3").publish("cameras/x", b"last", qos=1)
        got = [listener.expect(Publish) for _ in range(MANY + 1)]
        assert [message.payload for message in got] == [*(b"%d" % number for number in range(MANY)), b"last"]


def test_disconnect_behind_a_rate_limit_keeps_the_will(tmp_path: Path) -> None:
    policy = POLICY.replace('["cam-*"]', '["cam-*"]\n    limits: {messages_per_second: 1, burst: 1}')
    with Stage(tmp_path, policy) as stage:
        listener = stage.listener("cam-2", "cameras/will")
        device = stage.join("cam-1", will=Will("cameras/will", b"gone"))
        device.send(Publish("cameras/x", b""), Publish("cameras/x", b""), Disconnect())
        half_close(device)
        stage.settle("cam-1")
        stage.join("cam-3").publish("cameras/will", b"good", qos=1)
        assert listener.expect(Publish).payload == b"good"
