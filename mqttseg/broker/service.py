"""The guard in operation: started on its listeners, kept in step with the files, the clock and the operator.

Owns what happens over time. Refuses to know amqtt: it is given a backend.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mqttseg.broker.harvest import EVERY, Harvest
from mqttseg.broker.quarantine import Quarantines
from mqttseg.broker.site import Site, load_crl, load_site
from mqttseg.config import Endpoint
from mqttseg.errors import ConfigurationError, MqttsegError, Reason
from mqttseg.guard.backend import Backend
from mqttseg.guard.guard import Guard, Terms
from mqttseg.guard.listener import Listeners
from mqttseg.observe.events import Event, Kind, Outlet
from mqttseg.observe.tally import Tally
from mqttseg.pki.quarantine import Register
from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.difference import difference

log = logging.getLogger(__name__)

LIST_CHECK = 0.05
"""Seconds between looks at the lists of who is out: what a command wrote must act at once (rule 7)."""

CLOCK_CHECK = 1.0
"""Seconds between looks at the clock, for certificates and conduits that run out."""


_UNSEEN = object()

Load = Callable[[], Coroutine[Any, Any, object]]


@dataclass(frozen=True, slots=True)
class Application:
    """What applying the site's files did, or would do: who gains or loses what, a line each; what was cut."""

    revision: int
    changes: tuple[str, ...] = ()
    connections: int = 0
    subscriptions: int = 0


