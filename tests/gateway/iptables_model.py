"""Enough of iptables and ipset to read back what we write. What it does not know is an error: nothing is skipped."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network

from mqttseg.gateway.plan import Network
from tests.gateway.oracle import Packet, version

_SECTION = re.compile(r"^(ip6?tables_rules|ipset)[^\n]*<<'END'\n(.*?)^END$", re.MULTILINE | re.DOTALL)


@dataclass(slots=True)
class Tables:
    """Sets and rules, as a script loads them."""

    sets: dict[str, list[tuple[Network, str | None]]] = field(default_factory=dict)
    chains: dict[int, dict[str, list[list[str]]]] = field(default_factory=lambda: {4: {}, 6: {}})

    @classmethod
    def of(cls, script: str) -> Tables:
        tables = cls()
        for tool, text in _SECTION.findall(script):
            if tool == "ipset":
                tables._read_sets(text)
            else:
                tables._read_rules(tables.chains[6 if tool == "ip6tables_rules" else 4], text)
        return tables

    def _read_sets(self, text: str) -> None:
        for line in text.splitlines():
            verb, name, element, *_ = line.split()
            if verb == "create":
                self.sets[name] = []
            else:
                network, _, port = element.partition(",")
                self.sets[name].append((ip_network(network), port or None))

    @staticmethod
    def _read_rules(chains: dict[str, list[list[str]]], text: str) -> None:
        for line in text.splitlines():
            if line.startswith(":"):
                chains[line.split()[0][1:]] = []
            elif line.startswith("-A"):
                _, chain, *rule = shlex.split(line)
                chains[chain].append(rule)
            else:
                assert line in {"*filter", "COMMIT"}

    def accept(self, packet: Packet) -> bool:
        """Whether the packet comes back from our chains to the operator's."""
        entry = "mqttseg-forward" if packet.oif else "mqttseg-input"
        return self._walk(self.chains[version(packet)], entry, packet) == "RETURN"

    def _walk(self, chains: dict[str, list[list[str]]], chain: str, packet: Packet) -> str:
        for rule in chains[chain]:
            verdict = self._judge(list(rule), packet)
            if verdict in {"DROP", "RETURN"}:
                return verdict
            if verdict in chains:  # goto: what ends there ends here
                return self._walk(chains, verdict, packet)
            assert verdict in {"", "LOG"}, verdict
        assert chain in {"mqttseg-forward", "mqttseg-input"}, f"a packet falls out of {chain}"
        return "RETURN"

    def _judge(self, rule: list[str], packet: Packet) -> str:
        """The target if everything matches, else nothing."""
        matches, negated = True, False
        while rule:
            word = rule.pop(0)
            if word == "!":
                negated = True
                continue
            if word in {"-g", "-j"}:
                target = rule.pop(0)
                return target if matches else ""
            if word == "-m" or word.startswith(("--limit", "--hashlimit")):
                kind = rule.pop(0)
                matches &= kind != "hashlimit"  # no packet here is one too many
                continue
            if word == "--match-set":
                found = self._is_in(rule.pop(0), rule.pop(0), packet)
            else:
                found = _OPTIONS[word](packet, rule.pop(0))
            matches &= found is not negated
            negated = False
        raise AssertionError("a rule without a target")

    def _is_in(self, name: str, ends: str, packet: Packet) -> bool:
        is_src = ends.startswith("src")
        address, port = (packet.src, packet.sport) if is_src else (packet.dst, packet.dport)
        wanted = f"{packet.protocol}:{port}" if "," in ends else None
        return any(address in network and wanted == held for network, held in self.sets[name])


_OPTIONS: dict[str, Callable[[Packet, str], bool]] = {
    "-i": lambda packet, value: packet.iif == value,
    "-o": lambda packet, value: packet.oif == value,
    "-s": lambda packet, value: packet.src in ip_network(value),
    "-d": lambda packet, value: packet.dst in ip_network(value),
    "-p": lambda packet, value: packet.protocol == value,
    "--sport": lambda packet, value: packet.sport == int(value),
    "--dport": lambda packet, value: packet.dport == int(value),
    "--mac-source": lambda packet, value: packet.mac == value,
    "--dst-type": lambda packet, value: value == "LOCAL" and packet.is_local,
    # a packet here is a flow's first, and no ICMP
    "--ctdir": lambda _, value: value == "ORIGINAL",
    "--ctstate": lambda _, value: "NEW" in value.split(","),
    **dict.fromkeys(("--src-type", "--icmp-type", "--icmpv6-type", "--hl-eq"), lambda *_: False),
}
