"""What the network says about who is where: leases, neighbour tables, scans.

Owns reading them. Pure: texts in, sightings out. None of it is proof: whoever is on the network can make it say this,
so a sighting only fills in what the inventory left open, and never makes a device known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from defusedxml import ElementTree

from mqttseg.errors import OperatorError
from mqttseg.gateway.plan import Address

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_LOST = {"FAILED", "INCOMPLETE", "NOARP"}


@dataclass(frozen=True, slots=True)
class Sighting:
    """A MAC address that was seen with an IP address. ``name`` is what the device calls itself."""

    mac: str
    address: Address
    name: str = ""
    interface: str = ""


def read_leases(text: str, origin: str) -> Iterator[Sighting]:
    """dnsmasq's lease file: ``EXPIRY MAC ADDRESS NAME CLIENT-ID``. IPv6 leases name no MAC address: left out."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0] == "duid":
            return  # what follows are IPv6 leases
        if len(words) < 4 or not words[0].isdigit():
            raise OperatorError(
                f"{origin}:{number}: not a line of a dnsmasq lease file; give the file as dnsmasq writes it"
            )
        if (mac := _mac(words[1].rpartition("-")[2])) and (address := _address(words[2])):
            yield Sighting(mac, address, "" if words[3] == "*" else words[3])


def read_neighbours(text: str, origin: str) -> Iterator[Sighting]:
    """``ip -j neigh``: the neighbours that answered."""
    for entry in _json(text, origin):
        mac, address = _mac(str(entry.get("lladdr", ""))), _address(str(entry.get("dst", "")))
        if mac and address and not _LOST & set(entry.get("state", ())):
            yield Sighting(mac, address, interface=str(entry.get("dev", "")))


def read_nmap(text: str, origin: str) -> Iterator[Sighting]:
    """``nmap -oX -``: hosts with a MAC address."""
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:  # ValueError: entities, which no scan holds
        raise OperatorError(f"{origin}: {error}; give the file that nmap -oX writes") from error
    for host in root.iter("host"):
        found = {item.get("addrtype", ""): item.get("addr", "") for item in host.iter("address")}
        name = next((item.get("name", "") for item in host.iter("hostname")), "")
        if mac := _mac(found.get("mac", "")):
            for kind in ("ipv4", "ipv6"):
                if address := _address(found.get(kind, "")):
                    yield Sighting(mac, address, name)


def _json(text: str, origin: str) -> list[Mapping[str, Any]]:
    try:
        entries = json.loads(text or "[]")
    except ValueError as error:
        raise OperatorError(f"{origin}: {error}; give what `ip -j neigh` prints") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise OperatorError(f"{origin}: not a list of neighbours; give what `ip -j neigh` prints")
    return entries


def _mac(text: str) -> str | None:
    text = text.lower()
    return text if _MAC.fullmatch(text) else None


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
