"""The engine against a model: random connects, subscribes, publishes at every QoS, drops, takeovers and kill -9.

The clients are faithful ones: they send again what was not acknowledged, and keep their QoS 2 state. What is held:

- no message is lost that was acknowledged while a session had its subscription;
- at QoS 2 a session's device gets no message twice;
- messages of one publisher on one topic at one QoS arrive in their order;
- a topic's retained message is the last one acknowledged, or a later one.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mqttseg.engine import EngineSettings
from mqttseg.wire.packets import (
    Connack,
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
from tests.engine.engine_harness import Device, Site

KEYS = ("p", "q", "r")
TOPICS = ("a/1", "a/2", "b")
FILTERS = ("a/+", "a/1", "#", "b")
MATCHED = {"a/+": {"a/1", "a/2"}, "a/1": {"a/1"}, "#": set(TOPICS), "b": {"b"}}


class Sent:
    """A message on its way from a publisher."""

    def __init__(self, number: int, client: Client, topic: str, qos: int, retain: bool) -> None:
        self.number = number
        self.client = client
        self.topic = topic
        self.qos = qos
        self.retain = retain
        self.resent = False
        self.finished = qos == 0
        self.owed = {
            (other, other.epoch): other.steady
            for other in client.model.clients.values()
            if any(granted and topic in MATCHED[held] for held, granted in other.filters.items())
        }
        """Sessions it must reach, as long as their subscriptions stay as they are."""

    def packet(self, pid: int, *, dup: bool) -> Publish:
        return Publish(self.topic, b"%d" % self.number, self.qos, self.retain, dup, pid)


class Client(Device):
    """A device that does what MQTT asks of clients, and reads only when told to."""

    def __init__(self, model: EngineModel, key: str) -> None:
        super().__init__(model.site, key)
        self.model = model
        self.epoch = 0
        self.clean = True
        self.filters: dict[str, int] = {}
        self.asked: dict[int, tuple[str, int]] = {}
        self.steady = 0
        """Grows with every change of subscriptions."""
        self.sending: dict[int, Sent] = {}
        self.releasing: dict[int, Sent] = {}
        self.half_received: set[int] = set()
        self.got: list[tuple[Sent, int]] = []
        """(message, QoS of the delivery) in this session, without retained ones."""
        self.due: set[Sent] = set()

    def send(self, packet: Packet) -> None:
        super().send(packet)
        if isinstance(packet, Puback):
            self._promised(self.sending.get(packet.packet_id))
        elif isinstance(packet, Pubcomp):
            self._promised(self.releasing.get(packet.packet_id))

    def _promised(self, sent: Sent | None) -> None:
        """The server has acknowledged: from here on the message is due wherever it was owed all the time."""
        if sent is None:
            return
        for (client, epoch), steady in sent.owed.items():
            held = (client.epoch, client.steady) == (epoch, steady)
            if held and sent not in {other for other, _ in client.got}:
                client.due.add(sent)
        sent.owed = {}
        if sent.retain:
            self.model.supersede(sent)

    def open(self, *, clean: bool, takeover: bool = False) -> None:
        lost = self.clean or clean
        if takeover:
            self.connection = None
        self.close()
        self.connect(clean=clean)
        if not self.packets:
            self.site.commit()
        (connack,) = self.take(Connack)
        assert not (connack.session_present and lost), "state of a clean session was reused"
        if not connack.session_present:
            assert lost or not self.settled, "a session that was acknowledged is gone"
            self.new_session(publishing=lost)
        else:
            self.send_again()

    @property
    def settled(self) -> bool:
        """Whether the server has acknowledged something that its session must keep."""
        return bool(self.filters or self.due)

    def new_session(self, *, publishing: bool) -> None:
        self.epoch += 1
        self.steady += 1
        self.filters.clear()
        self.asked.clear()
        self.half_received.clear()
        self.got.clear()
        self.due.clear()
        if publishing:
            self.sending.clear()
            self.releasing.clear()
        else:
            self.send_again()

    def send_again(self) -> None:
        for sent in (*self.sending.values(), *self.releasing.values()):
            sent.resent = True
            if sent.retain:
                self.model.retained[sent.topic].append(sent)
        for pid, sent in list(self.sending.items()):
            self.say(sent.packet(pid, dup=True))
        for pid in list(self.releasing):
            self.say(Pubrel(pid))

    def close(self) -> None:
        self.drop()
        self.packets.clear()
        self.asked.clear()
        if self.clean:
            self.due.clear()
            self.new_session(publishing=True)

    def free_id(self) -> int:
        used = {*self.sending, *self.releasing, *self.asked}
        return next(pid for pid in range(1, 99) if pid not in used)

    def read(self, packet: Packet) -> None:
        match packet:
            case Publish():
                self.read_publish(packet)
            case Pubrel():
                self.half_received.discard(packet.packet_id)
                self.say(Pubcomp(packet.packet_id))
            case Puback():
                self.sending.pop(packet.packet_id).finished = True
            case Pubrec():
                if packet.packet_id in self.sending:
                    self.releasing[packet.packet_id] = self.sending.pop(packet.packet_id)
                self.say(Pubrel(packet.packet_id))
            case Pubcomp():
                self.releasing.pop(packet.packet_id).finished = True
            case Suback():
                topic_filter, qos = self.asked.pop(packet.packet_id)
                self.filters[topic_filter] = qos
                self.steady += 1

    def read_publish(self, packet: Publish) -> None:
        if packet.qos == 2:
            known = packet.packet_id in self.half_received
            self.half_received.add(packet.packet_id)
            self.say(Pubrec(packet.packet_id))
            if known:
                assert packet.dup, "a packet id in use was given to another message"
                return
        elif packet.qos == 1:
            self.say(Puback(packet.packet_id))
        if not packet.retain:
            self.receive(self.model.sent[int(packet.payload)], packet.qos)

    def receive(self, sent: Sent, qos: int) -> None:
        if qos == 2:
            assert (sent, 2) not in self.got, f"message {sent.number} came twice at QoS 2"
        known = {other for other, _ in self.got}
        if sent not in known and not sent.resent:
            later = [
                other.number
                for other, at in self.got
                if at == qos and not other.resent and _flow(other) == _flow(sent) and other.number > sent.number
            ]
            assert not later, f"message {sent.number} came after {later}"
        self.got.append((sent, qos))
        self.due.discard(sent)


def _flow(sent: Sent) -> tuple[str, str, int]:
    return (sent.client.key, sent.topic, sent.qos)


class EngineModel(RuleBasedStateMachine):
    """The rules, and what is checked when all is delivered."""

    limits: ClassVar[EngineSettings] = EngineSettings(in_flight=3, queue_messages=10_000, routes=2)

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.site = Site(Path(self.directory.name) / "s.db", self.limits)
        self.sent: list[Sent] = []
        self.retained: dict[str, list[Sent | None]] = {topic: [None] for topic in TOPICS}
        """What may be retained: the last that was acknowledged, and what was sent since or is not finished."""
        self.clients: dict[str, Client] = {}
        self.clients = {key: Client(self, key) for key in KEYS}

    @initialize(qos=st.integers(0, 2))
    def begin(self, qos: int) -> None:
        """Most of what can go wrong needs stored sessions that hear each other: begin with some."""
        if qos:
            self.come_back()
            for key in KEYS:
                self.subscribe(key, "#", qos)
            self._finish()

    @rule()
    def come_back(self) -> None:
        """Every device resumes its session."""
        for client in self.clients.values():
            if client.connection is None:
                client.open(clean=False)

    @rule(count=st.integers(1, 4))
    def read_all(self, count: int) -> None:
        for key in KEYS:
            self.read(key, count)

    @rule(key=st.sampled_from(KEYS), topic_filter=st.sampled_from(FILTERS), qos=st.integers(0, 2))
    def subscribe(self, key: str, topic_filter: str, qos: int) -> None:
        client = self._connected(key)
        if topic_filter in [asked for asked, _ in client.asked.values()]:
            return
        pid = client.free_id()
        client.asked[pid] = (topic_filter, qos)
        client.filters.pop(topic_filter, None)
        client.steady += 1
        client.say(Subscribe(pid, ((topic_filter, qos),)))

    @rule(
        key=st.sampled_from(KEYS),
        topic=st.sampled_from(TOPICS),
        qos=st.integers(0, 2),
        retain=st.sampled_from([False, False, True]),
    )
    def publish(self, key: str, topic: str, qos: int, *, retain: bool) -> None:
        client = self._connected(key)
        sent = Sent(len(self.sent), client, topic, qos, retain)
        self.sent.append(sent)
        if retain:
            self.retained[topic].append(sent)
        pid = client.free_id() if qos else 0
        if qos:
            client.sending[pid] = sent
        client.say(sent.packet(pid, dup=False))

    @rule(key=st.sampled_from(KEYS), count=st.integers(1, 5))
    def read(self, key: str, count: int) -> None:
        client = self.clients[key]
        for _ in range(count):
            if client.connection is not None and client.packets:
                client.read(client.packets.pop(0))

    @rule(key=st.sampled_from(KEYS), data=st.data())
    def disturb(self, key: str, data: st.DataObject) -> None:
        """What ends or changes the state that takes long to build up: one rule, so that it does not prevail."""
        what = data.draw(st.sampled_from(["connect", "drop", "unsubscribe", "fill buffer", "kill while connecting"]))
        match what:
            case "connect":
                self.clients[key].open(clean=data.draw(st.booleans()), takeover=data.draw(st.booleans()))
            case "drop":
                self.clients[key].close()
            case "unsubscribe":
                self.unsubscribe(key, data.draw(st.sampled_from(FILTERS)))
            case "fill buffer":
                self.fill_buffer(key, writable=data.draw(st.booleans()))
            case "kill while connecting":
                self.kill_while_connecting(key)

    def unsubscribe(self, key: str, topic_filter: str) -> None:
        client = self._connected(key)
        if client.asked:
            return
        client.filters.pop(topic_filter, None)
        client.steady += 1
        client.say(Unsubscribe(99, (topic_filter,)))

    def fill_buffer(self, key: str, *, writable: bool) -> None:
        client = self.clients[key]
        client.writable = writable
        if writable and client.connection is not None:
            client.connection.resume()

    def kill_while_connecting(self, key: str) -> None:
        """Until CONNACK nothing is decided: the session may be there or not."""
        client = self.clients[key]
        client.close()
        client.connect(clean=True)
        if not client.packets:
            client.connection = None
            client.clean = False
            self.kill()
        else:
            client.drop()
            client.packets.clear()

    @rule()
    def commit(self) -> None:
        self.site.commit()

    @precondition(lambda self: bool(self.sent))
    @rule()
    def kill(self) -> None:
        for client in self.clients.values():
            client.connection = None
        self.site.kill()
        for client in self.clients.values():
            client.close()

    @precondition(lambda self: bool(self.sent))
    @rule()
    def settle(self) -> None:
        """All come back and finish: then nothing may be due."""
        for client in self.clients.values():
            client.writable = True
            if not client.clean:
                client.open(clean=False)
            elif client.connection is not None:
                client.connection.resume()
        self._finish()
        for client in self.clients.values():
            missing = sorted(sent.number for sent in client.due)
            assert not missing, f"{client.key} never got {missing}"
        self._check_retained()

    def _finish(self) -> None:
        busy = True
        while busy:
            self.site.commit()
            busy = False
            for client in self.clients.values():
                while client.connection is not None and client.packets:
                    client.read(client.packets.pop(0))
                    busy = True

    def _check_retained(self) -> None:
        for topic, candidates in self.retained.items():
            message = self.site.engine.retained.get(topic)
            kept = None if message is None else self.sent[int(message.payload)]
            assert kept in candidates, f"{topic} retains {kept and kept.number}"

    def supersede(self, sent: Sent) -> None:
        """This one has been retained: what was before it, and will not be sent again, is not any more."""
        candidates = self.retained[sent.topic]
        first = candidates.index(sent)
        waiting: list[Sent | None] = [other for other in candidates[:first] if other is not None and not other.finished]
        self.retained[sent.topic] = waiting + candidates[first:]

    def _connected(self, key: str) -> Client:
        client = self.clients[key]
        if client.connection is None:
            client.open(clean=client.clean)
        return client

    def teardown(self) -> None:
        try:
            if self.sent:
                self.settle()
        finally:
            assert self.site.store is not None
            self.site.store.close()
            self.directory.cleanup()


class Walk:
    """The same machine on a walk with chosen odds: long enough to build up the states that a crash can spoil.

    hypothesis finds the short counterexample; this finds that there is one.
    """

    odds: ClassVar[dict[str, int]] = {
        "publish": 30, "read_all": 25, "commit": 12, "kill": 7, "come_back": 10, "subscribe": 6, "settle": 3,
        "unsubscribe": 2, "drop": 3, "connect": 3, "fill_buffer": 3, "kill_while_connecting": 1,
    }  # fmt: skip

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.machine = EngineModel()

    def run(self, steps: int) -> None:
        """Walk, and settle at the end."""
        try:
            self.machine.begin(self.random.randrange(3))
            for what in self.random.choices(list(self.odds), list(self.odds.values()), k=steps):
                self.step(what)
        finally:
            self.machine.teardown()

    def step(self, what: str) -> None:
        machine, choose = self.machine, self.random.choice
        key, qos, yes = choose(KEYS), choose((0, 1, 2)), choose((True, False))
        match what:
            case "publish":
                machine.publish(key, choose(TOPICS), qos, retain=choose((False, False, True)))
            case "read_all":
                machine.read_all(choose((1, 2, 4)))
            case "subscribe":
                machine.subscribe(key, choose(FILTERS), qos)
            case "unsubscribe":
                machine.unsubscribe(key, choose(FILTERS))
            case "connect":
                machine.clients[key].open(clean=yes, takeover=choose((True, False)))
            case "drop":
                machine.clients[key].close()
            case "fill_buffer":
                machine.fill_buffer(key, writable=yes)
            case "kill_while_connecting":
                machine.kill_while_connecting(key)
            case _:
                getattr(machine, what)()


@pytest.mark.parametrize("seed", range(24))
def test_walk(seed: int) -> None:
    Walk(seed).run(steps=100)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1_000, 1_200))
def test_long_walk(seed: int) -> None:
    Walk(seed).run(steps=400)


COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
TestEngineModel = EngineModel.TestCase
TestEngineModel.settings = settings(COMMON, max_examples=30, stateful_step_count=40)


@pytest.mark.full
class TestEngineModelLong(EngineModel.TestCase):  # type: ignore[misc,valid-type]  # made by hypothesis
    """The same for longer."""

    settings = settings(COMMON, max_examples=500, stateful_step_count=80)
