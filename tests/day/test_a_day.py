"""A day at a site: observe, learn, apply, attack, detect, quarantine on both layers, roll back, kill, account.

A real broker behind a real gateway, devices in network namespaces of their own, and the operator's commands.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mqttseg.cli import main
from mqttseg.control.client import Client
from mqttseg.wire.packets import Publish
from tests.gateway.conftest import inventory
from tests.gateway.lab import ANSWERS, SILENCE, Host, Lab, inside, laboratory, why_not
from tests.support.clients import RawClient
from tests.support.programs import Program
from tests.support.sites import TestSite

BROKER = "192.0.2.10"
ATTEMPTS = 5000
OBSERVE = """\
version: 1
trust_domain: plant7.example
mode: observe
segments:
  hvac: {members: [a1, a2]}
  cameras: {members: [b1]}
network:
  interfaces: [br-iot]
  ports: [px1]
  broker: {addresses: [192.0.2.10], ports: [8883]}
"""
SETTINGS = """\
listen: ["mqtts://192.0.2.10:8883"]
detect:
  denial_burst: {denials: 20, within: 1m, action: quarantine, for: 1h}
"""


class Day:
    """The site, and who acts on it."""

    def __init__(self, lab: Lab, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.lab = lab
        self.site = TestSite(root, policy=OBSERVE, settings=SETTINGS)
        (root / "configs" / "devices.yaml").write_text(inventory("a1", "a2", "b1"))
        self.state = root / "state"
        self.capture = capture
        for device in ("a1", "a2", "b1"):
            self.site.device(device)

    def types(self, *words: str, at: str = "gw") -> tuple[int, str]:
        """A command of the operator's at the gateway: how it ended, and what it printed."""
        with inside(self.lab[at]):
            code = main(["-c", str(self.site.config), *words])
        told = self.capture.readouterr()
        return code, told.out

    def does(self, *words: str) -> str:
        code, told = self.types(*words)
        assert code == 0, words
        return told

    @contextmanager
    def broker(self) -> Iterator[Program]:
        """The broker as a process on its host."""
        inner = [sys.executable, "-m", "mqttseg", "-c", str(self.site.config), "run"]
        with Program(["ip", "netns", "exec", self.lab["srv"].space, *inner]) as process:
            process.wait_for_line("mqttseg ready")
            yield process

    @contextmanager
    def device(self, name: str) -> Iterator[RawClient]:
        """A device that is connected through the gateway."""
        with self.dials(self.lab[name], name) as client:
            assert client.connect(name).code == 0
            yield client

    @contextmanager
    def dials(self, host: Host, name: str) -> Iterator[RawClient]:
        with inside(host):
            client = RawClient(self.site.tls(name), 8883, BROKER)
        with client:
            yield client

    def reaches_the_broker(self, name: str, seconds: float = ANSWERS) -> bool:
        """Whether the network lets a device's connection through, whatever the broker says to it then."""
        try:
            with inside(self.lab[name]), socket.create_connection((BROKER, 8883), timeout=seconds):
                return True
        except OSError:
            return False

    def is_off_the_network(self, name: str) -> bool:
        return not self.reaches_the_broker(name, SILENCE)

    def audit(self) -> list[dict[str, Any]]:
        """The audit trail, oldest first."""
        return [json.loads(line) for line in (self.state / "audit.jsonl").read_text().splitlines()]

    def told(self, kind: str, **wanted: str) -> list[dict[str, Any]]:
        found = [event for event in self.audit() if event["kind"] == kind]
        return [event for event in found if all(event.get(key) == value for key, value in wanted.items())]


def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Day]:
    if why := why_not():
        pytest.skip(why)
    with laboratory(f"d{os.getpid()}") as lab:
        yield Day(lab, tmp_path / "site", capsys)


def work(day: Day) -> None:
    """What the devices are there for."""
    with day.device("a1") as sensor, day.device("a2") as controller, day.device("b1") as camera:
        controller.subscribe("hvac/a1/telemetry/#")
        for number in range(30):
            sensor.publish("hvac/a1/telemetry/temp", b"21.5", qos=1, packet_id=number + 1)
            camera.publish("cameras/b1/motion", b"1", qos=1, packet_id=number + 1)
        while len(controller.unread) < 30:
            controller.read()


