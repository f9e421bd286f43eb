"""Enough of RouterOS to read back what we write. What it does not know is an error: nothing is skipped."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network

from mqttseg.gateway.plan import Network
from tests.gateway.oracle import Packet, version

Rule = dict[str, str]


@dataclass(slots=True)
class Menu:
    """The filter and the address lists of one IP version, after an import into an empty router."""

    lists: dict[str, list[Network]] = field(default_factory=dict)
    chains: dict[str, list[Rule]] = field(default_factory=dict)

    def add(self, menu: str, words: dict[str, str]) -> None:
        words.pop("comment", None)
        if menu == "address-list":
            self.lists.setdefault(words["list"], []).append(ip_network(words["address"]))
            return
        chain = self.chains.setdefault(words.pop("chain"), [])
        on_top = words.pop("place-before", None)
        chain.insert(0 if on_top else len(chain), words)


class Router:
    """A script, read."""

    def __init__(self, script: str) -> None:
        self.menus = {4: Menu(), 6: Menu()}
        menu, kind = self.menus[4], ""
        for line in script.splitlines():
            if line.startswith("/"):
                path, _, kind = line.split()
                menu = self.menus[6 if path == "/ipv6" else 4]
            elif line.startswith("add "):
                command, _, where = line.partition(" place-before=")
                words = dict(word.split("=", 1) for word in shlex.split(command)[1:])
                menu.add(kind, words | ({"place-before": where} if where else {}))
            else:
                assert line.startswith(("#", ":if (", "remove [find "))

    def accept(self, packet: Packet) -> bool:
        """Whether the packet is accepted, or none of ours."""
        menu = self.menus[version(packet)]
        return self._walk(menu, "forward" if packet.oif else "input", packet) in {"accept", ""}

    def _walk(self, menu: Menu, chain: str, packet: Packet) -> str:
        for rule in menu.chains[chain]:
            if not self._matches(menu, rule, packet):
                continue
            match rule["action"]:
                case "jump":
                    verdict = self._walk(menu, rule["jump-target"], packet)
                    if verdict == "return":
                        continue
                    assert verdict, f"a packet falls out of {rule['jump-target']}"
                    return verdict
                case "log":
                    continue
                case verdict:
                    return verdict
        return ""

    def _matches(self, menu: Menu, rule: Rule, packet: Packet) -> bool:
        return all(self._is(menu, key, value, packet) for key, value in rule.items() if key not in _NO_MATCH)

    @staticmethod
    def _is(menu: Menu, key: str, value: str, packet: Packet) -> bool:
        if key.endswith("-address-list"):
            address = packet.src if key.startswith("src") else packet.dst
            negated = value.startswith("!")
            return any(address in network for network in menu.lists.get(value.lstrip("!"), ())) is not negated
        return _MATCHES[key](packet, value)


_NO_MATCH = {"action", "jump-target", "log-prefix", "limit"}
_MATCHES: dict[str, Callable[[Packet, str], bool]] = {
    "in-interface": lambda packet, value: packet.iif == value,
    "out-interface": lambda packet, value: packet.oif == value,
    "src-mac-address": lambda packet, value: packet.mac == value.lower(),
    "src-address": lambda packet, value: packet.src in ip_network(value),
    "dst-address": lambda packet, value: packet.dst in ip_network(value),
    "protocol": lambda packet, value: packet.protocol == value,
    "src-port": lambda packet, value: packet.sport == int(value),
    "dst-port": lambda packet, value: packet.dport == int(value),
    "dst-address-type": lambda packet, value: value == "local" and packet.is_local,
    # a packet here is a flow's first, from elsewhere, and no ICMP
    "connection-state": lambda _, value: "new" in value.split(","),
    **dict.fromkeys(("src-address-type", "icmp-options", "hop-limit"), lambda *_: False),
}
