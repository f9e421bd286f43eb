"""The last retained message of each topic.

Owns what is retained and its bounds (3.3.1.3). Refuses to know who may see it: ``origin`` is there for the guard.
"""

from __future__ import annotations

from mqttseg.engine.message import Message
from mqttseg.engine.settings import EngineSettings
from mqttseg.engine.topicorder import TopicOrder

ENTRY_COST = 500
"""Bytes that a message costs beside its topic and payload, about, counted so that tiny ones cannot evade the bound."""


class Retained:
    """Topic -> message, bounded by number and bytes.

    ``numbers`` says of each topic which message it was since the start, and ``number`` which was the last.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self.order = TopicOrder()
        self.messages: dict[str, Message] = {}
        self.numbers: dict[str, int] = {}
        self.number = 0
        self._bytes = 0
        self._shares: dict[str, list[int]] = {}
        """Owner -> messages and bytes."""

    def held_by(self, owner: str) -> int:
        """How many messages are from this owner."""
        return self._shares.get(owner, (0,))[0]

    def put(self, message: Message) -> bool:
        """Replace the topic's message; an empty payload clears it [MQTT-3.3.1-10][MQTT-3.3.1-11].

        False when a bound forbids it: then the topic has no retained message, for the old one is out of date
        [MQTT-3.3.1-7].
        """
        fits = bool(message.payload) and self._fits(message)
        if fits:
            self._keep(message)
        else:
            self._drop(message.topic)
        return fits or not message.payload

    def _keep(self, message: Message) -> None:
        topic = message.topic
        old = self.messages.get(topic)
        if old is None:
            self.order.add(topic)
        else:
            self._count(old, -1)
        self._count(message, 1)
        self.messages[topic] = message
        self.number += 1
        self.numbers[topic] = self.number

    def _drop(self, topic: str) -> None:
        old = self.messages.pop(topic, None)
        if old is not None:
            self._count(old, -1)
            del self.numbers[topic]
            self.order.remove(topic)

    def _count(self, message: Message, sign: int) -> None:
        cost, owner = sign * _cost(message), _owner(message)
        self._bytes += cost
        if owner is not None:
            share = self._shares.setdefault(owner, [0, 0])
            share[0] += sign
            share[1] += cost
            if not share[0]:
                del self._shares[owner]

    def _share(self, message: Message, old: Message | None) -> int:
        """Bytes of the message's owner, as if the old message were gone."""
        owner = _owner(message)
        held = 0 if owner is None else self._shares.get(owner, (0, 0))[1]
        return held - _cost(old) if old is not None and _owner(old) == owner else held

    def _fits(self, message: Message) -> bool:
        """Asked before the old message goes, and as if it were gone."""
        old = self.messages.get(message.topic)
        return (
            len(self.messages) - (old is not None) < self._settings.retained_messages
            and self._bytes - _cost(old) + _cost(message) <= self._settings.retained_bytes
            and (message.origin is None or self._share(message, old) + _cost(message) <= self._settings.retained_share)
            and message.topic.count("/") < self._settings.levels
        )


def _owner(message: Message) -> str | None:
    return None if message.origin is None else message.origin.partition("/")[0]


def _cost(message: Message | None) -> int:
    return 0 if message is None else message.size + len(message.topic) + ENTRY_COST
