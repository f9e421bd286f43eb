"""What runs inside a namespace of the packet lab: takes one JSON command a line, answers with one JSON line.

Uses the standard library only; started as ``python host_worker.py`` with stdin and stdout as pipes.
"""

from __future__ import annotations

import errno
import json
import socket
import sys
import threading
import time
from typing import Any

_ETH_P_ALL = 3


class Worker:
    """Listeners, open connections and raw frames of one host."""

    def __init__(self) -> None:
        self.open: dict[str, socket.socket] = {}
        self.taps: dict[str, socket.socket] = {}
        self.sinks: dict[int, list[bytes]] = {}
        self.floods: dict[str, tuple[threading.Event, threading.Thread, list[int]]] = {}

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

    def connect(
        self, name: str, transport: str, address: str, port: int, source: str, timeout: float, source_port: int = 0
    ) -> bool:
        """Open a connection and prove it by an echo. A neighbour that is being looked for is waited for."""
        deadline = time.monotonic() + timeout
        while True:
            kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
            sock = socket.socket(_family(address), kind)
            sock.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                if source or source_port:
                    sock.bind((source, source_port))
                sock.connect((address, port))
                if not _echo(sock, b"hello"):
                    raise OSError
            except OSError as error:
                sock.close()
                if error.errno != errno.EHOSTUNREACH or time.monotonic() > deadline:
                    return False
            else:
                self.open[name] = sock
                return True

    def exchange(self, name: str, timeout: float) -> bool:
        """Whether an open connection still carries data both ways."""
        self.open[name].settimeout(timeout)
        try:
            return _echo(self.open[name], b"again")
        except OSError:
            return False

    def port_of(self, name: str) -> int:
        """The port at our end of an open connection."""
        return int(self.open[name].getsockname()[1])

    def answer_dhcp(self, interface: str) -> bool:
        """Answer every datagram to the DHCP server's port to everybody on the link, as a DHCP server does."""
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        server.bind(("", 67))
        threading.Thread(target=_serve_udp, args=(server, ("255.255.255.255", 68)), daemon=True).start()
        return True

    def sink(self, address: str, port: int) -> bool:
        """Keep every datagram that arrives."""
        server = socket.socket(_family(address), socket.SOCK_DGRAM)
        server.bind((address, port))
        self.sinks[port] = []
        threading.Thread(target=_collect, args=(server, self.sinks[port]), daemon=True).start()
        return True

    def sunk(self, port: int) -> list[str]:
        """What arrived at a sink so far."""
        return [data.decode() for data in self.sinks[port]]

    def flood(self, name: str, address: str, port: int, source_port: int = 0, pause: float = 0.0) -> bool:
        """Send numbered datagrams until told to stop."""
        sock = socket.socket(_family(address), socket.SOCK_DGRAM)
        sock.bind(("", source_port))
        stop, sent = threading.Event(), [0]
        thread = threading.Thread(target=_send_all, args=(sock, (address, port), stop, sent, pause), daemon=True)
        self.floods[name] = (stop, thread, sent)
        thread.start()
        return True

    def stop(self, name: str) -> int:
        """End a flood; how many datagrams were sent."""
        stop, thread, sent = self.floods.pop(name)
        stop.set()
        thread.join()
        return sent[0]

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

    def captured(self, interface: str, timeout: float) -> str:
        """Every frame that arrives until none has for so long, one after the other."""
        sock = self.taps[interface]
        sock.settimeout(timeout)
        frames = []
        try:
            while True:
                frames.append(sock.recv(65535).hex())
        except OSError:
            return " ".join(frames)


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


def _serve_udp(server: socket.socket, to: tuple[str, int] | None = None) -> None:
    while True:
        data, peer = server.recvfrom(65536)
        try:
            server.sendto(data, to or peer)
        except PermissionError:  # the ruleset of the host itself refuses the answer
            continue


def _collect(server: socket.socket, kept: list[bytes]) -> None:
    while True:
        kept.append(server.recv(65536))


def _send_all(sock: socket.socket, to: tuple[str, int], stop: threading.Event, sent: list[int], pause: float) -> None:
    while not stop.is_set():
        try:
            sock.sendto(b"%d" % sent[0], to)
            sent[0] += 1
        except OSError:  # told by ICMP that nobody listens
            continue
        if pause:
            stop.wait(pause)


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
