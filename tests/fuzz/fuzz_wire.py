"""Fuzz `wire` with atheris, guided by coverage: `python tests/fuzz/fuzz_wire.py -max_total_time=60`.

The laws: any bytes give packets, a wait, or ProtocolError; how they are split changes nothing; a packet that was
read is written as the bytes it was read from; no more than the limit is held.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["mqttseg"]):
    from mqttseg.errors import ProtocolError
    from mqttseg.wire.decode import Decoder
    from mqttseg.wire.encode import encode
    from mqttseg.wire.packets import LEVEL, Connect, Packet

LIMIT = 1024


def read(pieces: list[bytes], from_client: bool) -> tuple[list[Packet], str | None]:
    """Feed ``pieces`` to a new decoder; return the packets and the error."""
    decoder = Decoder(from_client, LIMIT)
    packets: list[Packet] = []
    try:
        for piece in pieces:
            packets.extend(decoder.feed(piece))
            assert decoder.buffered < LIMIT
    except ProtocolError as error:
        return packets, str(error)
    return packets, None


def check(data: bytes) -> None:
    """Check the laws. The first byte is the side, the second where to split, the rest what was sent."""
    if len(data) < 2:
        return
    from_client, place, sent = data[0] & 1 == 1, data[1], data[2:]
    whole = read([sent], from_client)
    assert read([sent[:place], sent[place:]], from_client) == whole
    assert read([bytes((byte,)) for byte in sent], from_client) == whole
    packets = whole[0]
    if not any(isinstance(packet, Connect) and packet.level != LEVEL for packet in packets):
        assert sent.startswith(b"".join(map(encode, packets)))


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
