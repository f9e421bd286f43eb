"""The normative statements of MQTT 3.1.1 that the guard keeps, one claim each: a whole broker, and a raw client."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from mqttseg.config import ClientIds
from mqttseg.errors import Reason
from mqttseg.guard.admission import session_key
from mqttseg.guard.monitor import Monitor
from mqttseg.observe.events import Kind
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscribe,
    Will,
)
from tests.support.stages import Stage, assert_only

WILL = Will("cameras/gone", b"bye", qos=1)
END = ("cameras/end", b"end")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as running:
        yield running


def end_of_messages(stage: Stage) -> None:
    """A message behind which nothing comes that was sent before."""
    stage.join("cam-3").publish(*END, qos=1)


# Whether a device may connect (3.1)


@pytest.mark.spec("MQTT-3.1.0-1")
@pytest.mark.parametrize(
    "packet", [Pingreq(), Disconnect(), Publish("cameras/x", b"evil"), Subscribe(1, (("cameras/#", 0),)), Pubrel(1)]
)
def test_first_packet_is_connect_or_the_connection_ends(stage: Stage, packet: Packet) -> None:
    witness = stage.listener("cam-2", "cameras/#")
    device = stage.tls("cam-1")
    device.send(packet, Connect("cam-1"), Publish("cameras/x", b"evil"))
    device.expect_end()
    assert not device.unread
    end_of_messages(stage)
    assert_only(witness, END)


@pytest.mark.spec("MQTT-3.1.0-2", "MQTT-4.8.0-1")
def test_second_connect_ends_the_connection(stage: Stage) -> None:
    device = stage.join("cam-1")
    device.send(Connect("cam-1"), Pingreq())
    device.expect_end()
    assert not device.unread
    stage.told(Kind.CUT, Reason.PROTOCOL_ERROR, "cam-1")


@pytest.mark.spec("MQTT-3.1.0-2", "MQTT-3.2.0-1")
def test_what_came_before_a_violation_is_answered_though_all_came_in_one_write(stage: Stage) -> None:
    device = stage.tls("cam-1")
    device.send(Connect("cam-1"), Publish("cameras/x", b"x", qos=1, packet_id=5), Connect("cam-1"), Pingreq())
    device.expect_end()
    assert list(device.unread) == [Connack(session_present=False, code=0), Puback(5)]


@pytest.mark.spec("MQTT-3.1.2-2", "MQTT-3.2.2-4", "MQTT-3.2.2-5")
@pytest.mark.parametrize("level", [3, 5, 0x84])
def test_other_protocol_level_is_answered_with_1_and_the_connection_ends(stage: Stage, level: int) -> None:
    device = stage.tls("cam-1")
    device.send_bytes(b"\x10\x11\0\4MQTT" + bytes([level]) + b"\2\0\0\0\5cam-1")
    assert device.expect(Connack) == Connack(session_present=False, code=1)
    device.expect_end()


@pytest.mark.spec("MQTT-3.1.3-9", "MQTT-3.2.2-5", "MQTT-3.2.2-4")
@pytest.mark.parametrize("clean", [True, False])
def test_client_id_that_is_rejected_is_answered_with_2_and_the_connection_ends(stage: Stage, clean: bool) -> None:
    device = stage.tls("cam-1")
    assert device.connect("cam-2", clean=clean) == Connack(session_present=False, code=2)
    device.expect_end()


@pytest.mark.spec("MQTT-3.2.2-6", "MQTT-3.1.4-1")
@pytest.mark.parametrize(
    "body",
    [b"\0\4MQTT\4\3\0\0\0\5cam-1", b"\0\4MQTT\4\2\0\0\0\5cam-1x", b"\0\4HTTP\4\2\0\0\0\5cam-1", b"\0\4MQTT\4\2"],
    ids=["reserved flag", "trailing byte", "another protocol", "cut off"],
)
def test_connect_that_no_return_code_describes_ends_the_connection_without_connack(stage: Stage, body: bytes) -> None:
    device = stage.tls("cam-1")
    device.send_bytes(bytes([0x10, len(body)]) + body)
    device.expect_end()
    assert not device.unread
    stage.told(Kind.REFUSE, Reason.PROTOCOL_ERROR, "cam-1")


@pytest.mark.spec("MQTT-3.1.4-5")
def test_nothing_that_follows_a_refused_connect_is_processed(stage: Stage) -> None:
    witness = stage.listener("cam-2", "cameras/#")
    device = stage.tls("cam-1")
    device.send(
        Connect("cam-2", will=WILL),
        Publish("cameras/x", b"evil", qos=1, retain=True, packet_id=1),
        Subscribe(2, (("cameras/#", 0),)),
        Pingreq(),
    )
    assert device.expect(Connack).code == 2
    device.expect_end()
    assert not device.unread
    end_of_messages(stage)
    assert_only(witness, END)
    assert stage.listener("cam-1", "cameras/x").messages() == []


@pytest.mark.spec("MQTT-3.1.3-5")
@pytest.mark.parametrize("client_id", ["0", "a", "Z", "a" * 23, string.digits, string.ascii_uppercase[:23]])
def test_client_ids_of_1_to_23_letters_and_digits_are_accepted(tmp_path: Path, client_id: str) -> None:
    """As they are where any client id is; behind the device's id where that is what names sessions."""
    with Stage(tmp_path, settings="client_id: any\nlisten: mqtts://127.0.0.1:0\n") as stage:
        assert stage.tls("cam-1").connect(client_id) == Connack(session_present=False, code=0)
    assert session_key(Connect(f"cam-1/{client_id}"), "cam-1", ClientIds.BOUND, "") == f"cam-1/{client_id}"


