"""Serves the API on a thread with an event loop of its own, so that no request ever holds the broker's loop.

Owns the thread, and who a peer is. Refuses to know what the API does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from typing import cast

from fastapi import FastAPI
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from mqttseg.control.endpoint import user_at
from mqttseg.errors import OperatorError

log = logging.getLogger(__name__)

CONNECTIONS = 64
REQUEST_HEAD = 16 << 10
FIRST_REQUEST = 5.0
"""Seconds from connecting to the end of the first request's head; uvicorn itself is patient without end."""

_START, _STOP = 10.0, 5.0


class _Peer(H11Protocol):
    """HTTP whose ``client`` is the user at the other end, by the kernel's word; one that says nothing is cut."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        try:
            self.client = user_at(transport.get_extra_info("socket"))
        except OSError:
            transport.abort()
        self.loop.call_later(FIRST_REQUEST, self._cut_silent)

    def _cut_silent(self) -> None:
        if cast("object | None", self.cycle) is None:  # no request yet, whatever its type says
            self.transport.abort()


@contextlib.contextmanager
def serving(api: FastAPI, bound: socket.socket) -> Iterator[None]:
    """Serve on a listening socket until the end of the block.

    Raises:
        OperatorError: it did not start.
    """
    config = Config(
        api,
        http=_Peer,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=REQUEST_HEAD,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    thread = threading.Thread(target=_run, args=(server, bound), name="control API", daemon=True)
    thread.start()
    if not server.up.wait(_START):
        raise OperatorError("the control API did not start: see the log")
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_STOP)


class _Server(Server):
    """uvicorn's, which says when it is up."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


def _run(server: Server, bound: socket.socket) -> None:
    try:
        asyncio.run(server.serve(sockets=[bound]))
    except Exception:
        log.exception("the control API ended; the broker goes on without it")
