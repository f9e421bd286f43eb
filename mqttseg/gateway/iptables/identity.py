"""Which device sent a packet, as chains of iptables.

Owns the look-up of interface, MAC address and IP address together. The one ipset that holds both addresses
(hash:ip,mac) is missing from many kernels, so this is a tree of chains by address, four bits a level: its cost grows
with the logarithm of the number of devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from mqttseg.gateway.plan import Address, Network

_LEAF = 8  # rules that are asked one after the other
_BITS = 4


@dataclass(frozen=True, slots=True)
class Sender:
    """An address that a device sends from, and the chain for its packets."""

    address: Address
    interface: str
    mac: str
    chain: str


def identity_chains(root: str, senders: Sequence[Sender], stranger: str) -> dict[str, list[str]]:
    """Rules by chain. A packet that is no device's goes to the chain ``stranger``: none falls out of a chain here."""
    chains: dict[str, list[str]] = {root: []}
    if senders:
        whole = ip_network("0.0.0.0/0" if senders[0].address.version == 4 else "::/0")
        _grow(chains, root, whole, sorted(senders, key=lambda s: int(s.address)))
    return {name: [*held, f"-g {stranger}"] for name, held in chains.items()}


def _grow(chains: dict[str, list[str]], chain: str, within: Network, senders: Sequence[Sender]) -> None:
    if len(senders) <= _LEAF or within.prefixlen == within.max_prefixlen:
        chains[chain] += map(_rule, senders)
        return
    for network, inside in _split(within, senders):
        if len(inside) == 1:
            chains[chain].append(_rule(inside[0]))
            continue
        below = f"{chain.partition('.')[0]}.{len(chains)}"
        chains[below] = []
        chains[chain].append(f"-s {network} -g {below}")
        _grow(chains, below, network, inside)


def _split(within: Network, senders: Sequence[Sender]) -> list[tuple[Network, list[Sender]]]:
    """By the first four bits in which they differ."""
    differing = int(senders[0].address) ^ int(senders[-1].address)
    common = within.max_prefixlen - differing.bit_length()
    length = min(common - common % _BITS + _BITS, within.max_prefixlen)
    found: dict[Network, list[Sender]] = {}
    for sender in senders:
        found.setdefault(ip_network((sender.address, length), strict=False), []).append(sender)
    return list(found.items())


def _rule(sender: Sender) -> str:
    return f"-i {sender.interface} -s {sender.address} -m mac --mac-source {sender.mac} -g {sender.chain}"
