"""Real packets against iptables and ipset. The switch isolates its ports, so that the gateway sees every packet."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from mqttseg.gateway.expressible import without_ports
from mqttseg.gateway.iptables.script import render_iptables
from tests.gateway.conftest import POLICY, Plans, inventory
from tests.gateway.lab import PORTS, Lab
from tests.gateway.test_packet_attacks import also_known_as, with_mac
from tests.gateway.test_packet_flows import flooding

A1, A2, B1, _ = PORTS
BROKER = ("192.0.2.10", "2001:db8::10")
DEVICES = inventory("a1", "a2", "b1")
CONDUIT = (
    "conduits:\n  stills: {from: hvac, to: cameras, topics: [hvac/x], network: {allow: [{to: 10.9.0.21, tcp: 7000}]}}\n"
)


class Guard:
    """The lab's gateway under iptables."""

    def __init__(self, lab: Lab, plans: Plans) -> None:
        self.lab = lab
        self.plans = plans

    def load(self, policy: str = POLICY, devices: str = DEVICES) -> Lab:
        """Load a policy's script."""
        script = render_iptables(without_ports(self.plans.plan(policy, devices)))
        self.lab.gateway.run("sh", text=script)
        return self.lab


@pytest.fixture
def guard(lab: Lab, plans: Plans) -> Iterator[Guard]:
    if missing := [tool for tool in ("iptables", "ipset") if shutil.which(tool) is None]:
        pytest.skip(f"needs {' and '.join(missing)}: install iptables and ipset")
    for port in PORTS:
        lab.gateway.run("ip", "link", "set", port.port, "type", "bridge_slave", "isolated", "on")
    for key, value in (("proxy_arp_pvlan", "1"), ("send_redirects", "0")):
        lab.gateway.run("sysctl", "-qw", f"net.ipv4.conf.br-iot.{key}={value}")
    yield Guard(lab, plans)
    lab.gateway.run("nft", "flush", "ruleset")
    lab.gateway.run("ipset", "destroy")


@pytest.mark.parametrize("broker", BROKER)
def test_a_device_reaches_the_broker_and_no_other_port_of_it(guard: Guard, broker: str) -> None:
    lab = guard.load()
    assert lab["a1"].opens(broker, 8883)
    assert lab["b1"].opens(broker, 8883)
    assert lab["a1"].is_kept_from(broker, 8884)


def test_a_service_is_for_the_segment_that_allows_it(guard: Guard) -> None:
    lab = guard.load()
    assert lab["a1"].opens("192.0.2.53", 53, transport="udp")
    assert lab["b1"].is_kept_from("192.0.2.53", 53, transport="udp")
    assert lab["a1"].opens("10.9.0.1", 123, transport="udp")
    assert lab["b1"].is_kept_from("10.9.0.1", 123, transport="udp")
    assert lab["a1"].is_kept_from("10.9.0.1", 2222)


def test_other_devices_are_out_of_reach_where_the_router_would_reach_them(guard: Guard) -> None:
    assert guard.lab["a1"].opens(B1.v4, 7000)
    lab = guard.load()
    assert lab["a1"].is_kept_from(B1.v4, 7000)
    assert lab["a1"].is_kept_from(A2.v4, 7000)


@pytest.mark.parametrize("address", [A1.v4, A1.v6])
def test_only_an_administrator_opens_a_connection_to_a_device(guard: Guard, address: str) -> None:
    lab = guard.load()
    assert lab["adm"].opens(address, 7000)
    assert lab["srv"].is_kept_from(address, 7000)
    assert lab.gateway.is_kept_from(address, 7000)


@pytest.mark.parametrize("broker", BROKER)
def test_an_unlisted_device_reaches_nothing(guard: Guard, broker: str) -> None:
    assert guard.load()["x1"].is_kept_from(broker, 8883)


def test_a_spoofed_address_gets_nowhere(guard: Guard) -> None:
    lab = guard.load()
    with also_known_as(lab["b1"], f"{A1.v4}/24", f"{A1.v6}/64"):
        assert lab["b1"].is_kept_from("192.0.2.53", 53, transport="udp", source=A1.v4)
        assert lab["b1"].is_kept_from("192.0.2.10", 8883, source=A1.v4)
        assert lab["b1"].is_kept_from("2001:db8::10", 8883, source=A1.v6)


def test_a_spoofed_mac_address_gets_nowhere(guard: Guard) -> None:
    lab = guard.load()
    with with_mac(lab["x1"], A1.mac):
        assert lab["x1"].is_kept_from("192.0.2.10", 8883)


