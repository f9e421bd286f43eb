"""The guard without sockets: whatever bytes a device sends, and a backend that delivers everything to everybody.

Shared by the property tests and the fuzzer. ``attack`` checks what must hold whatever was sent.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mqttseg.config import load_config
from mqttseg.errors import Reason
from mqttseg.guard.backend import Backend, Link, Peer, Resumed
from mqttseg.guard.connection import Connection
from mqttseg.guard.guard import Guard, Standing, Terms
from mqttseg.observe.events import Event
from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.decide import decide
from mqttseg.policy.load import load_policy
from mqttseg.policy.model import Action
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
from tests.support.sites import TestSite

ATTACKER, VICTIM = "cam-1", "bms-1"
LARGEST = 1 << 29


@dataclass
class Stagehand:
    """What all examples share: a policy, terms, and the certificates of two devices, by device id."""

    compiled: Compiled
    terms: Terms
    certificates: dict[str, bytes]

    @classmethod
    def new(cls) -> Stagehand:
        """Make them, in a directory that is gone at once."""
        with tempfile.TemporaryDirectory() as directory:
            site = TestSite(Path(directory))
            config = load_config(site.config)
            terms = Terms(config.limits, config.client_id, config.identity)
            certificates = {device: _der(site.device(device)[0]) for device in (ATTACKER, VICTIM)}
            return cls(compile_policy(load_policy(config.policy), datetime.now(UTC)), terms, certificates)


def _der(path: Path) -> bytes:
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


class FakeTransport:
    """A transport to nowhere, which remembers what was written. It shows a certificate as TLS would."""

    def __init__(self, certificate: bytes) -> None:
        self._certificate = certificate
        self.written = bytearray()
        self.closing = False
        self.paused = False

    def getpeercert(self, binary_form: bool) -> bytes:
        """What is asked of the ``ssl_object``."""
        return self._certificate

    def get_extra_info(self, name: str) -> FakeTransport:
        """The ``ssl_object``: this."""
        return self

    def set_write_buffer_limits(self, high: int) -> None:
        """It takes everything."""

    def get_write_buffer_size(self) -> int:
        """Nothing ever waits."""
        return 0

    def write(self, data: bytes) -> None:
        """Remember."""
        self.written += data

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closing

    def close(self) -> None:
        """End."""
        self.closing = True

    abort = close

    def pause_reading(self) -> None:
        """Not to be called when it is paused already, nor after the end."""
        assert not self.closing
        self.paused = True

    def resume_reading(self) -> None:
        """Likewise."""
        assert not self.closing
        self.paused = False


class HostileBackend:
    """Answers as a broker must, and routes every message to everybody, asked or not."""

    def __init__(self) -> None:
        self.conversations: dict[str, _Conversation] = {}
        self.published: list[tuple[str, str]] = []

    def open(self, connect: Connect, peer: Peer, link: Link) -> _Conversation:
        """A session, of which nothing is known."""
        assert connect.client_id.partition("/")[0] == peer.device_id
        assert (connect.will, connect.username, connect.password) == (None, None, None)
        assert connect.client_id not in self.conversations
        self.conversations[connect.client_id] = conversation = _Conversation(self, connect.client_id, link)
        return conversation

    def judged_by(self, admits: Callable[[str, str], bool]) -> None:
        """It does not ask."""

    def publish(self, will: Will, origin: str) -> None:
        """A will fired."""
        self.route(origin, Publish(will.topic, will.payload))

    def route(self, origin: str, message: Publish) -> None:
        """To everybody, as QoS 0."""
        self.published.append((origin.partition("/")[0], message.topic))
        for conversation in list(self.conversations.values()):
            conversation.link.send(Publish(message.topic, message.payload))

    def retained_origins(self) -> Mapping[str, str | None]:
        """Nothing is retained."""
        return {}

    def retained_by(self, device_id: str) -> int:
        """Nothing is retained."""
        return 0

    def sessions_of(self, device_id: str) -> Collection[str]:
        """Nothing is kept."""
        return ()


@dataclass
class _Conversation:
    backend: HostileBackend
    key: str
    link: Link
    unreleased: dict[int, Publish] = field(default_factory=dict)

    def resumed(self) -> Resumed:
        return Resumed()

    def start(self) -> None:
        self.link.send(Connack(False, 0))

    def receive(self, packet: Packet) -> None:
        assert not isinstance(packet, Connect | Pingreq)
        match packet:
            case Publish(qos=2):
                self.unreleased[packet.packet_id] = packet
                self.link.send(Pubrec(packet.packet_id))
            case Publish():
                self.backend.route(self.key, packet)
                if packet.qos:
                    self.link.send(Puback(packet.packet_id))
            case Pubrel():
                self.backend.route(self.key, self.unreleased.pop(packet.packet_id))
                self.link.send(Pubcomp(packet.packet_id))
            case Subscribe():
                self.link.send(Suback(packet.packet_id, tuple(qos for _, qos in packet.requests)))
            case Unsubscribe():
                self.link.send(Unsuback(packet.packet_id))
            case _:
                pass

    def forget(self, packet_id: int) -> None:
        self.unreleased.pop(packet_id, None)
        self.link.send(Pubcomp(packet_id))

    def acknowledge(self, packet: Puback | Pubrec) -> None:
        self.link.send(packet)

    def writable(self, writable: bool) -> None:
        pass

    async def end(self) -> None:
        del self.backend.conversations[self.key]


class Device:
    """One end of a connection to the guard."""

    def __init__(self, guard: Guard, certificate: bytes) -> None:
        self.transport = FakeTransport(certificate)
        self.connection = Connection(guard, "192.0.2.1", 1)
        self.connection.connection_made(cast("asyncio.Transport", self.transport))

    def send(self, data: bytes) -> None:
        """As a transport does: nothing more after the end."""
        if not self.transport.closing:
            self.connection.data_received(data)

    def received(self) -> list[Packet]:
        """Everything so far; what is not MQTT raises."""
        return list(Decoder(from_client=False, max_packet=LARGEST).feed(bytes(self.transport.written)))


def attack(stagehand: Stagehand, pieces: Sequence[bytes]) -> None:
    """Have the attacker send these pieces, one in each turn of the loop, and check that nobody else is harmed."""
    trouble: list[dict[str, Any]] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
        await _attack(stagehand, pieces)

    log = logging.getLogger("mqttseg")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        asyncio.run(run())
    finally:
        log.setLevel(level)
    assert not trouble, trouble


async def _attack(stagehand: Stagehand, pieces: Sequence[bytes]) -> None:
    events: list[Event] = []
    backend = HostileBackend()
    typed: Backend = backend
    guard = Guard(stagehand.terms, Standing(stagehand.compiled), typed, events.append)
    victim = Device(guard, stagehand.certificates[VICTIM])
    victim.send(encode(Connect(VICTIM)) + encode(Subscribe(1, (("hvac/all/#", 0),))))
    attacker = Device(guard, stagehand.certificates[ATTACKER])
    for piece in pieces:
        attacker.send(piece)
        await asyncio.sleep(0)
    await _settle(guard)
    if not attacker.transport.closing:
        attacker.transport.closing = True
    attacker.connection.connection_lost(None)
    await _settle(guard)
    victim.send(encode(Publish("hvac/all/x", b"alive")) + encode(Pingreq()))
    await _settle(guard)
    _check_backend(stagehand, backend)
    _check_delivered(stagehand, attacker)
    assert not victim.transport.closing
    assert victim.received() == [Connack(False, 0), Suback(1, (0,)), Publish("hvac/all/x", b"alive"), Pingresp()]
    assert not [event for event in events if event.reason is Reason.INTERNAL_ERROR], events
    await guard.close()
    victim.connection.connection_lost(None)


async def _settle(guard: Guard) -> None:
    """Until nothing is under way: openings, endings, and packets that wait for their turn."""
    quiet = 0
    while quiet < 3:
        await asyncio.sleep(0)
        waits = any(connection._inflow._yielded and not connection.closed for connection in guard.roster)
        quiet = 0 if guard._tasks or waits else quiet + 1


def _check_backend(stagehand: Stagehand, backend: HostileBackend) -> None:
    for device, topic in backend.published:
        assert decide(stagehand.compiled.rights(device), Action.PUBLISH, topic).allowed, (device, topic)


def _check_delivered(stagehand: Stagehand, attacker: Device) -> None:
    rights = stagehand.compiled.rights(ATTACKER)
    for packet in attacker.received():
        if isinstance(packet, Publish):
            assert decide(rights, Action.RECEIVE, packet.topic).allowed, packet.topic
