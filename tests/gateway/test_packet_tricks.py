# ruff: noqa: ARG005 - an attack that needs neither door nor name takes them all the same
"""Frames and flows made by somebody who has read the ruleset and wants to get across.

Every frame carries the name of its attack; what is captured at its victim says whether it came across.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.gateway import frames
from tests.gateway.conftest import POLICY, Plans, inventory
from tests.gateway.lab import C1, PORTS, SILENCE, Lab

A1, A2, B1, X1 = PORTS
OBSERVED = POLICY.replace("version: 1\n", "version: 1\nmode: observe\n")
CONDUIT = """\
conduits:
  stills:
    from: hvac
    to: cameras
    topics: [hvac/stills]
    network: {allow: [{to: 10.9.0.21, tcp: 7000}, {to: "fd00:9::21", tcp: 7000}]}
"""
TWO_LINKS = POLICY.replace("[br-iot]", "[br-iot, iot1]").replace("members: [b1]", "members: [b1, c1]")


def _two_links(*hosts: str) -> str:
    """An inventory that also has c1, alone on its interface."""
    return inventory(*hosts) + (f'  c1: {{interface: iot1, mac: "{C1.mac}", addresses: [{C1.v4}, "{C1.v6}"]}}\n')


@dataclass(frozen=True, slots=True)
class Attack:
    """A frame from one host that another must not see. ``make``: from the gateway's MAC address and a payload."""

    sender: str
    victim: str
    make: Callable[[str, bytes], str]
    needle: str = ""  # hex that betrays it, where the payload does not
    stopped_anyway: bool = False  # by a kernel with its usual settings


LSRR = b"\x83\x07\x04\xc0\x00\x02\x0a\x00"  # loose source route to 192.0.2.10, RFC 791 3.1
ROUTING = b"\x02\x00\x01\x00\x00\x00\x00"  # without the address that must follow
MDNS = "01:00:5e:00:00:fb"

ATTACKS = {
    "a datagram to a peer through the gateway": Attack(
        "b1", "a2", lambda gw, name: frames.datagram(B1.mac, gw, B1.v4, A2.v4, name)
    ),
    "a datagram to a peer past the gateway": Attack(
        "b1", "a2", lambda gw, name: frames.datagram(B1.mac, A2.mac, B1.v4, A2.v4, name)
    ),
    "an IPv6 datagram to a peer past the gateway": Attack(
        "b1", "a2", lambda gw, name: frames.datagram6(B1.mac, A2.mac, B1.v6, A2.v6, name)
    ),
    "a fragment to a peer past the gateway": Attack(
        "b1", "a2", lambda gw, name: frames.fragment(B1.mac, A2.mac, B1.v4, A2.v4, name)
    ),
    "a datagram behind an extension header past the gateway": Attack(
        "b1", "a2", lambda gw, name: frames.datagram6(B1.mac, A2.mac, B1.v6, A2.v6, name, extension=60)
    ),
    "a datagram behind an extension header to the servers": Attack(
        "b1", "srv", lambda gw, name: frames.datagram6(B1.mac, gw, B1.v6, "2001:db8::10", name, extension=60)
    ),
    "an answer that nobody asked for": Attack(
        "b1", "srv", lambda gw, name: frames.datagram(B1.mac, gw, B1.v4, "192.0.2.10", name, ports=(8883, 7000))
    ),
    "UDP to the port that is open for TCP": Attack(
        "b1", "srv", lambda gw, name: frames.datagram(B1.mac, gw, B1.v4, "192.0.2.10", name, ports=(7000, 8883))
    ),
    "a source route": Attack(
        "a1",
        "srv",
        lambda gw, name: frames.datagram(A1.mac, gw, A1.v4, "192.0.2.53", name, ports=(7000, 53), options=LSRR),
        stopped_anyway=True,
    ),
    "an IPv4 option": Attack(
        "a1",
        "srv",
        lambda gw, name: frames.datagram(A1.mac, gw, A1.v4, "192.0.2.53", name, ports=(7000, 53), options=b"\x01" * 4),
    ),
    "an IPv6 routing header": Attack(
        "a1",
        "srv",
        lambda gw, name: frames.datagram6(
            A1.mac, gw, A1.v6, "2001:db8::10", name, ports=(7000, 8884), extension=43, header=b"\0\x04\0\0\0\0\0"
        ),
    ),
    "an IPv4-mapped source": Attack(
        "b1",
        "srv",
        lambda gw, name: frames.datagram6(B1.mac, gw, f"::ffff:{A1.v4}", "2001:db8::10", name, ports=(7000, 8884)),
    ),
    "mDNS to all": Attack("b1", "a2", lambda gw, name: frames.datagram(B1.mac, MDNS, B1.v4, "224.0.0.251", name)),
    "a broadcast": Attack(
        "b1", "a2", lambda gw, name: frames.datagram(B1.mac, frames.EVERYBODY, B1.v4, "10.9.0.255", name)
    ),
    "a broadcast that looks like DHCP": Attack(
        "b1",
        "a2",
        lambda gw, name: frames.datagram(B1.mac, frames.EVERYBODY, "0.0.0.0", "255.255.255.255", name, ports=(68, 67)),
    ),
    "an answer of a DHCP server": Attack(
        "b1",
        "a2",
        lambda gw, name: frames.datagram(B1.mac, frames.EVERYBODY, B1.v4, "255.255.255.255", name, ports=(67, 68)),
    ),
    "a ping past the gateway": Attack(
        "b1", "a2", lambda gw, name: frames.icmp(B1.mac, A2.mac, B1.v4, A2.v4, 8, 0, b"\0\1\0\1" + name)
    ),
    "a redirect in the gateway's name": Attack(
        "b1", "a2", lambda gw, name: frames.icmp(B1.mac, A2.mac, "10.9.0.1", A2.v4, 5, 1, b"\x0a\x09\0\x15" + name)
    ),
    "a frame in the gateway's name": Attack(
        "b1", "a2", lambda gw, name: frames.datagram(gw, A2.mac, "10.9.0.1", A2.v4, name)
    ),
    "a VLAN tag": Attack("b1", "a2", lambda gw, name: frames.tagged(B1.mac, A2.mac, name)),
    "a provider's VLAN tag": Attack("b1", "a2", lambda gw, name: frames.tagged(B1.mac, A2.mac, name, kind=0x88A8)),
    "a protocol nobody knows": Attack("b1", "a2", lambda gw, name: frames.tagged(B1.mac, A2.mac, name, kind=0x88B5)),
    "a hidden router advertisement": Attack(
        "b1", "a2", lambda gw, name: frames.hidden_router_advertisement(B1.mac), needle="3a0001040000000086"
    ),
    "a solicitation in the gateway's name": Attack(
        "b1",
        "a2",
        lambda gw, name: frames.neighbour_solicitation(B1.mac, "fe80::1:bad", A2.v6),
        needle="00010bad" + "ff02",
    ),
    "an advertisement of a peer's address": Attack(
        "b1",
        "a2",
        lambda gw, name: frames.neighbour_advertisement(B1.mac, A1.v6),
        needle="000bad" + "ff020000000000000000000000000001" + "8800",
    ),
    "an advertisement of a peer's address under its own": Attack(
        "b1",
        "a2",
        lambda gw, name: frames.neighbour_advertisement(B1.mac, A1.v6, B1.v6),
        needle="20000000fd000009000000000000000000000011" + "0201" + "02bb00000001",
    ),
    "the administrator's address at the servers' side": Attack(
        "srv", "a1", lambda gw, name: frames.datagram("", gw, "198.51.100.40", A1.v4, name)
    ),
    "to a device on another interface": Attack(
        "b1", "c1", lambda gw, name: frames.datagram(B1.mac, gw, B1.v4, C1.v4, name)
    ),
    "from a device on another interface": Attack(
        "c1", "a1", lambda gw, name: frames.datagram(C1.mac, gw, C1.v4, A1.v4, name)
    ),
    "another interface's address": Attack(
        "c1", "srv", lambda gw, name: frames.datagram(C1.mac, gw, A1.v4, "192.0.2.53", name, ports=(7000, 53))
    ),
}


