"""A whole broker without sockets and threads: guard, engine and state file, which do nothing until they are told to.

Owns bytes in and out, the policy in force, commits in two halves, and kill -9: what runs is abandoned, and a new
broker starts on a copy of the files as they are at that moment. Refuses to know what is right.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mqttseg.broker.engine_backend import EngineBackend
from mqttseg.broker.plugin_events import PluginEvents
from mqttseg.config import load_config
from mqttseg.engine import Engine, EngineSettings
from mqttseg.engine.committer import commit_now
from mqttseg.engine.events import EngineEvent
from mqttseg.engine.journal import Rows
from mqttseg.engine.store import Store
from mqttseg.errors import Reason
from mqttseg.guard.guard import Guard, Standing, Terms
from mqttseg.observe.events import Event
from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.load import load_policy
from mqttseg.wire.decode import Decoder
from mqttseg.wire.packets import Packet
from tests.model.reference_rights import DEVICES, OBSERVER, Switches
from tests.support import offstage
from tests.support.sites import TestSite

SETTINGS = EngineSettings(in_flight=3, queue_messages=10_000, routes=2)
WRITE_BUFFER = 30
"""A device that does not read is full after some three messages."""


@cache
def _site() -> tuple[Terms, dict[str, bytes], Callable[[Switches], Compiled]]:
    """Terms, certificates, and the compiler of policies: made once."""
    with tempfile.TemporaryDirectory() as directory:
        site = TestSite(Path(directory), policy=Switches().text())
        config = load_config(site.config)
        limits = replace(config.limits, write_buffer=WRITE_BUFFER, connect_timeout=3600.0)
        certificates = {device: _der(site.device(device)[0]) for device in (*DEVICES, OBSERVER)}
        return Terms(limits, config.client_id, config.identity), certificates, cache(_compile)


def _der(path: Path) -> bytes:
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


def _compile(switches: Switches) -> Compiled:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "policy.yaml"
        path.write_text(switches.text())
        return compile_policy(load_policy(path), datetime.now(UTC))


class Line:
    """A device's end of one connection: bytes in, packets out."""

    def __init__(self, site: SmallSite, device: str) -> None:
        self._site = site
        self._device = offstage.Device(site.guard, _site()[1][device])
        self._decoder = Decoder(from_client=False, max_packet=1 << 20)
        self._read = 0
        self.lost = False

    @property
    def closed(self) -> bool:
        """Whether the broker ended it."""
        return self._device.transport.closing

    def send(self, data: bytes) -> None:
        """Some bytes arrive at the broker."""
        self._device.send(data)

    def received(self) -> list[Packet]:
        """What has been written since the last time."""
        written = bytes(self._device.transport.written[self._read :])
        self._read += len(written)
        return list(self._decoder.feed(written))

    def stop_reading(self) -> None:
        """The broker's transport takes no more."""
        self._device.connection.pause_writing()

    def read_on(self) -> None:
        """It does again."""
        self._device.connection.resume_writing()

    def lose(self) -> None:
        """The connection is gone: told to the guard once, as asyncio does."""
        if not self.lost:
            self.lost = True
            self._device.transport.closing = True
            self._device.connection.connection_lost(None)


class SmallSite:
    """The broker. Nothing is stored until ``take`` and ``store``; each call returns when all has settled."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self._loop = asyncio.new_event_loop()
        self._starts = 0
        self.switches = Switches()
        self.events: list[Event] = []
        self._lines: list[Line] = []
        self._start(self._state)

    @property
    def _state(self) -> Path:
        return Path(self._directory.name) / str(self._starts)

    def _start(self, state: Path) -> None:
        self.store = Store.open(state / "s.db", fsync=False)
        self.engine = Engine(SETTINGS, self.store, self._heard)
        self.backend = EngineBackend(self.engine, PluginEvents())
        self._rows: Rows | None = None
        self._lines = []
        self._loop.run_until_complete(self._start_guard())

    async def _start_guard(self) -> None:
        standing = Standing(_site()[2](self.switches))
        self.guard = Guard(_site()[0], standing, self.backend, self._report)

    def _heard(self, told: EngineEvent) -> None:
        if hasattr(self, "backend") and self.backend.engine is self.engine:
            self.backend.note(told)

    def _report(self, event: Event) -> None:
        assert event.reason is not Reason.INTERNAL_ERROR, event
        self.events.append(event)

    def turn(self, act: Callable[[], object]) -> None:
        """Do something on the loop, and let all that follows from it happen."""
        self._loop.run_until_complete(self._turn(act))

    async def _turn(self, act: Callable[[], object]) -> None:
        act()
        await self._settle()
        for line in self._lines:
            if line.closed:
                line.lose()
        self._lines = [line for line in self._lines if not line.lost]
        await self._settle()

    async def _settle(self) -> None:
        quiet = 0
        while quiet < 2:
            await asyncio.sleep(0)
            quiet = 0 if self.guard._tasks else quiet + 1

    def open(self, device: str) -> Line:
        """A device's TLS connection."""
        opened: list[Line] = []
        self.turn(lambda: opened.append(Line(self, device)))
        self._lines += opened
        return opened[0]

    def change_policy(self, switches: Switches) -> None:
        """Put a policy in force, and let the guard do what can wait."""
        self.switches = switches
        self.turn(lambda: self._put_in_force(_site()[2](switches)))

    def _put_in_force(self, compiled: Compiled) -> None:
        self.guard.change_policy(compiled)
        self.guard.spawn(self._sort_out(), "settle")

    async def _sort_out(self) -> None:
        await self.guard.settle()

    @property
    def pending(self) -> bool:
        """Whether a batch is on its way to the disk."""
        return self._rows is not None

    def take(self) -> bool:
        """Begin a commit: what is noted from now on is in the next batch. False when there is nothing to store."""
        if self._rows is None:
            self._rows = self.engine.journal.take()
        return self._rows is not None

    def store_taken(self) -> None:
        """The batch that was taken is on the disk; nobody has been told."""
        if self._rows is not None:
            self.store.commit(self._rows)

    def committed(self) -> None:
        """Tell that the batch is stored."""
        if self._rows is not None:
            self._rows = None
            self.turn(self.engine.journal.committed)

    def failed(self) -> None:
        """Tell that the batch could not be stored."""
        if self._rows is not None:
            self._rows = None
            self.turn(lambda: self.engine.journal.failed("the disk is full"))

    def commit(self) -> None:
        """Store everything."""
        self.store_taken()
        self.committed()
        self.turn(lambda: commit_now(self.engine.journal, self.store))

    def kill(self) -> None:
        """kill -9, and a new start on the files as they are."""
        before = self._state
        self._starts += 1
        shutil.copytree(before, self._state)
        self.store.close()
        shutil.rmtree(before)
        self._start(self._state)

    def close(self) -> None:
        """End it all."""
        self.store.close()
        self._loop.run_until_complete(self._cancel())
        self._loop.close()
        self._directory.cleanup()

    async def _cancel(self) -> None:
        for line in self._lines:
            line.lose()
        await self._settle()
