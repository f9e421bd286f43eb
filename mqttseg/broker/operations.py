"""What an operator can ask of a running broker, from any thread: each question is put to the broker's own loop.

Owns the way across threads, and what is gathered there: plain values, in one turn of the loop. Refuses to know HTTP.
"""

from __future__ import annotations

import asyncio
import heapq
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from mqttseg import __version__
from mqttseg.broker.engine_backend import EngineBackend
from mqttseg.broker.engine_events import device_of
from mqttseg.broker.figures import connections_by_segment
from mqttseg.broker.service import Application, Service
from mqttseg.observe.busiest import Busiest
from mqttseg.observe.flows import Direction, Flow
from mqttseg.observe.queries import EventQuery, FlowQuery, Recorded, read_events, read_flows
from mqttseg.observe.snapshot import BrokerStatus, Done, Expiry, PolicyInForce, SessionStatus
from mqttseg.observe.tally import DENIED, OBSERVED
from mqttseg.pki.quarantine import Quarantine

EXPIRING = 10
"""Devices whose certificates end first that are named."""

_Value = TypeVar("_Value")


class LiveOperations:
    """One running broker. Make it on the broker's loop; MqttsegError from every method until it has started."""

    def __init__(self, service: Service, backend: EngineBackend, busiest: Busiest) -> None:
        self._loop = asyncio.get_running_loop()
        self._service = service
        self._backend = backend
        self._busiest = busiest
        self._started = datetime.now(UTC)

    async def status(self) -> BrokerStatus:
        """How it is doing."""
        return await self._look(self._status)

    async def sessions(self, after: str, limit: int) -> Sequence[SessionStatus]:
        """The first sessions whose client id comes after this one, in order."""

        def look() -> list[SessionStatus]:
            keys = (key for key in self._backend.engine.sessions if key > after)
            return [self._session(key) for key in heapq.nsmallest(limit, keys)]

        return await self._look(look)

    async def sessions_of(self, device: str) -> Sequence[SessionStatus]:
        """All sessions of one device."""
        return await self._look(lambda: [self._session(key) for key in sorted(self._backend.sessions_of(device))])

    async def apply_policy(self, *, by: str, dry_run: bool) -> Application:
        """Load the site's files and put them in force. ConfigurationError: something is wrong, nothing changed."""
        return await self._do(self._service.apply(by=by, dry_run=dry_run))

    async def events(self, query: EventQuery) -> Sequence[Recorded]:
        """What was kept of what happened. Not the loop's business: read beside it."""
        return await asyncio.to_thread(self._read, lambda path: read_events(path, query))

    async def flows(self, query: FlowQuery) -> Sequence[Flow]:
        """What was kept of what passed."""
        return await asyncio.to_thread(self._read, lambda path: list(read_flows(path, query)))

    def _read(self, ask: Callable[[Path], list[_Value]]) -> list[_Value]:
        """Nothing, where nothing was kept yet: the file comes with the first that is."""
        path = self._service.site.config.event_store
        return ask(path) if path.exists() else []

    async def quarantined(self) -> Sequence[Quarantine]:
        """The devices that are out, in order."""
        return await self._look(lambda: [entry for _, entry in sorted(self._service.quarantines.entries.items())])

    async def quarantine(self, device: str, seconds: float | None, *, by: str, why: str) -> tuple[Quarantine, Done]:
        """Put a device out, at once and over restarts."""
        return await self._do(self._service.quarantines.impose(device, seconds, by=by, why=why))

    async def release(self, device: str, *, by: str, why: str) -> tuple[Quarantine, Done] | None:
        """Let a device in again. None: it was not out."""
        return await self._do(self._service.quarantines.lift(device, by=by, why=why))

    async def refresh_revocations(self, device: str | None, *, by: str, why: str) -> Done:
        """Read the revocation list now. ``device``: whose certificates were just revoked, for the audit trail."""
        return Done(await self._do(self._service.revoked(device, by=by, why=why)))

    async def _do(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _look(self, look: Callable[[], _Value]) -> _Value:
        async def in_one_turn() -> _Value:
            return look()

        return await self._do(in_one_turn())

    # On the broker's loop

    def _status(self) -> BrokerStatus:
        service, engine = self._service, self._backend.engine
        return BrokerStatus(
            version=__version__,
            pid=os.getpid(),
            started=self._started,
            listening=tuple(map(str, service.bound)),
            policy=self._policy(),
            connected=len(service.guard.roster),
            sessions=len(engine.sessions),
            retained=len(engine.retained),
            quarantined=len(service.quarantines.entries),
            counters=dict(self._counters()),
            segments=connections_by_segment(service),
            denied=service.tally.by_reason(DENIED),
            observed=service.tally.by_reason(OBSERVED),
            busiest=self._busiest.devices,
            expiring=tuple(self._expiring()),
        )

    def _counters(self) -> Iterator[tuple[str, int]]:
        counters = self._backend.engine.counters
        sizes = Counter[Direction]()
        yield "received", counters.received
        yield "sent", counters.sent
        yield "acknowledged", counters.acknowledged
        yield "dropped", self._backend.engine.losses.total
        for (_, direction), (_, size) in self._service.guard.traffic.totals.items():
            sizes[direction] += size
        yield "bytes_published", sizes[Direction.PUBLISH]
        yield "bytes_received", sizes[Direction.RECEIVE]

    def _expiring(self) -> Iterator[Expiry]:
        """The broker's own first, then the connected devices' that end first."""
        yield Expiry(None, self._service.site.certificate_end)
        identities = (connection.identity for connection in self._service.guard.roster)
        ends = {identity.device_id: identity.not_after for identity in identities if identity is not None}
        for device, until in heapq.nsmallest(EXPIRING, ends.items(), key=lambda entry: (entry[1], entry[0])):
            yield Expiry(device, until)

    def _policy(self) -> PolicyInForce:
        service, policy = self._service, self._service.compiled.policy
        return PolicyInForce(
            file=str(service.site.config.policy),
            revision=service.revision,
            since=service.since,
            mode=policy.mode,
            segments=len(policy.segments),
            conduits=len(policy.conduits),
            devices=len(policy.devices),
        )

    def _session(self, key: str) -> SessionStatus:
        device, session = device_of(key), self._backend.engine.sessions[key]
        placement = self._service.compiled.placement(device)
        holder = self._service.guard.roster.holder(key)
        return SessionStatus(
            client_id=key,
            device=device,
            segment=None if placement is None else placement.segment.name,
            role=None if placement is None else placement.role.name or None,
            address=None if holder is None else f"{holder.address}:{holder.port}",
            subscriptions=len(session.filters),
            queued=len(session.queue),
        )
