"""The packet lab, and policies for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mqttseg.gateway.nftables.render import render_nftables
from mqttseg.gateway.plan import Address, Plan
from mqttseg.gateway.planning import plan_network
from mqttseg.policy.compiled import compile_policy
from mqttseg.policy.load import load_policy
from tests.gateway.lab import PORTS, Lab, laboratory, why_not

POLICY = """\
version: 1
trust_domain: lab.example
segments:
  hvac:
    members: [a1, a2]
    network: {allow: [dns, ntp]}
  cameras:
    members: [b1]
network:
  interfaces: [br-iot]
  ports: [px1]
  subnets: {br-iot: [10.9.0.0/24, "fd00:9::/64"]}
  broker: {addresses: [192.0.2.10, "2001:db8::10"], ports: [8883]}
  services: {dns: [192.0.2.53]}
  admin: [198.51.100.40, "2001:db8:1::40"]
"""


def inventory(*hosts: str) -> str:
    """devices.yaml for these hosts of the lab."""
    lines = ["version: 1", "devices:"]
    for port in PORTS:
        if port.host in hosts:
            addresses = f'["{port.v4}", "{port.v6}"]'
            lines += [f"  {port.host}:", f"    interface: br-iot\n    port: {port.port}"]
            lines += [f'    mac: "{port.mac}"', f"    addresses: {addresses}"]
    return "\n".join(lines) + "\n"


class Plans:
    """Policies as plans and rulesets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def plan(
        self,
        policy: str = POLICY,
        devices: str = inventory("a1", "a2", "b1"),
        learned: Mapping[str, Sequence[Address]] | None = None,
    ) -> Plan:
        """The plan of two files' texts."""
        written = self.folder / "policy.yaml", self.folder / "devices.yaml"
        for path, text in zip(written, (policy, devices), strict=True):
            path.write_text(text)
        return plan_network(compile_policy(load_policy(*written), datetime(2026, 1, 1, tzinfo=UTC)), learned)

    def ruleset(self, policy: str = POLICY, devices: str = inventory("a1", "a2", "b1"), revision: int = 1) -> str:
        """The ruleset of two files' texts."""
        return render_nftables(self.plan(policy, devices), revision)


@pytest.fixture
def plans(tmp_path: Path) -> Plans:
    return Plans(tmp_path)


@pytest.fixture(scope="module")
def network() -> Iterator[Lab]:
    if why := why_not():
        pytest.skip(why)
    with laboratory(f"t{os.getpid()}") as lab:
        lab["srv"].listens(8883, "192.0.2.10", "2001:db8::10")
        lab["srv"].listens(8884, "192.0.2.10", "2001:db8::10")
        lab["srv"].listens(53, "192.0.2.53", transport="udp")
        for host in ("a1", "a2", "b1"):
            port = next(port for port in PORTS if port.host == host)
            lab[host].listens(7000, port.v4, port.v6)
        lab.gateway.listens(123, "10.9.0.1", transport="udp")
        lab.gateway.listens(2222, "10.9.0.1")
        yield lab


@pytest.fixture
def lab(network: Lab) -> Iterator[Lab]:
    """The lab with nothing loaded, now and afterwards."""
    yield network
    network.gateway.run("nft", "flush", "ruleset")
    for host in network.hosts.values():
        host.run("ip", "neigh", "flush", "all")