def _tried(network: Lab) -> frozenset[str]:
    """The attacks that come across, tried at once."""
    doors = {"b1": "br-iot", "a1": "br-iot", "c1": "iot1", "srv": "up0"}
    victims = sorted({attack.victim for attack in ATTACKS.values()})
    for victim in victims:
        network[victim].ask("tap", interface="eth0")
    for name, attack in ATTACKS.items():
        door = network.gateway.mac(doors[attack.sender])
        data = attack.make(door, name.encode())
        if attack.sender == "srv":  # its MAC address is nobody's business
            data = data[:12] + network["srv"].mac().replace(":", "") + data[12:]
        network[attack.sender].ask("frame", interface="eth0", data=data)
    seen = {victim: network[victim].ask("captured", interface="eth0", timeout=SILENCE) for victim in victims}
    return frozenset(n for n, a in ATTACKS.items() if (a.needle or n.encode().hex()) in seen[a.victim])


@contextmanager
def _bridge_calls(network: Lab, value: int) -> Iterator[None]:
    """br_netfilter, as container hosts have it, hands bridged packets to the routed table, too."""
    keys = [f"net.bridge.bridge-nf-call-{what}" for what in ("iptables", "ip6tables")]
    network.gateway.run("sysctl", "-qw", *(f"{key}={value}" for key in keys))
    yield
    network.gateway.run("sysctl", "-qw", *(f"{key}=1" for key in keys))


@pytest.fixture(scope="module")
def across(network: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, frozenset[str]]:
    """What comes across, by what is loaded."""
    plans = Plans(tmp_path_factory.mktemp("plans"))
    everybody = _two_links("a1", "a2", "b1")
    found = {}
    with _bridge_calls(network, 0):
        found["nothing"] = _tried(network)
        network.load(plans.ruleset(TWO_LINKS, everybody))
        found["the rules"] = _tried(network)
        network.load(plans.ruleset(TWO_LINKS + CONDUIT, everybody))
        found["a conduit"] = _tried(network)
    with _bridge_calls(network, 1):
        found["br_netfilter"] = _tried(network)
    network.gateway.run("nft", "flush", "ruleset")
    return found


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("loaded", ["the rules", "a conduit", "br_netfilter"])
def test_attack_does_not_come_across(across: dict[str, frozenset[str]], loaded: str, attack: str) -> None:
    assert attack not in across[loaded]


@pytest.mark.parametrize("attack", [name for name, attack in ATTACKS.items() if not attack.stopped_anyway])
def test_the_same_attack_comes_across_where_nothing_is_loaded(across: dict[str, frozenset[str]], attack: str) -> None:
    assert attack in across["nothing"]
