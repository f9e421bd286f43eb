"""Frames that an attacker writes by hand, as hex. Right enough to be delivered where nothing stops them."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

EVERYBODY = "ff:ff:ff:ff:ff:ff"
ALL_NODES = "33:33:00:00:00:01"


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _frame(source: str, target: str, kind: int, body: bytes) -> str:
    return (_mac(target) + _mac(source) + struct.pack("!H", kind) + body).hex()


def _ipv4(source: str, target: str, protocol: int, body: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0)
    head += IPv4Address(source).packed + IPv4Address(target).packed
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + body


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


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
    return _frame(sender, ALL_NODES, 0x86DD, _ipv6("fe80::bad", "ff02::1", 58, body))


def neighbour_advertisement(sender: str, claimed: str) -> str:
    """``sender`` says that it has the address ``claimed``."""
    body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + IPv6Address(claimed).packed + b"\x02\x01" + _mac(sender)
    return _frame(sender, ALL_NODES, 0x86DD, _ipv6("fe80::bad", "ff02::1", 58, body))


def dhcp_offer(sender: str, address: str) -> str:
    """``sender`` offers an address to everybody."""
    body = struct.pack("!HHHH", 67, 68, 8 + 16, 0) + b"rogue dhcp offer"
    return _frame(sender, EVERYBODY, 0x0800, _ipv4(address, "255.255.255.255", 17, body))


def datagram(sender: str, target: str, source_ip: str, target_ip: str, payload: bytes) -> str:
    """A UDP datagram with whatever addresses."""
    body = struct.pack("!HHHH", 7000, 7000, 8 + len(payload), 0) + payload
    return _frame(sender, target, 0x0800, _ipv4(source_ip, target_ip, 17, body))


def tagged(sender: str, target: str, payload: bytes) -> str:
    """A frame with a VLAN tag, which hides what it carries from rules about IP."""
    return _frame(sender, target, 0x8100, struct.pack("!HH", 1, 0x0800) + payload)
