"""Which device sent a packet, as a tree of chains.

Owns the tree: four bits of the address a level, so that the cost of finding a device among many grows with their
logarithm. For targets without a look-up of interface, MAC address and IP address together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TypeAlias

from mqttseg.gateway.plan import Address, Bound, Network, Plan

_LEAF = 8  # rules that are asked one after the other
_BITS = 4


@dataclass(frozen=True, slots=True)
class Sender:
    """An address that a device sends from. ``group`` is the index of the device's group in the plan."""

    address: Address
    device: Bound
    group: int


@dataclass(frozen=True, slots=True)
class Branch:
    """Whoever sends from a network is looked for in another chain of the tree."""

    network: Network
    chain: int


Tree: TypeAlias = Mapping[int, Sequence[Sender | Branch]]


def senders(plan: Plan, version: int) -> list[Sender]:
    """Every address of every device, in the order of the plan."""
    return [
        Sender(address, device, index)
        for index, group in enumerate(plan.groups)
        for device in group.devices
        for address in (device.v4 if version == 4 else device.v6)
    ]


def lookup_tree(found: Sequence[Sender]) -> Tree:
    """Chains by number; the search begins at 0. A packet that no chain knows is no device's."""
    chains: dict[int, list[Sender | Branch]] = {0: []}
    if found:
        _grow(chains, 0, sorted(found, key=lambda s: int(s.address)))
    return chains


def _grow(chains: dict[int, list[Sender | Branch]], chain: int, found: Sequence[Sender]) -> None:
    if len(found) <= _LEAF:
        chains[chain] += found
        return
    for network, inside in _split(found):
        if len(inside) == 1:
            chains[chain].append(inside[0])
            continue
        below = len(chains)
        chains[below] = []
        chains[chain].append(Branch(network, below))
        _grow(chains, below, inside)


def _split(found: Sequence[Sender]) -> list[tuple[Network, list[Sender]]]:
    """By the first four bits in which they differ; their addresses are sorted, and no two are the same."""
    width = found[0].address.max_prefixlen
    common = width - (int(found[0].address) ^ int(found[-1].address)).bit_length()
    length = common - common % _BITS + _BITS
    split: dict[int, list[Sender]] = {}
    for sender in found:
        split.setdefault(int(sender.address) >> (width - length), []).append(sender)
    return [(ip_network((held[0].address, length), strict=False), held) for held in split.values()]
