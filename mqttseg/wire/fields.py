"""The fields of a packet's body, read one after the other.

Owns the bounds check: no field is ever read past the end of its packet. Refuses to know which packet it is.
"""

from __future__ import annotations

from mqttseg.errors import ProtocolError
from mqttseg.wire.strings import text_from


class Fields:
    """A cursor over the body of ``frame``, which begins at ``at``. Every method raises ProtocolError."""

    __slots__ = ("_at", "_frame")

    def __init__(self, frame: bytes, at: int) -> None:
        self._frame = frame
        self._at = at

    @property
    def more(self) -> bool:
        """Whether a byte of the body is left."""
        return self._at < len(self._frame)

    def byte(self) -> int:
        """One byte."""
        return self._take(1)[0]

    def number(self) -> int:
        """Two bytes, the high one first (1.5.2)."""
        return int.from_bytes(self._take(2), "big")

    def packet_id(self) -> int:
        """A packet identifier, which is not 0 [MQTT-2.3.1-1]."""
        packet_id = self.number()
        if not packet_id:
            raise ProtocolError("the packet identifier is 0 [MQTT-2.3.1-1]")
        return packet_id

    def binary(self) -> bytes:
        """Bytes with their two-byte length in front."""
        return self._take(self.number())

    def text(self) -> str:
        """A UTF-8 string with its two-byte length in front (1.5.3)."""
        return text_from(self.binary())

    def end(self) -> None:
        """Refuse bytes that no field accounts for."""
        if self.more:
            raise ProtocolError(f"{len(self._frame) - self._at} bytes follow the last field of the packet")

    def _take(self, size: int) -> bytes:
        start, self._at = self._at, self._at + size
        if self._at > len(self._frame):
            raise ProtocolError("a field runs past the end of the packet")
        return self._frame[start : self._at]
