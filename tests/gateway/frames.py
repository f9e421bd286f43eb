"""Frames that an attacker writes by hand, as hex. Right enough to be delivered where nothing stops them."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

EVERYBODY = "ff:ff:ff:ff:ff:ff"
ALL_NODES = "33:33:00:00:00:01"


def _mac(text: str) -> bytes:
    """Empty for the empty text: whoever sends the frame fills it in."""
    return bytes.fromhex(text.replace(":", ""))


def _frame(source: str, target: str, kind: int, body: bytes) -> str:
    return (_mac(target) + _mac(source) + struct.pack("!H", kind) + body).hex()


def _ipv4(source: str, target: str, protocol: int, body: bytes, *, options: bytes = b"", fragment: int = 0) -> bytes:
    """``fragment``: offset in units of eight bytes, and 0x2000 where more follow."""
    words, length = 5 + len(options) // 4, 20 + len(options) + len(body)
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, length, 1, fragment, 64, protocol, 0)
    head += IPv4Address(source).packed + IPv4Address(target).packed + options
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + body


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _icmpv6(source: str, target: str, body: bytes) -> bytes:
    """With the checksum that a receiver looks at; ``body`` has room for it."""
    pseudo = IPv6Address(source).packed + IPv6Address(target).packed + struct.pack("!II", len(body), 58)
    return body[:2] + struct.pack("!H", _checksum(pseudo + body)) + body[4:]


def _udp(source_port: int, target_port: int, payload: bytes) -> bytes:
    return struct.pack("!HHHH", source_port, target_port, 8 + len(payload), 0) + payload


def _udp6(source: str, target: str, source_port: int, target_port: int, payload: bytes) -> bytes:
    """IPv6 wants the checksum."""
    body = _udp(source_port, target_port, payload)
    pseudo = IPv6Address(source).packed + IPv6Address(target).packed + struct.pack("!II", len(body), 17)
    return body[:6] + struct.pack("!H", _checksum(pseudo + body)) + body[8:]


def _ipv6(source: str, target: str, protocol: int, body: bytes) -> bytes:
    head = struct.pack("!IHBB", 0x60000000, len(body), protocol, 255)
    return head + IPv6Address(source).packed + IPv6Address(target).packed + body


def arp_reply(sender: str, claimed: str, *, claimed_mac: str | None = None) -> str:
    """``sender`` tells everybody that it has the address ``claimed``."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + _mac(claimed_mac or sender) + IPv4Address(claimed).packed
    return _frame(sender, EVERYBODY, 0x0806, body + _mac(EVERYBODY) + IPv4Address(claimed).packed)


def router_advertisement(sender: str) -> str:
    """``sender`` says that it is the router."""
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    return _frame(sender, ALL_NODES, 0x86DD, _ipv6("fe80::bad", "ff02::1", 58, _icmpv6("fe80::bad", "ff02::1", body)))


def neighbour_advertisement(sender: str, claimed: str, source_ip: str = "fe80::bad") -> str:
    """``sender`` says that it has the address ``claimed``."""
    body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + IPv6Address(claimed).packed + b"\x02\x01" + _mac(sender)
    return _frame(sender, ALL_NODES, 0x86DD, _ipv6(source_ip, "ff02::1", 58, _icmpv6(source_ip, "ff02::1", body)))


def dhcp_offer(sender: str, address: str) -> str:
    """``sender`` offers an address to everybody."""
    body = struct.pack("!HHHH", 67, 68, 8 + 16, 0) + b"rogue dhcp offer"
    return _frame(sender, EVERYBODY, 0x0800, _ipv4(address, "255.255.255.255", 17, body))


def datagram(
    sender: str,
    target: str,
    source_ip: str,
    target_ip: str,
    payload: bytes,
    *,
    ports: tuple[int, int] = (7000, 7000),
    options: bytes = b"",
) -> str:
    """A UDP datagram with whatever addresses; ``options`` of IPv4 in multiples of four bytes."""
    packet = _ipv4(source_ip, target_ip, 17, _udp(*ports, payload), options=options)
    return _frame(sender, target, 0x0800, packet)


def fragment(sender: str, target: str, source_ip: str, target_ip: str, payload: bytes) -> str:
    """The second half of a datagram whose first half never comes."""
    return _frame(sender, target, 0x0800, _ipv4(source_ip, target_ip, 17, payload, fragment=1))


def datagram6(
    sender: str,
    target: str,
    source_ip: str,
    target_ip: str,
    payload: bytes,
    *,
    ports: tuple[int, int] = (7000, 7000),
    extension: int | None = None,
    header: bytes = b"\0\x01\x04\0\0\0\0",
) -> str:
    """A UDP datagram over IPv6; ``extension``: a header before it, ``header``: what that holds after its first byte."""
    body = _udp6(source_ip, target_ip, *ports, payload)
    if extension is not None:
        body = b"\x11" + header + body
    return _frame(sender, target, 0x86DD, _ipv6(source_ip, target_ip, 17 if extension is None else extension, body))


def hidden_router_advertisement(sender: str) -> str:
    """A router advertisement behind a header of destination options, RFC 7113 2."""
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    packet = b"\x3a\0\x01\x04\0\0\0\0" + _icmpv6("fe80::bad", "ff02::1", body)
    return _frame(sender, ALL_NODES, 0x86DD, _ipv6("fe80::bad", "ff02::1", 60, packet))


def neighbour_solicitation(sender: str, source_ip: str, wanted: str) -> str:
    """``sender`` says that it has ``source_ip``, while it asks everybody for another."""
    body = struct.pack("!BBHI", 135, 0, 0, 0) + IPv6Address(wanted).packed + b"\x01\x01" + _mac(sender)
    return _frame(sender, ALL_NODES, 0x86DD, _ipv6(source_ip, "ff02::1", 58, _icmpv6(source_ip, "ff02::1", body)))


def icmp(sender: str, target: str, source_ip: str, target_ip: str, kind: int, code: int, body: bytes) -> str:
    """An ICMP message; ``body`` follows its checksum."""
    message = struct.pack("!BBH", kind, code, 0) + body
    message = message[:2] + struct.pack("!H", _checksum(message)) + message[4:]
    return _frame(sender, target, 0x0800, _ipv4(source_ip, target_ip, 1, message))


def unreachable(sender: str, target: str, source_ip: str, flow: tuple[str, int, str, int], payload: bytes) -> str:
    """An ICMP error to the originator of a TCP flow, about that flow."""
    origin, origin_port, far, far_port = flow
    quoted = _ipv4(origin, far, 6, struct.pack("!HHI", origin_port, far_port, 0) + payload)
    return icmp(sender, target, source_ip, origin, 3, 3, b"\0\0\0\0" + quoted)


def tagged(sender: str, target: str, payload: bytes, *, kind: int = 0x8100) -> str:
    """A frame with a VLAN tag, which hides what it carries from rules about IP."""
    return _frame(sender, target, kind, struct.pack("!HH", 1, 0x0800) + payload)
