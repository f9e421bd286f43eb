"""The guard in operation: started on its listeners, kept in step with the files, the clock and the operator.

Owns what happens over time. Refuses to know amqtt: it is given a backend.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mqttseg.broker.site import Site, load_crl, load_site
from mqttseg.config import Endpoint
from mqttseg.errors import ConfigurationError, MqttsegError, Reason
from mqttseg.guard.backend import Backend
from mqttseg.guard.guard import Guard, Terms
from mqttseg.guard.listener import Listeners
from mqttseg.observe.events import Event, Kind, Outlet
from mqttseg.policy.compiled import Compiled, compile_policy

log = logging.getLogger(__name__)

REVOCATION_CHECK = 0.05
"""Seconds between looks at the revocation list: what ``mqttseg device revoke`` wrote must act at once (rule 7)."""

CLOCK_CHECK = 1.0
"""Seconds between looks at the clock, for certificates and conduits that run out."""


class Service:
    """A guard, its listeners, and the chores that keep what they enforce up to date."""

    def __init__(self, site: Site, report: Outlet, tick: Callable[[], None] = lambda: None) -> None:
        self.site = site
        self._report = report
        self._tick = tick
        self._guard: Guard | None = None
        self._listeners: Listeners | None = None
        self._chores: list[asyncio.Task[None]] = []
        self._reloading = asyncio.Lock()

    @property
    def guard(self) -> Guard:
        """The guard, once started."""
        if self._guard is None:
            raise MqttsegError("the guard was not started")
        return self._guard

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
        terms = Terms(config.limits, config.client_id, config.identity)
        self._guard = Guard(terms, self.site.standing, backend, self._report)
        self._listeners = Listeners(self._guard, self.site.context)
        try:
            bound = [real for endpoint in endpoints for real in self._listeners.listen(endpoint)]
        except MqttsegError:
            self._listeners.stop_listening()
            raise
        if config.metrics is not None:
            log.warning("metrics at %s: this version does not serve them yet", config.metrics)
        loop = asyncio.get_running_loop()
        self._chores = [
            loop.create_task(self._watch_revocations(), name="watch revocations"),
            loop.create_task(self._watch_clock(), name="watch the clock"),
        ]
        return bound

    async def reload(self) -> None:
        """Load the site's files again and put them in force; what is wrong changes nothing.

        The loop goes on meanwhile: a large policy takes seconds to check.

        Raises:
            ConfigurationError: why nothing was changed.
        """
        async with self._reloading:
            try:
                site = await asyncio.to_thread(load_site, self.site.config)
            except ConfigurationError as error:
                detail = f"reload refused, nothing changed: {error}"
                self._report(Event(Kind.POLICY, Reason.INVALID_CONFIGURATION, detail=detail))
                raise
            self._enforce(site)

    def _enforce(self, site: Site) -> None:
        known, self.site = self.site, site
        if site.authorities != known.authorities:
            self.guard.change_trust(site.authorities)
        self.guard.change_policy(site.compiled)
        self.guard.change_revocations(site.revocations)
        if self._listeners is not None:
            self._listeners.context = site.context
        self._report(Event(Kind.POLICY, Reason.OK, detail=f"{site.config.policy} is in force"))

    async def stop(self) -> None:
        """Accept nothing more, and end all connections."""
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        if self._listeners is not None:
            await self._listeners.close()
        if self._guard is not None:
            await self._guard.close()

    async def _watch_revocations(self) -> None:
        path = self.site.config.crl
        seen = _stamp(path)
        while path is not None:
            await asyncio.sleep(REVOCATION_CHECK)
            stamp = _stamp(path)
            if stamp != seen:
                seen = stamp
                self._load_revocations()

    def _load_revocations(self) -> None:
        try:
            revocations = load_crl(self.site.config)
        except ConfigurationError as error:
            self._report(Event(Kind.ERROR, Reason.INVALID_CONFIGURATION, detail=f"the list in force stays: {error}"))
        else:
            self.guard.change_revocations(revocations)

    async def _watch_clock(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_CHECK)
            self._tick()
            now = datetime.now(UTC)
            self.guard.recheck_certificates(now)
            until = self.guard.compiled.valid_until
            if until is not None and until <= now:
                async with self._reloading:  # beside the loop: a large policy takes a second
                    policy = self.guard.compiled.policy
                    self.guard.change_policy(await asyncio.to_thread(compile_policy, policy, now))
                self._report(Event(Kind.POLICY, Reason.OK, detail="a conduit ran out"))


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    """What changes when a file is replaced."""
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
