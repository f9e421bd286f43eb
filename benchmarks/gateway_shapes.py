"""What the gateway's benchmark loads: a site of many devices, and a ruleset in the shape of the first design.

The design's shape has the same identity maps, destination sets and bridge pins, and none of what was added since:
judging frames between ports of one bridge, answers by who opened the flow, the targets of advertisements.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

SEGMENTS = 100
PORTS = 48


def devices(count: int) -> Iterator[tuple[str, str, str, str, str]]:
    """Name, MAC address, IPv4 and IPv6 address, and port; the names tell the segment."""
    for number in range(count):
        mac = ":".join(f"{byte:02x}" for byte in (0x0200 << 32 | number).to_bytes(6, "big"))
        v4 = f"10.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        yield (
            f"s{number % SEGMENTS}-{number}",
            mac,
            v4,
            f"fd00:9::{number >> 16:x}:{number & 65535:x}",
            f"p{number % PORTS}",
        )


def write_site(folder: Path, count: int, *, ports: bool) -> None:
    """policy.yaml and devices.yaml."""
    segments = "".join(
        f'  s{number}: {{members: ["s{number}-*"], network: {{allow: [dns, ntp]}}}}\n' for number in range(SEGMENTS)
    )
    (folder / "policy.yaml").write_text(
        f"version: 1\ntrust_domain: bench.example\nsegments:\n{segments}network:\n  interfaces: [br-iot]\n"
        '  broker: {addresses: [192.0.2.10, "2001:db8::10"], ports: [8883]}\n  services: {dns: [192.0.2.53]}\n'
    )
    lines = [
        f'  {name}: {{mac: "{mac}", addresses: [{v4}, "{v6}"]{f", port: {port}" if ports else ""}}}\n'
        for name, mac, v4, v6, port in devices(count)
    ]
    (folder / "devices.yaml").write_text("version: 1\ndevices:\n" + "".join(lines))


def reference_ruleset(count: int) -> str:
    """The design's ruleset for so many devices."""
    held = [(int(name[1:].partition("-")[0]), mac, v4, v6, port) for name, mac, v4, v6, port in devices(count)]
    lines = [f"{word} {family} mqttseg" for family in ("inet", "bridge") for word in ("table", "delete table")]
    lines += ["table inet mqttseg {", '  set iot_if { type ifname; elements = { "br-iot" }; }']
    for version, field, address in ((4, "ip", 2), (6, "ip6", 3)):
        senders = (f'    "br-iot" . {d[1]} . {d[address]} : goto seg_{d[0]}' for d in held)
        lines.append(_elements(f"map dev{version}", f"typeof iifname . ether saddr . {field} saddr : verdict", senders))
        targets = (f"    {d[address]} : goto re_{d[0]}" for d in held)
        lines.append(_elements(f"map peer{version}", f"typeof {field} daddr : verdict", targets))
    for segment in range(SEGMENTS):
        lines += _segment(segment)
    lines += _DIRECTIONS
    lines.append("table bridge mqttseg {")
    lines.append(_elements("set bind4", "typeof ether saddr . arp saddr ip", (f"    {d[1]} . {d[2]}" for d in held)))
    lines.append(_elements("set mac_port", "typeof ether saddr . iifname", (f'    {d[1]} . "{d[4]}"' for d in held)))
    return "\n".join([*lines, *_BRIDGE]) + "\n"


def _elements(what: str, kind: str, elements: Iterator[str]) -> str:
    return f"  {what} {{ {kind}; elements = {{\n" + ",\n".join(elements) + "\n  } }"


def _segment(number: int) -> Iterator[str]:
    servers = {
        4: "192.0.2.10 . tcp . 8883, 192.0.2.53 . udp . 53, 192.0.2.53 . tcp . 53",
        6: "2001:db8::10 . tcp . 8883",
    }
    for version, elements in servers.items():
        kind = f"type ipv{version}_addr . inet_proto . inet_service; flags interval"
        yield f"  set dst{version}_{number} {{ {kind}; elements = {{ {elements} }}; }}"
    yield f"  counter deny_{number} {{ }}"
    yield f"""  chain seg_{number} {{
    ct state established,related ct mark and 0xff000000 == 0x01000000 accept
    ip daddr . meta l4proto . th dport @dst4_{number} goto pass
    ip6 daddr . meta l4proto . th dport @dst6_{number} goto pass
    counter name deny_{number}
    limit rate 5/second burst 10 packets log prefix "mqttseg DENY seg={number} rev=1 "
    drop
  }}
  chain re_{number} {{
    ip saddr . meta l4proto . th sport @dst4_{number} accept
    ip6 saddr . meta l4proto . th sport @dst6_{number} accept
    drop
  }}"""


_DIRECTIONS = """\
  chain pass {
    ct mark set ct mark and 0x00ffffff or 0x01000000
    accept
  }
  chain from_dev {
    ct state invalid counter drop
    iifname . ether saddr . ip saddr vmap @dev4
    iifname . ether saddr . ip6 saddr vmap @dev6
    drop
  }
  chain to_dev {
    ct state established,related ct mark and 0xff000000 == 0x01000000 accept
    ct state established,related ct direction reply ip daddr vmap @peer4
    ct state established,related ct direction reply ip6 daddr vmap @peer6
    drop
  }
  chain hook_forward { type filter hook forward priority filter; policy accept;
    iifname @iot_if jump from_dev
    oifname @iot_if jump to_dev
  }
}""".splitlines()
_BRIDGE = [
    "  set iot_port { type ifname; elements = { " + ", ".join(f'"p{n}"' for n in range(PORTS)) + " }; }",
    *"""\
  chain hook_forward { type filter hook forward priority 0; policy accept;
    iifname @iot_port oifname @iot_port drop
  }
  chain hook_pre { type filter hook prerouting priority -300; policy accept;
    iifname @iot_port jump pre_iot
  }
  chain pre_iot {
    ether saddr . iifname != @mac_port drop
    ether type arp ether saddr . arp saddr ip != @bind4 drop
  }
}""".splitlines(),
]
