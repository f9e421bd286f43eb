"""Sockets and TLS: from an accepted connection to a Connection whose peer showed a certificate of ours.

Owns the listening sockets and the handshakes that are under way, which are bounded: when more are, the oldest
goes, so that half-open connections never keep a device out (rule 8). Refuses to know MQTT.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl

from mqttseg.config import Endpoint
from mqttseg.errors import OperatorError, Reason
from mqttseg.guard.connection import Connection
from mqttseg.guard.guard import Guard
from mqttseg.observe.events import Event, Kind
from mqttseg.pki.trust import handshake_reason

log = logging.getLogger(__name__)

BACKLOG = 4096
ACCEPTS_PER_TURN = 64
SHUTDOWN_TIMEOUT = 2.0
"""Seconds given to a peer to answer close_notify."""

_NO_SUCH_FAMILY = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listeners:
    """The listening sockets of one guard."""

    def __init__(self, guard: Guard, context: ssl.SSLContext) -> None:
        self._guard = guard
        self.context = context
        self._sockets: list[socket.socket] = []
        self._handshakes: dict[asyncio.Task[None], socket.socket] = {}

    def listen(self, endpoint: Endpoint) -> list[Endpoint]:
        """Listen on every address that the host name stands for; returns them with their real ports.

        Raises:
            OperatorError: the address cannot be listened on.
        """
        try:
            found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            sockets = [_bind(family, sockaddr) for family, _, _, _, sockaddr in found]
        except OSError as error:
            if endpoint.host == "::" and error.errno in _NO_SUCH_FAMILY:
                log.warning("not listening on %s: this machine has no IPv6", endpoint)
                return []
            remedy = "choose another one with listen: in mqttseg.yaml, or --listen"
            raise OperatorError(f"cannot listen on {endpoint}: {error.strerror or error}; {remedy}") from None
        for listening in sockets:
            self._sockets.append(listening)
            self._guard.loop.add_reader(listening, self._accept, listening)
        return [Endpoint(endpoint.scheme, *listening.getsockname()[:2]) for listening in sockets]

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                accepted, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._survive(error)
                return
            accepted.setblocking(False)
            self._greet(accepted, peer[0], peer[1])

    def _survive(self, error: OSError) -> None:
        """Out of descriptors: give up the oldest handshake, so that the next connection finds one."""
        if error.errno not in _OUT_OF_DESCRIPTORS:
            log.error("accept failed: %s", error)
        elif not self._evict():
            log.error("accept failed, and no handshake is under way to give up: %s", error)

    def _greet(self, accepted: socket.socket, host: str, port: int) -> None:
        if len(self._handshakes) >= self._guard.limits.pending_handshakes:
            self._evict()
        task = self._guard.loop.create_task(self._shake_hands(accepted, host, port), name=f"handshake {host}:{port}")
        self._handshakes[task] = accepted
        task.add_done_callback(lambda done: self._handshakes.pop(done, None))

    def _evict(self) -> bool:
        oldest = next(iter(self._handshakes), None)
        if oldest is None:
            return False
        accepted = self._handshakes.pop(oldest)
        oldest.cancel()
        with contextlib.suppress(OSError):
            accepted.shutdown(socket.SHUT_RDWR)
        detail = "too many handshakes under way: the oldest was given up"
        self._guard.report(Event(Kind.LIMIT, Reason.RATE_LIMIT, action="connect", detail=detail))
        return True

    async def _shake_hands(self, accepted: socket.socket, host: str, port: int) -> None:
        """TLS, which demands a certificate of our authority (rule 1), within its time-out."""
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._guard.loop.connect_accepted_socket(
                lambda: Connection(self._guard, host, port),
                accepted,
                ssl=self.context,
                ssl_handshake_timeout=self._guard.limits.handshake_timeout,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
            )
        except Exception as error:  # noqa: BLE001  # whatever it is, it ends this connection and no other (rule 9)
            accepted.close()
            reason, detail = _reason(error)
            self._guard.report(Event(Kind.REFUSE, reason, address=f"{host}:{port}", action="connect", detail=detail))
        except asyncio.CancelledError:
            accepted.close()
            raise

    def stop_listening(self) -> None:
        """Close the listening sockets."""
        for listening in self._sockets:
            self._guard.loop.remove_reader(listening)
            listening.close()
        self._sockets.clear()

    async def close(self) -> None:
        """Stop listening, and give up the handshakes under way."""
        self.stop_listening()
        tasks = list(self._handshakes)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reason(error: Exception) -> tuple[Reason, str]:
    """Why a handshake came to nothing."""
    if isinstance(error, ssl.SSLError):
        return handshake_reason(error)
    if isinstance(error, OSError):
        return Reason.PROTOCOL_ERROR, f"no TLS handshake: {error.strerror or type(error).__name__}"
    if isinstance(error, ValueError):  # the event loop reads the certificate too, and its names need not be text
        return Reason.IDENTITY_INVALID, "the certificate cannot be parsed"
    log.error("a handshake failed", exc_info=error)
    return Reason.INTERNAL_ERROR, "see the log"


def _bind(family: int, sockaddr: tuple[object, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        listening.bind(sockaddr)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
