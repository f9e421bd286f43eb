"""What the tests of `wire` share: feed bytes in pieces, and say all that came of it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from mqttseg.errors import ProtocolError
from mqttseg.wire.decode import Decoder
from mqttseg.wire.packets import Packet

LIMIT = 262_144


class Outcome(NamedTuple):
    """The packets, and then the error's text, or how many bytes wait for more."""

    packets: list[Packet]
    error: str | None
    buffered: int


def outcome(pieces: Iterable[bytes], from_client: bool = True, max_packet: int = LIMIT, gather: int = 1) -> Outcome:
    """Feed ``pieces`` to a new decoder until it refuses them."""
    decoder = Decoder(from_client, max_packet, gather)
    packets: list[Packet] = []
    try:
        for piece in pieces:
            packets.extend(decoder.feed(piece))
    except ProtocolError as error:
        return Outcome(packets, str(error), 0)
    return Outcome(packets, None, decoder.buffered)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut ``data`` at ``places``."""
    edges = [0, *sorted(place for place in places if place < len(data)), len(data)]
    return [data[start:stop] for start, stop in pairwise(edges)]
