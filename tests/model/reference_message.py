"""A message as the model knows it: what was sent, what of it is certain, and to whom it is owed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.model.reference_receiver import Ear


class Kept(Enum):
    """Whether the server has something on the disk."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


@dataclass(eq=False, slots=True)
class Sent:
    """A message. ``empty`` ones clear what is retained, and nobody can tell them apart."""

    number: int
    device: str
    topic: str
    qos: int
    retain: bool
    empty: bool = False
    will: bool = False
    recorded: bool = False
    """QoS 2: PUBREC was written."""
    routed: list[int] = field(default_factory=list)
    """When it was handed to its receivers."""
    taken: Kept = Kept.NO
    """QoS 2: whether the server keeps it until PUBREL."""
    again: int = 0
    """Copies without DUP that kills may have added: each may have forgotten of all so far that they had been sent."""
    owed: dict[tuple[Ear, int], int | None] = field(default_factory=dict)
    """(receiver, its session) -> QoS, None when that is not certain."""

    @property
    def payload(self) -> bytes:
        return b"" if self.empty else b"%d" % self.number


def follows(other: Sent, sent: Sent) -> bool:
    """Whether it is a later message of the same flow, of which order is promised."""
    once = len(other.routed) == 1
    return once and (other.topic, other.qos) == (sent.topic, sent.qos) and other.routed > sent.routed
