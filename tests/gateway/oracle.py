"""What a plan permits, said in the plainest way, to hold renderers against; and the packets to try."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address

from hypothesis import strategies as st

from mqttseg.gateway.plan import Address, Bound, Group, Plan

GATEWAY = (ip_address("10.9.0.1"), ip_address("fd00:9::1"))
UPLINK = "up0"
STRANGER = "02:cc:00:00:00:01"


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a flow. ``oif`` None: to the gateway itself."""

    iif: str
    oif: str | None
    mac: str
    src: Address
    dst: Address
    protocol: str
    sport: int
    dport: int

    @property
    def is_local(self) -> bool:
        return self.dst in GATEWAY


def permits(plan: Plan, packet: Packet) -> bool:
    """Whether the flow may begin."""
    to_group = next((g for g, d in plan.devices() if packet.dst in d.addresses), None)
    if packet.iif in plan.interfaces:
        found = next(((g, d) for g, d in plan.devices() if _is_from(d, packet)), None)
        return found is not None and _may_reach(found[0], to_group, packet)
    if packet.oif not in plan.interfaces:
        return True  # none of ours
    if any(packet.src.version == net.version and packet.src in net for net in plan.admin):
        return True
    return to_group is not None and to_group.observe


def _is_from(device: Bound, packet: Packet) -> bool:
    return device.interface == packet.iif and device.mac == packet.mac and packet.src in device.addresses


def _may_reach(group: Group, to_group: Group | None, packet: Packet) -> bool:
    for reach in group.reaches:
        if (reach.transport, reach.port) != (packet.protocol, packet.dport):
            continue
        if reach.to is None:
            if packet.is_local:
                return True
        elif packet.dst.version == reach.to.version and packet.dst in reach.to and (reach.crossing or not to_group):
            return True
    return group.observe and (to_group is None or to_group.observe)


def packets(plan: Plan) -> st.SearchStrategy[Packet]:
    """Packets that come close to what the plan permits, from whoever might send them."""
    devices = [d for _, d in plan.devices()]
    addresses = {a for d in devices for a in d.addresses} | set(GATEWAY)
    addresses |= {net.network_address for net in plan.admin}
    addresses |= {r.to[-1] for g in plan.groups for r in g.reaches if r.to is not None}
    addresses |= {ip_address("203.0.113.9"), ip_address("2001:db8:9::9")}
    ports = sorted({r.port for g in plan.groups for r in g.reaches} | {7, 40000})
    by_version = {v: sorted((a for a in addresses if a.version == v), key=int) for v in (4, 6)}

    @st.composite
    def packet(draw: st.DrawFn) -> Packet:
        own = by_version[draw(st.sampled_from((4, 6)))]
        src, dst = draw(st.sampled_from(own)), draw(st.sampled_from(own))
        macs = [d.mac for d in devices if src in d.addresses] or [STRANGER]
        mac = draw(st.sampled_from([*macs * 4, STRANGER, *(d.mac for d in devices)]))
        at_devices = any(src in d.addresses for d in devices)
        iif = draw(st.sampled_from([*plan.interfaces, UPLINK] if at_devices else [UPLINK, *plan.interfaces]))
        behind = any(dst in d.addresses for d in devices)
        oif = None if dst in GATEWAY else plan.interfaces[0] if behind else UPLINK
        protocol = draw(st.sampled_from(("tcp", "udp")))
        sport, dport = draw(st.sampled_from(ports)), draw(st.sampled_from(ports))
        return Packet(iif, oif, mac, src, dst, protocol, sport, dport)

    return packet()


def version(packet: Packet) -> int:
    """Its IP version."""
    return 4 if isinstance(packet.dst, IPv4Address) else 6