# The will (3.1.2.5)


@pytest.mark.spec("MQTT-3.1.2-8", "MQTT-3.1.2-9", "MQTT-3.1.2-10")
@pytest.mark.parametrize("ending", [b"", b"\xf0\0", encode(Connect("cam-1"))], ids=["broken", "malformed", "violation"])
def test_will_is_published_once_when_the_connection_ends_without_disconnect(stage: Stage, ending: bytes) -> None:
    witness = stage.listener("cam-2", "cameras/#", qos=2)
    device = stage.join("cam-1", clean=False, will=WILL)
    if ending:
        device.send_bytes(ending)
        device.expect_end()
    else:
        device.close()
    assert witness.expect(Publish) == Publish("cameras/gone", b"bye", qos=1, packet_id=1)
    stage.settle("cam-1")
    stage.leave(stage.join("cam-1", clean=False), "cam-1")  # the session is the same: the will is not there any more
    end_of_messages(stage)
    assert_only(witness, END)


@pytest.mark.spec("MQTT-3.14.4-3", "MQTT-3.1.2-10")
def test_disconnect_discards_the_will(stage: Stage) -> None:
    witness = stage.listener("cam-2", "cameras/#")
    device = stage.join("cam-1", clean=False, will=WILL)
    device.send(Disconnect())
    device.expect_end()
    stage.settle("cam-1")
    stage.leave(stage.join("cam-1", clean=False), "cam-1")
    end_of_messages(stage)
    assert_only(witness, END)


@pytest.mark.spec("MQTT-3.1.2-12")
def test_without_a_will_nothing_is_published_when_the_connection_breaks(stage: Stage) -> None:
    witness = stage.listener("cam-2", "cameras/#")
    stage.leave(stage.join("cam-1", will=WILL), "cam-1")
    assert witness.expect(Publish).topic == WILL.topic
    stage.leave(stage.join("cam-1"), "cam-1")
    end_of_messages(stage)
    assert_only(witness, END)


# What follows


@pytest.mark.spec("MQTT-3.3.5-2")
def test_publish_that_is_not_authorized_is_answered_as_one_that_is_and_goes_nowhere(stage: Stage) -> None:
    witness = stage.listener("cam-2", "cameras/#")
    device = stage.join("thermo-1")
    device.send(
        Publish("cameras/x", b"evil", qos=1, packet_id=1), Publish("cameras/x", b"evil", qos=2, packet_id=2), Pubrel(2)
    )
    assert device.expect(Puback) == Puback(1)
    assert device.expect(Pubrec) == Pubrec(2)
    assert device.expect(Pubcomp) == Pubcomp(2)
    end_of_messages(stage)
    assert_only(witness, END)


@pytest.mark.spec("MQTT-3.3.5-2")
def test_publish_that_is_not_authorized_ends_the_connection_where_the_policy_says_so(tmp_path: Path) -> None:
    from tests.support.sites import POLICY

    with Stage(tmp_path, POLICY.replace('["cam-*"]', '["cam-*"]\n    on_denied: disconnect')) as stage:
        device = stage.join("cam-1")
        device.send(Publish("hvac/x", b"evil", qos=1, packet_id=1))
        device.expect_end()
        assert not device.unread


@pytest.mark.spec("MQTT-3.12.4-1")
def test_each_pingreq_is_answered_with_pingresp(stage: Stage) -> None:
    device = stage.join("cam-1")
    device.send(Pingreq(), Pingreq(), Pingreq())
    assert [device.expect(Pingresp) for _ in range(3)] == [Pingresp()] * 3


@pytest.mark.spec("MQTT-4.8.0-2")
def test_error_of_ours_ends_the_connection_it_came_on_and_no_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bystander, device = stage.join("cam-2"), stage.join("cam-1")
    judge = Monitor.from_device

    def fragile(monitor: Monitor, packet: Packet) -> None:
        if isinstance(packet, Publish):
            raise MemoryError
        judge(monitor, packet)

    monkeypatch.setattr(Monitor, "from_device", fragile)
    device.send(Publish("cameras/x", b"x", qos=1, packet_id=1))
    device.expect_end()
    assert not device.unread
    stage.told(Kind.CUT, Reason.INTERNAL_ERROR, "cam-1")
    bystander.ping()
