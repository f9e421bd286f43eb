"""The last retained message of each topic.

Owns what is retained and its bounds (3.3.1.3). Refuses to know who may see it: ``origin`` is there for the guard.
"""

from __future__ import annotations

from mqttseg.engine.message import Message
from mqttseg.engine.settings import EngineSettings
from mqttseg.engine.topictree import TopicTree

LEVEL_COST = 250
"""Bytes that a level of a topic costs in the tree, about, counted so that deep topics cannot evade the bound."""


class Retained:
    """Topic -> message, bounded by number and bytes."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._tree: TopicTree[Message] = TopicTree()
        self.messages: dict[str, Message] = {}
        self._bytes = 0

    def put(self, message: Message) -> bool:
        """Replace the topic's message; an empty payload clears it [MQTT-3.3.1-10][MQTT-3.3.1-11].

        False when a bound forbids it: then the topic has no retained message, for the old one is out of date.
        """
        topic = message.topic
        old = self.messages.pop(topic, None)
        if old is not None:
            self._bytes -= _cost(old)
            self._tree.remove(topic)
        if not message.payload:
            return True
        if not self._fits(message):
            return False
        self.messages[topic] = message
        self._tree.put(topic, message)
        self._bytes += _cost(message)
        return True

    def match(self, topic_filter: str) -> list[Message]:
        """The retained messages whose topics the filter matches."""
        if "+" in topic_filter or "#" in topic_filter:
            return self._tree.match(topic_filter)
        message = self.messages.get(topic_filter)
        return [] if message is None else [message]

    def _fits(self, message: Message) -> bool:
        return (
            len(self.messages) < self._settings.retained_messages
            and self._bytes + _cost(message) <= self._settings.retained_bytes
            and message.topic.count("/") < self._settings.levels
        )


def _cost(message: Message) -> int:
    return message.size + LEVEL_COST * (message.topic.count("/") + 1)
