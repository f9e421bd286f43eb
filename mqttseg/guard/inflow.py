"""A device's bytes on their way to being judged: decoded, handled in order, and held back when someone says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from mqttseg.errors import PeerError, Reason
from mqttseg.wire.decode import Decoder
from mqttseg.wire.packets import Packet

PACKETS_PER_TURN = 256
"""After so many packets of one device the others get their turn of the event loop (rule 8)."""

HELD_BYTES = 4 << 20
"""A transport that goes on delivering this much after it was told to pause is broken."""

_TURN = "turn"


class Inflow:
    """Feeds packets to ``handle`` in order. While anyone holds, packets wait where they are and reading is paused."""

    __slots__ = ("_decoder", "_handle", "_held", "_held_size", "_holds", "_loop", "_pause", "_stalled", "closed")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        decoder: Decoder,
        handle: Callable[[Packet], None],
        pause: Callable[[bool], None],
    ) -> None:
        self._loop = loop
        self._decoder = decoder
        self._handle = handle
        self._pause = pause
        self._holds: set[str] = set()
        self._stalled: Iterator[Packet] | None = None
        self._held: list[bytes] = []
        self._held_size = 0
        self.closed = False

    @property
    def is_held(self) -> bool:
        """Whether anyone holds packets back: then silence is not the device's."""
        return bool(self._holds)

    def feed(self, data: bytes) -> None:
        """Take what was read. Raises what ``handle`` and the decoder raise."""
        if self._stalled is None and not self._holds:
            self._work(self._decoder.feed(data))
            return
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size > HELD_BYTES:
            raise PeerError(Reason.INTERNAL_ERROR, "the transport does not pause")

    def hold(self, who: str) -> None:
        """Hand out no more packets until ``release`` of the same name."""
        if not self._holds:
            self._pause(True)
        self._holds.add(who)

    def release(self, who: str) -> None:
        """Undo ``hold``; what waited is handled now. Raises what ``handle`` and the decoder raise."""
        self._holds.discard(who)
        if self.closed or self._holds:
            return
        if self._stalled is not None:
            packets, self._stalled = self._stalled, None
            self._work(packets)
        while self._held and not self._holds and not self.closed:
            data = b"".join(self._held)
            self._held.clear()
            self._held_size = 0
            self._work(self._decoder.feed(data))
        if not self._holds and not self.closed:
            self._pause(False)

    def _work(self, packets: Iterator[Packet]) -> None:
        left = PACKETS_PER_TURN
        for packet in packets:
            self._handle(packet)
            if self.closed:
                return
            left -= 1
            if not left:
                self.hold(_TURN)
            if self._holds:
                self._stalled = packets
                return

    def finish(self) -> None:
        """Nothing more will come: hand out what came, whoever holds. Raises what ``release`` raises."""
        while (self._stalled is not None or self._held) and not self.closed:
            self._holds.clear()
            self.release(_TURN)

    def next_turn(self) -> bool:
        """Whether packets wait only for the next turn of the event loop."""
        return _TURN in self._holds

    def take_turn(self) -> None:
        """It is this device's turn again."""
        self.release(_TURN)
