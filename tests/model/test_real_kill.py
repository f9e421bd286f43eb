"""The same laws end to end: a real broker process over mutual TLS, killed with SIGKILL while messages are on their way.

Smaller than the model: what commits when is the broker's own affair here, and so is who is faster.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from mqttseg.wire.packets import Connack, Packet, Puback, Pubcomp, Publish, Pubrec, Pubrel
from tests.support.clients import RawClient
from tests.support.programs import Program
from tests.support.sites import TestSite

POLICY = """
version: 1
trust_domain: plant7.example
segments:
  cells:
    members: ["cell-*"]
    publish: ["cells/${device}/#"]
    subscribe: ["cells/#"]
    deny: [DENIED]
"""
OPEN, CLOSED = POLICY.replace("DENIED", ""), POLICY.replace("DENIED", '"cells/+/secret"')
TOPICS = ("cells/cell-1/open", "cells/cell-1/secret")
IN_FLIGHT = 20
MESSAGES = 400


@contextmanager
def serving(site: TestSite) -> Iterator[tuple[Program, int]]:
    """A broker process, and its port."""
    command: list[str | Path] = [sys.executable, "-m", "tests.support.serve", site.config]
    with Program(command) as broker:
        ready = broker.wait_for_line("mqttseg ready")
        yield broker, int(ready.rpartition(":")[2])


class Reader:
    """A device with a stored session; it keeps what it got over all restarts of the broker."""

    def __init__(self, site: TestSite, device: str, qos: int) -> None:
        self.device = device
        self.qos = qos
        self.got: list[tuple[str, int]] = []
        self._half_received: set[int] = set()
        self._tls = site.tls(device)

    def join(self, port: int, *, present: bool) -> RawClient:
        client = RawClient(self._tls, port)
        assert client.connect(self.device, clean=False) == Connack(present, 0)
        return client

    def subscribe(self, port: int) -> None:
        with self.join(port, present=False) as client:
            assert client.subscribe("cells/#", qos=self.qos) == (self.qos,)

    def take(self, client: RawClient, packet: Packet) -> None:
        """Read one packet, and answer it if anybody is still there."""
        with contextlib.suppress(OSError):
            self._take(client, packet)

    def _take(self, client: RawClient, packet: Packet) -> None:
        match packet:
            case Publish():
                if packet.qos < 2 or packet.packet_id not in self._half_received:
                    self.got.append((packet.topic, int(packet.payload)))
                if packet.qos == 2:
                    self._half_received.add(packet.packet_id)
                client.send(Puback(packet.packet_id) if packet.qos == 1 else Pubrec(packet.packet_id))
            case Pubrel():
                self._half_received.discard(packet.packet_id)
                client.send(Pubcomp(packet.packet_id))

    def read_until(self, client: RawClient, last: tuple[str, int]) -> None:
        """Read on until this message has come."""
        while last not in self.got:
            assert client.unread or client.read(), f"the connection ended before {last}"
            while client.unread:
                self.take(client, client.unread.popleft())

    def first_copies(self, topic: str) -> list[int]:
        return list(dict.fromkeys(number for at, number in self.got if at == topic))


class Writer:
    """A device that publishes numbered messages, some in flight, and repeats what was not acknowledged."""

    def __init__(self, site: TestSite, qos: int) -> None:
        self.qos = qos
        self.acknowledged: set[int] = set()
        self._next = 0
        self._open: dict[int, Publish | Pubrel] = {}
        """Packet id -> what is to be sent again."""
        self._numbers: dict[int, int] = {}
        self._tls = site.tls("cell-1")

    def publish(self, port: int, topic: str, upto: int, *, present: bool, kill: Program | None = None) -> None:
        """Publish until ``upto`` are acknowledged; then ``kill`` the broker, with the next ones on their way."""
        with RawClient(self._tls, port) as client:
            assert client.connect("cell-1", clean=False) == Connack(present, 0)
            for packet in self._open.values():
                client.send(_again(packet))
            while len(self.acknowledged) < upto or (kill is None and self._open):
                while len(self._open) < IN_FLIGHT and self._next < (
                    upto if kill is None else min(upto + IN_FLIGHT, MESSAGES)
                ):
                    client.send(self._new(topic))
                assert client.unread or client.read(), "the broker hung up"
                while client.unread:
                    self._take(client, client.unread.popleft())
            if kill is not None:
                kill.kill()

    def _new(self, topic: str) -> Publish:
        packet_id = next(i for i in range(1, 999) if i not in self._open)
        packet = self._open[packet_id] = Publish(topic, b"%d" % self._next, self.qos, packet_id=packet_id)
        self._numbers[packet_id] = self._next
        self._next += 1
        return packet

    def _take(self, client: RawClient, packet: Packet) -> None:
        match packet:
            case Pubrec():
                release = self._open[packet.packet_id] = Pubrel(packet.packet_id)
                client.send(release)
            case Puback() | Pubcomp():
                del self._open[packet.packet_id]
                self.acknowledged.add(self._numbers[packet.packet_id])


def _again(packet: Publish | Pubrel) -> Publish | Pubrel:
    if isinstance(packet, Pubrel):
        return packet
    return Publish(packet.topic, packet.payload, packet.qos, dup=True, packet_id=packet.packet_id)


@pytest.mark.parametrize("qos", [1, 2])
def test_kill_of_a_real_broker_loses_and_repeats_nothing(tmp_path: Path, qos: int) -> None:
    site, random = TestSite(tmp_path, policy=OPEN), Random(qos)
    reader, writer = Reader(site, "cell-2", qos), Writer(site, qos)
    with serving(site) as (_, port):
        reader.subscribe(port)
    plugs = sorted(random.sample(range(1, MESSAGES), 3))
    for turn, upto in enumerate(plugs):
        with serving(site) as (broker, port), reader.join(port, present=True) as client:
            writer.publish(port, TOPICS[0], upto, present=turn > 0, kill=broker)
            for _ in range(random.randrange(10)):  # it gets some, and its answers get nowhere
                if client.unread or client.read():
                    reader.take(client, client.unread.popleft())
    with serving(site) as (_, port), reader.join(port, present=True) as client:
        writer.publish(port, TOPICS[0], MESSAGES, present=True)
        reader.read_until(client, (TOPICS[0], MESSAGES - 1))
    first = reader.first_copies(TOPICS[0])
    assert set(first) >= writer.acknowledged == set(range(MESSAGES))
    if qos == 2:
        assert len(reader.got) == len(first), "a message came twice"
        assert all(one < other for one, other in pairwise(first)), "messages came out of order"


def test_what_the_policy_forbids_after_a_kill_stays_in_the_queue_for_ever(tmp_path: Path) -> None:
    """Written down for the session by a broker that was allowed to, and judged again by the one that would deliver."""
    site = TestSite(tmp_path, policy=OPEN)
    reader, secret, plain = Reader(site, "cell-2", 1), Writer(site, 1), Writer(site, 1)
    with serving(site) as (broker, port):
        reader.subscribe(port)
        plain.publish(port, TOPICS[0], 10, present=False)
        secret.publish(port, TOPICS[1], 10, present=True)
        broker.kill()
    site.write_policy(CLOSED)
    with serving(site) as (_, port), reader.join(port, present=True) as client:
        assert client.subscribe("cells/#", qos=1) == (0x80,), "the filter is too wide now"
        assert client.subscribe("cells/+/open", qos=1) == (1,)
        plain.publish(port, TOPICS[0], 20, present=True)
        reader.read_until(client, (TOPICS[0], 19))
    assert not reader.first_copies(TOPICS[1])
