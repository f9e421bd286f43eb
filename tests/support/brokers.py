"""The real broker (amqtt with our plugin) in a thread of its own, and what it reported."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import Any, Literal

import uvloop
from amqtt.broker import Broker

from mqttseg.broker.host import SegmentedBroker
from mqttseg.broker.plugin import SegmentationPlugin
from mqttseg.broker.run import amqtt_config
from mqttseg.config import Endpoint
from mqttseg.guard.guard import Guard
from mqttseg.observe.events import Event, Kind
from tests.support.sites import TestSite

PATIENCE = 20.0
"""Seconds after which something that should have happened has not. Never slept through."""


BackendName = Literal["engine", "amqtt"]
BACKENDS: Mapping[BackendName, type[Broker]] = {"engine": SegmentedBroker, "amqtt": Broker}

standard_backend: BackendName = "engine"
"""What a broker runs on whose test does not say; tests/attacks tries both."""


class RunningBroker:
    """Starts on entry, listens on free ports of loopback, stops on exit. ``plugins`` are loaded beside ours."""

    def __init__(
        self,
        site: TestSite,
        listen: tuple[str, ...] = ("mqtts://127.0.0.1:0",),
        *,
        backend: BackendName | None = None,
        plugins: Mapping[str, Any] | None = None,
    ) -> None:
        self.site = site
        self.backend: BackendName = backend or standard_backend
        self._host = BACKENDS[self.backend]
        self._plugins = dict(plugins or {})
        self.events: list[Event] = []
        self._changed = threading.Condition()
        self._listen = listen
        self._up: Future[list[Endpoint]] = Future()
        self._thread = threading.Thread(target=self._run, name="broker")
        self.endpoints: list[Endpoint] = []

    def __enter__(self) -> RunningBroker:
        self._thread.start()
        self.endpoints = self._up.result(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the broker did not stop"

    @property
    def port(self) -> int:
        """The first listener's."""
        return self.endpoints[0].port

    @property
    def guard(self) -> Guard:
        """The guard; touch it only through ``do``."""
        guard: Guard = self.plugin.service.guard
        return guard

    def _run(self) -> None:
        try:
            uvloop.run(self._serve())
        except BaseException as error:
            if self._up.done():
                raise
            self._up.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        configuration = amqtt_config(self.site.config, self._listen)
        configuration["plugins"] |= self._plugins
        broker = self._host(configuration)
        self.broker = broker
        plugin = broker.plugins_manager.get_plugin(SegmentationPlugin.__name__)
        self.plugin: Any = plugin  # its backend is one of two
        plugin.service._report = self._record
        await broker.start()
        try:
            self._up.set_result(await plugin.bound)
            await self._stop.wait()
        finally:
            await broker.shutdown()

    def _record(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def do(self, act: Callable[[], Any]) -> Any:
        """Run something on the broker's loop, and return what it returns; a coroutine is waited for."""

        async def run() -> Any:
            result = act()
            return await result if isinstance(result, Awaitable) else result

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE)

    def wait_for(self, matches: Callable[[Event], bool]) -> Event:
        """The first event, past or to come, that matches."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while True:
                for event in self.events:
                    if matches(event):
                        return event
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    told = "\n".join(map(str, self.events[-20:]))
                    raise AssertionError(f"no such event; the last ones are:\n{told}")

    def wait_for_reason(self, kind: Kind, reason: str, device: str | None = None) -> Event:
        """The first event of this kind and reason, of this device if one is given."""
        return self.wait_for(
            lambda event: event.kind is kind and event.reason == reason and (device is None or event.device == device)
        )
