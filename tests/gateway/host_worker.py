"""What runs inside a namespace of the packet lab: takes one JSON command a line, answers with one JSON line.

Uses the standard library only; started as ``python host_worker.py`` with stdin and stdout as pipes.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from typing import Any

_ETH_P_ALL = 3


class Worker:
    """Listeners, open connections and raw frames of one host."""

    def __init__(self) -> None:
        self.open: dict[str, socket.socket] = {}
        self.taps: dict[str, socket.socket] = {}

    def listen(self, transport: str, address: str, port: int) -> bool:
        """Echo whatever arrives, until the worker ends."""
        kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
        server = socket.socket(_family(address), kind)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        if transport == "tcp":
            server.listen(64)
        threading.Thread(target=_serve_tcp if transport == "tcp" else _serve_udp, args=(server,), daemon=True).start()
        return True

    def connect(self, name: str, transport: str, address: str, port: int, source: str, timeout: float) -> bool:
        """Open a connection and prove it by an echo."""
        kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
        sock = socket.socket(_family(address), kind)
        sock.settimeout(timeout)
        try:
            if source:
                sock.bind((source, 0))
            sock.connect((address, port))
            if not _echo(sock, b"hello"):
                raise OSError
        except OSError:
            sock.close()
            return False
        self.open[name] = sock
        return True

    def exchange(self, name: str, timeout: float) -> bool:
        """Whether an open connection still carries data both ways."""
        self.open[name].settimeout(timeout)
        try:
            return _echo(self.open[name], b"again")
        except OSError:
            return False

    def frame(self, interface: str, data: str) -> bool:
        """Put a raw frame on the wire."""
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind((interface, 0))
            sock.send(bytes.fromhex(data))
        return True

    def tap(self, interface: str) -> bool:
        """Begin to see every frame of an interface."""
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        sock.bind((interface, 0))
        if old := self.taps.pop(interface, None):
            old.close()
        self.taps[interface] = sock
        return True

    def seen(self, interface: str, needle: str, timeout: float) -> bool:
        """Whether a frame that holds these bytes arrives in time."""
        sock = self.taps[interface]
        sock.settimeout(timeout)
        try:
            while bytes.fromhex(needle) not in sock.recv(65535):
                pass
        except OSError:
            return False
        return True


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _echo(sock: socket.socket, data: bytes) -> bool:
    sock.send(data)
    return sock.recv(len(data)) == data


def _serve_tcp(server: socket.socket) -> None:
    while True:
        peer, _ = server.accept()
        threading.Thread(target=_echo_all, args=(peer,), daemon=True).start()


def _echo_all(peer: socket.socket) -> None:
    with peer:
        while data := peer.recv(65536):
            peer.sendall(data)


def _serve_udp(server: socket.socket) -> None:
    while True:
        data, peer = server.recvfrom(65536)
        server.sendto(data, peer)


def main() -> None:
    """Serve commands until stdin ends."""
    worker = Worker()
    for line in sys.stdin:
        name, arguments = json.loads(line)
        answer: Any
        try:
            answer = {"value": getattr(worker, name)(**arguments)}
        except OSError as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
