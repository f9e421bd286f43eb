"""Devices without sockets and a broker without a loop: what the engine's tests are written in.

Owns a device that keeps what it is sent and answers when told to, and a site whose store is committed when told to.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from mqttseg.engine import Connection, Durability, Engine, EngineEvent, EngineSettings
from mqttseg.engine.committer import commit_now
from mqttseg.engine.store import Store
from mqttseg.wire.decode import Decoder
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import (
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsubscribe,
)

P = TypeVar("P")


class Device:
    """A device and its outbox. ``answers`` makes it acknowledge all at once, as a live device does."""

    def __init__(self, site: Site, key: str, *, clean: bool = True, answers: bool = False) -> None:
        self.site = site
        self.key = key
        self.clean = clean
        self.answers = answers
        self.writable = True
        self.packets: list[Packet] = []
        self._next_id = 0
        self.connection: Connection | None = None

    def connect(self, *, clean: bool | None = None) -> Device:
        self.clean = self.clean if clean is None else clean
        self.connection = self.site.engine.connect(self.key, clean=self.clean, outbox=self, now=self.site.now)
        return self

    def accepted(self) -> Device:
        """After a commit: CONNACK may have to wait for one."""
        self.site.commit()
        return self

    def drop(self) -> None:
        if self.connection is not None:
            self.connection.end(self.site.now)
            self.connection = None

    def send(self, packet: Packet) -> None:
        if isinstance(packet, Publish):
            assert packet.frame is not None, "a delivery carries its bytes"
            assert list(Decoder(from_client=False, max_packet=2**20).feed(packet.frame)) == [packet]
        self.packets.append(packet)
        if self.answers:
            self.answer(packet)

    def answer(self, packet: Packet) -> None:
        match packet:
            case Publish(qos=1):
                self.say(Puback(packet.packet_id))
            case Publish(qos=2):
                self.say(Pubrec(packet.packet_id))
            case Pubrel():
                self.say(Pubcomp(packet.packet_id))
            case Pubrec():
                self.say(Pubrel(packet.packet_id))

    def say(self, packet: Packet) -> None:
        connection = self.connection or self.site.engine.connection(self.key)
        assert connection is not None
        connection.receive(packet)

    def publish(
        self, topic: str, payload: bytes = b"x", qos: int = 0, *, retain: bool = False, dup: bool = False, pid: int = 0
    ) -> int:
        """Publish, and return the packet id. The packet is one that came over the wire: it has its frame."""
        if qos and not pid:
            self._next_id = pid = self._next_id + 1
        packet = Publish(topic, payload, qos, retain, dup, pid)
        packet.frame = encode(packet)
        self.say(packet)
        return pid

    def publish2(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> None:
        """A whole QoS 2 flow."""
        self.say(Pubrel(self.publish(topic, payload, 2, retain=retain)))

    def subscribe(self, *requests: tuple[str, int]) -> tuple[int, ...]:
        """Subscribe and return the codes of SUBACK."""
        self._next_id += 1
        self.say(Subscribe(self._next_id, requests))
        self.site.commit()
        found = [packet for packet in self.packets if isinstance(packet, Suback)]
        assert found[-1].packet_id == self._next_id
        return found[-1].codes

    def unsubscribe(self, *filters: str) -> None:
        self._next_id += 1
        self.say(Unsubscribe(self._next_id, filters))
        self.site.commit()

    def take(self, kind: type[P]) -> list[P]:
        """The packets of this kind, in order; they are taken away, and all others stay."""
        found: list[P] = [packet for packet in self.packets if isinstance(packet, kind)]
        self.packets = [packet for packet in self.packets if not isinstance(packet, kind)]
        return found

    def messages(self) -> list[tuple[str, bytes, int]]:
        """(topic, payload, QoS) of each delivery, taken away."""
        return [(packet.topic, packet.payload, packet.qos) for packet in self.take(Publish)]

    def payloads(self) -> list[bytes]:
        return [packet.payload for packet in self.take(Publish)]


class Site:
    """An engine, its store when it has a path, and what it told."""

    def __init__(
        self, path: Path | None = None, settings: EngineSettings | None = None, *, fsync: bool = False
    ) -> None:
        self.path = path
        self.settings = settings or EngineSettings()
        self.fsync = fsync
        self.now = 1_000_000.0
        self.events: list[EngineEvent] = []
        self.start()

    def start(self) -> None:
        durable = self.path is not None and self.settings.durability is not Durability.OFF
        self.store = Store.open(self.path, fsync=self.fsync) if self.path is not None and durable else None
        self.engine = Engine(self.settings, self.store, self.events.append)

    def device(self, key: str, *, clean: bool = True, answers: bool = False) -> Device:
        """A connected device."""
        return Device(self, key, clean=clean, answers=answers).connect()

    def commit(self) -> None:
        """Store all that is noted, and what that leads to."""
        if self.store is not None:
            commit_now(self.engine.journal, self.store)

    def kill(self) -> None:
        """As kill -9 and a new start: what was not committed never was. Devices have to connect again."""
        assert self.store is not None
        self.store.close()
        self.start()

    def told(self, kind: type[EngineEvent]) -> list[EngineEvent]:
        return [event for event in self.events if isinstance(event, kind)]