def proposal(day: Day) -> str:
    return day.does("policy", "learn", "--min-count", "1", "--min-devices", "1")


def test_a_day(day: Day) -> None:
    policy = day.site.root / "configs" / "policy.yaml"
    with day.broker() as process:
        # morning: nothing is enforced, everything is recorded
        day.does("gateway", "apply", "--confirm", "0")
        work(day)
        until(lambda: "hvac/${device}/telemetry/temp" in day.types("flows")[1])
        until(lambda: "cameras/${device}/motion" in day.types("flows")[1])

        # noon: the least policy that allows it, tried and applied while devices are connected
        with day.device("a1") as sensor, day.device("a2") as controller, day.device("b1") as camera:
            controller.subscribe("hvac/a1/telemetry/#")
            learnt = proposal(day).replace("mode: observe", "mode: enforce")
            policy.write_text(learnt)
            assert day.types("policy", "simulate", str(policy))[0] == 0
            day.does("policy", "apply")
            day.does("gateway", "apply", "--confirm", "0")
            sensor.publish("hvac/a1/telemetry/temp", b"still here", qos=1)
            assert controller.expect(Publish).payload == b"still here"

            # the attack: the camera tries what it never did, is detected, and is out on both layers
            assert intrudes(camera) < ATTEMPTS
            assert not controller.messages()
        until(lambda: day.told("quarantine", device="b1"))
        until(lambda: day.types("gateway", "sync")[0] == 0 and day.is_off_the_network("b1"))
        assert day.reaches_the_broker("a1")

        # the afternoon: the operator goes back to yesterday's policy; the camera stays out
        policy.write_text(OBSERVE)
        day.does("policy", "apply")
        day.does("gateway", "apply", "--confirm", "0")
        assert day.is_off_the_network("b1")

        # and while events are being written, the broker is killed
        with day.device("a1") as sensor:
            for number in range(500):
                sensor.send(Publish(f"cameras/b1/{number}", b"x"))
            process.kill()

    with day.broker():
        work_goes_on(day)
        day.does("device", "release", "b1", "--why", "cleaned")
        until(lambda: day.types("gateway", "sync")[0] == 0 and day.reaches_the_broker("b1"))
        with day.device("b1"):
            pass
    account(day)


def intrudes(camera: RawClient) -> int:
    """The camera publishes where it never did, until it is cut off; how often it could."""
    for attempt in range(1, ATTEMPTS):
        try:
            camera.publish(f"hvac/a1/telemetry/{attempt}", b"evil", qos=1, packet_id=attempt)
        except (OSError, AssertionError):  # no acknowledgement came any more
            return attempt
    return ATTEMPTS


def work_goes_on(day: Day) -> None:
    """After the kill, devices are served and the camera is still out."""
    with day.device("a1") as sensor, day.device("a2") as controller:
        controller.subscribe("hvac/a1/telemetry/#")
        sensor.publish("hvac/a1/telemetry/temp", b"again", qos=1)
        assert controller.expect(Publish).payload == b"again"
    with Client(day.state) as broker:
        assert [entry.device for entry in broker.quarantines().quarantines] == ["b1"]


def account(day: Day) -> None:
    """The evening: the trail says who did what, why, and in which order, in the audit file and in the store alike."""
    actions = [(event["kind"], event.get("device")) for event in day.audit() if event["kind"] in ACTIONS]
    assert [a for a in actions if a[0] != "policy"] == [("detect", "b1"), ("quarantine", "b1"), ("release", "b1")]
    assert day.told("quarantine")[0]["who"] == "detect:denial-burst"
    assert day.told("release")[0]["why"] == "cleaned"
    assert len(day.told("policy", reason="ok")) >= 2
    denied = [event for event in day.told("deny", device="b1") if not event.get("observed")]
    assert denied
    assert all(event["topic"].startswith("hvac/") and event["rule"] for event in denied)
    with sqlite3.connect(day.state / "events.db") as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    kept = [json.loads(line) for line in day.does("events", "--json", "--limit", "100000").splitlines()]
    stored = [(event["kind"], event.get("device")) for event in kept if event["kind"] in ACTIONS]
    assert [a for a in stored if a[0] != "policy"] == [a for a in actions if a[0] != "policy"]


ACTIONS = {"policy", "detect", "quarantine", "release"}