def test_a_conduit_leads_to_its_device_one_way_and_nowhere_else(guard: Guard) -> None:
    lab = guard.load(POLICY + CONDUIT)
    assert lab["a1"].opens(B1.v4, 7000)
    assert lab["a1"].is_kept_from(A2.v4, 7000)
    assert lab["b1"].is_kept_from(A1.v4, 7000)


def test_a_destination_that_holds_devices_leads_to_none_of_them(guard: Guard) -> None:
    lab = guard.load(POLICY.replace("[dns, ntp]", "[{to: 0.0.0.0/0, tcp: [7000, 8884]}]"))
    assert lab["a1"].opens("192.0.2.10", 8884)
    assert lab["a1"].is_kept_from(B1.v4, 7000)


def test_observe_lets_through_what_it_records_but_not_to_an_enforced_segment(guard: Guard) -> None:
    observed = POLICY.replace("version: 1\n", "version: 1\nmode: observe\n")
    lab = guard.load(observed.replace("  cameras:\n", "  cameras:\n    mode: enforce\n"))
    assert lab["a1"].opens("192.0.2.10", 8884)
    assert lab["srv"].opens(A1.v4, 7000)
    assert lab["a1"].is_kept_from(B1.v4, 7000)
    assert lab["x1"].is_kept_from("192.0.2.10", 8883)


def test_a_withdrawn_permission_kills_the_live_flow_at_the_reload_and_a_kept_one_lives(guard: Guard) -> None:
    lab = guard.load(POLICY + CONDUIT)
    assert lab["a1"].opens("192.0.2.10", 8883, name="kept")
    assert lab["a1"].opens("192.0.2.53", 53, transport="udp", name="withdrawn")
    assert lab["a1"].opens(B1.v4, 7000, name="conduit")
    assert lab["b1"].opens("192.0.2.10", 8883, name="gone")
    guard.load(POLICY.replace("network: {allow: [dns, ntp]}", "network: {allow: [ntp]}"), inventory("a1", "a2"))
    assert lab["a1"].still_has("kept")
    assert lab["a1"].has_lost("withdrawn")
    assert lab["a1"].has_lost("conduit")
    assert lab["b1"].has_lost("gone")


def test_what_the_operator_refuses_stays_refused(guard: Guard) -> None:
    """What we permit goes back to the operator's own rules."""
    lab = guard.load()
    lab.gateway.run("iptables", "-A", "FORWARD", "-p", "tcp", "--dport", "8883", "-j", "DROP")
    guard.load()
    assert lab["a1"].is_kept_from("192.0.2.10", 8883)


def test_a_flow_from_a_servers_own_port_dies_when_it_is_withdrawn(guard: Guard) -> None:
    """The device's packets in it look as if they were on their way to the broker."""
    policy = POLICY.replace("ports: [8883]", "ports: [8883, 8886]")
    lab = guard.load(policy.replace("version: 1\n", "version: 1\nmode: observe\n"))
    assert lab["srv"].opens(A1.v4, 7000, name="backwards", source="192.0.2.10", source_port=8886)
    guard.load(policy)
    assert lab["srv"].has_lost("backwards")


def test_an_enforced_device_does_not_answer_an_observed_one_any_more(guard: Guard) -> None:
    observed = POLICY.replace("version: 1\n", "version: 1\nmode: observe\n")
    lab = guard.load(observed)
    assert lab["a1"].opens(B1.v4, 7000, name="observed")
    guard.load(observed.replace("  cameras:\n", "  cameras:\n    mode: enforce\n"))
    assert lab["a1"].has_lost("observed")


def test_reloads_under_flood_leak_nothing(guard: Guard) -> None:
    """Between two policies, neither of which permits it."""
    lab = guard.load()
    lab["srv"].ask("sink", address="192.0.2.10", port=9999)
    with flooding(lab, "a1", "192.0.2.10", 9999), flooding(lab, "x1", "192.0.2.10", 9999):
        for _ in range(4):
            guard.load(POLICY + CONDUIT)
            guard.load()
    assert lab["srv"].ask("sunk", port=9999) == []


def test_a_ruleset_that_the_kernel_does_not_take_changes_nothing(guard: Guard) -> None:
    lab = guard.load()
    before = lab.gateway.run("iptables-save").stdout
    script = render_iptables(without_ports(guard.plans.plan(POLICY + CONDUIT)))
    assert lab.gateway.run("sh", text=script.replace("-p ipv6-icmp", "-p nonsense"), check=False).returncode
    rules = [line for line in before.splitlines() if line.startswith("-A")]
    assert [line for line in lab.gateway.run("iptables-save").stdout.splitlines() if line.startswith("-A")] == rules
