"""The amqtt plugin: in a broker that loads it, the guard's listeners are the only way in.

    plugins:
      mqttseg.broker.plugin.SegmentationPlugin:
        config: configs/mqttseg.yaml

It refuses to start beside a listener that is not guarded, and admits no session that the guard did not open.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from amqtt.contexts import BaseContext, BrokerConfig, ListenerType
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from mqttseg.broker.amqtt_backend import AmqttBackend
from mqttseg.broker.detection import Responder
from mqttseg.broker.figures import Gauges
from mqttseg.broker.harvest import Harvest
from mqttseg.broker.service import Service
from mqttseg.broker.site import load_site
from mqttseg.config import Config as SiteConfig
from mqttseg.config import Endpoint, load_config, parse_endpoint
from mqttseg.errors import MqttsegError, OperatorError
from mqttseg.guard.backend import Backend
from mqttseg.observe.busiest import Busiest
from mqttseg.observe.detect.detector import Detection
from mqttseg.observe.events import Outlet
from mqttseg.observe.exposition import MetricsServer
from mqttseg.observe.figures import BackendFigures
from mqttseg.observe.metrics import BrokerCollector
from mqttseg.observe.outlets import Outlets, standard_outlets
from mqttseg.observe.recorder import Recorder
from mqttseg.observe.retention import Retention
from mqttseg.observe.watch import Watch
from mqttseg.observe.writer import Writer

if TYPE_CHECKING:
    from amqtt.broker import Broker

log = logging.getLogger(__name__)

LISTENER = "default"
"""amqtt demands a listener of this name; it must be of ``type: external``."""


class HostedBackend(Backend, Protocol):
    """A backend in an amqtt broker."""

    def admits(self, session: Session) -> bool:
        """Whether this session of amqtt's came through the guard, on the connection that is open now."""

    def figures(self) -> BackendFigures:
        """What it counts, now."""


class SegmentationPlugin(BaseAuthPlugin):
    """Puts the guard in front of an amqtt broker: a stock one, or one that offers ``guard_backend``.

    Raises:
        ConfigurationError: the site's files are wrong.
        OperatorError: the broker has a listener that the guard does not cover, or its state cannot be opened.
    """

    # Nothing here listens to what happens per connection: amqtt would build a session object for each, to tell of it.

    @dataclass
    class Config:
        """``config``: the path of mqttseg.yaml. ``listen``: addresses instead of the ones written there."""

        config: str = "configs/mqttseg.yaml"
        listen: list[str] | None = None

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        # the plugin's context carries its own configuration in place of the broker's, which has no public name
        self._broker: Broker = context._broker_instance
        options: Any = self.config
        try:
            _refuse_unguarded(self._broker.config)
            config = load_config(Path(options.config))
            self._endpoints = [*map(parse_endpoint, options.listen)] if options.listen else list(config.listen)
            site = load_site(config)
        except MqttsegError as error:
            log.critical("mqttseg: %s", error)  # amqtt itself names only the plugin that failed
            raise
        responder = Responder(config.detect)
        try:
            self.recorder, self.watch, self._outlets = _outlets(config, responder.found)
        except MqttsegError as error:
            log.critical("mqttseg: %s", error)
            raise
        self.busiest = Busiest()
        harvest = Harvest(self.recorder, [self.busiest, self.watch.hear])
        self.service = Service(site, self._outlets, self._outlets.tick, harvest)
        self.service.companions.append(partial(responder.work, watch=self.watch, report=self.service.report))
        try:
            self.backend = self._find_backend(config)
        except MqttsegError as error:
            self._outlets.close()
            log.critical("mqttseg: %s", error)
            raise
        self.metrics: MetricsServer | None = None
        self._measuring: asyncio.Task[None] | None = None
        self.bound: asyncio.Future[list[Endpoint]] = self._broker._loop.create_future()

    def _find_backend(self, config: SiteConfig) -> HostedBackend:
        """What serves the sessions: the broker's own engine where it has one, else amqtt itself."""
        offer: Callable[[SiteConfig, Outlet], HostedBackend] | None = getattr(self._broker, "guard_backend", None)
        if offer is not None:
            return offer(config, self.service.report)
        return AmqttBackend(self._broker, LISTENER, queue=config.limits.queue)

    async def authenticate(self, *, session: Session) -> bool:
        """Only what came through the guard; its verdict on identity is the connection's certificate (rule 1)."""
        return self.backend.admits(session)

    async def on_broker_post_start(self) -> None:
        """The broker is up: let devices in."""
        try:
            self._serve_metrics(Gauges(self.service, self.backend, self.recorder))
            bound = self.service.start(self.backend, self._endpoints)
            log.info("mqttseg: listening on %s", " ".join(map(str, bound)))  # all that `amqtt -c` shows of it
            self.bound.set_result(bound)
        except OperatorError as error:
            log.critical("mqttseg: %s", error)
            await self._stop_metrics()
            self.bound.set_exception(error)
            self.bound.exception()  # seen: amqtt goes on, with no way in

    async def on_broker_pre_shutdown(self) -> None:
        """The broker is about to stop: nobody is let in any more."""
        await self._stop_metrics()
        await self.service.stop()
        self._outlets.close()

    def _serve_metrics(self, gauges: Gauges) -> None:
        """Raises OperatorError when the address is not to be had: before any device is let in."""
        endpoint = self.service.site.config.metrics
        if endpoint is not None:
            self.metrics = MetricsServer(endpoint.host, endpoint.port, BrokerCollector(gauges.read))
            self.metrics.start()
            self._measuring = asyncio.get_running_loop().create_task(gauges.measure(), name="measure the loop")

    async def _stop_metrics(self) -> None:
        if self._measuring is not None:
            self._measuring.cancel()
        if self.metrics is not None:
            closing, self.metrics = self.metrics, None
            await asyncio.to_thread(closing.close)


def _outlets(config: SiteConfig, found: Callable[[Detection], None]) -> tuple[Recorder, Watch, Outlets]:
    """Where events go. An audit file that cannot be opened is an error; the file of events is tried again and again."""
    retention = Retention(config.events.keep, config.events.size)
    recorder = Recorder(Writer(config.event_store, retention))
    watch = Watch(config.detect, config.baselines, found)
    try:
        outlets = standard_outlets(config.audit.file, round(config.audit.keep / 86400), recorder, watch)
    except MqttsegError:
        recorder.close()
        watch.close()
        raise
    return recorder, watch, outlets


def _refuse_unguarded(config: BrokerConfig) -> None:
    """Fail closed: a listener of amqtt's own would be a way past the guard.

    Any other name is refused, whatever its type says: amqtt gives a ``type: tcp`` the type of its default listener.
    """
    for name, listener in config.listeners.items():
        if name != LISTENER or listener.type != ListenerType.EXTERNAL:
            raise OperatorError(
                f"listener {name!r} of the amqtt configuration is not covered by the guard; have no listener but "
                f"{LISTENER!r}, make it `type: external`, and list the addresses under `listen` in mqttseg.yaml"
            )
