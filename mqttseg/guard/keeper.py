"""What a connection asks of whoever knows all connections. guard.py implements it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from typing import Protocol, TypeVar

from mqttseg.config import BrokerLimits, ClientIds
from mqttseg.guard.admission import Admission
from mqttseg.guard.backend import Backend
from mqttseg.guard.limits import TokenBucket
from mqttseg.guard.traffic import UntoldTraffic
from mqttseg.observe.events import Event
from mqttseg.pki.identity import Identity
from mqttseg.policy.compiled import Compiled, Rights

ConnectionT_contra = TypeVar("ConnectionT_contra", contravariant=True)


class Keeper(Protocol[ConnectionT_contra]):
    """Keeps the connections of all devices, and what is in force for them."""

    loop: asyncio.AbstractEventLoop
    limits: BrokerLimits
    client_id: ClientIds
    backend: Backend
    compiled: Compiled
    traffic: UntoldTraffic

    def identify(self, tls: ssl.SSLObject | None) -> Identity:
        """Who is at the other end of this TLS connection. Raises PeerError: nobody of ours (rule 1)."""

    def check_name(self, identity: Identity) -> None:
        """Whether the certificate is of the trust domain in force. Raises PeerError: it is not (rule 1)."""

    def connection_made(self, connection: ConnectionT_contra) -> None:
        """The connection's device proved itself."""

    def check_room(self, connection: ConnectionT_contra, admission: Admission) -> None:
        """Whether the device may have one more session. Raises Refusal: it may not (rule 8)."""

    async def take_over(self, connection: ConnectionT_contra, key: str) -> None:
        """Make the session this connection's."""

    def leave_session(self, connection: ConnectionT_contra) -> None:
        """The connection's session is over, though its socket may take a while to close."""

    def connection_lost(self, connection: ConnectionT_contra) -> None:
        """The connection is gone."""

    def patience(self, keep_alive: int) -> float:
        """Seconds of silence after which a device with this keep-alive is cut."""

    def bucket(self, rights: Rights) -> TokenBucket | None:
        """The device's token bucket; None when its segment sets no rate."""

    def may_retain(self, topic: str, device_id: str) -> bool:
        """Whether one more retained message of the device fits (rule 8)."""

    def mute_publisher(self, topic: str, origin: str | None) -> str | None:
        """The publisher of a retained message, if it may not publish there any more (rule 7)."""

    def report(self, event: Event) -> None:
        """Tell what happened."""

    def spawn(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        """Run a connection's opening or ending as a task that the keeper owns."""
