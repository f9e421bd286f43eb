"""Being written. The signatures below are final.

PacketTooLarge(ProtocolError): reason is PAYLOAD_TOO_LARGE; a packet over max_packet, judged from its fixed header.
"""
from __future__ import annotations

from collections.abc import Iterator

from mqttseg.errors import ProtocolError, Reason
from mqttseg.wire.packets import Packet


class PacketTooLarge(ProtocolError):
    """A packet over the limit, seen from its fixed header."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"packet of {size} bytes, over the limit of {limit}")
        self.reason = Reason.PAYLOAD_TOO_LARGE


class Decoder:
    """Bytes in, packets out. ``max_packet`` counts the whole packet, fixed header included."""

    def __init__(self, from_client: bool, max_packet: int) -> None: ...

    def feed(self, data: bytes) -> Iterator[Packet]: ...  # type: ignore[empty-body]  # being written
