"""Devices with certificates of their own try to get at others by what they say in CONNECT: rules 2 and 3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscribe,
    Unsubscribe,
    Will,
)
from tests.support.brokers import BackendName, RunningBroker
from tests.support.clients import RawClient
from tests.support.sites import TestSite
from tests.support.victims import Victim, Watch, leave

EVIL = Will("cameras/evil", b"evil", retain=True)
THIEVES = ["thermo-1", "cam-2"]
"""A device of another segment, and one of the victim's own."""


@pytest.fixture(scope="module")
def broker(backend: BackendName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with RunningBroker(TestSite(tmp_path_factory.mktemp("site"))) as running:
        yield running


@pytest.fixture(scope="module")
def victim(broker: RunningBroker) -> Iterator[Victim]:
    with Victim(broker) as one:
        yield one


@pytest.fixture(autouse=True)
def unharmed(victim: Victim) -> Iterator[None]:
    """Whatever was tried, the victim is at work as before."""
    yield
    victim.assert_unharmed()


def client(broker: RunningBroker, device_id: str) -> RawClient:
    return RawClient(broker.site.tls(device_id), broker.port)


def knows_session(broker: RunningBroker, key: str) -> bool:
    return bool(broker.do(lambda: key in broker.broker.sessions))


class TestVictimsClientId:
    @pytest.mark.parametrize("thief", THIEVES)
    @pytest.mark.parametrize("will", [None, EVIL], ids=["no will", "will"])
    @pytest.mark.parametrize("clean", [True, False], ids=["clean", "kept"])
    def test_live_session_is_neither_taken_nor_changed(
        self, broker: RunningBroker, thief: str, clean: bool, will: Will | None
    ) -> None:
        watch = Watch(broker)
        with client(broker, thief) as attacker:
            assert attacker.connect("cam-1", clean=clean, will=will) == Connack(False, 2)
            attacker.expect_end()
        watch.wait_for(Kind.REFUSE, Reason.CLIENT_ID_MISMATCH, thief)
        assert watch.count(Kind.WILL) == 0
        assert not broker.do(lambda: set(broker.guard.backend.sessions_of(thief)))

    @pytest.mark.parametrize("thief", THIEVES)
    @pytest.mark.parametrize("clean", [True, False], ids=["clean", "kept"])
    def test_kept_session_and_its_queue_are_neither_read_nor_deleted(
        self, broker: RunningBroker, thief: str, clean: bool
    ) -> None:
        with client(broker, "lab-4") as owner:
            owner.connect("lab-4", clean=False)
            owner.subscribe("lab/lab-4/post", qos=1)
            leave(owner)
        with client(broker, "lab-5") as sender:
            sender.connect("lab-5")
            sender.publish("lab/lab-4/post", b"kept", qos=1)
        with client(broker, thief) as attacker:
            assert attacker.connect("lab-4", clean=clean) == Connack(False, 2)
            attacker.expect_end()
            assert not attacker.unread
        with client(broker, "lab-4") as owner:
            assert owner.connect("lab-4", clean=False) == Connack(True, 0)
            assert owner.expect(Publish).payload == b"kept"

    def test_victims_own_will_is_the_one_that_fires(self, broker: RunningBroker) -> None:
        with client(broker, "lab-9") as witness, client(broker, "lab-1") as owner:
            witness.connect("lab-9")
            witness.subscribe("lab/will", "lab/end")
            owner.connect("lab-1", will=Will("lab/will", b"mine"))
            for clean in (True, False):
                with client(broker, "lab-2") as attacker:
                    assert attacker.connect("lab-1", clean=clean, will=Will("lab/will", b"evil")).code == 2
                    attacker.expect_end()
            owner.ping()
            owner.close()
            assert witness.expect(Publish) == Publish("lab/will", b"mine")
            witness.publish("lab/end", b"", qos=1)
            assert witness.expect(Publish).topic == "lab/end"
            assert not witness.unread

    def test_retained_message_of_the_victim_stays(self, broker: RunningBroker) -> None:
        with client(broker, "lab-1") as owner, client(broker, "lab-9") as reader:
            owner.connect("lab-1")
            owner.publish("lab/state", b"kept", qos=1, retain=True)
            with client(broker, "lab-2") as attacker:
                assert attacker.connect("lab-1", will=Will("lab/state", b"", retain=True)).code == 2
                attacker.expect_end()
            reader.connect("lab-9")
            reader.subscribe("lab/state")
            assert reader.expect(Publish).payload == b"kept"


class TestClientIdsThatWiden:
    @pytest.mark.parametrize(
        "client_id",
        [
            "+",
            "#",
            "cam-+",
            "thermo-1/+",
            "thermo-1/#",
            "thermo-1/a+b",
            "thermo-1/a/#",
            "thermo-1/",
            "thermo-1//../cam-1#",
            "thermo-1/\x01",
            "thermo-1/\u202e",
            "thermo-1+",
            "thermo-10",
            "thermo",
            "thermo-1 ",
            " thermo-1",
            "THERMO-1",
            "thermo\u20101",
            "thermo-1\n",
            "cam-1/thermo-1",
            "/thermo-1",
            "${device}",
            "%c",
            "$SYS/thermo-1",
            "thermo-1" * 8000,
        ],
        ids=lambda text: ascii(text[:24]),
    )
    def test_client_id_that_is_not_the_devices_own(self, broker: RunningBroker, client_id: str) -> None:
        watch = Watch(broker)
        with client(broker, "thermo-1") as attacker:
            assert attacker.connect(client_id, will=None) == Connack(False, 2)
            attacker.expect_end()
        watch.wait_for(Kind.REFUSE, Reason.CLIENT_ID_MISMATCH, "thermo-1")
        assert not knows_session(broker, client_id)

    def test_empty_client_id_with_a_kept_session(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "thermo-1") as attacker:
            assert attacker.connect("", clean=False) == Connack(False, 2)
            attacker.expect_end()
        watch.wait_for(Kind.REFUSE, Reason.CLIENT_ID_MISMATCH, "thermo-1")

    def test_empty_client_id_is_the_device_and_nobody_else(self, broker: RunningBroker) -> None:
        with client(broker, "thermo-1") as one:
            assert one.connect("") == Connack(False, 0)
            assert broker.do(lambda: set(broker.guard.backend.sessions_of("thermo-1"))) == {"thermo-1"}

    @pytest.mark.parametrize("username", ["cam-1", "#", "+", "cameras/#", "admin", "anonymous", ""])
    def test_user_name_of_another_device_gives_nothing(self, broker: RunningBroker, username: str) -> None:
        watch = Watch(broker)
        with client(broker, "thermo-1") as attacker:
            attacker.send(Connect("thermo-1", username=username, password=b"cam-1"))
            assert attacker.expect(Connack) == Connack(False, 0)
            assert attacker.subscribe("cameras/#", "cameras/cam-1/pulse") == (0x80, 0x80)
            attacker.publish("cameras/cam-1/pulse", b"evil", qos=1)
            assert broker.do(lambda: broker.broker.sessions["thermo-1"][0].username) is None
        watch.wait_for(Kind.DENY, Reason.OUTSIDE_SEGMENT, "thermo-1")


class TestOrder:
    @pytest.mark.parametrize(
        "packet",
        [
            Publish("cameras/evil", b"evil"),
            Publish("hvac/thermo-1/t", b"evil", qos=1, packet_id=1),
            Puback(1),
            Pubrec(1),
            Pubrel(1),
            Pubcomp(1),
            Subscribe(1, (("cameras/#", 0),)),
            Unsubscribe(1, ("cameras/#",)),
            Pingreq(),
            Disconnect(),
        ],
        ids=lambda packet: type(packet).__name__.upper(),
    )
    @pytest.mark.spec("MQTT-3.1.0-1")
    def test_packet_before_connect(self, broker: RunningBroker, packet: Packet) -> None:
        """CONNECT in the same write is not heard either [MQTT-3.1.0-1]."""
        watch = Watch(broker)
        with client(broker, "thermo-1") as attacker:
            attacker.send(packet, Connect("thermo-1"))
            attacker.expect_end()
            assert not attacker.unread
        watch.wait_for(Kind.REFUSE, Reason.PROTOCOL_ERROR, "thermo-1")
        assert watch.count(Kind.CONNECT) == 0

    @pytest.mark.parametrize("again", ["thermo-1", "cam-1", "thermo-1/x"])
    def test_second_connect(self, broker: RunningBroker, again: str) -> None:
        watch = Watch(broker)
        with client(broker, "thermo-1") as attacker:
            assert attacker.connect("thermo-1").code == 0
            attacker.send(Connect(again, will=EVIL), Publish("hvac/thermo-1/t", b"evil"))
            attacker.expect_end()
        watch.wait_for(Kind.CUT, Reason.PROTOCOL_ERROR, "thermo-1")
        assert watch.count(Kind.CONNECT) == 1

    def test_second_connect_in_the_same_write(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "thermo-1") as attacker:
            attacker.send(Connect("thermo-1"), Connect("cam-1"))
            attacker.expect_end()
        watch.wait_for(Kind.CUT, Reason.PROTOCOL_ERROR, "thermo-1")

    @pytest.mark.parametrize("level", [0, 1, 3, 5, 6, 0x84, 255])
    @pytest.mark.parametrize("name", [b"MQTT", b"MQIsdp"])
    def test_other_protocol_level(self, broker: RunningBroker, level: int, name: bytes) -> None:
        watch = Watch(broker)
        body = len(name).to_bytes(2, "big") + name + bytes([level, 2, 0, 0, 0, 5]) + b"cam-1"
        with client(broker, "thermo-1") as attacker:
            attacker.send_bytes(bytes([0x10, len(body)]) + body)
            assert attacker.expect(Connack) == Connack(False, 1)
            attacker.expect_end()
        watch.wait_for(Kind.REFUSE, Reason.PROTOCOL_ERROR, "thermo-1")


class TestRefusedWill:
    @pytest.mark.parametrize(
        ("client_id", "will", "code", "reason"),
        [
            ("thermo-1", EVIL, 5, Reason.WILL_NOT_GRANTED),
            ("thermo-1", Will("$SYS/evil", b"evil"), 5, Reason.WILL_NOT_GRANTED),
            ("cam-1", Will("hvac/thermo-1/t", b"evil"), 2, Reason.CLIENT_ID_MISMATCH),
            ("thermo-1/#", EVIL, 2, Reason.CLIENT_ID_MISMATCH),
        ],
    )
    def test_refused_connect_publishes_no_will(
        self, broker: RunningBroker, client_id: str, will: Will, code: int, reason: Reason
    ) -> None:
        watch = Watch(broker)
        with client(broker, "bms-9") as witness:
            witness.connect("bms-9")
            witness.subscribe("hvac/#")
            with client(broker, "thermo-1") as attacker:
                assert attacker.connect(client_id, will=will) == Connack(False, code)
                attacker.expect_end()
            watch.wait_for(Kind.REFUSE, reason, "thermo-1")
            witness.publish("hvac/all/end", b"", qos=1)
            assert witness.expect(Publish).topic == "hvac/all/end"
        assert watch.count(Kind.WILL) == 0
        assert "cameras/evil" not in broker.do(lambda: dict(broker.guard.backend.retained_origins()))

    def test_device_without_a_segment_publishes_no_will(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "nobody-1") as attacker:
            assert attacker.connect("nobody-1", will=EVIL) == Connack(False, 5)
            attacker.expect_end()
        watch.wait_for(Kind.REFUSE, Reason.NO_SEGMENT, "nobody-1")
        assert watch.count(Kind.WILL) == 0


class TestTooMany:
    def test_sessions_of_one_device(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        limit = broker.guard.limits.connections_per_device
        crowd = [client(broker, "thermo-7") for _ in range(limit)]
        for number, one in enumerate(crowd):
            assert one.connect(f"thermo-7/{number}").code == 0
        with client(broker, "thermo-7") as attacker:
            assert attacker.connect("thermo-7/more") == Connack(False, 3)
            attacker.expect_end()
        watch.wait_for(Kind.REFUSE, Reason.RATE_LIMIT, "thermo-7")
        for one in crowd:
            one.ping()
            leave(one)

    def test_kept_sessions_count_though_nobody_is_connected(self, broker: RunningBroker) -> None:
        limit = broker.guard.limits.connections_per_device
        for number in range(limit):
            with client(broker, "thermo-8") as one:
                assert one.connect(f"thermo-8/{number}", clean=False).code == 0
                leave(one)
        with client(broker, "thermo-8") as attacker:
            assert attacker.connect("thermo-8/more", clean=False) == Connack(False, 3)
        with client(broker, "thermo-8") as one:
            assert one.connect("thermo-8/0", clean=False) == Connack(True, 0)

    def test_connections_of_one_device_that_never_send_connect(self, broker: RunningBroker) -> None:
        """The oldest gives way, so a device that lost them does not shut itself out."""
        watch = Watch(broker)
        limit = broker.guard.limits.connections_per_device
        crowd = [client(broker, "thermo-9") for _ in range(limit + 1)]
        watch.wait_for(Kind.REFUSE, Reason.RATE_LIMIT, "thermo-9")
        crowd[0].expect_end()
        assert crowd[-1].connect("thermo-9").code == 0
        for one in crowd:
            one.close()

    def test_takeover_by_the_device_itself_fires_the_will_once(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "lab-8") as witness:
            witness.connect("lab-8")
            witness.subscribe("lab/will", "lab/end")
            last = client(broker, "lab-7")
            last.connect("lab-7", will=Will("lab/will", b"0"))
            for number in range(1, 4):
                new = client(broker, "lab-7")
                assert new.connect("lab-7", will=Will("lab/will", b"%d" % number)).code == 0
                last.expect_end()
                last = new
                assert witness.expect(Publish).payload == b"%d" % (number - 1)
            last.ping()
            leave(last)
            witness.publish("lab/end", b"", qos=1)
            assert witness.expect(Publish).topic == "lab/end"
            assert not witness.unread
        assert watch.count(Kind.WILL, "lab-7") == 3


class TestAnyClientId:
    """``client_id: any``: what others choose as their client id is theirs alone."""

    @pytest.fixture
    def anything(self, tmp_path: Path) -> Iterator[RunningBroker]:
        with RunningBroker(TestSite(tmp_path, settings="client_id: any")) as running:
            yield running

    def test_two_devices_with_one_client_id_have_a_session_each(self, anything: RunningBroker) -> None:
        with client(anything, "cam-1") as one, client(anything, "cam-2") as other:
            assert one.connect("same", clean=False) == Connack(False, 0)
            assert one.subscribe("cameras/one") == (0,)
            assert other.connect("same", clean=False) == Connack(False, 0)
            assert other.subscribe("cameras/other") == (0,)
            for number in range(3):
                other.publish("cameras/one", b"%d" % number, qos=1)
                assert one.expect(Publish).payload == b"%d" % number
            assert not other.messages()
        with client(anything, "cam-2") as thief:
            assert thief.connect("same") == Connack(False, 0)
        with client(anything, "cam-1") as one:
            assert one.connect("same", clean=False) == Connack(True, 0)

    @pytest.mark.parametrize("client_id", ["cam-1", "cam-1/same", "../cam-1/same", "/cam-1", "#", "+/same"])
    def test_client_id_that_spells_anothers_session(self, anything: RunningBroker, client_id: str) -> None:
        with client(anything, "cam-1") as one, client(anything, "cam-2") as thief:
            assert one.connect("same", clean=False).code == 0
            assert one.subscribe("cameras/one") == (0,)
            assert thief.connect(client_id, clean=False) == Connack(False, 0)
            one.publish("cameras/one", b"mine", qos=1)
            assert one.expect(Publish).payload == b"mine"
            assert not thief.messages()
            assert anything.do(lambda: set(anything.guard.backend.sessions_of("cam-1"))) == {"cam-1/same"}


def test_refused_connect_in_the_same_write_as_what_follows_is_not_followed(broker: RunningBroker) -> None:
    """Whatever comes after a CONNECT that is refused is not read."""
    watch = Watch(broker)
    with client(broker, "thermo-1") as attacker:
        attacker.send_bytes(encode(Connect("cam-1")) + encode(Publish("hvac/thermo-1/t", b"evil")) + encode(Pingreq()))
        assert attacker.expect(Connack) == Connack(False, 2)
        attacker.expect_end()
        assert not attacker.unread
    watch.wait_for(Kind.REFUSE, Reason.CLIENT_ID_MISMATCH, "thermo-1")
    assert watch.count(Kind.DENY) == 0
