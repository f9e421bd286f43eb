"""What the judge of a connection is connected to, and how it tells of a decision. Values and interfaces only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Traffic
from mqttseg.policy.decide import Decision
from mqttseg.policy.model import Action
from mqttseg.wire.packets import Packet, Puback, Pubrec


class Denied(Exception):  # noqa: N818  # not an error: the segment says ``on_denied: disconnect``
    """The device is to be cut for what it tried."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        super().__init__(str(decision.reason))


class Ports(Protocol):
    """What the monitor is connected to."""

    def to_device(self, packet: Packet) -> None:
        """Send to the device; it was judged."""

    def to_backend(self, packet: Packet) -> None:
        """Hand to the backend; it was judged."""

    def forget(self, packet_id: int) -> None:
        """Have the backend drop an unreleased QoS 2 message, if it has such, and answer PUBCOMP."""

    def acknowledge(self, packet: Puback | Pubrec) -> None:
        """Have the backend answer a PUBLISH that it never saw, after those that it saw before."""

    def may_retain(self, topic: str) -> bool:
        """Whether one more retained message fits, or the topic has one already."""

    def mute_publisher(self, topic: str, origin: str | None) -> str | None:
        """The publisher of a retained message, if it may not publish there any more (rule 7).

        ``origin``: the session it is from; None when the backend does not say, then it is that of the topic's message.
        """

    def postpone(self, act: Callable[[], None]) -> None:
        """Do this when the others have had a turn, and before any further packet of the device (rule 8)."""

    def passed(self, traffic: Traffic) -> None:
        """Tell what passed; not once per message."""

    def report(self, event: Event) -> None:
        """Tell what happened; device, segment and address are filled in."""


def tell(ports: Ports, kind: Kind, decision: Decision, action: Action, topic: str) -> None:
    """Report a decision that the operator should hear of."""
    rule = decision.rule
    ports.report(
        Event(
            kind,
            decision.reason,
            action=action,
            topic=topic,
            rule=None if rule is None else str(rule),
            observed=decision.observed,
        )
    )
