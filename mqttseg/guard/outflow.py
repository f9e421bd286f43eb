"""Bytes on their way to a device: one write per turn of the event loop, and a bound on what a slow reader costs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from mqttseg.wire.encode import encode
from mqttseg.wire.packets import Packet, Publish, PublishRun

CHUNK = 64 << 10
"""Bytes of one write. A transport looks at its buffer only after a write, so a huge one would know no bound."""

TRANSPORT_HIGH = 128 << 10
"""Bytes in the transport's own buffer at which it asks to be written to no more."""


class SlowReader(Exception):  # noqa: N818  # the device's doing: its connection ends
    """The device left more unread than the limit, and what comes next may not be dropped."""


class Outflow:
    """Gathers what is sent in one turn of the loop into one write, and keeps what the device does not take yet.

    Past the limit it is ``full``, which ``told`` hears, and again when there is room: QoS 0 messages are then dropped
    and counted [MQTT-4.3.1-1], and a backend that listens sends no others. What comes all the same past twice the
    limit raises SlowReader.
    """

    __slots__ = (
        "_frames",
        "_limit",
        "_loop",
        "_paused",
        "_scheduled",
        "_told",
        "_transport",
        "_waiting",
        "dropped",
        "full",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        limit: int,
        told: Callable[[bool], None],
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._limit = limit
        self._told = told
        self._frames: deque[bytes] = deque()
        self._waiting = 0
        self._scheduled = False
        self._paused = False
        self.full = False
        self.dropped = 0
        transport.set_write_buffer_limits(high=TRANSPORT_HIGH)

    def send(self, packet: Packet) -> None:
        """Queue a packet for this turn's write."""
        if type(packet) is Publish:
            if self.full and packet.qos == 0:
                self.dropped += 1
                return
            frame = packet.frame or encode(packet)
        elif type(packet) is PublishRun:
            if self.full:
                self.dropped += packet.count
                return
            frame = packet.frames
        else:
            frame = encode(packet)
        self._frames.append(frame)
        self._waiting += len(frame)
        if self._waiting > self._limit:
            self._fill()
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush_scheduled)

    def _fill(self) -> None:
        """More waits than may: hand the transport what it takes; if that is not enough, say so."""
        self.flush()
        if self._waiting > 2 * self._limit:
            raise SlowReader
        if self._waiting > self._limit and not self.full:
            self.full = True
            self._told(True)

    def pause(self) -> None:
        """The transport takes no more for now."""
        self._paused = True

    def resume(self) -> None:
        """The transport takes more."""
        self._paused = False
        self.flush()

    def _flush_scheduled(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        """Write what is queued, as far as the transport takes it."""
        while self._frames and not self._paused and not self._transport.is_closing():
            self._transport.write(self._chunk())
        if self.full and self._waiting <= self._limit // 2:
            self.full = False
            self._told(False)

    def _chunk(self) -> bytes:
        frames = self._frames
        if len(frames) == 1 or self._waiting <= CHUNK:
            data = frames[0] if len(frames) == 1 else b"".join(frames)
            frames.clear()
        else:
            taken = [frames.popleft()]
            size = len(taken[0])
            while frames and size + len(frames[0]) <= CHUNK:
                size += len(frames[0])
                taken.append(frames.popleft())
            data = b"".join(taken)
        self._waiting -= len(data)
        return data
