"""Table ``inet mqttseg``: packets that the gateway forwards, takes or sends.

Owns the order of judgement, which is the security of it. From a device: its identity (interface, MAC and IP address in
one look-up) before anything else, so that no flow outlives the device's right to its address; then the flow, if this
revision of the policy let it through; then what its group may reach. To a device: flows of this revision,
administrators, answers. A packet that no rule names is dropped, and the hooks touch nothing that does not come from or
go to an IoT-facing interface, so that a mistake cannot lock the operator out.

Only packets that open a flow are judged by where they go: answers are judged by who opened it, or a server that opened
a flow from the port that it serves would keep it. A device's ICMP errors are no part of its flows: they speak of any
flow, also of another's. A flow that is refused forgets its revision, so that it does not come back when the revisions,
which are few, begin anew. A flow is new to the kernel until it is answered: one that nobody answers, such as a log's,
is not taken for many. Sets of single addresses are not interval sets: those are empty for a moment after a reload.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mqttseg.gateway.nftables.destinations import Destinations, destinations, field_of, local_services
from mqttseg.gateway.nftables.identities import Identities, leads_to_peers, wide_versions
from mqttseg.gateway.nftables.text import Table, quoted
from mqttseg.gateway.plan import Group, Network, Plan
from mqttseg.gateway.reaching import Kind

_REVISION_BITS = 0xFF000000
_LOG_LIMIT = "limit rate 5/second burst 10 packets"
_FAMILIES = ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr"))


def inet_table(plan: Plan, identities: Identities, revision: int, comment: str) -> Table:
    """The table for a plan. ``revision`` is 1 to 255 and marks every flow that this ruleset let through."""
    table = Table("inet", "mqttseg", comment)
    _Inet(plan, identities, revision, table).write()
    return table


class _Inet:
    def __init__(self, plan: Plan, identities: Identities, revision: int, table: Table) -> None:
        self.plan = plan
        self.revision = revision
        self.table = table
        self.of_group = {group.name: tuple(destinations(group)) for group in plan.groups}
        self.wide_versions = wide_versions(plan)
        self.origins = [group for group in plan.groups if leads_to_peers(group)]
        self._identities = identities
        self.marked = f"ct mark & {_REVISION_BITS:#010x} == {revision << 24:#010x}"

    def _held(self, holder: str) -> Sequence[str]:
        """The elements of a set or map that say who a device is."""
        return self._identities.get(("inet", holder), ())

    def write(self) -> None:
        self._write_sets()
        self._write_identities()
        for group in self.plan.groups:
            self._write_group(group)
        self._write_directions()
        self._write_hooks()

    # --- sets ------------------------------------------------------------------------------------------------------

    def _write_sets(self) -> None:
        self.table.add_set("iot_if", "type ifname;", map(quoted, self.plan.interfaces))
        for version, _, kind in _FAMILIES:
            self.table.add_set(
                f"newrate{version}", f"type {kind}; size 65535;", flags="dynamic,timeout", more="timeout 1m"
            )
            admin = [n for n in self.plan.admin if n.version == version]
            if admin:
                self.table.add_set(f"admin{version}", f"type {kind};", _networks(admin), flags="interval")
        for name in ("unknown", "rate", "invalid", "todev", "spoof"):
            self.table.add_counter(f"drop_{name}")

    def _write_identities(self) -> None:
        for version, field, kind in _FAMILIES:
            identity = f"typeof iifname . ether saddr . {field} saddr : verdict;"
            self.table.add_map(f"dev{version}", identity, self._held(f"dev{version}"))
            self.table.add_map(f"peer{version}", f"typeof {field} daddr : verdict;", self._held(f"peer{version}"))
            if self.origins:
                origin = self._held(f"origin{version}")
                self.table.add_map(f"origin{version}", f"typeof {field} daddr : verdict;", origin)
            if version in self.wide_versions:
                self.table.add_set(f"device{version}", f"type {kind};", self._held(f"device{version}"))

    # --- what a group may do -----------------------------------------------------------------------------------------

    def _write_group(self, group: Group) -> None:
        name, found = group.name, self.of_group[group.name]
        self.table.add_counter(f"deny_{name}")
        self.table.add_counter(f"denyto_{name}")
        for one in found:
            self.table.add_set(one.name, one.type, one.elements, flags="interval" if one.is_wide else "")
        if local := local_services(group):
            self.table.add_set(f"local_{name}", "type inet_proto . inet_service;", local)
        self.table.add_chain(f"deny_{name}", self._denied(group))
        if group in self.origins:
            self.table.add_chain(f"ans_{name}", self._from_peers(found))
        self.table.add_chain(f"seg_{name}", self._from_device(group, found, has_local=bool(local)))
        self.table.add_chain(f"re_{name}", self._to_device(group, found, has_local=bool(local)))

    def _from_device(self, group: Group, found: Sequence[Destinations], *, has_local: bool) -> Iterator[str]:
        yield f"ct state new,established {self.marked} accept"
        yield f"ct state related goto deny_{group.name}"
        yield "ct direction reply jump answers"
        yield f"ct direction reply goto deny_{group.name}"
        yield "ct state new jump new_flow"
        yield from _each(found, Kind.PEER, "goto pass")
        yield from _each(found, Kind.SEEN_PEER, self._log("OBSERVE", group.name), "goto pass")
        for version in sorted({d.version for d in found if d.is_wide}):  # a network that holds devices leads to none
            yield f"{field_of(version)} daddr @device{version} goto deny_{group.name}"
        yield from _each(found, Kind.SERVER, "goto pass")
        yield from _each(found, Kind.SEEN_SERVER, self._log("OBSERVE", group.name), "goto pass")
        if has_local:
            yield f"{_GATEWAY} meta l4proto . th dport @local_{group.name} goto pass"
        yield f"{_GATEWAY} icmp type echo-request limit rate 20/second accept"
        yield f"{_GATEWAY} icmpv6 type echo-request limit rate 20/second accept"
        yield f"goto deny_{group.name}"

    def _denied(self, group: Group) -> Iterator[str]:
        """What a group in observe mode tries is let through, but not to a device whose own group is enforced."""
        yield f"counter name deny_{group.name}"
        if not group.observe:
            yield self._log("DENY", group.name)
            yield from _FORGOTTEN
            return
        yield self._log("OBSERVE", group.name)
        yield from (f"{field} daddr vmap @peer{version}" for version, field, _ in _FAMILIES)
        yield "goto pass"

    def _to_device(self, group: Group, found: Sequence[Destinations], *, has_local: bool) -> Iterator[str]:
        """Packets towards a device of the group that are not of a flow of this revision."""
        answer = "ct state established ct direction reply"
        for one in found:
            yield f"{answer} {one.answer} goto pass"
        if has_local:
            yield f"{answer} fib saddr type local meta l4proto . th sport @local_{group.name} goto pass"
        yield f"counter name denyto_{group.name}"
        if group.observe:
            yield self._log("OBSERVE", f"{group.name} to-dev")
            yield "goto pass"
        else:
            yield self._log("DENY", f"{group.name} to-dev")
            yield from _FORGOTTEN

    @staticmethod
    def _from_peers(found: Sequence[Destinations]) -> Iterator[str]:
        """Answers of devices that a conduit leads to, for who opened the flow; else back to the answering group."""
        yield from (f"ct state established {one.answer} goto pass" for one in found if one.kind.is_peer)

    # --- directions --------------------------------------------------------------------------------------------------

    def _write_directions(self) -> None:
        mark = f"ct mark & {~_REVISION_BITS & 0xFFFFFFFF:#010x} | {self.revision << 24:#010x}"
        self.table.add_chain("pass", [f"ct state new,established ct mark set {mark}", "accept"])
        self.table.add_chain("new_flow", self._new_flow())
        self.table.add_chain("answers", self._answers())
        self.table.add_chain("from_dev", self._from_dev())
        self.table.add_chain("to_dev", self._to_dev())
        self.table.add_chain("input_dev", [*_LINK_TO_GATEWAY, "goto from_dev"])
        self.table.add_chain("output_dev", [*_LINK_FROM_GATEWAY, "goto to_dev"])

    @staticmethod
    def _new_flow() -> Iterator[str]:
        for version, field, _ in _FAMILIES:
            rate = f"update @newrate{version} {{ {field} saddr limit rate over 20/second burst 40 packets }}"
            yield f"{rate} counter name drop_rate drop"

    def _answers(self) -> Iterator[str]:
        """From a device in a flow that somebody else opened, and that this revision has not seen: who was it?"""
        yield from (f"ct state established {rule}" for rule in self._admin("daddr"))
        if self.origins:
            yield from (f"{field} daddr vmap @origin{version}" for version, field, _ in _FAMILIES)

    def _from_dev(self) -> Iterator[str]:
        yield "ct state invalid counter name drop_invalid drop"
        yield "ip hdrlength > 5 counter name drop_invalid drop"  # source routes, and nothing that a device needs
        yield "exthdr rt exists counter name drop_invalid drop"
        for version, field, _ in _FAMILIES:
            yield f"iifname . ether saddr . {field} saddr vmap @dev{version}"
        yield "counter name drop_unknown"
        yield self._log("UNKNOWN", "-")
        yield from _FORGOTTEN

    def _to_dev(self) -> Iterator[str]:
        yield f"ct state new,established {self.marked} accept"
        yield f"ct state related meta l4proto {{ icmp, icmpv6 }} {self.marked} accept"
        yield from self._admin("saddr")
        yield from self._towards_peers()
        yield "counter name drop_todev"
        yield self._log("DENY", "- to-dev")
        yield from _FORGOTTEN

    def _admin(self, end: str) -> Iterator[str]:
        for version in sorted({network.version for network in self.plan.admin}):
            yield f"{field_of(version)} {end} @admin{version} goto pass"

    def _admin_spoofs(self) -> Iterator[str]:
        """An administrator's address, from where packets to the administrator would not go."""
        for version in sorted({network.version for network in self.plan.admin}):
            field = field_of(version)
            came = f"oifname @iot_if {field} saddr @admin{version} fib saddr . iif oif missing"
            yield f"{came} counter name drop_spoof drop"

    @staticmethod
    def _towards_peers() -> Iterator[str]:
        yield from (f"{field} daddr vmap @peer{version}" for version, field, _ in _FAMILIES)

    def _write_hooks(self) -> None:
        forward = [*_BRIDGED, *self._admin_spoofs(), "iifname @iot_if jump from_dev", "oifname @iot_if jump to_dev"]
        self.table.add_chain("hook_forward", forward, hook="type filter hook forward priority filter")
        self.table.add_chain(
            "hook_input", ["iifname @iot_if jump input_dev"], hook="type filter hook input priority filter"
        )
        output = ["oifname @iot_if jump output_dev"]
        self.table.add_chain("hook_output", output, hook="type filter hook output priority filter")

    def _log(self, what: str, who: str) -> str:
        return f'{_LOG_LIMIT} log prefix "mqttseg {what} seg={who} rev={self.revision} "'


