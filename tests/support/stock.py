"""Stock amqtt without us, in a thread: what it does by itself, so that an upgrade which changes it is noticed."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import uvloop
from amqtt.broker import Broker

from mqttseg.wire.decode import Decoder
from mqttseg.wire.packets import Packet
from tests.support.brokers import PATIENCE
from tests.support.clients import RawClient

T = TypeVar("T")


class StockBroker:
    """amqtt on a free port of loopback, plain TCP or its own TLS, with any plugins."""

    def __init__(self, plugins: dict[str, Any] | None = None, tls: dict[str, str] | None = None) -> None:
        listener: dict[str, Any] = {"type": "tcp", "bind": "127.0.0.1:0"}
        if tls:
            listener |= {"ssl": True, **tls}
        anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        self._config = {"listeners": {"default": listener}, "plugins": anonymous if plugins is None else plugins}
        self._up: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, name="stock amqtt")
        self.broker: Broker

    def __enter__(self) -> StockBroker:
        self._thread.start()
        self.port = self._up.result(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "amqtt did not stop"

    def _run(self) -> None:
        try:
            uvloop.run(self._serve())
        except BaseException as error:
            if not self._up.done():
                self._up.set_exception(error)
            raise

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.broker = Broker(self._config)
        await self.broker.start()
        self._up.set_result(self.broker._servers["default"].instance.sockets[0].getsockname()[1])
        await self._stop.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # its own shutdown waits seconds for readers that do not read

    def do(self, act: Callable[[], T]) -> T:
        """Run something on the broker's loop."""

        async def run() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Ask until it is so; the test's time-out ends it."""
        while not self.do(holds):
            pass


class PlainClient(RawClient):
    """A raw client without TLS; ``window`` bounds what its socket takes without being read."""

    def __init__(self, port: int, window: int | None = None) -> None:
        plain = socket.socket()
        plain.settimeout(PATIENCE)
        if window is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        plain.connect(("127.0.0.1", port))
        self.socket: Any = plain
        self._decoder = Decoder(from_client=False, max_packet=1 << 24)
        self.unread: deque[Packet] = deque()


def tls_client(port: int, context: ssl.SSLContext) -> RawClient:
    """A raw client of amqtt's own TLS listener."""
    return RawClient(context, port)
