"""Devices put out of the network at once: a table of its own that reloads never touch.

Owns ``inet mqttseg_q``. It drops before every other rule of ours sees the packet, so that live flows end with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from mqttseg.gateway import kernel
from mqttseg.gateway.nftables.text import Table
from mqttseg.gateway.plan import Bound

_FAMILY, _NAME = "inet", "mqttseg_q"
_SETS = {"mac": "ether_addr", "v4": "ipv4_addr", "v6": "ipv6_addr"}


def table_text() -> str:
    """The table with nobody in it. Loading it again changes nothing: only what is missing is added."""
    table = Table(_FAMILY, _NAME, "mqttseg quarantine: kept by reloads")
    for name, kind in _SETS.items():
        table.add_set(name, f"type {kind};", flags="timeout")
    table.add_counter("drop_quarantined")
    drop = "counter name drop_quarantined drop"
    sent = [f"ether saddr @mac {drop}", f"ip saddr @v4 {drop}", f"ip6 saddr @v6 {drop}"]
    got = [f"ip daddr @v4 {drop}", f"ip6 daddr @v6 {drop}"]
    table.add_chain("hook_forward", [*sent, *got], hook="type filter hook forward priority filter - 10")
    table.add_chain("hook_input", sent, hook="type filter hook input priority filter - 10")
    table.add_chain("hook_output", got, hook="type filter hook output priority filter - 10")
    return "\n".join(table.lines()) + "\n"


def ensure() -> None:
    """Make the table where there is none."""
    if not kernel.has_table(_FAMILY, _NAME):
        kernel.load(table_text())


def put_in(device: Bound, seconds: int | None = None) -> None:
    """Put a device out of the network, for so many seconds or until it is released."""
    ensure()
    for_how_long = f" timeout {seconds}s" if seconds else ""
    lines = [f"delete element {_FAMILY} {_NAME} {name} {{ {value} }}" for name, value in _held(device)]
    adds = [f"add element {_FAMILY} {_NAME} {name} {{ {value}{for_how_long} }}" for name, value in _elements(device)]
    kernel.load("\n".join([*lines, *adds]) + "\n")


def release(device: Bound) -> None:
    """Let a device back in, as far as its policy lets it."""
    if lines := [f"delete element {_FAMILY} {_NAME} {name} {{ {value} }}" for name, value in _held(device)]:
        kernel.load("\n".join(lines) + "\n")


def held() -> dict[str, set[str]]:
    """The MAC and IP addresses in quarantine, by set."""
    return {name: set(_members(name)) for name in _SETS} if kernel.has_table(_FAMILY, _NAME) else {}


def _elements(device: Bound) -> Iterator[tuple[str, str]]:
    yield "mac", device.mac
    yield from (("v4", str(address)) for address in device.v4)
    yield from (("v6", str(address)) for address in device.v6)


def _held(device: Bound) -> Iterator[tuple[str, str]]:
    now = held()
    return ((name, value) for name, value in _elements(device) if value in now.get(name, ()))


def _members(name: str) -> Iterator[str]:
    told = json.loads(kernel.elements(_FAMILY, _NAME, name))
    for item in told["nftables"]:
        for element in item.get("set", {}).get("elem", ()):
            yield element["elem"]["val"] if isinstance(element, dict) else element
