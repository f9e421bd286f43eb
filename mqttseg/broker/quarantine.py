"""Quarantine on a running broker: the register on disk, the guard, and whoever else holds the line with them.

Owns the order: a quarantine acts at once, and whoever asked for it has an answer when it is on disk too, so that a
restart forgets nobody; a release acts when it is on disk; and the end of those that have one. What the disk refuses
acts all the same, and is told: nobody is let in because a disk is full or slow. Refuses to know who asks, and how.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime

from mqttseg.errors import MqttsegError, OperatorError, Reason
from mqttseg.observe.events import Event, Kind, Outlet
from mqttseg.observe.snapshot import Done
from mqttseg.pki.quarantine import Quarantine, QuarantineClock, Register, quarantine_of

log = logging.getLogger(__name__)

Companion = Callable[[Collection[str]], Awaitable[None]]
"""Whoever must know which devices are out, as the gateway's firewall: it is told all of them, at start and at every
change. It may take COMPANION_TIMEOUT seconds; what it raises is reported, and undoes nothing."""

COMPANION_TIMEOUT = 10.0


class Quarantines:
    """Which devices are out. ``enforce`` puts a set of them in force, and says how many connections that cut."""

    def __init__(
        self,
        register: Register,
        entries: Mapping[str, Quarantine],
        enforce: Callable[[Collection[str]], int],
        report: Outlet,
    ) -> None:
        self._register = register
        self._enforce = enforce
        self._report = report
        self._clock = QuarantineClock()
        self._changing = asyncio.Lock()
        self._telling = asyncio.Lock()
        self._told: set[asyncio.Task[list[str]]] = set()
        self.path = register.path
        self._unrecorded: dict[str, Quarantine] = {}
        self.entries: Mapping[str, Quarantine] = entries
        self.companions: list[Companion] = []
        self._follow(entries)

    async def impose(self, device: str, seconds: float | None, *, by: str, why: str) -> tuple[Quarantine, Done]:
        """Put a device out; OperatorError for what cannot be. ``trouble``: what did not go with it."""
        entry = quarantine_of(device, seconds, by=by, why=why, now=datetime.now(UTC))
        self._unrecorded[device] = entry  # or to read the register meanwhile would let it in again
        cut = self._follow({**self.entries, device: entry})
        self._report(_imposed(entry, cut))
        async with self._changing:
            trouble = await self._record(entry)
        return entry, Done(cut, (*trouble, *await self.tell_companions()))

    async def lift(self, device: str, *, by: str, why: str = "") -> tuple[Quarantine, Done] | None:
        """Let a device in again; None when it is not out. OperatorError: the disk refuses, and it stays out."""
        async with self._changing:
            entry = self.entries.get(device)
            if entry is None:
                return None
            await self._forget([entry])
            self._report(Event(Kind.RELEASE, Reason.OK, device=device, who=by, why=why or None, detail=_terms(entry)))
        return entry, Done(0, tuple(await self.tell_companions()))

    async def reread(self) -> None:
        """The register changed on disk: what it says counts. ConfigurationError: it cannot be read, nothing changes."""
        async with self._changing:
            found = {**await asyncio.to_thread(self._register.load), **self._unrecorded}
            before = self.entries
            if found == before:
                return
            cut = self._follow(found)
            for event in _differences(before, found, cut):
                self._report(event)
        self._tell_later()

    async def expire(self) -> None:
        """Let those in again whose time is over."""
        if not self._clock.ended(_steady()):
            return
        async with self._changing:
            ended = self._clock.ended(_steady())
            try:
                await self._forget(ended)
            except OperatorError as error:
                log.error("a quarantine has run out and cannot be removed, the device stays out: %s", error)
                return
            for entry in ended:
                detail = f"its quarantine has run out: {_terms(entry)}"
                self._report(Event(Kind.EXPIRE, Reason.OK, device=entry.device, detail=detail))
        self._tell_later()

    def _tell_later(self) -> None:
        """Nobody waits for the answer: whoever found the change has more to look after."""
        task = asyncio.get_running_loop().create_task(self.tell_companions(), name="tell who is out")
        self._told.add(task)
        task.add_done_callback(self._told.discard)

    async def close(self) -> None:
        """Tell nobody any more."""
        for task in self._told:
            task.cancel()
        await asyncio.gather(*self._told, return_exceptions=True)

    async def tell_companions(self) -> list[str]:
        """Tell all companions who is out, best effort and loud: a firewall that does not answer keeps nobody in.

        Returns what went wrong. Not to be held up by: the next device may have to go out meanwhile.
        """
        async with self._telling:
            tellings = [self._tell(companion) for companion in self.companions]
            return [trouble for trouble in await asyncio.gather(*tellings) if trouble is not None]

    async def _record(self, entry: Quarantine) -> list[str]:
        try:
            await asyncio.to_thread(self._register.add, entry)
        except OperatorError as error:
            trouble = f"in force, but it will not survive a restart: it could not be recorded: {error}"
            self._report(Event(Kind.ERROR, Reason.INTERNAL_ERROR, device=entry.device, detail=trouble))
            return [trouble]
        self._recorded(entry)
        return []

    def _recorded(self, entry: Quarantine) -> None:
        """The disk knows of it; there may be later terms by now that it does not know."""
        if self._unrecorded.get(entry.device) == entry:
            del self._unrecorded[entry.device]

    async def _forget(self, entries: Collection[Quarantine]) -> None:
        for entry in entries:
            await asyncio.to_thread(self._register.remove, entry.device)
            self._recorded(entry)
            if self.entries.get(entry.device) == entry:  # and not put out again meanwhile
                self._follow({device: kept for device, kept in self.entries.items() if device != entry.device})

    def _follow(self, entries: Mapping[str, Quarantine]) -> int:
        self.entries = entries
        self._clock.follow(entries, datetime.now(UTC), _steady())
        return self._enforce(entries.keys())

    async def _tell(self, companion: Companion) -> str | None:
        try:
            await asyncio.wait_for(companion(frozenset(self.entries)), COMPANION_TIMEOUT)
        except TimeoutError:
            trouble = f"the network was not told: no answer within {COMPANION_TIMEOUT:g} s"
        except (MqttsegError, OSError) as error:
            trouble = f"the network was not told: {error}"
        except Exception as error:
            log.exception("a companion of the quarantine failed")
            trouble = f"the network was not told: {type(error).__name__}, see the log"
        else:
            return None
        self._report(Event(Kind.ERROR, Reason.INTERNAL_ERROR, detail=trouble))
        return trouble


def _differences(before: Mapping[str, Quarantine], found: Mapping[str, Quarantine], cut: int) -> Iterator[Event]:
    for device, entry in found.items():
        if before.get(device) != entry:
            yield _imposed(entry, cut)
    for device, entry in before.items():
        if device not in found:
            detail = f"removed from the register: {_terms(entry)}"
            yield Event(Kind.RELEASE, Reason.OK, device=device, detail=detail)


def _imposed(entry: Quarantine, cut: int) -> Event:
    detail = f"{_terms(entry)}; {cut} connection{'s' * (cut != 1)} cut"
    return Event(
        Kind.QUARANTINE, Reason.QUARANTINED, device=entry.device, who=entry.by, why=entry.why or None, detail=detail
    )


def _terms(entry: Quarantine) -> str:
    end = "until it is released" if entry.until is None else f"until {entry.until.isoformat(timespec='seconds')}"
    return f"out since {entry.since.isoformat(timespec='seconds')} by {entry.by}, {end}"


def _steady() -> float:
    """Seconds of a clock that is never set, and goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
