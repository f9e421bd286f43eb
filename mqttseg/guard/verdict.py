"""Policy's verdict on a topic or filter, within what a backend can bear (rule 8)."""

from __future__ import annotations

from mqttseg.errors import Reason
from mqttseg.policy.compiled import Rights
from mqttseg.policy.decide import Decision, decide
from mqttseg.policy.model import Action

LEVELS = 32
LENGTH = 4096
"""Levels and characters that a topic or filter may have: sessions keep them, and a backend may take each apart for
every message that it routes. MQTT itself allows 65,535 bytes (4.7.3), which no device needs."""


def judge(rights: Rights, action: Action, topic: str) -> Decision:
    """What policy says; a topic that is too long or too deep is refused as ``invalid-topic``."""
    if len(topic) > LENGTH or topic.count("/") >= LEVELS:
        return Decision(allowed=False, reason=Reason.INVALID_TOPIC, rule=None)
    return decide(rights, action, topic)
