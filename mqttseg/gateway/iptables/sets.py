"""The ipsets: where groups may go, and where devices are.

Owns their names, which hold the plan's digest: a new ruleset looks at new sets, so that no packet meets new sets with
old rules. Their elements are literals that the plan has proved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from mqttseg.gateway.plan import Address, Group, Network, Plan
from mqttseg.gateway.reaching import Kind, collapsed, of_kind

DIGEST = "@digest@"  # stands for the plan's digest until the text is known that it is taken from


@dataclass(frozen=True, slots=True)
class Destinations:
    """A set of ``network,transport:port``. ``is_wide``: some element is more than one address."""

    kind: Kind
    name: str
    is_wide: bool


@dataclass(slots=True)
class Sets:
    """The sets of one IP version, and the text that makes them."""

    plan: Plan
    version: int
    lines: list[str] = field(default_factory=list)
    of_group: list[tuple[Destinations, ...]] = field(default_factory=list)

    @classmethod
    def of(cls, plan: Plan, version: int) -> Sets:
        """All the sets that the rules of an IP version look at."""
        sets = cls(plan, version)
        held = [a for group in plan.groups for a in sets.addresses(group)]
        sets._add(sets.devices, "hash:ip", map(str, held))
        sets._add(sets.admin, "hash:net", [e for n in plan.admin if n.version == version for e in _elements(n)])
        for index, group in enumerate(plan.groups):
            sets._add(sets.group(index), "hash:ip", map(str, sets.addresses(group)))
            sets.of_group.append(tuple(sets._destinations(index, group)))
        return sets

    @property
    def devices(self) -> str:
        """All devices."""
        return self._name("dev")

    @property
    def admin(self) -> str:
        """Hosts and networks that may open connections to devices."""
        return self._name("adm")

    def group(self, index: int) -> str:
        """The devices of a group."""
        return self._name(f"g{index}")

    def addresses(self, group: Group) -> Sequence[Address]:
        """The addresses of a group's devices."""
        return [a for d in group.devices for a in (d.v4 if self.version == 4 else d.v6)]

    def _destinations(self, index: int, group: Group) -> Iterator[Destinations]:
        for kind in Kind:
            if found := of_kind(group, kind, self.version):
                joined, name = collapsed(found), self._name(f"{kind}{index}")
                elements = (f"{e},{transport}:{port}" for net, transport, port in joined for e in _elements(net))
                self._add(name, "hash:net,port", elements)
                yield Destinations(kind, name, any(net.num_addresses > 1 for net, _, _ in joined))

    def _name(self, what: str) -> str:
        return f"mqttseg-{DIGEST}-{what}-{self.version}"

    def _add(self, name: str, kind: str, elements: Iterator[str] | Sequence[str] | map[str]) -> None:
        held = list(elements)
        family = "inet" if self.version == 4 else "inet6"
        size = 1 << max(6, (len(held) * 2).bit_length())
        self.lines.append(f"create {name} {kind} family {family} hashsize {size} maxelem {max(65536, len(held))}")
        self.lines += [f"add {name} {element}" for element in held]


def _elements(network: Network) -> Iterator[str]:
    """A network as elements; hash:net knows no prefix of length zero."""
    if network.prefixlen == 0:
        yield from (str(half) for half in network.subnets(1))
    elif network.num_addresses == 1:
        yield str(network.network_address)
    else:
        yield str(ip_network(network))
