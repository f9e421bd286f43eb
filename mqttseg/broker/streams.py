"""What amqtt reads from and writes to in place of a socket: packets that the guard judged, and packets to judge."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from amqtt.adapters import ReaderAdapter, WriterAdapter

from mqttseg.guard.backend import Link, Peer
from mqttseg.wire.decode import Decoder
from mqttseg.wire.packets import Packet

HIGH_WATER = 64 * 1024
LOW_WATER = 16 * 1024

_BEHIND = "amqtt is behind"
_PAUSE = 0.005
_LARGEST_PACKET = 268_435_455 + 5  # of MQTT itself (2.2.3): what the broker sends is the operator's, not a peer's


class GuardedReader(ReaderAdapter):
    """Hands out what the guard fed. Holds the device's reading while amqtt lags behind (rule 8)."""

    def __init__(self, link: Link, is_behind: Callable[[], bool]) -> None:
        self._link = link
        self._is_behind = is_behind
        self._buffer = bytearray()
        self._eof = False
        self._more: asyncio.Future[None] | None = None
        self._holding = False

    def feed(self, frame: bytes) -> None:
        """Give amqtt one whole packet."""
        self._buffer += frame
        self._wake()
        if len(self._buffer) > HIGH_WATER and not self._holding:
            self._holding = True
            self._link.hold(_BEHIND)

    def feed_eof(self) -> None:
        """The device is gone."""
        self._eof = True
        self._wake()

    @property
    def is_drained(self) -> bool:
        """Whether amqtt took all that was fed."""
        return not self._buffer

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    async def read(self, n: int = -1) -> bytes:
        """Exactly ``n`` bytes, or fewer at the end. amqtt reads one byte where a packet begins: there it may wait."""
        while n == 1 and self._is_behind() and not self._eof:  # noqa: ASYNC110  # amqtt tells nobody when it catches up
            await asyncio.sleep(_PAUSE)
        while len(self._buffer) < n and not self._eof:
            self._more = asyncio.get_running_loop().create_future()
            await self._more
        data = bytes(self._buffer[:n])
        del self._buffer[:n]
        if self._holding and len(self._buffer) < LOW_WATER:
            self._holding = False
            self._link.release(_BEHIND)
        return data


class JudgedWriter(WriterAdapter):
    """Everything amqtt writes is taken apart again and judged by the guard before the device sees it (rule 6)."""

    def __init__(self, link: Link, peer: Peer, written: Callable[[Packet], None]) -> None:
        self._link = link
        self._written = written
        self._peer = peer
        self._decoder = Decoder(from_client=False, max_packet=_LARGEST_PACKET)

    def write(self, data: bytes) -> None:
        """Send what is allowed of it."""
        for packet in self._decoder.feed(data):
            self._written(packet)
            self._link.send(packet)

    async def drain(self) -> None:
        """Never waits: a slow reader is the guard's to deal with, and must not stop amqtt (rule 8)."""

    def get_peer_info(self) -> tuple[str, int]:
        """The device's address."""
        return self._peer.address, self._peer.port

    def get_ssl_info(self) -> ssl.SSLObject | None:
        """None: identity is settled before amqtt is asked (rule 1)."""
        return None

    async def close(self) -> None:
        """amqtt wants the connection ended."""
        self._link.close()
