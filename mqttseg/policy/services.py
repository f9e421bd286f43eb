"""The network services that a policy may name.

Owns their protocols and ports. Where a service lives is the operator's (``network.services``); how a rule is written
for it is the gateway's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ports:
    """Destination ports by protocol."""

    tcp: tuple[int, ...] = ()
    udp: tuple[int, ...] = ()


SERVICES: Mapping[str, Ports] = {
    "dns": Ports(tcp=(53,), udp=(53,)),
    "ntp": Ports(udp=(123,)),
    "dhcp": Ports(udp=(67, 547)),
    "http": Ports(tcp=(80,)),
    "https": Ports(tcp=(443,)),
    "syslog": Ports(tcp=(6514,), udp=(514,)),
    "coap": Ports(udp=(5683, 5684)),
}
