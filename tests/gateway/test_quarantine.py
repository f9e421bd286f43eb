"""Quarantine with real packets: one command, both layers; nothing that loads rules lets anybody in again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mqttseg.cli import main
from mqttseg.pki.quarantine import Register, quarantine_of
from tests.gateway.conftest import POLICY, inventory
from tests.gateway.keyboard import Operator, until
from tests.gateway.lab import Lab, inside

CONDUIT = """\
conduits:
  stills:
    from: hvac
    to: cameras
    topics: [hvac/stills]
    network: {allow: [{to: 10.9.0.21, tcp: 7000}, {to: "fd00:9::21", tcp: 7000}]}
"""
BROKER = ("192.0.2.10", 8883)


@pytest.fixture
def operator(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    found = Operator(lab, tmp_path / "site", capsys)
    found.writes(POLICY + CONDUIT)
    found.does("apply", "--confirm", "0")
    return found


def device(operator: Operator, *words: str) -> str:
    """``mqttseg device`` at the gateway."""
    with inside(operator.lab.gateway):
        assert main(["-c", str(operator.configs / "mqttseg.yaml"), "device", *words]) == 0
    return operator.capture.readouterr().out


def test_one_command_cuts_a_live_flow_and_keeps_it_cut_over_a_reload_and_a_rollback(operator: Operator) -> None:
    a1 = operator.lab["a1"]
    assert a1.opens(*BROKER, name="live")
    assert "on the network, too" in device(operator, "quarantine", "a1", "--why", "stolen")
    assert a1.has_lost("live")
    operator.does("apply", "--confirm", "0")
    assert a1.has_lost("live")
    operator.does("rollback")
    assert a1.is_kept_from(*BROKER)
    assert operator.lab["a2"].opens(*BROKER)


def test_a_released_device_is_back(operator: Operator) -> None:
    device(operator, "quarantine", "a1")
    assert operator.lab["a1"].is_kept_from(*BROKER)
    device(operator, "release", "a1")
    assert operator.lab["a1"].opens(*BROKER)


def test_a_quarantine_ends_by_itself(operator: Operator) -> None:
    device(operator, "quarantine", "a1", "--for", "2s")
    assert operator.lab["a1"].is_kept_from(*BROKER)
    until(lambda: not json.loads(operator.does("status", "--json"))["quarantine"]["mac"])
    assert operator.lab["a1"].opens(*BROKER)


@pytest.mark.parametrize("address", ["10.9.0.21", "fd00:9::21"])
@pytest.mark.parametrize("who", ["a1", "b1"])
def test_a_device_in_quarantine_meets_nobody_on_its_own_bridge(operator: Operator, who: str, address: str) -> None:
    """No router sees these frames."""
    keys = [f"net.bridge.bridge-nf-call-{what}" for what in ("iptables", "ip6tables")]
    operator.lab.gateway.run("sysctl", "-qw", *(f"{key}=0" for key in keys))
    try:
        assert operator.lab["a1"].opens(address, 7000, name="conduit")
        device(operator, "quarantine", who)
        assert operator.lab["a1"].has_lost("conduit")
        assert operator.lab["a1"].is_kept_from(address, 7000)
    finally:
        operator.lab.gateway.run("sysctl", "-qw", *(f"{key}=1" for key in keys))


def test_sync_takes_over_what_the_broker_put_out(operator: Operator) -> None:
    """The broker has no right to change rules."""
    register = Register(operator.state.parent)
    register.add(quarantine_of("b1", None, by="detection", why="scan", now=datetime.now(UTC)))
    operator.does("sync")
    assert operator.lab["b1"].is_kept_from(*BROKER)
    register.remove("b1")
    operator.does("sync")
    assert operator.lab["b1"].opens(*BROKER)


def test_a_quarantine_survives_a_reboot_of_the_gateway(operator: Operator) -> None:
    device(operator, "quarantine", "a1")
    operator.lab.gateway.run("nft", "flush", "ruleset")
    operator.does("apply", "--confirm", "0")
    assert operator.lab["a1"].is_kept_from(*BROKER)


def test_a_device_without_addresses_is_put_out_by_its_mac_address(operator: Operator) -> None:
    operator.writes(POLICY, inventory("a1").replace('addresses: ["10.9.0.11", "fd00:9::11"]', "addresses: learned"))
    device(operator, "quarantine", "a1")
    assert json.loads(operator.does("status", "--json"))["quarantine"] == {
        "mac": ["02:aa:00:00:00:01"],
        "v4": [],
        "v6": [],
    }
