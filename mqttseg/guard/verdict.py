"""Policy's verdict on a topic or filter, within what a backend can bear (rule 8)."""

from __future__ import annotations

from mqttseg.errors import PeerError, Reason
from mqttseg.policy.compiled import Rights
from mqttseg.policy.decide import Decision, decide
from mqttseg.policy.model import Action

LEVELS = 201
"""Levels that a topic or filter may have: a backend takes it apart, and keeps a node for each. As Mosquitto has it."""

ORDINARY_LENGTH = 256
ORDINARY_LEVELS = 32
"""Beyond these a topic or filter is large: legal, but few of them are kept (rule 8)."""


def judge(rights: Rights, action: Action, topic: str) -> Decision:
    """What policy says.

    Raises:
        PeerError: no device needs so many levels; its connection ends, as it would for a string that is too long.
    """
    levels = topic.count("/") + 1
    if levels > LEVELS:
        raise PeerError(Reason.INVALID_TOPIC, f"a topic or filter of {levels} levels, over {LEVELS}")
    return decide(rights, action, topic)


def is_large(topic: str) -> bool:
    """Whether keeping this topic or filter takes far more memory than keeping another."""
    return len(topic) > ORDINARY_LENGTH or topic.count("/") >= ORDINARY_LEVELS
