"""Serves metrics over HTTP, on threads of its own: no scrape ever holds the broker's loop.

Owns the address and what a request may cost. Refuses to know what is served. There is neither TLS nor a password, so
it is meant for loopback: an address elsewhere must be written as such, in digits, and is warned of at every start; a
name must lead to loopback, for whoever answers for names is not the operator.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections.abc import Iterable
from socketserver import TCPServer
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app
from prometheus_client.registry import Collector

from mqttseg.errors import OperatorError

log = logging.getLogger(__name__)

REQUESTS: Final = 8
"""Requests at once; a further one is hung up on."""

PATIENCE: Final = 5.0
"""Seconds for a request to come in."""


class MetricsServer:
    """Listens from its making on, and answers between ``start`` and ``close``.

    Raises:
        OperatorError: the address is not to be listened on, or cannot be.
    """

    def __init__(self, host: str, port: int, collector: Collector) -> None:
        address = _numeric(host)
        registry = CollectorRegistry()
        registry.register(_Described(collector))
        ProcessCollector(registry=registry)
        self._server = _listen(address, port, _patient(make_wsgi_app(registry)))
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self.port: int = self._server.server_port
        if not ipaddress.ip_address(address).is_loopback:
            log.warning("metrics are served on %s: whoever reaches that address reads them", host)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Described(Collector):
    """Is not asked for its metrics when it is registered: the broker may not have started."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def describe(self) -> Iterable[Any]:
        return ()

    def collect(self) -> Iterable[Any]:
        return self._collector.collect()


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its parent's name for it
        """A scrape is not worth a line."""


class _Server(ThreadingWSGIServer):
    """So many threads and no more, and no question to the name service."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._room = threading.BoundedSemaphore(REQUESTS)
        super().__init__(*args, **kwargs)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own looks its name up, for which a name service may take its time
        host, self.server_port = self.server_address[:2]
        self.server_name = str(host)
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # its parent's names
        log.debug("a request for metrics failed", exc_info=True)


class _Server6(_Server):
    address_family = socket.AF_INET6


def _listen(address: str, port: int, app: WSGIApplication) -> WSGIServer:
    server = _Server6 if ":" in address else _Server
    try:
        return make_server(address, port, app, server, _Handler)
    except OSError as error:
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        raise OperatorError(
            f"metrics cannot be served on {where}: {error.strerror or error};"
            " free the port, or write another address with `metrics:` in mqttseg.yaml"
        ) from error


def _numeric(host: str) -> str:
    """The address of a host; of a name only when it leads nowhere but to loopback."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except OSError as error:
        raise OperatorError(f"metrics: {host!r} leads to no address; write http://127.0.0.1:9883") from error
    if not all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in found):
        raise OperatorError(
            f"metrics: {host!r} is not this machine's loopback; write http://127.0.0.1:9883, or the address itself in"
            " digits: then it is served there, to whoever reaches it"
        )
    return next((address for address in found if ":" not in address), found[0])


def _patient(app: WSGIApplication) -> WSGIApplication:
    """What cannot be gathered just now is an answer, too: Prometheus then knows that the broker is not well."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return app(environ, start_response)
        except Exception as error:  # noqa: BLE001  # a request's boundary: told to whoever asked
            start_response("503 Service Unavailable", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"the broker did not answer: {type(error).__name__}\n".encode()]

    return answer
