"""One thing that happened on the broker, as a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from mqttseg.errors import Reason


class Kind(StrEnum):
    """What sort of thing happened."""

    CONNECT = "connect"  # a device was admitted
    REFUSE = "refuse"  # a connection was not: TLS, certificate, client id, will, segment
    DISCONNECT = "disconnect"  # an admitted device's connection ended
    CUT = "cut"  # the broker ended it: revoked, expired, policy, limit, protocol
    DENY = "deny"  # a publish, subscribe or receive was not allowed (``observed``: but let through)
    WITHDRAW = "withdraw"  # a live subscription is no longer allowed
    WILL = "will"  # a will fired
    LIMIT = "limit"  # a device was slowed down, or messages to it were dropped
    POLICY = "policy"  # the policy, or what it depends on, was changed or refused
    QUARANTINE = "quarantine"  # a device was put out, by an operator or a detection
    RELEASE = "release"  # a device was let in again
    REVOKE = "revoke"  # a certificate was revoked
    EXPIRE = "expire"  # what was given for a time ran out: a quarantine, a certificate, a conduit
    DETECT = "detect"  # a device did what a detection watches for
    ERROR = "error"  # something of ours failed; it denied


ACTIONS = frozenset({Kind.POLICY, Kind.QUARANTINE, Kind.RELEASE, Kind.REVOKE, Kind.EXPIRE, Kind.DETECT})
"""What was done about devices, not by them: each is told on its own, never folded into a count."""

DENIALS = frozenset({Kind.DENY, Kind.REFUSE, Kind.WITHDRAW})
"""Something was not allowed; with ``observed``, it was let through all the same."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, to whom, and why. Texts are as the peer sent them: an outlet must escape them.

    ``rule`` is ``FILTER (file:line:column)`` of the policy line that decided, where one did. ``repeated``: this tells
    of ``count`` more events like one that was told before. ``who`` did it, where an operator did, and ``why`` in the
    operator's words; ``detail`` is the broker's own.
    """

    kind: Kind
    reason: Reason
    device: str | None = None
    segment: str | None = None
    client_id: str | None = None
    address: str | None = None
    action: str | None = None
    topic: str | None = None
    rule: str | None = None
    observed: bool = False
    count: int = 1
    repeated: bool = False
    who: str | None = None
    why: str | None = None
    detail: str = ""


CLIPPED: Final = 1000
"""Characters of one text that are kept: a topic may have 65,535, and whoever is denied chooses it."""


def clip(text: str) -> str:
    """A text of a peer as it is kept."""
    return text if len(text) <= CLIPPED else f"{text[: CLIPPED - 1]}…"


Outlet: TypeAlias = Callable[[Event], None]
"""Takes an event; must neither block nor raise."""
