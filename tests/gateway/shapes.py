"""Plans to render: one of each thing that a policy can say."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from mqttseg.errors import Source
from mqttseg.gateway.plan import Bound, Group, Plan, Reach, Transport
from tests.gateway.conftest import POLICY, inventory

DEVICES = inventory("a1", "a2", "b1")
CONDUIT = "conduits:\n  stills: {from: hvac, to: cameras, topics: [hvac/x], network: {allow: [https]}}\n"
WIDE = '[dns, {to: 10.0.0.0/8, tcp: [443, 7000]}, {to: "::/0", udp: 5000}, {to: 0.0.0.0/0, udp: 5000}]'
SHAPES = {
    "two-segments": (POLICY, DEVICES),
    "observe": (POLICY.replace("version: 1\n", "version: 1\nmode: observe\n"), DEVICES),
    "half-observed": (POLICY.replace("  cameras:\n", "  cameras:\n    mode: observe\n") + CONDUIT, DEVICES),
    "conduit": (POLICY + CONDUIT, DEVICES),
    "observed-conduit": (POLICY + CONDUIT.replace("{from", "{mode: observe, from"), DEVICES),
    "wide": (POLICY.replace("[dns, ntp]", WIDE), DEVICES),
    "no-devices": (POLICY.replace("  ports: [px1]\n", ""), "version: 1\ndevices: {}\n"),
    "reserved-words": (POLICY.replace("  hvac:", "  log:").replace("  cameras:", "  counter:"), DEVICES),
}
_SOURCE = Source("policy.yaml", 1, 1)


def many_devices(count: int, groups: int = 3) -> Plan:
    """A plan of many devices that all reach the broker, and each group a server of its own."""
    broker = Reach(ip_network("192.0.2.10/32"), Transport.TCP, 8883, "broker", _SOURCE)
    return Plan(
        source=_SOURCE,
        interfaces=("br-iot",),
        groups=tuple(
            Group(
                segment=f"s{group}",
                role="",
                observe=False,
                devices=tuple(_device(number) for number in range(group, count, groups)),
                reaches=(broker, Reach(ip_network(f"198.51.100.{group}/32"), Transport.UDP, 53, "dns", _SOURCE)),
                source=_SOURCE,
            )
            for group in range(groups)
        ),
        admin=(),
    )


def _device(number: int) -> Bound:
    spread = number * 37 % 0xFFFF  # dense here, scattered there
    addresses = (ip_address("10.9.0.2") + spread, ip_address("fd00:9::2") + spread)
    mac = "02:00:00:00:" + f"{number >> 8:02x}:{number & 255:02x}"
    return Bound(f"d{number}", "br-iot", mac, addresses, _SOURCE)
