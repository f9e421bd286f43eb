"""The strings MQTT allows: UTF-8 text, topic names and topic filters.

Owns their syntax, and only that. Refuses to know what a filter matches, and who may use which: that is policy.
"""

from __future__ import annotations

from mqttseg.errors import ProtocolError

MAX_STRING = 0xFFFF
"""The most bytes a string or binary field can have: its length is two bytes (1.5.3)."""


def text_from(data: bytes) -> str:
    """Decode a UTF-8 string field. Raises ProtocolError for ill-formed UTF-8, surrogates and U+0000.

    [MQTT-1.5.3-1], [MQTT-1.5.3-2]; a U+FEFF stays where it is [MQTT-1.5.3-3].
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ProtocolError("a string is not well-formed UTF-8 [MQTT-1.5.3-1]") from None
    if "\0" in text:
        raise ProtocolError("a string has a U+0000 in it [MQTT-1.5.3-2]")
    return text


def topic_fault(topic: str) -> str | None:
    """Say what keeps ``topic`` from being the topic name of a message; None when nothing does."""
    if not topic:
        return "a topic name is empty [MQTT-4.7.3-1]"
    if "+" in topic or "#" in topic:
        return "a topic name has a wildcard in it [MQTT-3.3.2-2]"
    return None


def filter_fault(topic_filter: str) -> str | None:
    """Say what keeps ``topic_filter`` from being a topic filter; None when nothing does."""
    if not topic_filter:
        return "a topic filter is empty [MQTT-4.7.3-1]"
    if "#" in topic_filter[:-1] or (topic_filter.endswith("#") and topic_filter[-2:] not in {"#", "/#"}):
        return "a topic filter has a # that is not its whole last level [MQTT-4.7.1-2]"
    if "+" in topic_filter and any("+" in level for level in topic_filter.split("/") if level != "+"):
        return "a topic filter has a + that is not a whole level [MQTT-4.7.1-3]"
    return None
