"""Bytes that are malformed, cut, too many or too slow end the connection of whoever sent them, and no other: rule 9."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import (
    Connack,
    Connect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Will,
)
from tests.support.brokers import BackendName, RunningBroker
from tests.support.clients import RawClient
from tests.support.sites import TestSite
from tests.support.victims import Victim, Watch
from tests.wire.packet_cases import CLIENT, MALFORMED, Malformed, raw

SETTINGS = """
limits: {connect_timeout: 300ms, handshake_timeout: 300ms, keep_alive_max: 20m}
"""
FROM_DEVICES = [case for case in MALFORMED if case.from_client is CLIENT]


@pytest.fixture(scope="module")
def broker(backend: BackendName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with RunningBroker(TestSite(tmp_path_factory.mktemp("site"), settings=SETTINGS)) as running:
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


def client(broker: RunningBroker, device_id: str = "thermo-1") -> RawClient:
    return RawClient(broker.site.tls(device_id), broker.port)


class TestSplit:
    """A session that is allowed gives the same answers however its bytes arrive."""

    TOPIC = "hvac/thermo-1/cmd/x"
    SENT = (
        encode(Subscribe(1, ((TOPIC, 0), ("cameras/#", 0))))
        + encode(Publish("cameras/evil", b"evil"))
        + encode(Publish("hvac/thermo-1/t", b"x" * 130, qos=1, packet_id=3))
        + encode(Pingreq())
    )

    def answers(self, one: RawClient) -> None:
        assert one.expect(Suback) == Suback(1, (0, 0x80))
        assert one.expect(Puback) == Puback(3)
        assert one.expect(Pingresp) == Pingresp()
        assert not one.unread

    def test_split_at_every_position(self, broker: RunningBroker) -> None:
        with client(broker) as one:
            assert one.connect("thermo-1").code == 0
            for at in range(1, len(self.SENT)):
                one.send_bytes(self.SENT[:at])
                one.send_bytes(self.SENT[at:])
                self.answers(one)

    @pytest.mark.spec("MQTT-7.1.1-1")
    def test_split_everywhere(self, broker: RunningBroker) -> None:
        with client(broker) as one:
            for byte in encode(Connect("thermo-1")) + self.SENT:
                one.send_bytes(bytes([byte]))
            assert one.expect(Connack) == Connack(False, 0)
            self.answers(one)

    def test_connect_split_at_every_position(self, broker: RunningBroker) -> None:
        """The refused one: it is as quick to try again as nothing was made for it."""
        sent = encode(Connect("cam-1", will=Will("cameras/evil", b"evil")))
        watch = Watch(broker)
        for at in range(1, len(sent)):
            with client(broker) as one:
                one.send_bytes(sent[:at])
                one.send_bytes(sent[at:])
                assert one.expect(Connack) == Connack(False, 2)
        assert watch.wait_for(Kind.REFUSE, Reason.CLIENT_ID_MISMATCH).device == "thermo-1"
        assert watch.count(Kind.CONNECT) == 0


class TestMalformed:
    @pytest.mark.parametrize("case", FROM_DEVICES, ids=lambda case: case.name)
    @pytest.mark.spec(
        "MQTT-4.8.0-1", "MQTT-2.2.2-2", "MQTT-3.1.4-1", "MQTT-1.5.3-1", "MQTT-1.5.3-2", "MQTT-3-8.3-4", "MQTT-3.14.1-1"
    )
    def test_malformed_packet_ends_the_connection_that_sent_it(self, broker: RunningBroker, case: Malformed) -> None:
        watch = Watch(broker)
        with client(broker) as one:
            if not case.data.startswith(b"\x10"):
                assert one.connect("thermo-1").code == 0
            one.send_bytes(case.data)
            one.send_bytes(bytes(8))  # a packet that is only short is malformed now, at the latest
            one.expect_end()
            assert not one.unread
        ended = Kind.REFUSE if case.data.startswith(b"\x10") else Kind.CUT
        watch.wait_for(ended, Reason.PROTOCOL_ERROR, "thermo-1")

    @pytest.mark.parametrize(
        "data",
        [
            raw("36 05 0001", b"a", "0001"),
            raw("32 0b 0009", b"cameras/+", b"")[:2] + raw("0007", b"a/+/b/c", "0001"),
            raw("30 03 0001", b"#"),
            raw("30 05 0003", b"a/+"),
            raw("82 06 0001 0001", b"#", "03"),
            raw("f0 00"),
            raw("00 00"),
            raw("10 00"),
            bytes(range(256)),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        ],
        ids=["QoS 3", "+ in PUBLISH", "# in PUBLISH", "a/+", "QoS 3 asked", "15", "0", "empty CONNECT", "all", "HTTP"],
    )
    def test_good_packets_before_it_count_and_none_after(self, broker: RunningBroker, data: bytes) -> None:
        watch = Watch(broker)
        with client(broker, "bms-1") as witness, client(broker) as one:
            assert witness.connect("bms-1").code == 0
            assert witness.subscribe("hvac/thermo-1/#") == (0,)
            assert one.connect("thermo-1").code == 0
            before, after = encode(Publish("hvac/thermo-1/t", b"before")), encode(Publish("hvac/thermo-1/t", b"after"))
            one.send_bytes(before + data + after)
            one.expect_end()
            assert witness.expect(Publish).payload == b"before"
            witness.publish("hvac/all/x", b"", qos=1)
            assert not witness.messages()
        watch.wait_for(Kind.CUT, Reason.PROTOCOL_ERROR, "thermo-1")


class TestTooLarge:
    HUGE = raw("30 ffffff7f 0004", b"hvac")

    def test_announced_packet_of_256_mb_is_refused_from_its_header(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker) as one:
            assert one.connect("thermo-1").code == 0
            one.send_bytes(self.HUGE[:5])
            one.expect_end()
        event = watch.wait_for(Kind.CUT, Reason.PAYLOAD_TOO_LARGE, "thermo-1")
        assert "268435460" in event.detail

    def test_announced_connect_of_256_mb_is_refused_from_its_header(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker) as one:
            one.send_bytes(raw("10 ffffff7f"))
            one.expect_end()
        watch.wait_for(Kind.REFUSE, Reason.PAYLOAD_TOO_LARGE, "thermo-1")

    def test_packet_just_over_the_limit(self, broker: RunningBroker) -> None:
        limit = broker.guard.limits.packet
        overhead = len(encode(Publish("hvac/all/x", bytes(100_000)))) - 100_000
        watch = Watch(broker)
        with client(broker) as one:
            assert one.connect("thermo-1").code == 0
            one.publish("hvac/all/x", bytes(limit - overhead))
            one.ping()
            one.send_bytes(encode(Publish("hvac/all/x", bytes(limit - overhead + 1)))[:8])
            one.expect_end()
        watch.wait_for(Kind.CUT, Reason.PAYLOAD_TOO_LARGE, "thermo-1")

    def test_length_that_never_ends(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker) as one:
            assert one.connect("thermo-1").code == 0
            one.send_bytes(raw("30 ffffffff"))
            one.expect_end()
        watch.wait_for(Kind.CUT, Reason.PROTOCOL_ERROR, "thermo-1")


class TestTooSlow:
    def test_silence_after_the_handshake(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker) as one:
            one.expect_end()
        assert "connect_timeout" in watch.wait_for(Kind.REFUSE, Reason.PROTOCOL_ERROR, "thermo-1").detail

    def test_slowloris_sends_connect_byte_by_byte(self, broker: RunningBroker) -> None:
        """Every byte is sent only when the broker's loop has gone round; the end comes all the same."""
        watch = Watch(broker)
        sent = 0
        with client(broker) as one:
            one.socket.settimeout(0.02)  # read with patience for the end, and drop another byte when none comes
            one.send_bytes(raw("10 ff01"))
            while True:
                try:
                    if not one.socket.recv(1):
                        break
                except TimeoutError:
                    one.send_bytes(b"\0")
                    sent += 1
                except OSError:
                    break
        assert 1 < sent < 255
        assert "connect_timeout" in watch.wait_for(Kind.REFUSE, Reason.PROTOCOL_ERROR, "thermo-1").detail

    @pytest.mark.parametrize("sent", [b"", raw("30 7f 0004", b"hva"), b"\x30"], ids=["nothing", "half", "one byte"])
    @pytest.mark.spec("MQTT-3.1.2-24", "MQTT-3.1.2-8")
    def test_silence_past_the_keep_alive_is_cut_and_the_will_fires(self, broker: RunningBroker, sent: bytes) -> None:
        watch = Watch(broker)
        with client(broker, "bms-1") as witness, client(broker) as one:
            assert witness.connect("bms-1").code == 0
            assert witness.subscribe("hvac/#") == (0,)
            assert one.connect("thermo-1", keep_alive=1, will=Will("hvac/thermo-1/will", b"gone")).code == 0
            one.send_bytes(sent)
            self.age(broker, "thermo-1")
            one.expect_end()
            assert witness.expect(Publish) == Publish("hvac/thermo-1/will", b"gone")
        watch.wait_for(Kind.CUT, Reason.PROTOCOL_ERROR, "thermo-1")
        assert watch.count(Kind.WILL, "thermo-1") == 1

    def test_single_bytes_of_a_packet_that_never_ends_do_not_keep_a_connection(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker) as one:
            assert one.connect("thermo-1", keep_alive=1).code == 0
            one.send_bytes(raw("30 7f 0004"))
            self.age(broker, "thermo-1", 1.0)
            one.send_bytes(b"h")
            while self.unfinished(broker, "thermo-1") < 5:
                pass
            self.age(broker, "thermo-1", 0.6)
            one.expect_end()
        watch.wait_for(Kind.CUT, Reason.PROTOCOL_ERROR, "thermo-1")

    def test_ping_in_time_keeps_a_connection(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker) as one:
            assert one.connect("thermo-1", keep_alive=1).code == 0
            for _ in range(3):
                self.age(broker, "thermo-1", 1.0)
                one.ping()
        assert watch.count(Kind.CUT) == 0

    def test_keep_alive_of_zero_is_not_for_ever(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker) as one:
            assert one.connect("thermo-1", keep_alive=0).code == 0
            self.age(broker, "thermo-1", broker.guard.patience(0) + 0.1)
            one.expect_end()
        watch.wait_for(Kind.CUT, Reason.PROTOCOL_ERROR, "thermo-1")

    @staticmethod
    def age(broker: RunningBroker, device_id: str, seconds: float = 1.6) -> None:
        """Let the watchdog think that it last heard of the device so long ago, and look now."""

        def act() -> None:
            for connection in broker.guard.roster.of(device_id):
                watchdog = connection._watchdog
                watchdog._heard_at -= seconds
                watchdog.cancel()
                watchdog._check()

        broker.do(act)

    @staticmethod
    def unfinished(broker: RunningBroker, device_id: str) -> int:
        """Bytes of a packet that has not come whole."""
        decoders = [connection._inflow._decoder for connection in broker.do(lambda: broker.guard.roster.of(device_id))]
        return sum(decoder.buffered for decoder in decoders)
