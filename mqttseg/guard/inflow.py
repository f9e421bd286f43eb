"""A device's bytes on their way to being judged: decoded, handled in order, and held back when someone says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mqttseg.errors import PeerError, Reason
from mqttseg.wire.decode import Decoder
from mqttseg.wire.packets import Packet, PublishRun

PACKETS_PER_TURN = 256
SECONDS_PER_TURN = 0.005
"""After so many packets of one device, or after so long, for a SUBSCRIBE may weigh as much as a thousand PUBLISHes,
the others get their turn of the event loop (rule 8)."""

TURN = "turn"
"""Who holds for nothing but the device's next turn: reading goes on meanwhile."""

HELD_HIGH = 256 << 10
"""Bytes that wait here before reading is paused, when only the device's next turn is waited for."""

HELD_BYTES = 4 << 20
"""A transport that goes on delivering this much after it was told to pause is broken."""


class Inflow:
    """Feeds packets to ``handle`` in order. While anyone holds, packets wait where they are and reading is paused.

    ``heard`` is told that whole packets came, once for many: single bytes keep no connection alive. ``pause`` is told
    when to pause reading and when to go on; ``yield_turn``, to arrange for ``take_turn`` soon; ``clock`` counts
    seconds.
    """

    __slots__ = (
        "_clock",
        "_decoder",
        "_handle",
        "_heard",
        "_held",
        "_held_size",
        "_holds",
        "_pause",
        "_paused",
        "_stalled",
        "_yield_turn",
        "_yielded",
        "closed",
    )

    def __init__(
        self,
        decoder: Decoder,
        handle: Callable[[Packet], None],
        *,
        heard: Callable[[], None],
        pause: Callable[[bool], None],
        yield_turn: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._decoder = decoder
        self._handle = handle
        self._heard = heard
        self._pause = pause
        self._yield_turn = yield_turn
        self._holds: set[str] = set()
        self._yielded = False
        self._paused = False
        self._stalled: Iterator[Packet] | None = None
        self._held: list[bytes] = []
        self._held_size = 0
        self.closed = False

    @property
    def waits(self) -> bool:
        """Whether packets are held back: then silence is not the device's."""
        return self._yielded or bool(self._holds)

    def feed(self, data: bytes) -> None:
        """Take what was read. Raises what ``handle`` and the decoder raise."""
        if not self._yielded and not self._holds:
            self._work(self._decoder.feed(data))
            return
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size > HELD_BYTES:
            raise PeerError(Reason.INTERNAL_ERROR, "the transport does not pause")
        self._adjust()

    def hold(self, who: str) -> None:
        """Hand out no more packets until ``release`` of the same name."""
        self._holds.add(who)
        self._adjust()

    def release(self, who: str) -> None:
        """Undo ``hold``; what waited is handled now. Raises what ``handle`` and the decoder raise."""
        self._holds.discard(who)
        self._go_on()

    def take_turn(self) -> None:
        """It is this device's turn again. Raises what ``handle`` and the decoder raise."""
        self._yielded = False
        self._go_on()

    def finish(self, handle: Callable[[Packet], None]) -> None:
        """Nothing more will come: hand out what came, whoever holds. Raises what ``handle`` and the decoder raise."""
        self._handle = handle
        while (self._stalled is not None or self._held) and not self.closed:
            self._holds.clear()
            self._yielded = False
            self._go_on()

    def _go_on(self) -> None:
        if self._stalled is not None and not self.closed and not self.waits:
            packets, self._stalled = self._stalled, None
            self._work(packets)
        while self._held and not self.closed and not self.waits:
            data = b"".join(self._held)
            self._held.clear()
            self._held_size = 0
            self._work(self._decoder.feed(data))
        self._adjust()

    def _work(self, packets: Iterator[Packet]) -> None:
        left, clock = PACKETS_PER_TURN, self._clock
        until = clock() + SECONDS_PER_TURN
        for packet in packets:
            self._handle(packet)
            if self.closed:
                return
            left -= packet.count if type(packet) is PublishRun else 1
            if left <= 0 or clock() > until:
                self._yielded = True
                self._yield_turn()
            if self._yielded or self._holds:
                self._stalled = packets
                break
        if left < PACKETS_PER_TURN:
            self._heard()

    def _adjust(self) -> None:
        """Pause reading only when it must be: a transport may lose what it holds when the peer is gone."""
        wanted = bool(self._holds - {TURN}) or self._held_size > HELD_HIGH
        if wanted is not self._paused and not self.closed:
            self._paused = wanted
            self._pause(wanted)
