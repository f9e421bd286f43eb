"""Bytes in, packets out: where one packet ends and the next begins.

Owns the fixed header, the limit on a packet's size and the bytes of a packet that has not come whole. What a
packet says is read in ``publish`` (the hot path) and ``bodies``. Refuses to know sockets, and the order
of packets: CONNECT first, and once, is the guard's rule to keep [MQTT-3.1.0-1], [MQTT-3.1.0-2].

Each byte is copied a fixed number of times however it arrives: a packet that comes in pieces is appended to
one buffer, and joined with the read that completes it, once.
"""

from __future__ import annotations

from collections.abc import Iterator

from mqttseg.errors import ProtocolError, Reason
from mqttseg.wire.bodies import FROM_BOTH, FROM_CLIENT, FROM_SERVER, Reader
from mqttseg.wire.lengths import remaining_length
from mqttseg.wire.packets import Packet
from mqttseg.wire.publish import OTHERS, PLAIN, PublishReader


class PacketTooLarge(ProtocolError):  # noqa: N818 - the name says what the peer sent
    """A packet over the limit. ``reason`` is payload-too-large. Seen from the fixed header, its body unread."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a packet of {size} bytes is over the limit of {limit}")
        self.reason = Reason.PAYLOAD_TOO_LARGE


class Decoder:
    """Turns one direction of one MQTT 3.1.1 connection into packets.

    ``from_client`` says which packets are legal: those a client sends, or those a server sends. ``max_packet``
    is in bytes and counts the whole packet, fixed header included. ``gather`` is how many QoS 0 PUBLISH of one
    topic in a row may be handed out as one PublishRun; 1 for none.

    Any bytes whatever give packets, a wait for more bytes, or ProtocolError: never anything else.
    """

    __slots__ = ("_closed", "_held", "_max_packet", "_needed", "_publish", "_readers")

    def __init__(self, from_client: bool, max_packet: int, gather: int = 1) -> None:
        self._max_packet = max_packet
        self._publish = PublishReader(gather, max_packet)
        self._readers = _readers(from_client, self._publish)
        self._held = bytearray()  # the beginning of a packet that has not come whole
        self._needed = 0  # the size of that packet; 0 while its fixed header has not come whole
        self._closed = False

    @property
    def buffered(self) -> int:
        """How many bytes wait for the rest of their packet: fewer than ``max_packet``."""
        return len(self._held)

    def gather(self, most: int) -> None:
        """From now on hand out at most so many PUBLISH as one PublishRun."""
        self._publish.gather = most

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that ``data`` completes, in order.

        Raises ProtocolError at the first malformed byte, after the packets before it, and from then on at
        every call. So it does after an iteration that was not run to its end: there is no
        saying any more where a packet begins, and doubt is refused (rule 9).
        """
        if self._closed:
            raise ProtocolError("bytes follow a malformed packet")
        self._closed = True
        data = self._with_held(data)
        readers, plain, limit = self._readers, self._publish.plain, self._max_packet
        at, end = 0, len(data)
        while at + 1 < end:
            first = data[at]
            if first not in readers:
                raise _unexpected(first)
            body, length = at + 2, data[at + 1]
            if length > 0x7F:
                header = remaining_length(data, at + 1)
                if header is None:
                    break
                length, body = header
            stop = body + length
            if stop - at > limit:
                raise PacketTooLarge(stop - at, limit)
            if stop > end:
                break
            if first == PLAIN:
                packet, at = plain(data, at, body, stop)
                yield packet
            else:
                yield readers[first](data[at:stop], body - at)
                at = stop
        self._hold(data[at:])
        self._closed = False

    def _with_held(self, data: bytes) -> bytes:
        """Put what is held in front of ``data``; nothing, and hold ``data`` too, while the packet is not whole."""
        if not self._held:
            return data
        if len(self._held) + len(data) < self._needed:
            self._held += data
            return b""
        whole = b"".join((self._held, data))
        self._held.clear()
        return whole

    def _hold(self, rest: bytes) -> None:
        """Keep the beginning of a packet; judge its first byte, which may be all there is of its header."""
        if not rest:
            return
        if rest[0] not in self._readers:
            raise _unexpected(rest[0])
        header = remaining_length(rest, 1)
        self._needed = header[0] + header[1] if header else 0
        self._held += rest


def _readers(from_client: bool, publish: PublishReader) -> dict[int, Reader]:
    return FROM_BOTH | (FROM_CLIENT if from_client else FROM_SERVER) | dict.fromkeys((PLAIN, *OTHERS), publish.other)


def _unexpected(first: int) -> ProtocolError:
    known = FROM_CLIENT.keys() | FROM_SERVER.keys() | FROM_BOTH.keys()
    if first in known:
        return ProtocolError(f"packet type {first >> 4} comes from the wrong side (2.2.1)")
    if first >> 4 in {0, 15}:
        return ProtocolError(f"packet type {first >> 4} is reserved (2.2.1)")
    return ProtocolError(f"packet type {first >> 4} has the wrong flags, {first & 0xF:#x} [MQTT-2.2.2-2]")
