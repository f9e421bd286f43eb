"""All connections together: the policy and revocations in force, who is connected, and what acts on all of them.

Owns what one connection cannot know alone. Refuses to know files, sockets and how the backend works.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Collection, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mqttseg.config import BrokerLimits, ClientIds
from mqttseg.errors import PeerError, Reason
from mqttseg.guard.admission import SERVER_UNAVAILABLE, Admission, Refusal
from mqttseg.guard.backend import Backend
from mqttseg.guard.connection import Connection
from mqttseg.guard.limits import TokenBucket
from mqttseg.guard.retaining import Retaining
from mqttseg.guard.roster import Roster
from mqttseg.guard.sweep import Settled, certificate_ends, cut_who_fails, settle_all, tell_all
from mqttseg.guard.traffic import UntoldTraffic
from mqttseg.guard.verdict import is_large, judge
from mqttseg.guard.wills import Wills
from mqttseg.observe.events import Event, Kind, Outlet
from mqttseg.observe.flows import Traffic
from mqttseg.pki.bundle import is_issued_by
from mqttseg.pki.identity import Identity, IdentitySource, check_current
from mqttseg.pki.known import Known
from mqttseg.pki.revocation import Revocations
from mqttseg.policy.compiled import Compiled, Rights
from mqttseg.policy.model import Action

log = logging.getLogger(__name__)

_KEEP_ALIVE_GRACE = 1.5  # [MQTT-3.1.2-24]

DECISIONS_KEPT = 8192
"""Sessions and topics for which it is kept whether messages may be stored; then it starts over."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator set for every connection."""

    limits: BrokerLimits
    client_id: ClientIds
    identity_source: IdentitySource


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force at a moment, and may be replaced while connections are up (rule 7)."""

    compiled: Compiled
    revocations: Revocations = field(default_factory=Revocations.none)
    quarantined: Collection[str] = frozenset()


class Guard:
    """The reference monitor: every connection of every device, and the one place where the policy is changed."""

    def __init__(self, terms: Terms, standing: Standing, backend: Backend, report: Outlet) -> None:
        self.loop = asyncio.get_running_loop()
        self.limits = terms.limits
        self.client_id = terms.client_id
        self._known = Known(terms.identity_source)
        self.compiled = standing.compiled
        self._revocations = standing.revocations
        self._quarantined = frozenset(standing.quarantined)
        self.backend = backend
        self.report = report
        self.traffic = UntoldTraffic()
        self._admitted: dict[tuple[str, str], bool] = {}
        backend.judged_by(self.may_receive)
        self.roster: Roster[Connection] = Roster()
        self._retaining = Retaining(self.limits.retained, self.limits.retained_per_device)
        self._buckets: dict[str, tuple[float, float, TokenBucket]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wills = Wills(self, self._check_standing)

    # What a connection asks

    def identify(self, tls: ssl.SSLObject | None) -> Identity:
        """Who is at the other end of this TLS connection (rule 1).

        Raises:
            PeerError: nobody of ours, or a device that is in quarantine.
        """
        identity = self._identify(None if tls is None else tls.getpeercert(binary_form=True))
        if identity.device_id in self._quarantined:
            raise PeerError(Reason.QUARANTINED, "the device is in quarantine", device=identity.device_id)
        return identity

    def _identify(self, der: bytes | None) -> Identity:
        domain = self.compiled.policy.trust_domain
        return self._known.identify(der, trust_domain=domain, now=datetime.now(UTC), revoked=self._revocations)

    def check_name(self, identity: Identity) -> None:
        """Whether the certificate names a device of the trust domain in force.

        Raises:
            PeerError: it does not.
        """
        self._identify(identity.certificate.public_bytes(Encoding.DER))

    def connection_made(self, connection: Connection) -> None:
        """A device proved itself. One that opens connections without CONNECT loses its oldest (rule 8)."""
        device_id = _device_of(connection)
        self.roster.add(device_id, connection)
        silent = [c for c in self.roster.of(device_id) if c.key is None]
        if len(silent) > self.limits.connections_per_device:
            silent[0].refuse(Reason.RATE_LIMIT, "too many connections of this device without CONNECT")

    def check_room(self, connection: Connection, admission: Admission) -> None:
        """Whether the device may have one more session (rule 8).

        Raises:
            Refusal: it may not.
        """
        device_id, limit = _device_of(connection), self.limits.connections_per_device
        keys = {c.key for c in self.roster.of(device_id) if c is not connection and c.key is not None and not c.closed}
        keys.update(self.backend.sessions_of(device_id))
        if len(keys - {admission.key}) >= limit:
            raise Refusal(SERVER_UNAVAILABLE, Reason.RATE_LIMIT, f"limits.connections_per_device is {limit}")

    async def take_over(self, connection: Connection, key: str) -> None:
        """Make the session this connection's: whoever had it is cut first [MQTT-3.1.4-2]."""
        while not connection.closed:
            holder = self.roster.holder(key)
            if holder is not None:
                holder.cut(Reason.OK, "session taken over by a new connection of the same device")
                self.connection_lost(holder)
            elif self.roster.is_ending(key):
                await self.roster.free(key)
            else:
                self.roster.claim(key, connection)
                return

    def patience(self, keep_alive: int) -> float:
        """Seconds of silence after which a device with this keep-alive is cut (rule 8)."""
        longest = self.limits.keep_alive_max
        return min(keep_alive or longest, longest) * _KEEP_ALIVE_GRACE

    def bucket(self, rights: Rights) -> TokenBucket | None:
        """The device's token bucket, shared by all of its sessions; None when its segment sets no rate."""
        rate = rights.limits.messages_per_second
        if rate is None:
            return None
        burst = rights.limits.burst or rate
        known = self._buckets.get(rights.device_id)
        if known is None or known[:2] != (rate, burst):
            known = self._buckets[rights.device_id] = (rate, burst, TokenBucket(rate, burst, self.loop.time()))
        return known[2]

    def may_receive(self, key: str, topic: str) -> bool:
        """Whether the session's device may receive the topic now: asked before a message is kept for it (rule 10)."""
        admitted = self._admitted.get((key, topic))
        if admitted is None:
            rights = self.compiled.rights(key.partition("/")[0])
            admitted = judge(rights, Action.RECEIVE, topic).passes
            if is_large(topic):
                return admitted
            if len(self._admitted) >= DECISIONS_KEPT:
                self._admitted.clear()
            self._admitted[key, topic] = admitted
        return admitted

    def may_retain(self, topic: str, device_id: str) -> bool:
        """Whether one more retained message of the device fits, in all and in its share (rule 8)."""
        return self._retaining.admits(topic, device_id, self.backend, self.loop.time())

    def mute_publisher(self, topic: str, origin: str | None) -> str | None:
        """The publisher of a retained message, if it may not publish there any more (rule 7).

        Of the message that is delivered: it may have waited in a queue while the topic got another one.
        """
        origin = origin or self.backend.retained_origins().get(topic)
        if origin is None:  # the broker's own, or not a retained message at all
            return None
        publisher = origin.partition("/")[0]
        if publisher in self._quarantined:
            return publisher
        return None if judge(self.compiled.rights(publisher), Action.PUBLISH, topic).passes else publisher

    def connection_lost(self, connection: Connection) -> None:
        """Forget the connection, and its session with it."""
        if connection.identity is not None:
            self.roster.remove(connection.identity.device_id, connection)
        self.leave_session(connection)

    def leave_session(self, connection: Connection) -> None:
        """The session is the connection's no longer: its will fires if it should; the backend lets go of it. Once."""
        if connection.key is None:
            return
        conversation, connection.conversation = connection.conversation, None
        if conversation is None:
            self.roster.yield_claim(connection.key, connection)
            return
        self._wills.fire(connection)
        ending = self.spawn(conversation.end(), f"end {connection.key}")
        self.roster.leave(connection.key, connection, ending)

    def _check_standing(self, identity: Identity) -> None:
        """Whether the device would be let in now. Raises PeerError: it is out."""
        if identity.device_id in self._quarantined:
            raise PeerError(Reason.QUARANTINED, "the device is in quarantine", device=identity.device_id)
        check_current(identity, now=datetime.now(UTC), revoked=self._revocations)

    def spawn(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        """Run a connection's opening or ending; the guard owns the task, and a failure is ours to report."""
        task = self.loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s failed", task.get_name(), exc_info=task.exception())
            self.report(Event(Kind.ERROR, Reason.INTERNAL_ERROR, detail=task.get_name()))

    def harvest(self) -> Iterable[Traffic]:
        """What passed since this was last asked: per device, direction and topic. Costs 2 us for each that was in use.

        Nothing is told twice, and nothing is lost but what is asked for after ``close``.
        """
        for connection in self.roster:
            if connection.monitor is not None:
                connection.monitor.harvest()
        return self.traffic.take()

    async def tell_in_turns(self) -> None:
        """Have every connection tell ``traffic`` what passed, with turns for everybody else between."""
        await tell_all(self.roster)

    async def certificate_ends(self) -> list[tuple[str, datetime]]:
        """The devices that are connected, and when the certificates they came with expire; in turns with others."""
        return await certificate_ends(self.roster)

    # What acts on all connections (rule 7)

    def change_policy(self, compiled: Compiled) -> None:
        """Put a policy in force: from here on every decision is by it. ``settle`` then does what can wait.

        Costs the same for any number of connections: each finds out when it is next asked to decide.
        """
        self.compiled = compiled
        self._admitted.clear()

    async def settle(self) -> Settled:
        """Cut who is out since the policy changed, and withdraw what is subscribed and no longer allowed.

        Nobody is held up by it: the loop has its turns between, and decisions are by the new policy already.
        """
        return await settle_all(self.roster)

    async def change_trust(self, authorities: Iterable[x509.Certificate]) -> None:
        """The trust bundle changed: cut whose certificate no authority in it has issued. Others may connect again."""
        trusted = tuple(authorities)

        def check(identity: Identity) -> None:
            if not is_issued_by(identity.certificate, trusted):
                detail = "its authority is no longer in the trust bundle"
                raise PeerError(Reason.CERTIFICATE_UNTRUSTED, detail, device=identity.device_id)

        await cut_who_fails(self.roster, check)

    async def change_revocations(self, revocations: Revocations) -> int:
        """Put revocations in force: a device whose certificate is revoked is cut, its will unsent. Returns how many."""
        if revocations == self._revocations:
            return 0
        self._revocations = revocations
        return await self.recheck_certificates(datetime.now(UTC))

    async def recheck_certificates(self, now: datetime) -> int:
        """Cut the devices whose certificate is revoked or no longer in date; returns how many connections."""
        return await cut_who_fails(self.roster, lambda i: check_current(i, now=now, revoked=self._revocations))

    def change_quarantine(self, quarantined: Collection[str]) -> int:
        """These devices are out from now on, and no others: their connections are cut, their wills unsent.

        Returns the number of connections that were.
        """
        newly = frozenset(quarantined) - self._quarantined
        self._quarantined = frozenset(quarantined)
        connections = [connection for device in newly for connection in self.roster.of(device)]
        for connection in connections:
            connection.cut(Reason.QUARANTINED, "the device is in quarantine")
        return len(connections)

    async def close(self) -> None:
        """Close every connection, without wills, and return when the backend has let go of all sessions."""
        self._wills.forgo()
        for connection in self.roster:
            connection.close()
            self.connection_lost(connection)
        while self._tasks:
            await asyncio.wait(self._tasks)


def _device_of(connection: Connection) -> str:
    if connection.identity is None:
        raise PeerError(Reason.INTERNAL_ERROR, "the connection has no identity")
    return connection.identity.device_id
