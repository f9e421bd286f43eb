"""`mqttseg gateway render TARGET`: where the rules go, and every way to be refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mqttseg.gateway.targets import targets
from tests.cli.conftest import Command
from tests.gateway.conftest import POLICY, inventory


@pytest.fixture
def lab_site(site: Path) -> Path:
    """A site with the lab's policy."""
    Path("configs/policy.yaml").write_text(POLICY)
    Path("configs/devices.yaml").write_text(inventory("a1", "a2", "b1"))
    return site


def test_nftables_is_what_is_meant_without_a_target(lab_site: Path, mqttseg: Command) -> None:
    result = mqttseg("gateway", "render")
    assert (result.code, result.out.splitlines()[0]) == (0, "#!/usr/sbin/nft -f")


def test_a_target_that_nobody_knows_is_a_usage_error_that_lists_them(lab_site: Path, mqttseg: Command) -> None:
    result = mqttseg("gateway", "render", "pf")
    assert result.code == 2
    assert all(target in " ".join(result.err.split()) for target in targets())


def test_what_a_target_cannot_express_is_an_error_with_its_line_and_nothing_is_written(
    lab_site: Path, mqttseg: Command
) -> None:
    result = mqttseg("gateway", "render", "iptables", "--out", "rules")
    assert (result.code, result.out) == (3, "")
    assert "devices.yaml:3:3: a1 is pinned to the port pa1" in result.err
    assert not Path("rules").exists()


def test_the_operator_may_say_that_the_switch_pins(lab_site: Path, mqttseg: Command) -> None:
    result = mqttseg("gateway", "render", "iptables", "--pinned-elsewhere")
    assert (result.code, result.out.splitlines()[0]) == (0, "#!/bin/sh")


def test_out_writes_files_and_names_them(lab_site: Path, mqttseg: Command) -> None:
    result = mqttseg("gateway", "render", "openwrt", "--out", "rules")
    assert (result.code, result.out) == (0, "rules/mqttseg.nft\n")
    assert Path("rules/mqttseg.nft").read_text() == mqttseg("gateway", "render", "openwrt").out


def test_out_that_cannot_be_written_is_said(lab_site: Path, mqttseg: Command) -> None:
    Path("taken").write_text("")
    result = mqttseg("gateway", "render", "--out", "taken")
    assert result.code == 1
    assert "taken" in result.err


def test_mud_files_are_one_for_each_model(lab_site: Path, mqttseg: Command) -> None:
    devices = Path("configs/devices.yaml")
    devices.write_text(devices.read_text().replace("    interface: br-iot\n", "    interface: br-iot\n    model: t1\n"))
    Path("configs/policy.yaml").write_text(
        POLICY.replace("members: [a1, a2]", "members: [a1, a2, b1]").replace("members: [b1]", "members: []")
    )
    result = mqttseg("gateway", "render", "mud", "--out", "mud", "--mud-url", "https://plant7.example/mud")
    assert (result.code, result.out) == (0, "mud/t1.json\n")
    assert (
        json.loads(Path("mud/t1.json").read_text())["ietf-mud:mud"]["mud-url"] == "https://plant7.example/mud/t1.json"
    )


def test_mud_files_need_a_directory_and_an_https_address(lab_site: Path, mqttseg: Command) -> None:
    assert mqttseg("gateway", "render", "mud").code == 2
    result = mqttseg("gateway", "render", "mud", "--out", "mud", "--mud-url", "http://plant7.example/")
    assert result.code == 1
    assert "--mud-url https://HOST/DIRECTORY/" in result.err
    assert not Path("mud").exists()


def test_a_conduit_that_ends_is_told(lab_site: Path, mqttseg: Command) -> None:
    conduit = "conduits:\n  x: {from: hvac, to: cameras, topics: [hvac/x], until: 2999-01-01T00:00:00Z}\n"
    Path("configs/policy.yaml").write_text(POLICY + conduit)
    assert "2999-01-01T00:00:00+00:00: render again then" in mqttseg("gateway", "render").err
