"""The clients that people have: mosquitto's and paho, over mutual TLS, with certificate files as they were issued."""

from __future__ import annotations

import queue
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from tests.support.brokers import PATIENCE
from tests.support.programs import Program, program
from tests.support.stages import Stage

TEMPERATURE = "hvac/thermo-1/telemetry/t"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture
def stage(whole: Stage) -> Stage:
    whole.broker.events.clear()
    return whole


class Paho:
    """A paho client of one device, with what came to it in queues."""

    def __init__(self, stage: Stage, device_id: str, *, clean: bool = True, will: str | None = None) -> None:
        self.connected: queue.Queue[Any] = queue.Queue()
        self.messages: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self.granted: queue.Queue[list[int]] = queue.Queue()
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=device_id, clean_session=clean)
        certificate, key = stage.site.device(device_id)
        client.tls_set(ca_certs=str(stage.site.ca), certfile=str(certificate), keyfile=str(key))
        client.on_connect = lambda *told: self.connected.put(told[2:4])  # flags, reason code
        client.on_message = lambda *told: self.messages.put(told[2])
        client.on_subscribe = lambda *told: self.granted.put([code.value for code in told[3]])
        if will:
            client.will_set(will, b"gone", qos=1)
        self.client = client
        self._port = stage.broker.port

    def __enter__(self) -> Paho:
        self.client.connect("127.0.0.1", self._port)
        self.client.loop_start()
        self.answer = self.connected.get(timeout=PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def subscribe(self, topic_filter: str, qos: int = 0) -> int:
        self.client.subscribe(topic_filter, qos)
        return self.granted.get(timeout=PATIENCE)[0]

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos, retain).wait_for_publish(PATIENCE)

    def get(self) -> tuple[str, bytes]:
        message = self.messages.get(timeout=PATIENCE)
        return message.topic, bytes(message.payload)


class TestPaho:
    @pytest.mark.parametrize("qos", [0, 1, 2])
    @pytest.mark.spec("MQTT-7.0.0-2")
    def test_message_inside_a_segment_arrives(self, stage: Stage, qos: int) -> None:
        with Paho(stage, "cam-1") as one, Paho(stage, "cam-2") as two:
            assert one.subscribe("cameras/#", qos) == qos
            two.publish("cameras/x", b"good", qos)
            assert one.get() == ("cameras/x", b"good")

    def test_conduit(self, stage: Stage) -> None:
        with Paho(stage, "etl-1") as etl, Paho(stage, "thermo-1") as thermo:
            assert etl.subscribe("hvac/+/telemetry/#", 1) == 1
            thermo.publish(TEMPERATURE, b"21")
            assert etl.get() == (TEMPERATURE, b"21")

    @pytest.mark.parametrize("qos", [0, 1, 2])
    def test_refused_subscription_and_publish(self, stage: Stage, qos: int) -> None:
        with Paho(stage, "thermo-1") as attacker, Paho(stage, "cam-1") as victim, Paho(stage, "cam-2") as speaker:
            assert attacker.subscribe("cameras/#", qos) == 0x80
            assert victim.subscribe("cameras/#", qos) == qos
            attacker.publish("cameras/x", b"evil", qos)
            attacker.publish("hvac/thermo-1/t", b"after it", 1)
            speaker.publish("cameras/x", b"good", 1)
            assert victim.get() == ("cameras/x", b"good")
            assert victim.messages.empty()
            assert attacker.messages.empty()
        stage.denied(Reason.OUTSIDE_SEGMENT, "thermo-1", "cameras/x", "cameras")

    def test_retained_message(self, stage: Stage) -> None:
        with Paho(stage, "cam-1") as one, Paho(stage, "cam-2") as two:
            two.publish("cameras/kept", b"kept", retain=True)
            assert one.subscribe("cameras/kept") == 0
            message = one.messages.get(timeout=PATIENCE)
            assert (message.payload, message.retain) == (b"kept", True)
            two.publish("cameras/kept", b"", retain=True)
            assert one.get() == ("cameras/kept", b"")

    def test_will(self, stage: Stage) -> None:
        with Paho(stage, "cam-1") as listener:
            listener.subscribe("cameras/#", 1)
            with Paho(stage, "cam-2", will="cameras/will") as device:
                sock = device.client.socket()
                assert sock is not None
                sock.close()
                assert listener.get() == ("cameras/will", b"gone")

    def test_will_on_a_foreign_topic_is_refused(self, stage: Stage) -> None:
        with Paho(stage, "cam-1", will="hvac/x") as device:
            assert device.answer[1].is_failure
        stage.told(Kind.REFUSE, Reason.WILL_NOT_GRANTED, "cam-1", rule="hvac")

    def test_kept_session_gets_what_it_missed(self, stage: Stage) -> None:
        with Paho(stage, "cam-7", clean=False) as device:
            assert device.subscribe("cameras/missed", 1) == 1
        stage.told(Kind.DISCONNECT, Reason.OK, "cam-7")
        stage.settle("cam-7")
        with Paho(stage, "cam-2") as speaker:
            speaker.publish("cameras/missed", b"kept for you")
        session = stage.broker.do(lambda: stage.broker.plugin.backend.session("cam-7"))
        assert session is not None
        while not stage.broker.do(session.retained_messages.qsize):
            pass
        with Paho(stage, "cam-7", clean=False) as device:
            assert device.answer[0].session_present
            assert device.get() == ("cameras/missed", b"kept for you")

    def test_client_id_of_another_device_is_refused(self, stage: Stage) -> None:
        impostor = Paho(stage, "cam-1")
        impostor.client._client_id = b"cam-2"
        with impostor:
            assert impostor.answer[1].is_failure
        stage.told(Kind.REFUSE, Reason.CLIENT_ID_MISMATCH, "cam-1")