class Service:
    """A guard, its listeners, and the chores that keep what they enforce up to date."""

    def __init__(
        self, site: Site, report: Outlet, tick: Callable[[], None] = lambda: None, harvest: Harvest | None = None
    ) -> None:
        self.site = site
        self._harvest = harvest
        self._report = report
        self.tally = Tally()
        self._tick = tick
        self._guard: Guard | None = None
        self._listeners: Listeners | None = None
        self._chores: list[asyncio.Task[Any]] = []
        self._reloading = asyncio.Lock()
        self._quarantines: Quarantines | None = None
        self.bound: Sequence[Endpoint] = ()
        self.revision = 1
        """Of the policy in force; counts up with every one that is applied."""
        self.since = datetime.now(UTC)
        self.companions: list[Callable[[Guard, Quarantines], Coroutine[Any, Any, None]]] = []
        """Who else works while the service does: started with it, cancelled before it stops."""

    @property
    def guard(self) -> Guard:
        """The guard, once started."""
        if self._guard is None:
            raise MqttsegError("the broker has not started yet")
        return self._guard

    @property
    def quarantines(self) -> Quarantines:
        """Which devices are out, once started."""
        if self._quarantines is None:
            raise MqttsegError("the broker has not started yet")
        return self._quarantines

    def report(self, event: Event) -> None:
        """Report what somebody behind the guard saw; the segment of the device is filled in."""
        placement = None if event.device is None else self.compiled.placement(event.device)
        self._report(event if placement is None else replace(event, segment=placement.segment.name))

    @property
    def compiled(self) -> Compiled:
        """The policy in force."""
        return self.site.compiled if self._guard is None else self._guard.compiled

    def start(self, backend: Backend, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
        """Begin to accept connections; returns where.

        Raises:
            OperatorError: an address cannot be listened on. Then none is.
        """
        config = self.site.config
        self._report = self.tally.before(self._report)
        terms = Terms(config.limits, config.client_id, config.identity)
        self._guard = Guard(terms, self.site.standing, backend, self._report)
        self._quarantines = Quarantines(
            Register(config.state), self.site.quarantined, self._guard.change_quarantine, self.report
        )
        self._listeners = Listeners(self._guard, self.site.context)
        try:
            bound = [real for endpoint in endpoints for real in self._listeners.listen(endpoint)]
        except MqttsegError:
            self._listeners.stop_listening()
            raise
        loop = asyncio.get_running_loop()
        self._chores = [
            loop.create_task(self._quarantines.tell_companions(), name="tell who is out"),
            loop.create_task(self._watch_files(), name="watch revocations and quarantines"),
            loop.create_task(self._watch_clock(), name="watch the clock"),
        ]
        if self._harvest is not None:
            self._chores.append(loop.create_task(self._harvest_traffic(self._harvest), name="harvest what passed"))
        for companion in self.companions:
            self._chores.append(loop.create_task(companion(self._guard, self._quarantines), name="companion"))
        self.bound = bound
        return bound

    async def reload(self) -> None:
        """As ``apply``, for those who ask for nothing more."""
        await self.apply()

    async def apply(self, *, by: str | None = None, dry_run: bool = False) -> Application:
        """Load the site's files again and put them in force; what is wrong changes nothing.

        The loop goes on meanwhile: a large policy takes seconds to check. ``dry_run``: only say what would change.

        Raises:
            ConfigurationError: why nothing was changed.
        """
        async with self._reloading:
            try:
                site = await asyncio.to_thread(load_site, self.site.config)
            except ConfigurationError as error:
                detail = f"reload refused, nothing changed: {error}"
                self._report(Event(Kind.POLICY, Reason.INVALID_CONFIGURATION, who=by, detail=detail))
                raise
            changes = await asyncio.to_thread(_changes, self.compiled, site.compiled)
            if dry_run:
                return Application(self.revision, changes)
            return await self._enforce(site, changes, by)

    async def _enforce(self, site: Site, changes: tuple[str, ...], by: str | None) -> Application:
        known, self.site = self.site, site
        if self._listeners is not None:
            self._listeners.context = site.context
        self.guard.change_policy(site.compiled)
        self.revision += 1
        self.since = datetime.now(UTC)
        for line in changes:
            log.info("policy: %s", line)
        detail = f"{site.config.policy} is in force, revision {self.revision}"
        self._report(Event(Kind.POLICY, Reason.OK, who=by, detail=detail))
        if site.authorities != known.authorities:
            await self.guard.change_trust(site.authorities)
        await self.guard.change_revocations(site.revocations)
        settled = await self.guard.settle()
        return Application(self.revision, changes, settled.connections, settled.subscriptions)

    async def stop(self) -> None:
        """Accept nothing more, and end all connections."""
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        if self._quarantines is not None:
            await self._quarantines.close()
        if self._listeners is not None:
            await self._listeners.close()
        if self._guard is not None:
            if self._harvest is not None:
                await self._harvest.finish(self._guard)
            await self._guard.close()

    async def _watch_files(self) -> None:
        """What commands write acts at once, be the control API there or not."""
        watched: dict[Path, Load] = {self.quarantines.path: self.quarantines.reread}
        if self.site.config.crl is not None:
            watched[self.site.config.crl] = self.refresh_revocations
        seen: dict[Path, object] = {}  # so that what was written since the start was prepared is not missed
        while True:
            for path, load in watched.items():
                stamp = _stamp(path)
                if seen.get(path, _UNSEEN) != stamp:
                    seen[path] = stamp
                    await self._reload_one(load)
            await asyncio.sleep(LIST_CHECK)

    async def _reload_one(self, load: Load) -> None:
        try:
            await load()
        except ConfigurationError as error:
            detail = f"what was in force stays: {error}"
            self._report(Event(Kind.ERROR, Reason.INVALID_CONFIGURATION, detail=detail))
        except Exception:  # noqa: BLE001  # told, and the watch goes on
            self._tell_failure("reading a list of who is out")

    async def revoked(self, device: str | None, *, by: str, why: str) -> int:
        """An operator revoked certificates, and published that: act now, and tell who it was. Returns and raises as
        ``refresh_revocations``."""
        cut = await self.refresh_revocations()
        detail = f"{cut} connection{'s' * (cut != 1)} cut"
        self.report(
            Event(Kind.REVOKE, Reason.CERTIFICATE_REVOKED, device=device, who=by, why=why or None, detail=detail)
        )
        return cut

    async def refresh_revocations(self) -> int:
        """Read the revocation list now; the number of connections that this cut.

        Raises:
            ConfigurationError: it cannot be read; what was in force stays.
        """
        revocations = await asyncio.to_thread(load_crl, self.site.config)
        return await self.guard.change_revocations(revocations)

    async def _harvest_traffic(self, harvest: Harvest) -> None:
        while True:
            await asyncio.sleep(EVERY)
            try:
                await harvest.once(self.guard)
            except Exception:  # noqa: BLE001  # told, and the next one has it all
                self._tell_failure("counting what passed")

    async def _watch_clock(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_CHECK)
            self._tick()
            try:
                await self.look_at_clock(datetime.now(UTC))
            except Exception:  # noqa: BLE001  # told, and the watch goes on
                self._tell_failure("looking at the clock")

    async def look_at_clock(self, now: datetime) -> None:
        """Act on what has run out at ``now``: certificates, quarantines, conduits."""
        await self.guard.recheck_certificates(now)
        await self.quarantines.expire()
        until = self.guard.compiled.valid_until
        if until is not None and until <= now:
            async with self._reloading:  # beside the loop: a large policy takes a second
                policy = self.guard.compiled.policy
                self.guard.change_policy(await asyncio.to_thread(compile_policy, policy, now))
                await self.guard.settle()
            self._report(Event(Kind.EXPIRE, Reason.OK, detail="a conduit ran out"))

    def _tell_failure(self, what: str) -> None:
        """A chore failed, by a fault of ours: it is told, and goes on at its next turn (rule 9)."""
        log.exception("%s failed", what)
        self._report(Event(Kind.ERROR, Reason.INTERNAL_ERROR, detail=f"{what} failed: see the log"))


def _changes(old: Compiled, new: Compiled) -> tuple[str, ...]:
    return tuple(difference(old, new).lines())


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is replaced."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
