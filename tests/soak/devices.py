"""Devices of a soak: connections that publish at every QoS, acknowledge what they get, and count what is missing.

Owns the counting: each message carries its publisher, its QoS and its number. Refuses to know when who does what.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from mqttseg.wire.decode import Decoder
from mqttseg.wire.encode import encode, publish_frame
from mqttseg.wire.packets import (
    FAILURE,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    PublishRun,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsubscribe,
    Will,
)
from mqttseg.wire.publish import taken_apart

STAMP = struct.Struct(">IBQ")
"""Number of the publisher, QoS, number of the message."""

IN_FLIGHT = 60
LAST_ID = 0xFFFF


@dataclass(slots=True)
class Account:
    """What came of one publisher's messages at one QoS."""

    next: int = 0
    missing: set[int] = field(default_factory=set)
    repeated: int = 0

    def enter(self, number: int) -> None:
        """One came."""
        if number >= self.next:
            self.missing.update(range(self.next, number))
            self.next = number + 1
        elif number in self.missing:
            self.missing.discard(number)
        else:
            self.repeated += 1


class Ledger:
    """What a device that misses nothing has got, by publisher and QoS."""

    def __init__(self) -> None:
        self.accounts: dict[tuple[int, int], Account] = {}

    def hear(self, payload: bytes) -> None:
        """A message came; others than numbered ones are of no account."""
        if len(payload) == STAMP.size:
            publisher, qos, number = STAMP.unpack(payload)
            self.accounts.setdefault((publisher, qos), Account()).enter(number)


class Device(asyncio.Protocol):
    """One connection."""

    def __init__(self, name: str, hear: Callable[[bytes], None] = lambda _: None) -> None:
        self.name = name
        self._hear = hear
        self._decoder = Decoder(from_client=False, max_packet=1 << 20)
        self._replies: list[bytes] = []
        self._answers: list[Packet] = []
        self._unfinished = 0
        self._packet_id = 0
        self._moved = asyncio.Event()
        self._writable = True
        self._lost = False

    async def join(self, context: ssl.SSLContext, port: int, *, clean: bool = True, will: Will | None = None) -> Device:
        """Connect."""
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", port, ssl=context, server_hostname="localhost")
        answer = await self._ask(Connect(self.name, clean_session=clean, will=will))
        if not isinstance(answer, Connack) or answer.code:
            raise ConnectionError(f"{self.name}: {answer}")
        return self

    async def subscribe(self, topic_filter: str, qos: int) -> None:
        """SUBSCRIBE to one filter."""
        answer = await self._ask(Subscribe(1, ((topic_filter, qos),)))
        if not isinstance(answer, Suback) or FAILURE in answer.codes:
            raise ConnectionError(f"{self.name}: {topic_filter}: {answer}")

    async def _ask(self, packet: Packet) -> Packet:
        self._transport.write(encode(packet))
        await self.wait_until(lambda: bool(self._answers))
        return self._answers.pop()

    def unsubscribe(self, topic_filter: str) -> None:
        """Give a filter up; the answer is not waited for."""
        self._transport.write(encode(Unsubscribe(2, (topic_filter,))))

    def frame(self, topic: str, payload: bytes, qos: int, *, retain: bool = False) -> bytes:
        """A PUBLISH that counts as being on its way."""
        if qos:
            self._packet_id = self._packet_id % LAST_ID + 1
            self._unfinished += 1
        return publish_frame(topic.encode(), payload, qos, retain=retain, packet_id=self._packet_id if qos else 0)

    async def publish(self, frames: list[bytes]) -> None:
        """Write these, and wait until no more is on its way than may be."""
        self._transport.write(b"".join(frames))
        await self.wait_until(lambda: self._unfinished < IN_FLIGHT and self._writable)

    async def finish(self) -> None:
        """Wait until all is acknowledged."""
        await self.wait_until(lambda: not self._unfinished)

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait for a condition that something which arrives makes true. Raises ConnectionError when nothing can."""
        while not holds():
            if self._lost:
                raise ConnectionError(f"{self.name}: the broker closed the connection")
            self._moved.clear()
            await self._moved.wait()

    def leave(self) -> None:
        """DISCONNECT."""
        self._transport.write(encode(Disconnect()))

    def drop(self) -> None:
        """Break the connection."""
        self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is up."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        """Whoever waits hears of it."""
        self._lost = True
        self._moved.set()

    def pause_writing(self) -> None:
        """The broker reads more slowly than we write."""
        self._writable = False

    def resume_writing(self) -> None:
        """There is room again."""
        self._writable = True
        self._moved.set()

    def data_received(self, data: bytes) -> None:
        """Take what came, and answer all of it in one write."""
        for packet in self._decoder.feed(data):
            self._take(packet)
        if self._replies and not self._transport.is_closing():
            self._transport.write(b"".join(self._replies))
        self._replies.clear()
        self._moved.set()

    def _take(self, packet: Packet) -> None:
        match packet:
            case Publish():
                self._take_message(packet)
            case PublishRun():
                for message in taken_apart(packet):
                    self._take_message(message)
            case Pubrec():
                self._replies.append(encode(Pubrel(packet.packet_id)))
            case Pubrel():
                self._replies.append(encode(Pubcomp(packet.packet_id)))
            case Puback() | Pubcomp():
                self._unfinished -= 1
            case Connack() | Suback():
                self._answers.append(packet)

    def _take_message(self, packet: Publish) -> None:
        if packet.qos:
            answer = Puback(packet.packet_id) if packet.qos == 1 else Pubrec(packet.packet_id)
            self._replies.append(encode(answer))
        self._hear(packet.payload)
