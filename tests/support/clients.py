"""A raw MQTT client on a blocking TLS socket: it sends what it is told, well-formed or not."""

from __future__ import annotations

import socket
import ssl
from collections import deque
from typing import TypeVar

from mqttseg.wire.decode import Decoder
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import (
    Connack,
    Connect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from tests.support.brokers import PATIENCE

PacketT = TypeVar("PacketT", bound=Packet)


class RawClient:
    """One connection. ``expect`` reads on until a packet of the type comes; others that came first are kept."""

    def __init__(
        self, context: ssl.SSLContext, port: int, host: str = "127.0.0.1", plain: socket.socket | None = None
    ) -> None:
        plain = plain or socket.create_connection((host, port), timeout=PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or each first packet waits 40 ms for an ACK
        try:
            self.socket = context.wrap_socket(plain, server_hostname="localhost")
        except BaseException:
            plain.close()
            raise
        self._decoder = Decoder(from_client=False, max_packet=1 << 24)
        self.unread: deque[Packet] = deque()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection without DISCONNECT."""
        self.socket.close()

    def send(self, *packets: Packet) -> None:
        """Send packets in one write."""
        self.send_bytes(b"".join(map(encode, packets)))

    def send_bytes(self, data: bytes) -> None:
        """Send anything."""
        self.socket.sendall(data)

    def read(self) -> bool:
        """Wait for more packets; False at the end of the connection."""
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            return False
        self.unread.extend(self._decoder.feed(data))
        return bool(data)

    def expect(self, kind: type[PacketT]) -> PacketT:
        """The next packet of this type."""
        while True:
            for packet in self.unread:
                if isinstance(packet, kind):
                    self.unread.remove(packet)
                    return packet
            assert self.read(), f"the connection ended before {kind.__name__}"

    def expect_end(self) -> None:
        """The broker ends the connection."""
        while self.read():
            pass

    def connect(self, client_id: str, *, clean: bool = True, will: Will | None = None, keep_alive: int = 0) -> Connack:
        """CONNECT, and the answer to it."""
        self.send(Connect(client_id, clean_session=clean, will=will, keep_alive=keep_alive))
        return self.expect(Connack)

    def subscribe(self, *filters: str, qos: int = 0, packet_id: int = 1) -> tuple[int, ...]:
        """SUBSCRIBE, and the codes of the answer."""
        self.send(Subscribe(packet_id, tuple((f, qos) for f in filters)))
        return self.expect(Suback).codes

    def unsubscribe(self, *filters: str, packet_id: int = 1) -> None:
        """UNSUBSCRIBE, and wait for the answer."""
        self.send(Unsubscribe(packet_id, filters))
        self.expect(Unsuback)

    def publish(
        self, topic: str, payload: bytes = b"", *, qos: int = 0, retain: bool = False, packet_id: int = 7
    ) -> None:
        """PUBLISH, and the whole of its flow."""
        self.send(Publish(topic, payload, qos=qos, retain=retain, packet_id=packet_id if qos else 0))
        if qos == 1:
            self.expect(Puback)
        elif qos == 2:
            self.expect(Pubrec)
            self.send(Pubrel(packet_id))
            self.expect(Pubcomp)

    def ping(self) -> None:
        """A round trip to the guard: what it was sent before has been judged."""
        self.send(Pingreq())
        self.expect(Pingresp)

    def messages(self) -> list[Publish]:
        """The messages that have come so far."""
        return [packet for packet in self.unread if isinstance(packet, Publish)]
