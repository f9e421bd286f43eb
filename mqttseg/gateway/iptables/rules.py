"""The rules of one IP version, as text for iptables-restore or ip6tables-restore.

Owns the order of judgement. What is permitted RETURNs to the operator's own rules, which may still refuse it; what is
not is dropped. Every packet is judged, also of a flow that was let through before.
"""

from __future__ import annotations

from collections.abc import Iterator

from mqttseg.gateway.iptables.sets import DIGEST, Destinations, Sets
from mqttseg.gateway.lookup import Branch, Sender, lookup_tree, senders
from mqttseg.gateway.plan import Group, Plan

ENTRIES = {"FORWARD": "mqttseg-forward", "INPUT": "mqttseg-input", "OUTPUT": "mqttseg-output"}
_ASKED = "-m conntrack --ctdir ORIGINAL"
_ANSWER = "-m conntrack --ctstate ESTABLISHED --ctdir REPLY"  # no ICMP error: it may be about another's flow
_LONGEST_PREFIX = 29  # of a log line, in bytes


def rules(plan: Plan, sets: Sets) -> str:
    """The text; ``@digest@`` stands for the plan's digest."""
    return _Rules(plan, sets).text()


class _Rules:
    def __init__(self, plan: Plan, sets: Sets) -> None:
        self.plan = plan
        self.sets = sets
        self.version = sets.version
        self.chains: dict[str, list[str]] = {}

    def text(self) -> str:
        self._write_entries()
        self._write_directions()
        for index, group in enumerate(self.plan.groups):
            self._write_group(index, group)
        lines = ["*filter", *(f":{name} - [0:0]" for name in self.chains)]
        lines += [f"-A {name} {rule}" for name, held in self.chains.items() for rule in held]
        return "\n".join([*lines, "COMMIT"]) + "\n"

    # --- directions --------------------------------------------------------------------------------------------------

    def _write_entries(self) -> None:
        """The three chains that keep their names; all else belongs to one plan."""
        interfaces = self.plan.interfaces
        forward = [f"{bridged} -j RETURN" for bridged in _BRIDGED[self.version]]
        forward += [f"-i {name} -g {_chain('from')}" for name in interfaces]
        forward += [f"-o {name} -g {_chain('to')}" for name in interfaces]
        self.chains[ENTRIES["FORWARD"]] = forward
        self.chains[ENTRIES["INPUT"]] = [f"-i {name} -g {_chain('in')}" for name in interfaces]
        self.chains[ENTRIES["OUTPUT"]] = [f"-o {name} -g {_chain('out')}" for name in interfaces]

    def _write_directions(self) -> None:
        self.chains[_chain("in")] = [*_returned(_LINK_TO_GATEWAY[self.version]), f"-g {_chain('from')}"]
        self.chains[_chain("out")] = [*_returned(_LINK_FROM_GATEWAY[self.version]), f"-g {_chain('to')}"]
        # goto all the way, so that RETURN is back in the operator's chain
        self.chains[_chain("from")] = ["-m conntrack --ctstate INVALID -j DROP", f"-g {_chain('id0')}"]
        for number, held in lookup_tree(senders(self.plan, self.version)).items():
            self.chains[_chain(f"id{number}")] = [*map(_identity, held), f"-g {_chain('unknown')}"]
        self.chains[_chain("unknown")] = list(self._dropped("UNKNOWN", "-"))
        self.chains[_chain("to")] = [
            *_returned(_ERRORS[self.version]),
            f"{_in(self.sets.admin, 'src')} -j RETURN",
            f"{_in(self.sets.devices, 'dst')} -g {_chain('peers')}",
            *self._dropped("DENY", "- to"),
        ]
        groups = range(len(self.plan.groups))
        peers = [f"{_in(self.sets.group(index), 'dst')} -g {_chain(f'r{index}')}" for index in groups]
        self.chains[_chain("peers")] = [*peers, "-j DROP"]
        self.chains[_chain("answers")] = [
            *(f"{_in(self.sets.group(i), 'dst')} {_in(d.name, 'src,src')} -j RETURN" for i, d in self._conduits()),
            *self._dropped("DENY", "- answer"),
        ]

    def _conduits(self) -> Iterator[tuple[int, Destinations]]:
        for index in range(len(self.plan.groups)):
            yield from ((index, one) for one in self.sets.of_group[index] if one.kind.is_peer)

    # --- what a group may do -----------------------------------------------------------------------------------------

    def _write_group(self, index: int, group: Group) -> None:
        self.chains[_chain(f"s{index}")] = list(self._from_device(index, group))
        self.chains[_chain(f"d{index}")] = list(self._denied(group))
        self.chains[_chain(f"r{index}")] = list(self._to_device(index, group))

    def _from_device(self, index: int, group: Group) -> Iterator[str]:
        found, denied = self.sets.of_group[index], _chain(f"d{index}")
        yield f"{_ANSWER} {_in(self.sets.admin, 'dst')} -j RETURN"
        answered = "peers" if group.observe else "answers"  # what is enforced answers through conduits only
        yield f"{_ANSWER} {_in(self.sets.devices, 'dst')} -g {_chain(answered)}"
        yield self._too_many()
        yield from self._towards(group, [d for d in found if d.kind.is_peer])
        if any(d.is_wide for d in found):  # a network that holds devices leads to none
            yield f"{_in(self.sets.devices, 'dst')} -g {denied}"
        yield from self._towards(group, [d for d in found if not d.kind.is_peer])
        for transport, port in _local(group):
            yield f"{_ASKED} -p {transport} --dport {port} -m addrtype --dst-type LOCAL -j RETURN"
        protocol = "icmp" if self.version == 4 else "ipv6-icmp"
        yield f"-p {protocol} -m addrtype --dst-type LOCAL -m limit --limit 20/sec -j RETURN"
        yield f"-g {denied}"

    def _towards(self, group: Group, found: list[Destinations]) -> Iterator[str]:
        for one in found:
            if one.kind.is_seen:
                yield self._logged("OBSERVE", group.name, f"{_ASKED} {_in(one.name, 'dst,dst')}")
            yield f"{_ASKED} {_in(one.name, 'dst,dst')} -j RETURN"

    def _denied(self, group: Group) -> Iterator[str]:
        if not group.observe:
            yield from self._dropped("DENY", group.name)
            return
        yield self._logged("OBSERVE", group.name)
        yield f"{_in(self.sets.devices, 'dst')} -g {_chain('peers')}"
        yield "-j RETURN"

    def _to_device(self, index: int, group: Group) -> Iterator[str]:
        found = self.sets.of_group[index]
        for one in found:
            if one.kind.is_peer:
                yield f"{_ANSWER} {_in(one.name, 'src,src')} -j RETURN"
        strangers = f"-m set ! --match-set {self.sets.devices} src"
        for one in found:
            if not one.kind.is_peer:
                yield f"{_ANSWER} {strangers} {_in(one.name, 'src,src')} -j RETURN"
        for transport, port in _local(group):
            yield f"{_ANSWER} -p {transport} --sport {port} -m addrtype --src-type LOCAL -j RETURN"
        if group.observe:
            yield self._logged("OBSERVE", f"{group.name} to")
            yield "-j RETURN"
        else:
            yield from self._dropped("DENY", f"{group.name} to")

    # --- pieces ------------------------------------------------------------------------------------------------------

    def _too_many(self) -> str:
        limit = "--hashlimit-above 20/sec --hashlimit-burst 40 --hashlimit-mode srcip"
        return f"-m conntrack --ctstate NEW -m hashlimit {limit} --hashlimit-name mqttseg{self.version} -j DROP"

    def _dropped(self, what: str, who: str) -> Iterator[str]:
        yield self._logged(what, who)
        yield "-j DROP"

    @staticmethod
    def _logged(what: str, who: str, match: str = "") -> str:
        prefix = f"mqttseg {what} {who}"[: _LONGEST_PREFIX - 1]
        limit = "-m limit --limit 5/sec --limit-burst 10"
        return " ".join(filter(None, (match, limit, f'-j LOG --log-prefix "{prefix} "')))


