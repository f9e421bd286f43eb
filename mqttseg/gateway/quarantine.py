"""Devices put out of the network at once: tables of their own that reloads never touch.

Owns ``inet mqttseg_q`` and ``bridge mqttseg_q``. They drop before every other rule of ours sees the packet, so that
live flows end with it; the second because frames between ports of one bridge pass no router. Refuses to know who is in
quarantine and why: the register in the state directory says so, and the tables follow it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mqttseg.gateway import kernel
from mqttseg.gateway.nftables.text import Table
from mqttseg.gateway.plan import Address

_NAME = "mqttseg_q"
_FAMILIES = ("inet", "bridge")
_SETS = {"mac": "ether_addr", "v4": "ipv4_addr", "v6": "ipv6_addr"}
_COMMENT = "mqttseg quarantine: kept by reloads"
_DROP = "counter name drop_quarantined drop"


@dataclass(frozen=True, slots=True)
class Excluded:
    """A device that is out. ``seconds`` None: until it is released."""

    device: str
    mac: str | None
    addresses: tuple[Address, ...]
    seconds: float | None = None


def table_text(family: str) -> str:
    """A family's table with nobody in it."""
    table = Table(family, _NAME, _COMMENT)
    for name, kind in _sets(family).items():
        table.add_set(name, f"type {kind};", flags="timeout")
    table.add_counter("drop_quarantined")
    for hook, priority, rules in _routed() if family == "inet" else _bridged():
        table.add_chain(f"hook_{hook}", rules, hook=f"type filter hook {hook} priority {priority}")
    return "\n".join(table.lines()) + "\n"


def ensure() -> None:
    """Make the tables where there are none."""
    missing = [family for family in _FAMILIES if not kernel.has_table(family, _NAME)]
    if missing:
        kernel.load("".join(map(table_text, missing)))


def is_here() -> bool:
    """Whether this host holds the tables: then it is a gateway of ours."""
    return kernel.has_table("inet", _NAME)


def follow(excluded: Iterable[Excluded]) -> None:
    """These devices are out, and no others: all of it in one step. NftError: nothing was changed."""
    ensure()
    lines = [f"flush set {family} {_NAME} {name}" for family in _FAMILIES for name in _sets(family)]
    for device in excluded:
        lines += _added(device)
    kernel.load("\n".join(lines) + "\n")


def held() -> dict[str, set[str]]:
    """The MAC and IP addresses in quarantine, by set."""
    return {name: set(_members(name)) for name in _SETS} if is_here() else {}


def _sets(family: str) -> dict[str, str]:
    return _SETS if family == "inet" else {"mac": _SETS["mac"]}


def _routed() -> Iterator[tuple[str, str, list[str]]]:
    sent = [f"ether saddr @mac {_DROP}", f"ip saddr @v4 {_DROP}", f"ip6 saddr @v6 {_DROP}"]
    got = [f"ip daddr @v4 {_DROP}", f"ip6 daddr @v6 {_DROP}"]
    yield "forward", "filter - 10", [*sent, *got]
    yield "input", "filter - 10", sent
    yield "output", "filter - 10", got


def _bridged() -> Iterator[tuple[str, str, list[str]]]:
    yield "prerouting", "-310", [f"ether saddr @mac {_DROP}"]
    yield "forward", "-10", [f"ether daddr @mac {_DROP}"]
    yield "output", "-10", [f"ether daddr @mac {_DROP}"]


def _added(device: Excluded) -> Iterator[str]:
    for_how_long = "" if device.seconds is None else f" timeout {max(1, math.ceil(device.seconds))}s"
    if device.mac:
        yield from (f"add element {family} {_NAME} mac {{ {device.mac}{for_how_long} }}" for family in _FAMILIES)
    for address in device.addresses:
        yield f"add element inet {_NAME} v{address.version} {{ {address}{for_how_long} }}"


def _members(name: str) -> Iterator[str]:
    told = json.loads(kernel.elements("inet", _NAME, name))
    for item in told["nftables"]:
        for element in item.get("set", {}).get("elem", ()):
            yield element["elem"]["val"] if isinstance(element, dict) else element