class Mosquitto:
    """mosquitto's clients as one device."""

    def __init__(self, stage: Stage, device_id: str) -> None:
        certificate, key = stage.site.device(device_id)
        files: list[str | Path] = ["--cafile", stage.site.ca, "--cert", certificate, "--key", key]
        self._stage, self._device_id = stage, device_id
        self._options: list[str | Path] = ["-h", "localhost", "-p", str(stage.broker.port), *files, "-i", device_id]

    def publish(self, topic: str, message: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [program("mosquitto_pub"), *self._options, "-t", topic, "-m", message, *options]
        return subprocess.run([*map(str, command)], check=False, capture_output=True, text=True, timeout=PATIENCE)

    def listen(self, topic_filter: str, *options: str) -> Program:
        """Subscribe, and wait until the broker knows (mosquitto_sub keeps what it says of it in a buffer)."""
        running = self.subscribe("-t", topic_filter, *options)
        backend = self._stage.broker.plugin.backend
        while topic_filter not in self._stage.broker.do(lambda: backend.filters_of(self._device_id)):
            pass
        return running

    def subscribe(self, *options: str) -> Program:
        return Program([program("mosquitto_sub"), *self._options, "-d", "-F", "message %t %p", *options])


class TestMosquitto:
    @pytest.mark.parametrize("qos", ["0", "1", "2"])
    def test_message_inside_a_segment_arrives(self, stage: Stage, qos: str) -> None:
        with Mosquitto(stage, "cam-1").listen("cameras/#", "-q", qos) as listener:
            assert Mosquitto(stage, "cam-2").publish("cameras/x", "good", "-q", qos).returncode == 0
            listener.wait_for_line("message cameras/x good")

    def test_conduit(self, stage: Stage) -> None:
        with Mosquitto(stage, "etl-1").listen("hvac/+/telemetry/#") as listener:
            assert Mosquitto(stage, "thermo-1").publish(TEMPERATURE, "21").returncode == 0
            listener.wait_for_line(f"message {TEMPERATURE} 21")

    def test_refused_subscription_is_told_as_128(self, stage: Stage) -> None:
        with Mosquitto(stage, "thermo-1").subscribe("-t", "cameras/#") as attacker:
            assert "128" in attacker.wait_for_line("Subscribed")
        stage.denied(Reason.OUTSIDE_SEGMENT, "thermo-1", "cameras/#", "cameras")

    def test_refused_publish_reaches_nobody(self, stage: Stage) -> None:
        with Mosquitto(stage, "cam-1").listen("cameras/#") as victim:
            assert Mosquitto(stage, "thermo-1").publish("cameras/x", "evil", "-q", "1").returncode == 0
            assert Mosquitto(stage, "cam-2").publish("cameras/x", "good", "-q", "1").returncode == 0
            victim.wait_for_line("message cameras/x good")
            assert "evil" not in victim.text
        stage.denied(Reason.OUTSIDE_SEGMENT, "thermo-1", "cameras/x", "cameras")

    def test_retained_message(self, stage: Stage) -> None:
        Mosquitto(stage, "cam-2").publish("cameras/kept", "kept", "-r", "-q", "1")
        with Mosquitto(stage, "cam-1").subscribe("-t", "cameras/kept") as listener:
            listener.wait_for_line("message cameras/kept kept")
        Mosquitto(stage, "cam-2").publish("cameras/kept", "", "-n", "-r", "-q", "1")

    def test_will(self, stage: Stage) -> None:
        will = ("--will-topic", "cameras/will", "--will-payload", "gone", "--will-qos", "1")
        with Mosquitto(stage, "cam-1").listen("cameras/will") as listener:
            with Mosquitto(stage, "cam-2").listen("cameras/x", *will) as device:
                device.kill()
            listener.wait_for_line("message cameras/will gone")

    def test_certificate_of_another_device_does_not_lend_its_client_id(self, stage: Stage) -> None:
        attacker = Mosquitto(stage, "cam-1")
        attacker._options[-1] = "cam-2"
        assert attacker.publish("cameras/x", "evil").returncode != 0
        stage.told(Kind.REFUSE, Reason.CLIENT_ID_MISMATCH, "cam-1")
