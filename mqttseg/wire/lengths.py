"""The remaining length of the fixed header: one to four bytes of seven bits each (2.2.3)."""

from __future__ import annotations

from mqttseg.errors import ProtocolError

MAX_REMAINING = 268_435_455
"""The largest remaining length that four bytes can say (2.2.3, table 2.4)."""


def remaining_length(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """Read the remaining length at ``at``: its value and where the body begins; None when bytes are missing.

    Raises ProtocolError for a fifth byte, and for a value in more bytes than it needs: table 2.4 gives each value
    one form, and a frame that is forwarded as it came must not depend on how leniently its receiver reads.
    """
    value = 0
    for place, byte in enumerate(data[at : at + 4]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            if byte == 0 and place:
                raise ProtocolError("the remaining length has more bytes than it needs (2.2.3)")
            return value, at + place + 1
    if len(data) - at >= 4:
        raise ProtocolError("the remaining length has more than four bytes (2.2.3)")
    return None


def length_bytes(value: int) -> bytes:
    """Write a remaining length, from 0 to MAX_REMAINING."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
