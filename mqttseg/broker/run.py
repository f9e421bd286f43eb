"""``mqttseg run``: our amqtt broker with the plugin, from start to signal."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

import uvloop
from amqtt.errors import PluginInitError

from mqttseg.broker.descriptors import raise_descriptor_limit
from mqttseg.broker.host import SegmentedBroker
from mqttseg.broker.operations import LiveOperations
from mqttseg.broker.plugin import LISTENER, SegmentationPlugin
from mqttseg.broker.service import Service
from mqttseg.config import Endpoint
from mqttseg.errors import ConfigurationError, InternalError, MqttsegError

log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.0005
"""Seconds that a thread at work may keep the interpreter while the loop waits for it. By default it is ten times as
long: threads that check a policy or write events would hold up each turn of the loop by that."""

COLLECTIONS = (20_000, 10, 35)
"""When cyclic garbage is looked for (gc.set_threshold). A connection is some 200 objects that stay: with Python's 700,
looking through those of the newest connections over and over took 7 % of what it takes to connect. To look through all
objects, of 5,000 devices, holds the loop for 0.2 to 0.4 s: that is done a hundred times as rarely as by default."""

Operated = Callable[[LiveOperations, Service], AbstractContextManager[object]]
"""Whoever operates the broker while it runs, as the control API; entered before the first device is let in."""


def serve(
    config: Path,
    listen: Sequence[str] = (),
    ready: Callable[[list[Endpoint]], None] | None = None,
    operated: Operated | None = None,
) -> None:
    """Serve the site of this mqttseg.yaml until SIGTERM or SIGINT; SIGHUP reloads it.

    Raises:
        ConfigurationError: a file of the site is wrong; nothing was listened on.
        OperatorError: an address cannot be listened on, or the state of the site cannot be opened.
    """
    raise_descriptor_limit()
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*COLLECTIONS)
    uvloop.run(_serve(config, listen, ready or announce, operated or _by_nobody))


def announce(endpoints: list[Endpoint]) -> None:
    """Say that connections are accepted: to whoever watches stderr, and to systemd."""
    print("mqttseg ready", *endpoints, file=sys.stderr, flush=True)
    notify_systemd("READY=1")


def _by_nobody(_: LiveOperations, __: Service) -> AbstractContextManager[object]:
    return nullcontext()


async def _serve(
    config: Path, listen: Sequence[str], ready: Callable[[list[Endpoint]], None], operated: Operated
) -> None:
    stop = asyncio.Event()
    broker = _broker(amqtt_config(config, listen))
    plugin = broker.plugins_manager.get_plugin(SegmentationPlugin.__name__)
    if not isinstance(plugin, SegmentationPlugin):
        raise InternalError("amqtt did not load the plugin")
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    reloads: set[asyncio.Task[None]] = set()
    loop.add_signal_handler(signal.SIGHUP, lambda: _in_background(_reload(plugin), reloads))
    with ExitStack() as stack:
        try:
            stack.enter_context(
                operated(LiveOperations(plugin.service, broker.backend, plugin.busiest), plugin.service)
            )
        except BaseException:
            broker.abandon()
            raise
        await broker.start()
        gc.freeze()  # what is loaded by now stays: looking through it for garbage would hold the loop for 30 ms
        try:
            ready(await plugin.bound)
            await stop.wait()
            notify_systemd("STOPPING=1")
        finally:
            await broker.shutdown()


def _broker(configuration: dict[str, Any]) -> SegmentedBroker:
    """amqtt wraps what a plugin raises into an error of its own, which says nothing: unwrap it."""
    try:
        return SegmentedBroker(configuration)
    except PluginInitError as error:
        if isinstance(error.__cause__, MqttsegError):
            raise error.__cause__ from None
        raise


def _in_background(work: Coroutine[Any, Any, None], running: set[asyncio.Task[None]]) -> None:
    task = asyncio.get_running_loop().create_task(work, name="reload")
    running.add(task)
    task.add_done_callback(running.discard)


def amqtt_config(config: Path, listen: Sequence[str]) -> dict[str, Any]:
    """The configuration of amqtt for ``mqttseg run``: one external listener, our plugin."""
    options: dict[str, Any] = {"config": str(config)}
    if listen:
        options["listen"] = list(listen)
    return {
        "listeners": {LISTENER: {"type": "external"}},
        "plugins": {f"{SegmentationPlugin.__module__}.{SegmentationPlugin.__name__}": options},
    }


async def _reload(plugin: SegmentationPlugin) -> None:
    try:
        await plugin.service.apply(by="SIGHUP")
    except ConfigurationError as error:
        log.error("reload refused, nothing changed:\n%s", error)


def notify_systemd(state: str) -> None:
    """Tell systemd, where it listens (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect("\0" + path[1:] if path.startswith("@") else path)
        notify.send(state.encode())
