"""`mqttseg policy apply`, against a running broker with real clients, and without a broker."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.test_cli_end_to_end import device, running

POLICY = """\
version: 1
trust_domain: plant7.example
segments:
  cameras: {members: ["cam-*"]}
  hvac: {members: ["thermo-*"]}
"""


@pytest.fixture
def broker(site: Path, unused_port: int, mqttseg: Command) -> Iterator[subprocess.Popen[str]]:
    domain = mqttseg("ca", "show", "--json").json["trust_domain"]
    _write(site, POLICY.replace("plant7.example", domain))
    for device_id in ("cam-1", "cam-2"):
        mqttseg("device", "issue", device_id)
    with running(site, unused_port) as process:
        yield process


def _write(site: Path, policy: str) -> None:
    (site / "configs" / "policy.yaml").write_text(policy)


def _without_cam_1(site: Path) -> None:
    path = site / "configs" / "policy.yaml"
    path.write_text(path.read_text().replace('["cam-*"]', '["cam-2", "cam-3"]'))


def test_without_a_broker_it_says_so_and_fails_with_1(site: Path, mqttseg: Command) -> None:
    for arguments in ((), ("--dry-run",)):
        result = mqttseg("policy", "apply", *arguments)
        assert result.code == 1
        assert "no broker of this site is running here" in result.err


def test_who_is_out_is_cut_and_others_notice_nothing(
    site: Path, unused_port: int, mqttseg: Command, broker: subprocess.Popen[str]
) -> None:
    with closing(device(site, "cam-1", unused_port)) as out, closing(device(site, "cam-2", unused_port)) as stays:
        assert out.connect()
        assert stays.connect()
        assert stays.subscribe("cameras/#")
        _without_cam_1(site)
        result = mqttseg("policy", "apply")
        assert result.code == 0, result.err
        assert "- cam-1" in result.out or "cam-1 moves" in result.out or "devices like" in result.out
        assert "is in force, revision 2; 1 connections cut" in result.err
        assert out.wait_until_gone()
        assert stays.publish("cameras/x", "1")
        assert stays.wait_for_message()
    deadline = time.monotonic() + 30
    while '"who": ' not in (site / "state" / "audit.jsonl").read_text():  # written beside what the broker does
        assert time.monotonic() < deadline


def test_a_dry_run_changes_nothing(
    site: Path, unused_port: int, mqttseg: Command, broker: subprocess.Popen[str]
) -> None:
    with closing(device(site, "cam-1", unused_port)) as camera:
        assert camera.connect()
        _without_cam_1(site)
        result = mqttseg("policy", "apply", "--dry-run", "--json")
        assert (result.code, result.json["revision"], result.json["dry_run"]) == (0, 1, True)
        assert result.json["changes"]
        assert camera.publish("cameras/x", "1")
        assert mqttseg("policy", "apply", "--json").json["changes"] == result.json["changes"]


def test_a_bad_file_changes_nothing_and_fails_with_3(
    site: Path, unused_port: int, mqttseg: Command, broker: subprocess.Popen[str]
) -> None:
    with closing(device(site, "cam-1", unused_port)) as camera:
        assert camera.connect()
        path = site / "configs" / "policy.yaml"
        good = path.read_text()
        for bad, what in (
            (good + "nonsense: 1\n", "nonsense"),
            (good.replace("segments:", "segments: ["), "policy.yaml"),
            (good + "tests:\n  - {device: cam-1, cannot: ['publish cameras/x']}\n", "cam-1"),
        ):
            path.write_text(bad)
            result = mqttseg("policy", "apply")
            assert result.code == 3
            assert what in result.err
        assert camera.publish("cameras/x", "1")
        path.write_text(good)
        assert mqttseg("policy", "apply", "--json").json["revision"] == 2


def test_sighup_does_the_same(site: Path, unused_port: int, mqttseg: Command, broker: subprocess.Popen[str]) -> None:
    with closing(device(site, "cam-1", unused_port)) as out:
        assert out.connect()
        _without_cam_1(site)
        os.kill(broker.pid, signal.SIGHUP)
        assert out.wait_until_gone()
