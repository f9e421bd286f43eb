"""Both halves together: a real device, through the gateway, to the running broker, over mutual TLS."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from mqttseg.cli import main
from tests.gateway.conftest import POLICY, inventory
from tests.gateway.keyboard import REPOSITORY
from tests.gateway.lab import ANSWERS, PORTS, Lab, inside

A1, A2, B1, X1 = PORTS
PORT = 8889
HOST = "192.0.2.10"


class Site:
    """A site whose broker runs behind the gateway, and whose rules are loaded on it."""

    def __init__(self, lab: Lab, root: Path) -> None:
        self.lab = lab
        self.root = root
        self.config = str(root / "configs" / "mqttseg.yaml")
        assert main(["init", str(root), "--host", HOST, "--json"]) == 0
        policy = root / "configs" / "policy.yaml"
        (domain,) = re.findall(r"^trust_domain: (\S+)", policy.read_text(), re.MULTILINE)
        policy.write_text(POLICY.replace("lab.example", domain).replace("[8883]", f"[{PORT}]"))
        (root / "configs" / "devices.yaml").write_text(inventory("a1", "b1"))
        for device in ("a1", "b1"):
            self.types("device", "issue", device)

    def types(self, *words: str) -> None:
        with inside(self.lab.gateway):
            assert main(["-c", self.config, *words]) == 0

    def device(self, name: str) -> mqtt.Client:
        """A client with the device's certificate, connected from nowhere yet."""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
        certs = self.root / "certs"
        client.tls_set(
            str(certs / "ca.crt"), str(certs / "devices" / f"{name}.crt"), str(certs / "devices" / f"{name}.key")
        )
        client.connect_timeout = ANSWERS
        return client


def connects(lab: Lab, host: str, client: mqtt.Client, source: str = "") -> bool:
    """Whether a client in a host's namespace gets an answer to CONNECT; it goes on running there."""
    answers: list[bool] = []
    client.on_connect = lambda *arguments: answers.append(not arguments[3].is_failure)
    with inside(lab[host]):
        try:
            client.connect(HOST, PORT, bind_address=source)
        except OSError:
            return False
        while not answers and client.loop(timeout=ANSWERS) is mqtt.MQTT_ERR_SUCCESS:
            pass
    return answers == [True]


def publishes(client: mqtt.Client, topic: str) -> bool:
    """Whether the broker acknowledges a message in time."""
    told = client.publish(topic, "21.5", qos=1)
    for _ in range(20):
        if client.loop(timeout=ANSWERS / 20) is not mqtt.MQTT_ERR_SUCCESS:
            return False
        if told.is_published():
            return True
    return False


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Iterator[Site]:
    made = Site(lab, tmp_path / "site")
    listen = f"mqtts://{HOST}:{PORT}"
    command = [sys.executable, "-m", "mqttseg", "-c", made.config, "run", "--listen", listen]
    inside_server = ["ip", "netns", "exec", lab["srv"].space, *command]
    with subprocess.Popen(inside_server, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as broker:
        assert broker.stderr is not None
        assert any(line.startswith("mqttseg ready") for line in broker.stderr)
        made.types("gateway", "apply", "--confirm", "0")
        yield made
        broker.terminate()


def test_a_device_reaches_the_broker_from_its_own_address_and_from_no_other(lab: Lab, site: Site) -> None:
    device = site.device("a1")
    assert connects(lab, "a1", device)
    assert publishes(device, "hvac/a1/temp")
    lab["a1"].run("ip", "address", "add", f"{B1.v4}/24", "dev", "eth0")
    try:
        assert not connects(lab, "a1", site.device("a1"), B1.v4)
    finally:
        lab["a1"].run("ip", "address", "delete", f"{B1.v4}/24", "dev", "eth0")


def test_a_stolen_certificate_is_of_no_use_at_a_port_that_is_not_its_devices(lab: Lab, site: Site) -> None:
    assert not connects(lab, "x1", site.device("a1"))


def test_one_quarantine_acts_on_the_broker_and_on_the_network(lab: Lab, site: Site) -> None:
    device, other = site.device("a1"), site.device("b1")
    assert connects(lab, "a1", device)
    assert connects(lab, "b1", other)
    site.types("device", "quarantine", "a1", "--why", "stolen")
    assert not publishes(device, "hvac/a1/temp")
    assert lab["a1"].is_kept_from("192.0.2.10", 8883)  # the network
    assert not connects(lab, "a1", site.device("a1"))
    assert publishes(other, "cameras/b1/motion")
    with inside(lab.gateway):
        lab.gateway.run("nft", "delete", "table", "inet", "mqttseg_q")
        lab.gateway.run("nft", "delete", "table", "bridge", "mqttseg_q")
    assert lab["a1"].opens("192.0.2.53", 53, transport="udp")  # the network is open again
    assert not connects(lab, "a1", site.device("a1"))  # the broker is not
