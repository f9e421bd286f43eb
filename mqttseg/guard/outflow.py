"""Bytes on their way to a device: one write per turn of the event loop, and a bound on what a slow reader costs."""

from __future__ import annotations

import asyncio

from mqttseg.wire.encode import encode
from mqttseg.wire.packets import Packet, Publish


class SlowReader(Exception):  # noqa: N818  # the device's doing: its connection ends
    """The device left more unread than the limit, and what comes next may not be dropped."""


class Outflow:
    """Gathers what is sent in one turn of the loop into one write.

    While the device does not keep up (``choked``), QoS 0 messages to it are dropped and counted [MQTT-4.3.1-1];
    anything else past twice the limit raises SlowReader.
    """

    __slots__ = ("_frames", "_limit", "_loop", "_transport", "choked", "dropped")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, limit: int) -> None:
        self._loop = loop
        self._transport = transport
        self._limit = limit
        self._frames: list[bytes] = []
        self.choked = False
        self.dropped = 0
        transport.set_write_buffer_limits(high=limit)

    def send(self, packet: Packet) -> None:
        """Queue a packet for this turn's write."""
        if type(packet) is Publish:
            if self.choked and packet.qos == 0:
                self.dropped += 1
                return
            frame = packet.frame or encode(packet)
        else:
            frame = encode(packet)
        if self.choked and self._transport.get_write_buffer_size() > 2 * self._limit:
            raise SlowReader
        if not self._frames:
            self._loop.call_soon(self.flush)
        self._frames.append(frame)

    def flush(self) -> None:
        """Write what is queued."""
        if self._frames:
            frames = self._frames
            data = frames[0] if len(frames) == 1 else b"".join(frames)
            frames.clear()
            if not self._transport.is_closing():
                self._transport.write(data)
