"""From nothing to "my two devices talk, the third is refused, and I know why", with the real broker and clients."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mqttseg.clients import Credentials, paho_pub
from mqttseg.demo.device import Device
from tests.cli.conftest import Command

PATIENCE = 30


def need(program: str) -> None:
    """Skip without the program, but not where everything must run."""
    if shutil.which(program) is None:
        message = f"{program} is not installed (Debian: mosquitto-clients)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


@contextmanager
def running(site: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """`mqttseg run` on the site, ready."""
    (site / "configs" / "mqttseg.yaml").write_text(f"listen: mqtts://127.0.0.1:{port}\n")
    log = site / "log"
    command = [sys.executable, "-m", "mqttseg", "run"]
    with (
        log.open("w") as output,
        subprocess.Popen(command, cwd=site, stderr=subprocess.PIPE, stdout=output, text=True) as process,
    ):
        assert process.stderr is not None
        try:
            first = process.stderr.readline()
            assert first == f"mqttseg ready mqtts://127.0.0.1:{port}\n", first + process.stderr.read()
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)


def device(site: Path, device_id: str, port: int) -> Device:
    """A paho client with the files that `device issue` made."""
    return Device(credentials(site, device_id, port))


def credentials(site: Path, device_id: str, port: int) -> Credentials:
    """Its files."""
    certs = site / "certs"
    files = certs / "devices" / f"{device_id}.crt", certs / "devices" / f"{device_id}.key"
    return Credentials("localhost", port, certs / "ca.crt", *files, device_id)


def test_two_devices_talk_and_the_third_is_refused(site: Path, unused_port: int, mqttseg: Command) -> None:
    for device_id in ("thermo-1", "bms-1", "cam-1", "toaster-1"):
        assert mqttseg("device", "issue", device_id).code == 0
    with running(site, unused_port):
        thermo, bms, cam, toaster = (
            device(site, name, unused_port) for name in ("thermo-1", "bms-1", "cam-1", "toaster-1")
        )
        with closing(thermo), closing(bms), closing(cam), closing(toaster):
            assert bms.connect()
            assert bms.subscribe("hvac/#")
            assert thermo.connect()
            assert thermo.publish("hvac/thermo-1/telemetry/temp", "21.5")
            assert bms.wait_for_message()
            assert bms.inbox[0].payload == b"21.5"
            assert cam.connect()
            assert not cam.subscribe("hvac/#")
            assert not toaster.connect()  # in no segment
    audit = (site / "state" / "audit.jsonl").read_text()
    assert '"reason": "outside-segment"' in audit
    assert '"reason": "no-segment"' in audit
    assert mqttseg("policy", "explain", "cam-1", "subscribe", "hvac/#").code == 4


def test_a_revoked_device_is_cut_while_connected(site: Path, unused_port: int, mqttseg: Command) -> None:
    mqttseg("device", "issue", "cam-1")
    with running(site, unused_port), closing(device(site, "cam-1", unused_port)) as cam:
        assert cam.connect()
        assert mqttseg("device", "revoke", "cam-1").code == 0
        assert cam.wait_until_gone()


def test_status_is_0_while_the_broker_runs(site: Path, unused_port: int, mqttseg: Command) -> None:
    with running(site, unused_port):
        result = mqttseg("status", "--json")
        assert (result.code, result.json[-1]["state"]) == (0, "up")


def test_a_second_broker_on_the_same_address_fails_with_1(site: Path, unused_port: int, mqttseg: Command) -> None:
    with running(site, unused_port):
        config = site / "configs" / "mqttseg.yaml"
        config.write_text(f"{config.read_text()}state: ../another-state\n")
        result = mqttseg("run")
        assert result.code == 1
        assert f"cannot listen on mqtts://127.0.0.1:{unused_port}" in result.err


def test_a_second_broker_of_the_same_site_fails_with_1(site: Path, unused_port: int, mqttseg: Command) -> None:
    with running(site, unused_port):
        result = mqttseg("run", "--listen", "mqtts://127.0.0.1:0")
        assert result.code == 1
        assert "a broker of this site is running; stop it first" in result.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_broker_with_0(number: signal.Signals, site: Path, unused_port: int) -> None:
    with running(site, unused_port) as process:
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0


def test_the_printed_mosquitto_lines_work_as_they_are(site: Path, unused_port: int, mqttseg: Command) -> None:
    need("mosquitto_pub")
    need("mosquitto_sub")
    with running(site, unused_port):  # which also writes the port into the configuration
        mqttseg("device", "issue", "bms-1")
        lines = mqttseg("device", "issue", "thermo-1", "--json").json["try"]
        listen = f"exec stdbuf -oL {lines['subscribe']} -d -C 1 -W {PATIENCE}"
        with subprocess.Popen(listen, shell=True, cwd=site, stdout=subprocess.PIPE, text=True) as listening:
            assert listening.stdout is not None
            assert any(line.startswith("Subscribed") for line in listening.stdout)
            done = subprocess.run(lines["publish"], shell=True, cwd=site, timeout=PATIENCE, check=False)
            assert done.returncode == 0
            assert "hvac/thermo-1/hello hello" in listening.stdout.read()


def test_the_printed_paho_line_works_without_mosquitto(site: Path, unused_port: int, mqttseg: Command) -> None:
    for device_id in ("thermo-1", "bms-1"):
        mqttseg("device", "issue", device_id)
    with running(site, unused_port), closing(device(site, "bms-1", unused_port)) as bms:
        assert bms.connect()
        assert bms.subscribe("hvac/#")
        line = paho_pub(credentials(site, "thermo-1", unused_port), "hvac/thermo-1/hello", "it's me")
        subprocess.run(line, shell=True, timeout=PATIENCE, check=True)
        assert bms.wait_for_message()
        assert bms.inbox[0].payload == b"it's me"
