"""What an MQTT 3.1.1 control packet says, as values.

Owns the shape of the fourteen packets and the one of them that is nested (the will). Refuses to
know how they look as bytes, who sent them, or whether they are allowed.

The classes are slotted and compare by value. They are not frozen, because a frozen dataclass takes
four times as long to build and one is built per message: treat them as frozen all the same. A
``repr`` holds no secret and no payload, so that a packet may be logged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

LEVEL = 4
"""The protocol level of MQTT 3.1.1 [MQTT-3.1.2-2]."""

FAILURE = 0x80
"""The SUBACK code of a filter that was refused [MQTT-3.9.3-2]."""

SUBACK_CODES = frozenset({0, 1, 2, FAILURE})
"""All that SUBACK may say of a filter [MQTT-3.9.3-2]."""


@dataclass(slots=True, repr=False)
class Will:
    """What the server publishes when the connection breaks [MQTT-3.1.2-8]. The topic is a legal topic name."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False

    def __repr__(self) -> str:
        return f"Will(topic={self.topic!r}, payload=<{len(self.payload)} bytes>, qos={self.qos}, retain={self.retain})"


@dataclass(slots=True)
class Connect:
    """CONNECT (3.1). When ``level`` is not 4, only ``level`` means anything: answer CONNACK 1 [MQTT-3.1.2-2].

    ``keep_alive`` is in seconds, 0 for none. The client id may be empty [MQTT-3.1.3-6]. Neither user name nor
    password is in the ``repr``: there are fleets whose user name is the access token.
    """

    client_id: str
    clean_session: bool = True
    keep_alive: int = 0
    will: Will | None = None
    username: str | None = field(default=None, repr=False)
    password: bytes | None = field(default=None, repr=False)
    level: int = LEVEL


@dataclass(slots=True)
class Connack:
    """CONNACK (3.2): code 0 accepts, 1 to 5 refuse; a refusal has no session present [MQTT-3.2.2-4]."""

    session_present: bool
    code: int


@dataclass(slots=True, repr=False)
class Publish:
    """PUBLISH (3.3). ``packet_id`` is 0 at QoS 0, which has none [MQTT-2.3.1-5].

    ``frame`` is the packet's own bytes as they were received, so that it can be forwarded as it came; None when
    it was made here. ``origin`` is the session that published it, where a server knows that. Neither takes part in
    comparison, and ``encode`` does not look at them.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0
    frame: bytes | None = field(default=None, compare=False)
    origin: str | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return (
            f"Publish(topic={self.topic!r}, payload=<{len(self.payload)} bytes>, qos={self.qos}, "
            f"retain={self.retain}, dup={self.dup}, packet_id={self.packet_id})"
        )


@dataclass(slots=True, repr=False)
class PublishRun:
    """Several PUBLISH of one topic in a row, each QoS 0 without RETAIN and DUP: judged and routed like one.

    ``frames`` is their bytes as they were received, ``count`` how many they are, ``size`` the bytes of their payloads.
    Never made unless asked for.
    """

    topic: str
    frames: bytes
    count: int
    size: int

    def __repr__(self) -> str:
        return f"PublishRun(topic={self.topic!r}, frames=<{len(self.frames)} bytes>, count={self.count})"


@dataclass(slots=True)
class Puback:
    """PUBACK (3.4): answers a QoS 1 PUBLISH."""

    packet_id: int


@dataclass(slots=True)
class Pubrec:
    """PUBREC (3.5): the first answer to a QoS 2 PUBLISH."""

    packet_id: int


@dataclass(slots=True)
class Pubrel:
    """PUBREL (3.6): answers PUBREC."""

    packet_id: int


@dataclass(slots=True)
class Pubcomp:
    """PUBCOMP (3.7): answers PUBREL, and ends a QoS 2 flow."""

    packet_id: int


@dataclass(slots=True)
class Subscribe:
    """SUBSCRIBE (3.8): one or more of (filter, requested QoS), in the order in which SUBACK must answer."""

    packet_id: int
    requests: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class Suback:
    """SUBACK (3.9): per request the granted QoS, or 0x80 for refused, at the request's own place [MQTT-3.9.3-1]."""

    packet_id: int
    codes: tuple[int, ...]


@dataclass(slots=True)
class Unsubscribe:
    """UNSUBSCRIBE (3.10): one or more filters."""

    packet_id: int
    filters: tuple[str, ...]


@dataclass(slots=True)
class Unsuback:
    """UNSUBACK (3.11)."""

    packet_id: int


@dataclass(slots=True)
class Pingreq:
    """PINGREQ (3.12)."""


@dataclass(slots=True)
class Pingresp:
    """PINGRESP (3.13)."""


@dataclass(slots=True)
class Disconnect:
    """DISCONNECT (3.14): the client leaves in good order; its will is discarded [MQTT-3.14.4-3]."""


Packet: TypeAlias = (
    Connect
    | Connack
    | Publish
    | PublishRun
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
)