_GATEWAY = "fib daddr . iif type local"  # the gateway as this link knows it, not its addresses elsewhere
_FORGOTTEN = (f"ct state established ct mark set ct mark & {~_REVISION_BITS & 0xFFFFFFFF:#010x}", "drop")
# With br_netfilter, as container hosts have it, bridged packets come by here, too. These are never routed: a hop limit
# of 255 has met no router (RFC 4861 6.1), and routers do not forward the limited broadcast (RFC 1812 5.3.5.1).
_BRIDGED = (
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } "
    "ip6 hoplimit 255 accept",
    "ip daddr 255.255.255.255 udp dport { 67, 68 } accept",
)
# What keeps a link working and says nothing about the devices: addresses and neighbours.
_LINK_TO_GATEWAY = (
    "udp sport 68 udp dport 67 accept",
    "udp sport 546 udp dport 547 accept",
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } ip6 hoplimit 255 accept",
    "icmpv6 type { mld-listener-report, mld2-listener-report, mld-listener-done } accept",
)
_LINK_FROM_GATEWAY = (
    "udp sport 67 udp dport 68 accept",
    "udp sport 547 udp dport 546 accept",
    "meta l4proto { icmp, icmpv6, igmp } accept",
)


def _each(found: Sequence[Destinations], kind: Kind, *verdicts: str) -> Iterator[str]:
    for one in found:
        if one.kind is kind:
            yield from (f"{one.match} {verdict}" for verdict in verdicts)


def _networks(networks: Sequence[Network]) -> Iterator[str]:
    return (str(n.network_address) if n.num_addresses == 1 else str(n) for n in networks)
