"""The plan as a script for MikroTik RouterOS 7.

Owns the order of loading: chains whose names hold the plan's digest are made aside, then jumps to them go on top, then
what is left of the plan before goes, so that there is neither a gap nor an outage. What is permitted is accepted at
once: rules further down may hand a connection to FastTrack, which no rule would see again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from mqttseg.gateway import expressible
from mqttseg.gateway.lookup import Branch, Sender, lookup_tree, senders
from mqttseg.gateway.plan import Group, Plan
from mqttseg.gateway.reaching import Kind, collapsed, of_kind

_DIGEST = "@digest@"
_MENUS = {4: "/ip firewall", 6: "/ipv6 firewall"}
_ESTABLISHED = "connection-state=established"


def render_mikrotik(plan: Plan) -> str:
    """The script, for ``/import``. Raises ConfigurationError if the plan pins devices to ports."""
    expressible.refuse(expressible.ports(plan, "mikrotik"))
    lines = [
        f"# Made by `mqttseg gateway render mikrotik` from plan {_DIGEST}. Change the policy, not this file.",
        "# RouterOS 7. Take safe mode first (Ctrl-X), /import this file, look, and leave safe mode to keep it.",
    ]
    for version in _MENUS:
        lines += _Script(plan, version).lines()
    text = "\n".join(lines) + "\n"
    return text.replace(_DIGEST, hashlib.sha256(text.encode()).hexdigest()[:8])


@dataclass(frozen=True, slots=True)
class _Script:
    """The commands for one IP version."""

    plan: Plan
    version: int

    def lines(self) -> Iterator[str]:
        menu = _MENUS[self.version]
        ours, loaded = f"^mqttseg-{_DIGEST}-", f"mqttseg jump {_DIGEST}"
        yield f"{menu} filter"
        yield f':if ([:len [find comment="{loaded}"]] > 0) do={{:error "plan {_DIGEST} is loaded already"}}'
        yield f'remove [find chain~"{ours}"]'
        yield f"{menu} address-list"
        yield f'remove [find list~"{ours}"]'
        yield from self._lists()
        yield f"{menu} filter"
        yield from self._chains()
        for chain, match, target in self._jumps():
            where = "place-before=[:pick [find dynamic=no] 0]"
            yield f'add chain={chain} {match} action=jump jump-target={target} comment="{loaded}" {where}'
        yield f'remove [find comment~"^mqttseg jump " and comment!="{loaded}"]'
        yield f'remove [find chain~"^mqttseg-" and !(chain~"{ours}")]'
        yield f"{menu} address-list"
        yield f'remove [find list~"^mqttseg-" and !(list~"{ours}")]'

    def _lists(self) -> Iterator[str]:
        for sender in senders(self.plan, self.version):
            for name in ("dev", f"g{sender.group}"):
                yield f'add list={_chain(name)} address={sender.address} comment="mqttseg {sender.device.device}"'
        for network in self.plan.admin:
            if network.version == self.version:
                yield f'add list={_chain("adm")} address={network} comment="mqttseg admin"'

    def _jumps(self) -> Iterator[tuple[str, str, str]]:
        """Each goes on top of those before: a packet between devices is judged by its sender first."""
        for name in self.plan.interfaces:
            yield "output", f'out-interface="{name}"', _chain("out")
            yield "input", f'in-interface="{name}"', _chain("in")
        for name in self.plan.interfaces:
            yield "forward", f'out-interface="{name}"', _chain("to")
        for name in self.plan.interfaces:
            yield "forward", f'in-interface="{name}"', _chain("from")

    # --- chains ------------------------------------------------------------------------------------------------------

    def _chains(self) -> Iterator[str]:
        yield from _rules("in", *(f"{m} action=return" for m in _TO_GATEWAY[self.version]), _jump("from"))
        yield from _rules("out", *(f"{m} action=return" for m in _FROM_GATEWAY[self.version]), _jump("to"))
        yield from _rules("from", "connection-state=invalid action=drop", _jump("id0"))
        yield from self._identities()
        yield from _rules("unknown", *_dropped("UNKNOWN", "-"))
        yield from self._towards_devices()
        for index, group in enumerate(self.plan.groups):
            yield from _rules(f"s{index}", *self._from_device(index, group))
            yield from _rules(f"d{index}", *_denied(group))
            yield from _rules(f"r{index}", *self._to_device(group))

    def _identities(self) -> Iterator[str]:
        for number, held in lookup_tree(senders(self.plan, self.version)).items():
            yield from _rules(f"id{number}", *map(_identity, held), _jump("unknown"))

    def _towards_devices(self) -> Iterator[str]:
        errors = (f"{match} connection-state=related action=accept" for match in _ERRORS[self.version])
        admin = f"src-address-list={_chain('adm')} action=accept"
        devices = f"dst-address-list={_chain('dev')} {_jump('peers')}"
        yield from _rules("to", *errors, admin, devices, *_dropped("DENY", "- to"))
        groups = range(len(self.plan.groups))
        peers = (f"dst-address-list={_chain(f'g{index}')} {_jump(f'r{index}')}" for index in groups)
        yield from _rules("peers", *peers, "action=drop")
        yield from _rules("answers", *self._conduit_answers(), *_dropped("DENY", "- answer"))

    def _conduit_answers(self) -> Iterator[str]:
        for index, group in enumerate(self.plan.groups):
            for match in self._answers(group, peers=True):
                yield f"{match} dst-address-list={_chain(f'g{index}')} action=accept"

    def _answers(self, group: Group, *, peers: bool) -> Iterator[str]:
        """RouterOS does not tell who began a flow, but only what was permitted can be established."""
        for kind in Kind:
            if kind.is_peer is peers:
                for network, transport, port in collapsed(of_kind(group, kind, self.version)):
                    yield f"{_ESTABLISHED} protocol={transport} src-address={network} src-port={port}"

    def _from_device(self, index: int, group: Group) -> Iterator[str]:
        yield from self._reaching(group, peers=True)
        yield f"{_ESTABLISHED} dst-address-list={_chain('adm')} action=accept"
        answered = "peers" if group.observe else "answers"  # what is enforced answers through conduits only
        yield f"{_ESTABLISHED} dst-address-list={_chain('dev')} {_jump(answered)}"
        yield f"dst-address-list={_chain('dev')} {_jump(f'd{index}')}"  # a network that holds devices leads to none
        yield from self._reaching(group, peers=False)
        for protocol, port in _local(group):
            yield f"protocol={protocol} dst-port={port} dst-address-type=local action=accept"
        icmp = "icmp" if self.version == 4 else "icmpv6"
        yield f"protocol={icmp} dst-address-type=local limit=20,20:packet action=accept"
        yield _jump(f"d{index}")

    def _reaching(self, group: Group, *, peers: bool) -> Iterator[str]:
        for kind in Kind:
            if kind.is_peer is not peers:
                continue
            for network, transport, port in collapsed(of_kind(group, kind, self.version)):
                match = f"protocol={transport} dst-address={network} dst-port={port}"
                if kind.is_seen:
                    yield f"{match} {_log('OBSERVE', group.name)}"
                yield f"{match} action=accept"

    def _to_device(self, group: Group) -> Iterator[str]:
        yield from (f"{match} action=accept" for match in self._answers(group, peers=True))
        strangers = f"src-address-list=!{_chain('dev')}"
        yield from (f"{match} {strangers} action=accept" for match in self._answers(group, peers=False))
        for protocol, port in _local(group):
            yield f"{_ESTABLISHED} protocol={protocol} src-port={port} src-address-type=local action=accept"
        if group.observe:
            yield from (_log("OBSERVE", f"{group.name} to"), "action=accept")
        else:
            yield from _dropped("DENY", f"{group.name} to")


_TO_GATEWAY = {
    4: ["protocol=udp src-port=68 dst-port=67"],
    6: [
        "protocol=udp src-port=546 dst-port=547",
        *(f"protocol=icmpv6 icmp-options={kind}:0-255 hop-limit=equal:255" for kind in (133, 135, 136)),
        *(f"protocol=icmpv6 icmp-options={kind}:0-255" for kind in (131, 132, 143)),  # listeners of multicast
    ],
}
_FROM_GATEWAY = {
    4: ["protocol=udp src-port=67 dst-port=68", "protocol=icmp", "protocol=igmp"],
    6: ["protocol=udp src-port=547 dst-port=546", "protocol=icmpv6"],
}
# That a packet was too big or found no way (RFC 1191, RFC 8201).
_ERRORS = {
    4: ["protocol=icmp icmp-options=3:0-255"],
    6: [f"protocol=icmpv6 icmp-options={kind}:0-255" for kind in (1, 2)],
}


def _denied(group: Group) -> Iterator[str]:
    if not group.observe:
        yield from _dropped("DENY", group.name)
        return
    yield _log("OBSERVE", group.name)
    yield f"dst-address-list={_chain('dev')} {_jump('peers')}"
    yield "action=accept"


def _identity(held: Sender | Branch) -> str:
    if isinstance(held, Branch):
        return f"src-address={held.network} {_jump(f'id{held.chain}')}"
    device = held.device
    known = f'in-interface="{device.interface}" src-mac-address={device.mac.upper()} src-address={held.address}'
    return f"{known} {_jump(f's{held.group}')}"


def _rules(chain: str, *rules: str) -> Iterator[str]:
    """Every chain ends with a verdict, or with a jump to one that does."""
    return (f"add chain={_chain(chain)} {rule}" for rule in rules)


def _chain(what: str) -> str:
    return f"mqttseg-{_DIGEST}-{what}"


def _jump(what: str) -> str:
    return f"action=jump jump-target={_chain(what)}"


def _log(what: str, who: str) -> str:
    return f'action=log limit=5,10:packet log-prefix="mqttseg {what} {who}"'


def _dropped(what: str, who: str) -> Iterator[str]:
    yield from (_log(what, who), "action=drop")


def _local(group: Group) -> list[tuple[str, int]]:
    """What the gateway itself serves to a group."""
    return list(dict.fromkeys((str(r.transport), r.port) for r in group.reaches if r.to is None))
