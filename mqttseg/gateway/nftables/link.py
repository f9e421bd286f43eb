"""Table ``bridge mqttseg``: frames between the ports of one switch or bridge, which no router sees.

Owns the pins (MAC address to port, IP address to MAC address, for ARP, IP and neighbour discovery alike), and
isolation: from a device's port a frame reaches the gateway, the servers of its group, and the devices a conduit leads
to. What the gateway itself routes does not pass here: inet.py judges it. Written only when ports are named. Without
connection tracking, which bridges lack on some kernels: an answer is told by its source port and, for TCP, by not being
a SYN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mqttseg.gateway.nftables.destinations import Destinations, destinations, field_of
from mqttseg.gateway.nftables.identities import Identities, has_ports
from mqttseg.gateway.nftables.text import Table, quoted
from mqttseg.gateway.plan import Group, Plan
from mqttseg.gateway.reaching import Kind

_FAMILIES = ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr"))
_NO_SYN = "tcp flags & (syn | ack) != syn"
_NEIGHBOURS = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }"
_EAPOL = "0x888e"
_SPOOF = "counter name l2_spoof drop"
_TARGET = "@th,64,128"  # of a neighbour advertisement
_PREFIX = f"{0xFFC0 << 112:#034x}"
_LINK_LOCAL = f"{0xFE80 << 112:#034x}"  # of its own, which nobody routes


def link_table(plan: Plan, identities: Identities, comment: str) -> tuple[Table, ...]:
    """The table, or none when no port is known."""
    if not has_ports(plan):
        return ()
    table = Table("bridge", "mqttseg", comment)
    _Link(plan, identities, table).write()
    return (table,)


class _Link:
    def __init__(self, plan: Plan, identities: Identities, table: Table) -> None:
        self.plan = plan
        self.table = table
        self.of_group = {group.name: tuple(destinations(group)) for group in plan.groups}
        self._identities = identities
        self.admin_versions = sorted({network.version for network in plan.admin})

    def _held(self, holder: str) -> Sequence[str]:
        """The elements of a set or map that say who a device is."""
        return self._identities.get(("bridge", holder), ())

    def write(self) -> None:
        self._write_sets()
        for group in self.plan.groups:
            self._write_group(group)
        self.table.add_chain("pinned", self._pinned())
        self.table.add_chain("pinned_arp", self._pinned_arp())
        self.table.add_chain("pinned_target", self._pinned_target())
        self.table.add_chain("pinned_address", self._pinned_address())
        self.table.add_chain("between_devices", self._between_devices())
        self.table.add_chain("from_device", self._from_device())
        self.table.add_chain("to_device", self._to_device())
        hook = "type filter hook prerouting priority -300"
        self.table.add_chain("hook_prerouting", ["iifname @iot_port jump pinned"], hook=hook)
        forward = ["iifname @iot_port jump from_device", "oifname @iot_port jump to_device"]
        self.table.add_chain("hook_forward", forward, hook="type filter hook forward priority 0")

    # --- sets ------------------------------------------------------------------------------------------------------

    def _write_sets(self) -> None:
        self.table.add_set("iot_port", "type ifname;", map(quoted, self.plan.ports))
        self.table.add_set("mac_port", "type ether_addr . ifname;", self._held("mac_port"))
        self.table.add_set("mac_any", "type ether_addr;", self._held("mac_any"))
        for version, _, kind in _FAMILIES:
            self.table.add_set(f"bind{version}", f"type ether_addr . {kind};", self._held(f"bind{version}"))
            if version == 6:
                self.table.add_set("target6", f"typeof ether saddr . {_TARGET};", self._held("target6"))
            for name in ("dev", "peer"):
                self.table.add_map(f"{name}{version}", f"type {kind} : verdict;", self._held(f"{name}{version}"))
            for name in ("met", "seen"):
                self.table.add_set(f"{name}{version}", f"type {kind};", self._held(f"{name}{version}"))
        for version in self.admin_versions:
            networks = (str(n) for n in self.plan.admin if n.version == version)
            kind = "ipv4_addr" if version == 4 else "ipv6_addr"
            self.table.add_set(f"admin{version}", f"type {kind};", networks, flags="interval")
        for name in ("l2_eastwest", "l2_spoof", "l2_uplink", "l2_todev"):
            self.table.add_counter(name)

    # --- what a group may do -----------------------------------------------------------------------------------------

    def _write_group(self, group: Group) -> None:
        found = self.of_group[group.name]
        for one in found:
            self.table.add_set(one.name, one.type, one.elements, flags="interval" if one.is_wide else "")
        self.table.add_chain(f"seg_{group.name}", self._leaving(group, found))
        self.table.add_chain(f"re_{group.name}", self._arriving(group, found))

    def _leaving(self, group: Group, found: Sequence[Destinations]) -> Iterator[str]:
        peers = (Kind.PEER, Kind.SEEN_PEER)
        yield from (f"{one.match} accept" for one in found if one.kind in peers)
        yield from (f"{field} daddr vmap @peer{version}" for version, field, _ in _FAMILIES)
        yield "oifname @iot_port counter name l2_eastwest drop"
        yield from (f"{one.match} accept" for one in found if one.kind not in peers)
        for version in self.admin_versions:
            yield f"{field_of(version)} daddr @admin{version} {_NO_SYN} accept"
        yield "accept" if group.observe else "counter name l2_uplink drop"

    def _arriving(self, group: Group, found: Sequence[Destinations]) -> Iterator[str]:
        for one in found:
            yield f"{one.answer} {_NO_SYN} accept"
            yield f"meta l4proto udp {one.answer} accept"
        for version in self.admin_versions:
            yield f"{field_of(version)} saddr @admin{version} accept"
        if group.observe:  # and only if the sender is, too, should it be a device
            yield "iifname != @iot_port accept"
            yield from (f"{field} saddr @seen{version} accept" for version, field, _ in _FAMILIES)
        yield "counter name l2_todev drop"

    # --- directions --------------------------------------------------------------------------------------------------

    @staticmethod
    def _pinned() -> Iterator[str]:
        yield "ether saddr . iifname @mac_port goto pinned_address"
        yield "ether saddr @mac_any goto pinned_address"
        yield _SPOOF

    @staticmethod
    def _pinned_address() -> Iterator[str]:
        """What is not known to be right is dropped."""
        yield f"ether type != {{ arp, ip, ip6, {_EAPOL} }} {_SPOOF}"  # tagged frames would hide what they carry
        yield "ether type arp goto pinned_arp"
        yield f"udp sport {{ 67, 547 }} {_SPOOF}"  # rogue DHCP
        yield "ether saddr . ip saddr @bind4 return"
        yield "ip saddr 0.0.0.0 udp sport 68 udp dport 67 return"
        yield f"icmpv6 type {{ nd-router-advert, nd-redirect }} {_SPOOF}"
        yield f"icmpv6 type nd-neighbor-advert {_TARGET} & {_PREFIX} != {_LINK_LOCAL} goto pinned_target"
        yield "ether saddr . ip6 saddr @bind6 return"
        yield "ip6 saddr { ::, fe80::/10 } return"
        yield f"ether type {_EAPOL} return"
        yield _SPOOF

    @staticmethod
    def _pinned_arp() -> Iterator[str]:
        """Linux takes answers of other hardware types, too, and so they are not asked for theirs."""
        yield "arp saddr ip 0.0.0.0 return"  # a probe, RFC 5227
        yield "ether saddr . arp saddr ip @bind4 arp saddr ether . arp saddr ip @bind4 return"
        yield _SPOOF

    @staticmethod
    def _pinned_target() -> Iterator[str]:
        """An advertisement is about its target, whoever sends it (RFC 4861 4.4)."""
        yield f"ether saddr . {_TARGET} @target6 return"
        yield _SPOOF

    def _between_devices(self) -> Iterator[str]:
        """From one device's port to another's: only where a conduit leads there."""
        yield "arp saddr ip @met4 arp daddr ip @met4 accept"
        yield f"ip6 saddr @met6 {_NEIGHBOURS} accept"
        yield from self._judged()
        yield "counter name l2_eastwest drop"

    def _from_device(self) -> Iterator[str]:
        yield "oifname @iot_port goto between_devices"
        yield "ether type arp accept"
        yield "udp sport 68 udp dport 67 accept"
        yield "udp sport 546 udp dport 547 accept"
        yield f"{_NEIGHBOURS} accept"
        yield "icmpv6 type { nd-router-solicit, mld-listener-report, mld2-listener-report, mld-listener-done } accept"
        yield from self._judged()
        yield "counter name l2_uplink drop"

    @staticmethod
    def _judged() -> Iterator[str]:
        yield from (f"{field} saddr vmap @dev{version}" for version, field, _ in _FAMILIES)

    @staticmethod
    def _to_device() -> Iterator[str]:
        yield "ether type arp accept"
        yield "udp sport 67 udp dport 68 accept"
        yield "udp sport 547 udp dport 546 accept"
        yield f"{_NEIGHBOURS} accept"
        yield "icmpv6 type { nd-router-advert, mld-listener-query } accept"
        yield from (f"{field} daddr vmap @peer{version}" for version, field, _ in _FAMILIES)
        yield "counter name l2_todev drop"
