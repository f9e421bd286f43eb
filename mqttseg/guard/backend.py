"""What stands behind the guard: the interface of whatever keeps sessions and routes messages.

The guard admits a connection, then opens one conversation with the backend for it. The backend is trusted to
deliver, not to protect: whatever it sends is judged before a device sees it (rule 6).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mqttseg.wire.packets import Connect, Packet, Puback, Pubrec, Will


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end: the device id its certificate proved, and its network address."""

    device_id: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """What the backend remembers of a session: filters with their QoS, and the QoS 2 messages not yet released.

    ``unreleased``: packet id -> topic and size of the payload in bytes.
    """

    filters: Mapping[str, int] = field(default_factory=dict)
    unreleased: Mapping[int, tuple[str, int]] = field(default_factory=dict)


class Link(Protocol):
    """The device, as the backend sees it."""

    def send(self, packet: Packet) -> None:
        """Judge the packet and send it. A PUBLISH that is not delivered is acknowledged to the backend at once."""

    def subscribed(self, topic_filter: str, qos: int) -> None:
        """Learn of a subscription that the device did not ask for: judged like any, and withdrawn if it may not be."""

    def hold(self, who: str) -> None:
        """Stop reading from the device until ``release`` of the same name."""

    def release(self, who: str) -> None:
        """Undo ``hold``."""

    def close(self) -> None:
        """End the connection."""


class Conversation(Protocol):
    """The backend's end of one admitted connection. Packets come in the order of the wire, from one thread."""

    def resumed(self) -> Resumed:
        """What the session holds, before ``start``. A clean session holds nothing."""

    def start(self) -> None:
        """Begin: the backend answers with CONNACK, then whatever it owes the session."""

    def receive(self, packet: Packet) -> None:
        """Take a packet of the device that policy allows. Never CONNECT, PINGREQ or DISCONNECT."""

    def forget(self, packet_id: int) -> None:
        """Drop the unreleased QoS 2 message of this id, if there is one, and answer PUBCOMP once that is safe.

        Its right is gone; or it was never forwarded; or it was released before, and the device asks again.
        """

    def acknowledge(self, packet: Puback | Pubrec) -> None:
        """Send this answer to a PUBLISH that was refused, and so never received, in its turn.

        What was received before it is answered before it, as far as the backend answers in order at all.
        """

    def writable(self, writable: bool) -> None:
        """Whether the device takes more bytes just now."""

    async def end(self) -> None:
        """The connection is gone; return when the session is free for another one."""


class Backend(Protocol):
    """Sessions and routing. Its session key is ``Connect.client_id``, which the guard made and bound to a device."""

    def open(self, connect: Connect, peer: Peer, link: Link) -> Conversation:
        """Open a conversation. ``connect`` has no will, user name or password; no other conversation has its key."""

    def judged_by(self, admits: Callable[[str, str], bool]) -> None:
        """How to ask whether a session (by key) may receive a topic now, before a message is kept for it.

        An offer: what is delivered is judged all the same. It saves a session's queue from what it would never see.
        """

    def publish(self, will: Will, origin: str) -> None:
        """Publish the will of a session that is gone. ``origin`` is its session key."""

    def retained_origins(self) -> Mapping[str, str | None]:
        """Topic of each retained message, and the session key of its publisher (None: the broker itself)."""

    def retained_by(self, device_id: str) -> int:
        """How many messages of the device's sessions are retained."""

    def sessions_of(self, device_id: str) -> Collection[str]:
        """Keys of the sessions kept for a device, connected or not."""
