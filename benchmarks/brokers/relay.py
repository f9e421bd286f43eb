"""Not a broker: TLS, two canned answers, and every publisher's bytes copied to the subscriber unread.

It shows a rate that the load generator reaches on this machine when nothing holds it up. It guards nothing, and is for
loopback only.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.brokers.process import Broker, Kind, announced, process
from benchmarks.site import Site

_CONNACK = b"\x20\x02\x00\x00"
_SUBACK = b"\x90\x03\x00\x01\x00"
_SUBSCRIBE = 0x82


@contextlib.contextmanager
def _start(site: Site) -> Iterator[Broker]:
    """The relay in a process of its own, with the site's certificates."""
    log = site.root / "relay.log"
    certificate = site.broker_certificate
    command = [sys.executable, "-m", "benchmarks.brokers.relay", str(site.ca), str(certificate)]
    with process(command, log) as started:
        yield Broker("relay", announced(started, log), started.pid)


class _End(asyncio.Protocol):
    """One connection: a CONNECT, perhaps a SUBSCRIBE, and from then on bytes that are nobody's business."""

    sink: asyncio.Transport | None = None  # of all connections: the one that subscribed last

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connected = False

    def data_received(self, data: bytes) -> None:
        if not self._connected:
            self._connected = True
            self._transport.write(_CONNACK)
        elif data[0] == _SUBSCRIBE:
            _End.sink = self._transport
            self._transport.write(_SUBACK)
        elif _End.sink is not None:
            _End.sink.write(data)


async def _serve(ca: Path, certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca))
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.get_running_loop().create_server(_End, "127.0.0.1", 0, ssl=context)
    print(f"relay ready mqtts://127.0.0.1:{server.sockets[0].getsockname()[1]}", file=sys.stderr, flush=True)
    await server.serve_forever()


RELAY = Kind("relay", "no broker: TLS and copied bytes", _start, qos=0)


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1]), Path(sys.argv[2])))
