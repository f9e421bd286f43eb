"""One MQTT connection on mutual TLS, as cheap as Python can have it: a socket, and OpenSSL on memory buffers.

A write is one record and one send. A read is one receive for however many records came. An event loop costs several
times as much for each; here the worker's own loop does the waiting. Frames are taken apart just far enough.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Generator, Iterator

from benchmarks.load.plan import Seat
from mqttseg.wire.encode import encode
from mqttseg.wire.lengths import remaining_length
from mqttseg.wire.packets import Connect, Subscribe

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK = 2, 3, 4, 5, 6, 7, 9
_RECEIVE = 256 * 1024
_RECORD = 32 * 1024  # more than a TLS record holds
_FILTERS_AT_ONCE = 500


class Contexts:
    """TLS contexts, one per certificate: made beforehand, so that their making is not measured."""

    def __init__(self, ca: str) -> None:
        self._ca = ca
        self._known: dict[str, ssl.SSLContext] = {}

    def of(self, seat: Seat) -> ssl.SSLContext:
        """The context that shows the seat's certificate."""
        if seat.certificate not in self._known:
            context = ssl.create_default_context(cafile=self._ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.load_cert_chain(seat.certificate, seat.key)
            self._known[seat.certificate] = context
        return self._known[seat.certificate]


class Line:
    """A connection. ``on_publish`` and ``on_answer`` are for the children."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._unsent = b""
        self._rest = b""
        self._answers: dict[int, bytes] = {}
        self.closed = False

    def open(self, port: int, context: ssl.SSLContext) -> Iterator[None]:
        """TCP, TLS, CONNECT. Yields whenever there is nothing to do before the socket becomes readable."""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="localhost")
        yield from self._shake_hands()
        seat = self._seat
        connect = Connect(seat.client_id, clean_session=seat.clean, username=seat.device)  # for brokers that go by it
        self.write(encode(connect))
        answer = yield from self._answer(CONNACK)
        if answer[1]:
            raise ConnectionError(f"{seat.client_id}: CONNACK {answer[1]}")

    def _shake_hands(self) -> Iterator[None]:
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                yield
                self._in.write(self._receive())
        self.flush()

    def _answer(self, kind: int) -> Generator[None, None, bytes]:
        while kind not in self._answers:
            yield
            self.readable()
            if self.closed:
                raise ConnectionError(f"{self._seat.client_id}: the broker closed the connection")
        return self._answers.pop(kind)

    def subscribe(self, filters: tuple[str, ...], qos: int) -> Iterator[None]:
        """SUBSCRIBE to all of them, some in each packet. Yields as ``open`` does."""
        for first in range(0, len(filters), _FILTERS_AT_ONCE):
            some = filters[first : first + _FILTERS_AT_ONCE]
            self.write(encode(Subscribe(1, tuple((text, qos) for text in some))))
            answer = yield from self._answer(SUBACK)
            if refused := [text for text, code in zip(some, answer[2:], strict=True) if code & 0x80]:
                raise ConnectionError(f"{self._seat.client_id}: {refused[0]} was refused")

    # Writing

    def write(self, data: bytes | bytearray) -> None:
        """One record, sent at once if there is room; the rest waits for ``flush``."""
        self._tls.write(data)
        self.flush()

    def flush(self) -> bool:
        """Send what waits; whether nothing is left."""
        data = self._unsent + self._out.read() if self._unsent else self._out.read()
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.closed, sent = True, len(data)
        self._unsent = data[sent:]
        return not self._unsent

    @property
    def ready(self) -> bool:
        """Whether a write would go out at once."""
        return (not self._unsent or self.flush()) and not self.closed

    # Reading

    def _receive(self) -> bytes:
        try:
            data = self.socket.recv(_RECEIVE)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        self.closed = self.closed or not data
        return data

    def readable(self) -> None:
        """Take in what has come."""
        incoming, read = self._in, self._tls.read
        incoming.write(self._receive())
        records = [self._rest]
        try:
            while incoming.pending:
                records.append(read(_RECORD))
        except ssl.SSLWantReadError:
            pass  # the beginning of a record: it stays there
        except ssl.SSLError:
            self.closed = True
        self._rest = self._take(b"".join(records))

    def _take(self, data: bytes) -> bytes:
        """Hand on whole packets; return the beginning of the next."""
        at, size = 0, len(data)
        while size - at >= 2:
            length, body = data[at + 1], at + 2
            if length > 0x7F:
                header = remaining_length(data, at + 1)
                if header is None:
                    break
                length, body = header
            if body + length > size:
                break
            kind = data[at] >> 4
            if kind == PUBLISH:
                self.on_publish(data, at, body)
            elif kind in (CONNACK, SUBACK):
                self._answers[kind] = data[body : body + length]
            else:
                self.on_answer(kind, data[body] << 8 | data[body + 1])
            at = body + length
        return data[at:]

    # For the children

    def on_publish(self, data: bytes, at: int, body: int) -> None:
        """A PUBLISH: where it begins, and where its variable header does."""

    def on_answer(self, kind: int, packet_id: int) -> None:
        """PUBACK, PUBREC, PUBREL or PUBCOMP."""