_BRIDGED = {  # as in nftables/inet.py: bridged packets that br_netfilter sends here and no router would forward
    4: [f"-d 255.255.255.255 -p udp --dport {port}" for port in (67, 68)],
    6: [f"-p ipv6-icmp --icmpv6-type {kind} -m hl --hl-eq 255" for kind in (133, 134, 135, 136)],
}
_LINK_TO_GATEWAY = {
    4: ["-p udp --sport 68 --dport 67"],
    6: [
        "-p udp --sport 546 --dport 547",
        *(f"-p ipv6-icmp --icmpv6-type {kind} -m hl --hl-eq 255" for kind in (133, 135, 136)),
        *(f"-p ipv6-icmp --icmpv6-type {kind}" for kind in (131, 132, 143)),  # listeners of multicast
    ],
}
_LINK_FROM_GATEWAY = {
    4: ["-p udp --sport 67 --dport 68", "-p icmp", "-p igmp"],
    6: ["-p udp --sport 547 --dport 546", "-p ipv6-icmp"],
}
# That a packet was too big or found no way: without it, a path with a small MTU is a black hole (RFC 1191, RFC 8201).
_ERRORS = {
    4: ["-p icmp --icmp-type 3 -m conntrack --ctstate RELATED"],
    6: [f"-p ipv6-icmp --icmpv6-type {kind} -m conntrack --ctstate RELATED" for kind in (1, 2)],
}


def _chain(what: str) -> str:
    return f"mqttseg-{DIGEST}-{what}"


def _identity(held: Sender | Branch) -> str:
    if isinstance(held, Branch):
        return f"-s {held.network} -g {_chain(f'id{held.chain}')}"
    device = held.device
    return f"-i {device.interface} -s {held.address} -m mac --mac-source {device.mac} -g {_chain(f's{held.group}')}"


def _in(name: str, ends: str) -> str:
    return f"-m set --match-set {name} {ends}"


def _returned(matches: list[str]) -> Iterator[str]:
    return (f"{match} -j RETURN" for match in matches)


def _local(group: Group) -> list[tuple[str, int]]:
    """What the gateway itself serves to a group."""
    return list(dict.fromkeys((str(r.transport), r.port) for r in group.reaches if r.to is None))
