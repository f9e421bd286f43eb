"""One MQTT connection of the load generator: raw protocol on TLS, as little as it takes.

Frames are encoded beforehand; what comes in is taken apart just far enough to be counted and acknowledged.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from benchmarks.plan import Seat
from mqttseg.wire.encode import encode
from mqttseg.wire.lengths import remaining_length
from mqttseg.wire.packets import Connect, Subscribe

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK = 2, 3, 4, 5, 6, 7, 9
_SUBSCRIBE_ID = 1


class Station(asyncio.Protocol):
    """Connects, subscribes, and hands on what comes: ``on_publish`` and ``on_answer`` are for the children."""

    def __init__(self, seat: Seat) -> None:
        self._loop = asyncio.get_running_loop()
        self._seat = seat
        self._rest = b""
        self._answers: dict[int, asyncio.Future[bytes]] = {}
        self.writable = True
        self.lost: asyncio.Future[None] = self._loop.create_future()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError(f"{self._seat.client_id}: the broker closed the connection"))
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True

    def data_received(self, data: bytes) -> None:
        """Take whole packets off; keep the beginning of the next."""
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        while size - at >= 2:
            length, body = data[at + 1], at + 2
            if length > 0x7F:
                header = remaining_length(data, at + 1)
                if header is None:
                    break
                length, body = header
            if body + length > size:
                break
            if data[at] >> 4 == PUBLISH:
                self.on_publish(data, at, body)
            else:
                self._answer(data[at] >> 4, data[body : body + length])
            at = body + length
        self._rest = data[at:]
        self.read_done()

    def _answer(self, kind: int, body: bytes) -> None:
        waiting = self._answers.pop(kind, None)
        if waiting is None:
            self.on_answer(kind, body[0] << 8 | body[1])
        elif not waiting.done():
            waiting.set_result(body)

    # For the children

    def on_publish(self, data: bytes, at: int, body: int) -> None:
        """A PUBLISH: where it begins, and where its variable header does."""

    def on_answer(self, kind: int, packet_id: int) -> None:
        """PUBACK, PUBREC, PUBREL or PUBCOMP."""

    def read_done(self) -> None:
        """All packets of one read have been handed on."""

    # What a plan needs

    async def _ask(self, frame: bytes, kind: int) -> bytes:
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._answers[kind] = answer
        self.transport.write(frame)
        return await answer

    async def connect(self) -> None:
        """CONNECT, with the device id as user name for brokers that go by it."""
        answer = await self._ask(encode(Connect(self._seat.client_id, username=self._seat.device)), CONNACK)
        if answer[1]:
            raise ConnectionError(f"{self._seat.client_id}: CONNACK {answer[1]}")

    async def subscribe(self, topic_filter: str, qos: int) -> None:
        """SUBSCRIBE to one filter."""
        answer = await self._ask(encode(Subscribe(_SUBSCRIBE_ID, ((topic_filter, qos),))), SUBACK)
        if answer[2] & 0x80:
            raise ConnectionError(f"{self._seat.client_id}: {topic_filter} was refused")


class Contexts:
    """TLS contexts, one per certificate."""

    def __init__(self, ca: str) -> None:
        self._ca = ca
        self._known: dict[str, ssl.SSLContext] = {}

    def of(self, seat: Seat) -> ssl.SSLContext:
        """The context that shows the seat's certificate."""
        if seat.certificate not in self._known:
            context = ssl.create_default_context(cafile=self._ca)
            context.load_cert_chain(seat.certificate, seat.key)
            self._known[seat.certificate] = context
        return self._known[seat.certificate]

    async def open(self, station: Station, seat: Seat, port: int) -> None:
        """Connect a station, TLS and MQTT."""
        loop = asyncio.get_running_loop()
        tls = self.of(seat)
        await loop.create_connection(lambda: station, "127.0.0.1", port, ssl=tls, server_hostname="localhost")
        await station.connect()
