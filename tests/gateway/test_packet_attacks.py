"""Whoever holds one device tries to be another, or the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.gateway import frames
from tests.gateway.conftest import POLICY, Plans
from tests.gateway.lab import ANSWERS, PORTS, SILENCE, Host, Lab

A1, A2, B1, X1 = PORTS


@pytest.fixture
def guarded(lab: Lab, plans: Plans) -> Lab:
    lab.load(plans.ruleset())
    return lab


@contextmanager
def also_known_as(host: Host, *addresses: str) -> Iterator[None]:
    """The host takes further addresses."""
    for address in addresses:
        host.run("ip", "address", "add", address, "dev", "eth0")
    yield
    for address in addresses:
        host.run("ip", "address", "delete", address, "dev", "eth0")


@contextmanager
def with_mac(host: Host, mac: str) -> Iterator[None]:
    """The host uses another MAC address."""
    before = host.run("cat", "/sys/class/net/eth0/address").stdout.strip()
    host.run("ip", "link", "set", "eth0", "address", mac)
    yield
    host.run("ip", "link", "set", "eth0", "address", before)


def test_a_spoofed_address_gets_nowhere(guarded: Lab) -> None:
    with also_known_as(guarded["b1"], f"{A1.v4}/24"):
        assert guarded["b1"].is_kept_from("192.0.2.53", 53, transport="udp", source=A1.v4)
        assert guarded["b1"].is_kept_from("192.0.2.10", 8883, source=A1.v4)
    assert guarded.counter("l2_spoof", "bridge") > 0


def test_a_spoofed_ipv6_address_gets_nowhere(guarded: Lab) -> None:
    with also_known_as(guarded["b1"], f"{A1.v6}/64"):
        assert guarded["b1"].is_kept_from("2001:db8::10", 8883, source=A1.v6)


def test_a_spoofed_mac_address_on_another_port_gets_nowhere(guarded: Lab) -> None:
    with with_mac(guarded["b1"], A1.mac), also_known_as(guarded["b1"], f"{A1.v4}/24"):
        assert guarded["b1"].is_kept_from("192.0.2.10", 8883, source=A1.v4)


def test_an_address_spoofed_where_ports_are_unknown_is_dropped_by_the_router(lab: Lab, plans: Plans) -> None:
    devices = "version: 1\ndevices:\n"
    for port in (A1, B1):
        devices += f'  {port.host}: {{mac: "{port.mac}", addresses: [{port.v4}, "{port.v6}"]}}\n'
    lab.load(plans.ruleset(POLICY.replace("  ports: [px1]\n", ""), devices))  # no bridge table
    assert lab["a1"].opens("192.0.2.10", 8883)
    with also_known_as(lab["b1"], f"{A1.v4}/24"):
        assert lab["b1"].is_kept_from("192.0.2.53", 53, transport="udp", source=A1.v4)
    assert lab.counter("drop_unknown") > 0


ATTACKS = {
    "arp spoof": (frames.arp_reply(B1.mac, A1.v4), "0a09000b"),
    "arp spoof of the gateway": (frames.arp_reply(B1.mac, "10.9.0.1"), "0a090001"),
    "arp with another's MAC inside": (frames.arp_reply(B1.mac, B1.v4, claimed_mac=A1.mac), "02aa00000001"),
    "rogue router advertisement": (frames.router_advertisement(B1.mac), "0bad"),
    "rogue neighbour advertisement": (frames.neighbour_advertisement(B1.mac, A1.v6), "0bad"),
    "rogue dhcp": (frames.dhcp_offer(B1.mac, B1.v4), b"rogue dhcp offer".hex()),
    "a frame to a peer": (frames.datagram(B1.mac, A2.mac, B1.v4, A2.v4, b"peer to peer"), b"peer to peer".hex()),
    "a tagged frame": (frames.tagged(B1.mac, A2.mac, b"hidden in a tag"), b"hidden in a tag".hex()),
}


def _arrives(lab: Lab, attack: str, timeout: float) -> bool:
    frame, needle = ATTACKS[attack]
    lab["a2"].ask("tap", interface="eth0")
    lab["b1"].ask("frame", interface="eth0", data=frame)
    return bool(lab["a2"].ask("seen", interface="eth0", needle=needle, timeout=timeout))


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_on_the_link_does_not_arrive(guarded: Lab, attack: str) -> None:
    assert not _arrives(guarded, attack, SILENCE)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_same_attack_arrives_where_nothing_is_loaded(lab: Lab, attack: str) -> None:
    assert _arrives(lab, attack, ANSWERS)


def test_the_gateway_does_not_learn_a_stolen_address(guarded: Lab) -> None:
    """A gateway that believed the advertisement would send a1's packets to b1."""
    gateway = guarded.gateway
    assert guarded["a1"].opens("2001:db8::10", 8883)
    guarded["b1"].ask("frame", interface="eth0", data=frames.neighbour_advertisement(B1.mac, A1.v6))
    guarded["b1"].ask("frame", interface="eth0", data=frames.arp_reply(B1.mac, A1.v4))
    assert guarded["b1"].opens("192.0.2.10", 8883)  # what came before it has been handled
    neighbours = gateway.run("ip", "neigh").stdout
    assert not [line for line in neighbours.splitlines() if line.startswith((A1.v4 + " ", A1.v6)) and B1.mac in line]
