"""Being written. The signatures below are final. Values that MQTT cannot carry raise InternalError."""
from __future__ import annotations

from mqttseg.wire.packets import Packet


def encode(packet: Packet) -> bytes: ...  # type: ignore[empty-body]  # being written


def publish_frame(  # type: ignore[empty-body]  # being written
    topic: bytes, payload: bytes, qos: int = 0, retain: bool = False, dup: bool = False, packet_id: int = 0
) -> bytes: ...
