"""What a learnt line rests on, and how much of it is enough.

Owns adding up flows. Refuses to know which line they make.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from mqttseg.observe.flows import Flow


@dataclass(frozen=True, slots=True)
class Support:
    """A line is learnt from at least so many devices (of a role in which fewer were seen: all of them), and at least so
    many times: messages, and for a filter also the subscriptions to it."""

    devices: int = 1
    count: int = 3

    def is_met(self, devices: int, seen: int, count: int) -> bool:
        """``seen``: devices of the role that were seen doing anything."""
        return devices >= min(self.devices, seen) and count >= self.count


@dataclass(frozen=True, slots=True)
class Evidence:
    """Flows added up. ``count``: how often; of these, ``observed`` times let through by observe mode only."""

    devices: frozenset[str]
    count: int
    observed: int
    first_seen: datetime
    last_seen: datetime

    @classmethod
    def of(cls, flows: Collection[Flow], received: Iterable[Flow] = ()) -> Evidence:
        """``flows``: at least one. ``received``: what came through a subscription that they are."""
        every = [*flows, *received]
        return cls(
            devices=frozenset(flow.device for flow in flows),
            count=sum(flow.count for flow in every),
            observed=sum(flow.observed for flow in every),
            first_seen=min(flow.first_seen for flow in every),
            last_seen=max(flow.last_seen for flow in every),
        )
