"""Where one device connects from: a network it has not come from before, and one identity in two places."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TypeAlias

from mqttseg.observe.detect.settings import ClonedIdentity, NewAddress

KEPT = 16
"""Networks, addresses and sessions of one device that are remembered; then the oldest goes."""

Networks: TypeAlias = dict[str, float]


class Addresses:
    """The networks that one device is known from (which outlast a restart), and where its sessions are now."""

    __slots__ = ("_latest", "_open", "_returns", "_used", "networks")

    def __init__(self) -> None:
        self.networks: Networks = {}
        self._latest: dict[int, str] = {}
        self._used: dict[str, float] = {}
        self._returns: deque[float] = deque(maxlen=KEPT)
        self._open: dict[str, str] = {}

    def arrive(self, rule: NewAddress, address: str, now: float) -> str | None:
        """A connection from this address; says so when nothing like it was seen before. It is known from then on."""
        network = _network(address, rule.ipv4_prefix, rule.ipv6_prefix)
        known = self.networks.pop(network, None) is not None
        first = not self.networks and not known
        _keep(self.networks, network, now)
        if known or first:
            return None
        others = ", ".join(list(self.networks)[-4:-1])
        return f"it came from {address}; so far it came from {others}"

    def follow(self, rule: ClonedIdentity, address: str, session: str, now: float) -> str | None:
        """The same connection, by address and not by network; says so when the identity is in two places."""
        self._open.pop(session, None)
        _keep(self._open, session, address)
        family = _family(address)
        elsewhere = [a for a in self._open.values() if a != address and _family(a) == family]
        before = self._latest.get(family)
        self._latest[family] = address
        used = self._used.pop(address, None)
        if before is not None and before != address:
            _keep(self._used, before, now)  # until now
            if used is not None and now - used <= rule.within:
                self._returns.append(now)
        _keep(self._used, address, now)
        if elsewhere:
            return f"it is connected from {address} and {elsewhere[0]} at the same time"
        return self._bounces(rule, address, before, now)

    def _bounces(self, rule: ClonedIdentity, address: str, before: str | None, now: float) -> str | None:
        lately = sum(now - at <= rule.within for at in self._returns)
        if lately < min(rule.returns, KEPT):
            return None
        self._returns.clear()
        return f"it went back and forth between {address} and {before}, {lately} times within {rule.within:g} s"

    def leave(self, address: str, session: str) -> None:
        """The connection of that session has ended, unless it is another's by now."""
        if self._open.get(session) == address:
            del self._open[session]


def _keep(kept: dict[str, float] | dict[str, str], key: str, value: float | str) -> None:
    kept.pop(key, None)
    kept[key] = value  # type: ignore[assignment]  # a value of the kind that the mapping holds
    if len(kept) > KEPT:
        del kept[next(iter(kept))]


@lru_cache(20_000)
def _network(address: str, ipv4_prefix: int, ipv6_prefix: int) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((found, ipv4_prefix if found.version == 4 else ipv6_prefix), strict=False))


def _family(address: str) -> int:
    return 6 if ":" in address else 4


def host_of(address: str) -> str:
    """The host of an event's HOST:PORT."""
    return address.rpartition(":")[0]
