"""The stock ``amqtt`` command with our plugin: as safe as ``mqttseg run``, and in company of other plugins."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
import yaml

from mqttseg.wire.packets import Publish
from tests.support.amqtt_plugins import Witness
from tests.support.brokers import PATIENCE
from tests.support.clients import RawClient
from tests.support.programs import Program
from tests.support.sites import POLICY, TestSite
from tests.support.stages import assert_only

AMQTT = Path(sys.executable).with_name("amqtt")
SHIPPED = Path(__file__).parents[2] / "configs" / "amqtt.yaml"
PLUGIN = "mqttseg.broker.plugin.SegmentationPlugin"


@pytest.fixture
def site(tmp_path: Path) -> TestSite:
    site = TestSite(tmp_path)
    (tmp_path / "configs" / "amqtt.yaml").write_text(SHIPPED.read_text())
    return site


def amqtt(site: TestSite, config: str | Path = "configs/amqtt.yaml") -> Program:
    return Program([AMQTT, "-c", config], cwd=site.root)


def change(site: TestSite, **changes: object) -> None:
    path = site.root / "configs" / "amqtt.yaml"
    config = yaml.safe_load(path.read_text())
    for key, value in changes.items():
        config[key] |= value
    path.write_text(yaml.safe_dump(config))


def port_of(command: Program) -> int:
    return int(command.wait_for_line("mqttseg: listening on mqtts://").rpartition(":")[2])


def join(site: TestSite, port: int, device_id: str) -> RawClient:
    client = RawClient(site.tls(device_id), port)
    assert client.connect(device_id).code == 0
    return client


def assert_segmented(site: TestSite, port: int) -> None:
    with join(site, port, "cam-1") as victim, join(site, port, "cam-2") as speaker, join(site, port, "lab-1") as other:
        assert victim.subscribe("cameras/#") == (0,)
        assert other.subscribe("cameras/#") == (0x80,)
        other.publish("cameras/x", b"evil", qos=1)
        speaker.publish("cameras/x", b"good", qos=1)
        assert_only(victim, ("cameras/x", b"good"))


def free_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return int(reserved.getsockname()[1])


def is_served(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True


def test_shipped_configuration_serves_devices_and_keeps_segments_apart(site: TestSite) -> None:
    with amqtt(site) as command:
        assert_segmented(site, port_of(command))


def test_absolute_path_of_the_configuration(site: TestSite, tmp_path_factory: pytest.TempPathFactory) -> None:
    change(site, plugins={PLUGIN: {"config": str(site.config)}})
    config = site.root / "configs" / "amqtt.yaml"
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with Program([AMQTT, "-c", config], elsewhere) as command, join(site, port_of(command), "cam-1") as device:
        device.ping()


def test_listen_of_the_plugin_stands_in_for_that_of_mqttseg(site: TestSite) -> None:
    port = free_port()
    change(site, plugins={PLUGIN: {"config": "configs/mqttseg.yaml", "listen": [f"mqtts://127.0.0.1:{port}"]}})
    with amqtt(site) as command:
        assert port_of(command) == port
        with join(site, port, "cam-1") as device:
            device.ping()


@pytest.mark.parametrize("kind", ["tcp", "ws", "external"])
def test_unguarded_listener_beside_ours_is_refused(site: TestSite, kind: str) -> None:
    port = free_port()
    change(site, listeners={"plain": {"type": kind, "bind": f"127.0.0.1:{port}"}})
    with amqtt(site) as command:
        assert command.wait() == 1
        assert not is_served(port)
    assert "listener 'plain' of the amqtt configuration is not covered by the guard" in command.text
    assert "type: external" in command.text


def test_unguarded_default_listener_is_refused(site: TestSite) -> None:
    port = free_port()
    change(site, listeners={"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}})
    with amqtt(site) as command:
        assert command.wait() == 1
        assert not is_served(port)
    assert "listener 'default'" in command.text


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        ("", "policy.yaml:1:1"),
        ("# allow everything\n", "policy.yaml"),
        (POLICY[: POLICY.index("conduits:") - 40], "policy.yaml"),
        (POLICY + "tests:\n  - device: cam-1\n    can: ['publish hvac/x']\n", "policy.yaml"),
        (POLICY.replace("members", "member", 1), "did you mean members?"),
    ],
    ids=["empty", "comment", "truncated", "failing test", "misspelt"],
)
def test_broken_policy_is_not_served(site: TestSite, policy: str, complaint: str) -> None:
    port = free_port()
    site.config.write_text(f"listen: ['mqtts://127.0.0.1:{port}']\n")
    site.write_policy(policy)
    with amqtt(site) as command:
        assert command.wait() == 1
        assert not is_served(port)
    assert complaint in command.text


def test_missing_certificate_is_not_served(site: TestSite) -> None:
    (site.root / "certs" / "broker.key").unlink()
    with amqtt(site) as command:
        assert command.wait() == 1
    assert "broker.key" in command.text


def test_another_plugin_beside_ours_keeps_being_told(site: TestSite) -> None:
    change(site, plugins={f"{Witness.__module__}.{Witness.__name__}": {}})
    program = "import sys; sys.path.insert(0, sys.argv.pop(1)); from amqtt.scripts.broker_script import main; main()"
    here = Path(__file__).parents[2]
    with Program([sys.executable, "-c", program, here, "-c", "configs/amqtt.yaml"], cwd=site.root) as command:
        port = port_of(command)
        with join(site, port, "cam-1") as device:
            command.wait_for_line("witness connected cam-1")
            device.subscribe("hvac/#", "cameras/#")
            assert "hvac" not in command.wait_for_line("witness subscribed cam-1")
            device.publish("hvac/x", b"evil", qos=1)
            device.publish("cameras/x", b"good", qos=1)
            assert command.wait_for_line("witness received cam-1").endswith("cameras/x")
            assert device.expect(Publish).payload == b"good"
        command.wait_for_line("witness disconnected cam-1")


def test_address_in_use_leaves_no_way_in(site: TestSite) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        site.config.write_text(f"listen: ['mqtts://127.0.0.1:{taken.getsockname()[1]}']\n")
        with amqtt(site) as command:
            assert "--listen" in command.wait_for_line("cannot listen on")
