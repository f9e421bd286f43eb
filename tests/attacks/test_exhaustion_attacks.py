"""Somebody uses up what the others need, with or without a certificate: rule 8. Nothing here measures time."""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mqttseg.errors import Reason
from mqttseg.guard.publishing import UNRELEASED
from mqttseg.guard.subscribing import LARGE_FILTERS
from mqttseg.guard.verdict import LEVELS
from mqttseg.observe.events import Kind
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import (
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from tests.support.brokers import PATIENCE, BackendName, RunningBroker
from tests.support.clients import RawClient
from tests.support.sites import POLICY, TestSite
from tests.support.victims import Victim, Watch, leave

HALF_OPEN = 10_000
SOURCES = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
"""Each address has ephemeral ports of its own."""

SETTINGS = """
limits: {write_buffer: 64KiB, retained: 20, handshake_timeout: 60s}
"""
WRITE_BUFFER = 64 << 10
LIMITED = POLICY.replace('members: ["etl-*"]', 'members: ["etl-*"]\n    limits: {messages_per_second: 200, burst: 10}')


@pytest.fixture(scope="module")
def broker(backend: BackendName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    site = TestSite(tmp_path_factory.mktemp("site"), policy=LIMITED, settings=SETTINGS)
    with RunningBroker(site) as running:
        yield running


@pytest.fixture(scope="module")
def victim(broker: RunningBroker) -> Iterator[Victim]:
    with Victim(broker) as one:
        yield one


@pytest.fixture(autouse=True)
def unharmed(victim: Victim) -> Iterator[None]:
    """Whatever was tried, the victim is at work as before."""
    yield
    victim.assert_unharmed()


def client(broker: RunningBroker, device_id: str) -> RawClient:
    return RawClient(broker.site.tls(device_id), broker.port)


@contextmanager
def descriptors(wanted: int) -> Iterator[int]:
    """Room for so many more files, or for as many as the system allows; gives back how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - 500)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class TestConnections:
    def test_ten_thousand_half_open_connections_keep_nobody_out(self, broker: RunningBroker, victim: Victim) -> None:
        """The broker keeps so many handshakes and gives up the oldest; both ends are in this process."""
        kept = broker.guard.limits.pending_handshakes
        with descriptors(HALF_OPEN + kept) as room, ExitStack() as idle:
            count = min(HALF_OPEN, room - kept)
            if count < HALF_OPEN:
                warnings.warn(f"the limit of open files allows only {count} connections", stacklevel=1)
            watch = Watch(broker)
            for number in range(count):
                source = (SOURCES[number % len(SOURCES)], 0)
                address = ("127.0.0.1", broker.port)
                idle.enter_context(socket.create_connection(address, PATIENCE, source_address=source))
            with client(broker, "cam-2") as newcomer:
                assert newcomer.connect("cam-2").code == 0
                newcomer.ping()
            victim.assert_unharmed()
            assert broker.do(lambda: len(broker.plugin.service._listeners._handshakes)) <= kept
        if count > kept:
            watch.wait_for(Kind.LIMIT, Reason.RATE_LIMIT)

    def test_handshakes_that_are_begun_and_left(self, broker: RunningBroker) -> None:
        with descriptors(1000), ExitStack() as idle:
            for _ in range(300):
                half = idle.enter_context(socket.create_connection(("127.0.0.1", broker.port), PATIENCE))
                half.sendall(self.client_hello(broker))
            with client(broker, "cam-2") as newcomer:
                assert newcomer.connect("cam-2").code == 0

    @staticmethod
    def client_hello(broker: RunningBroker) -> bytes:
        outgoing = ssl.MemoryBIO()
        half = broker.site.tls_without_certificate().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            half.do_handshake()
        return outgoing.read()

    def test_clean_sessions_that_come_and_go_leave_nothing(self, broker: RunningBroker) -> None:
        for number in range(30):
            with client(broker, "thermo-1") as one:
                assert one.connect(f"thermo-1/{number}").code == 0
                assert one.subscribe(f"hvac/all/{number}") == (0,)
                leave(one)
        with client(broker, "thermo-1") as one:
            assert one.connect("thermo-1/last").code == 0
            kept = broker.do(lambda: [key for key in broker.broker.sessions if key.startswith("thermo-1/")])
            filters = broker.do(lambda: [name for name in broker.broker.subscriptions if name.startswith("hvac/all/")])
        assert len(kept) <= 2  # this one, and one that may just be ending
        assert len(filters) <= 1


class TestSlowReader:
    def test_qos_0_is_dropped_counted_and_nobody_else_waits(self, broker: RunningBroker) -> None:
        """What was dropped and what came together are all that was sent."""
        watch = Watch(broker)
        sent, payload = 400, bytes(16_000)
        with client(broker, "bms-1") as slow, client(broker, "bms-2") as quick, client(broker, "thermo-1") as source:
            for one, name in ((slow, "bms-1"), (quick, "bms-2"), (source, "thermo-1")):
                assert one.connect(name).code == 0
            assert slow.subscribe("hvac/thermo-1/#") == (0,)
            assert quick.subscribe("hvac/thermo-1/#") == (0,)
            for _ in range(sent):
                source.publish("hvac/thermo-1/t", payload)
                assert quick.expect(Publish).payload == payload
            waiting = broker.do(lambda: self.waiting(broker, "bms-1"))
            assert waiting <= broker.guard.limits.write_buffer * 2 + len(payload)
            slow.ping()
            watch.wait_for(Kind.LIMIT, Reason.RATE_LIMIT, "bms-1")
            slow.ping()
            while len(slow.messages()) + watch.total(Kind.LIMIT, "bms-1") < sent:
                slow.ping()  # the engine sums up its losses once a second
            assert len(slow.messages()) + watch.total(Kind.LIMIT, "bms-1") == sent
            assert not quick.unread

    @staticmethod
    def waiting(broker: RunningBroker, device_id: str) -> int:
        [connection] = broker.guard.roster.of(device_id)
        return connection._transport.get_write_buffer_size()

    def test_dropped_messages_are_told_though_it_never_reads(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "bms-1") as slow, client(broker, "thermo-1") as source:
            assert slow.connect("bms-1").code == 0
            assert slow.subscribe("hvac/thermo-1/#") == (0,)
            assert source.connect("thermo-1").code == 0
            while not broker.do(lambda: self.dropped(broker, "bms-1") or watch.count(Kind.LIMIT, "bms-1")):
                for _ in range(50):
                    source.publish("hvac/thermo-1/t", bytes(16_000))
                source.ping()
        assert watch.wait_for(Kind.LIMIT, Reason.RATE_LIMIT, "bms-1").count > 0

    @staticmethod
    def dropped(broker: RunningBroker, device_id: str) -> int:
        [connection] = broker.guard.roster.of(device_id)
        return connection._outflow.dropped

    def test_qos_1_that_is_not_read_is_bounded_and_told(self, broker: RunningBroker) -> None:
        """amqtt would hold it all, so the connection ends; the engine keeps a bounded queue, and drops beyond it."""
        watch = Watch(broker)
        with client(broker, "bms-1") as slow, client(broker, "thermo-1") as source:
            assert slow.connect("bms-1").code == 0
            assert slow.subscribe("hvac/thermo-1/#", qos=1) == (1,)
            assert source.connect("thermo-1").code == 0
            while not watch.count(Kind.CUT, "bms-1") and not watch.count(Kind.LIMIT, "bms-1"):
                source.publish("hvac/thermo-1/t", bytes(60_000), qos=1)
            assert watch.count(Kind.CUT, "bms-1") or self.waiting(broker, "bms-1") <= WRITE_BUFFER * 2 + 60_000

    def test_whoever_does_not_read_its_own_answers(self, broker: RunningBroker) -> None:
        """PINGRESP may not be dropped: who lets them pile up is cut."""
        watch = Watch(broker)
        with client(broker, "bms-1") as slow:
            assert slow.connect("bms-1").code == 0
            self.shrink(broker, "bms-1")
            flood = encode(Pingreq()) * 5000
            with contextlib.suppress(OSError):
                while True:
                    slow.send_bytes(flood)
        watch.wait_for(Kind.CUT, Reason.RATE_LIMIT, "bms-1")

    @staticmethod
    def shrink(broker: RunningBroker, device_id: str) -> None:
        """Let the kernel hold little of what is sent to the device, so that the broker soon has to."""
        [connection] = broker.guard.roster.of(device_id)
        transport = connection._transport.get_extra_info("socket")
        broker.do(lambda: transport.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096))


class TestSubscriptions:
    def test_fifty_thousand_filters_in_one_subscribe(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "cam-2") as greedy:
            assert greedy.connect("cam-2").code == 0
            greedy.send(Subscribe(1, (("+", 0),) * 50_000))
            greedy.expect_end()
            assert not greedy.unread
        watch.wait_for(Kind.CUT, Reason.TOO_MANY_SUBSCRIPTIONS, "cam-2")

    def test_more_filters_than_a_session_may_hold(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        limit = broker.guard.limits.client_subscriptions
        with client(broker, "cam-2") as greedy:
            assert greedy.connect("cam-2").code == 0
            for number in range(0, limit, 100):
                greedy.subscribe(*(f"cameras/x/{number + at}" for at in range(100)))
            assert greedy.subscribe("cameras/more", "cameras/x/0") == (0x80, 0)
            leave(greedy)
        watch.wait_for(Kind.DENY, Reason.TOO_MANY_SUBSCRIPTIONS, "cam-2")

    def test_fifty_thousand_filters_in_one_unsubscribe_are_no_work_for_the_backend(self, broker: RunningBroker) -> None:
        with client(broker, "cam-2") as greedy:
            assert greedy.connect("cam-2").code == 0
            assert greedy.subscribe("cameras/x") == (0,)
            greedy.send(Unsubscribe(2, ("a",) * 50_000), Unsubscribe(3, ("cameras/x",) * 10_000))
            assert [greedy.expect(Unsuback), greedy.expect(Unsuback)] == [Unsuback(2), Unsuback(3)]

    @pytest.mark.parametrize("level", ["+/", "a/", "/", "+/a/"])
    def test_filter_of_thousands_of_levels(self, broker: RunningBroker, level: str) -> None:
        watch = Watch(broker)
        with client(broker, "cam-2") as greedy:
            assert greedy.connect("cam-2").code == 0
            greedy.send(Subscribe(1, (("cameras/" + level * (60_000 // len(level)) + "#", 0),)))
            greedy.expect_end()
        watch.wait_for(Kind.CUT, Reason.INVALID_TOPIC, "cam-2")

    def test_topic_of_thousands_of_levels(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "cam-2") as greedy:
            assert greedy.connect("cam-2").code == 0
            greedy.send(Publish("cameras/" + "/" * 60_000, b"", qos=1, packet_id=1))
            greedy.expect_end()
        watch.wait_for(Kind.CUT, Reason.INVALID_TOPIC, "cam-2")

    def test_will_on_a_topic_of_thousands_of_levels(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "cam-2") as greedy:
            greedy.send(Connect("cam-2", will=Will("cameras/" + "/" * 60_000, b"")))
            greedy.expect_end()
        watch.wait_for(Kind.REFUSE, Reason.INVALID_TOPIC, "cam-2")

    def test_large_filters_beyond_the_few_that_are_kept(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "lab-1") as greedy:
            assert greedy.connect("lab-1").code == 0
            large = [f"lab/{number}/" + "x" * 60_000 for number in range(LARGE_FILTERS + 1)]
            codes = [greedy.subscribe(topic_filter) for topic_filter in large]
            assert codes == [(0,)] * LARGE_FILTERS + [(0x80,)]
            assert greedy.subscribe("lab/ordinary", large[0]) == (0, 0)
        watch.wait_for(Kind.DENY, Reason.TOO_MANY_SUBSCRIPTIONS, "lab-1")

    def test_most_levels_that_are_let_through(self, broker: RunningBroker) -> None:
        with client(broker, "lab-1") as deep:
            assert deep.connect("lab-1").code == 0
            topic = "lab" + "/x" * (LEVELS - 1)
            assert deep.subscribe(topic) == (0,)
            deep.publish(topic, b"deep", qos=1)
            assert deep.expect(Publish).payload == b"deep"


class TestManyRetained:
    """A device with many retained messages of its own, and filters that have to look at all of them."""

    MANY = 2000
    POLICY = POLICY.replace('members: ["etl-*"]', 'members: ["etl-*"]\n    limits: {subscriptions: 1000}')

    @pytest.fixture
    def full(self, tmp_path: Path) -> Iterator[RunningBroker]:
        site = TestSite(tmp_path, policy=self.POLICY, settings="limits: {retained: 5000}")
        with RunningBroker(site) as running:
            with client(running, "lab-1") as planter:
                assert planter.connect("lab-1").code == 0
                deep = "/x" * 20
                planter.send(*(Publish(f"lab/{at}{deep}", b"r", retain=True) for at in range(self.MANY)))
                while running.do(lambda: len(running.guard.backend.retained_origins())) < self.MANY:
                    planter.ping()
            yield running

    def test_a_thousand_wildcard_filters_leave_the_others_their_turns(self, full: RunningBroker) -> None:
        """Two million topics to look at for one SUBSCRIBE: as many turns are taken as there are slices.

        Stock amqtt takes no turns: it looks at every retained message for every filter in one go, so few must do.
        """
        is_ours = full.backend == "engine"
        with client(full, "lab-2") as greedy, client(full, "lab-3") as modest:
            assert greedy.connect("lab-2").code == 0
            assert modest.connect("lab-3").code == 0
            filters = [f"lab/+{'/+' * 19}/{number}" for number in range(1000 if is_ours else 10)]
            greedy.send(Subscribe(1, tuple((topic_filter, 0) for topic_filter in filters)))
            greedy.expect(Suback)
            assert modest.subscribe(f"lab/7{'/x' * 20}") == (0,)
            assert modest.expect(Publish).payload == b"r"
            if is_ours:
                assert full.do(lambda: len(full.broker.sessions["lab-2"][0].session.replays)) > 0

    def test_a_qos_1_subscriber_gets_all_of_them(self, full: RunningBroker) -> None:
        with client(full, "lab-2") as reader:
            assert reader.connect("lab-2").code == 0
            assert reader.subscribe("lab/#", qos=1) == (1,)
            topics: set[str] = set()
            while len(topics) < self.MANY:
                packet = reader.expect(Publish)
                topics.add(packet.topic)
                if packet.qos:
                    reader.send(Puback(packet.packet_id))


class TestKept:
    def test_retained_messages_beyond_the_limit(self, broker: RunningBroker) -> None:
        """In one write, so that none is stored when the last is judged."""
        watch = Watch(broker)
        with client(broker, "lab-1") as greedy, client(broker, "lab-2") as reader:
            assert greedy.connect("lab-1").code == 0
            greedy.send(*(Publish(f"lab/r/{number}", b"x", retain=True) for number in range(1000)))
            while self.retained(broker) < 20:
                greedy.publish("lab/end", b"", qos=1)
            greedy.publish("lab/r/0", b"y", qos=1, retain=True)  # replacing one is no more than before
            assert reader.connect("lab-2").code == 0
            while broker.do(lambda: broker.broker.retained_messages["lab/r/0"].data) != b"y":
                greedy.ping()
            assert reader.subscribe("lab/r/0") == (0,)
            assert reader.expect(Publish).payload == b"y"
            assert self.retained(broker) == 20
            for number in range(20):
                greedy.publish(f"lab/r/{number}", b"", qos=1, retain=True)
        watch.wait_for(Kind.LIMIT, Reason.RATE_LIMIT, "lab-1")

    def test_one_device_cannot_use_up_what_the_others_may_retain(self, tmp_path: Path) -> None:
        """In one write again; over its share its messages are delivered and not retained, and the others' are."""
        settings = "limits: {retained: 50, retained_per_device: 30}"
        with (
            RunningBroker(TestSite(tmp_path, settings=settings)) as site,
            client(site, "lab-1") as greedy,
            client(site, "cam-1") as modest,
        ):
            assert greedy.connect("lab-1").code == 0
            greedy.send(*(Publish(f"lab/r/{number}", b"x", retain=True) for number in range(200)))
            while self.retained(site) < 30:
                greedy.ping()
            assert modest.connect("cam-1").code == 0
            for number in range(20):
                modest.publish(f"cameras/r/{number}", b"y", qos=1, retain=True)
            while self.retained(site) < 50:
                modest.ping()
            site.wait_for_reason(Kind.LIMIT, Reason.RATE_LIMIT, "lab-1")
            assert [e for e in site.events if e.kind is Kind.LIMIT and e.device == "cam-1"] == []

    @staticmethod
    def retained(broker: RunningBroker) -> int:
        count: int = broker.do(lambda: len(broker.guard.backend.retained_origins()))
        return count

    def test_qos_2_messages_that_are_never_released(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "lab-1") as greedy:
            assert greedy.connect("lab-1", clean=False).code == 0
            greedy.send(*(Publish("lab/x", b"x", qos=2, packet_id=at) for at in range(1, UNRELEASED + 2)))
            greedy.expect_end()
        watch.wait_for(Kind.CUT, Reason.RATE_LIMIT, "lab-1")


class TestFlood:
    def test_denied_messages_starve_nobody(self, broker: RunningBroker, victim: Victim) -> None:
        """While the flood lasts, the victim makes as many round trips as it likes."""
        watch = Watch(broker)
        stop, flowing = threading.Event(), threading.Event()
        flood = encode(Publish("cameras/evil", b"evil")) * 500

        def attack() -> None:
            with client(broker, "thermo-1") as attacker:
                attacker.connect("thermo-1")
                while not stop.is_set():
                    attacker.send_bytes(flood)
                    flowing.set()

        attacker = threading.Thread(target=attack, name="flood")
        attacker.start()
        try:
            for _ in range(10):
                flowing.clear()
                assert flowing.wait(PATIENCE)
                victim.assert_unharmed()
        finally:
            stop.set()
            attacker.join(PATIENCE)
        watch.wait_for(Kind.DENY, Reason.OUTSIDE_SEGMENT, "thermo-1")
        broker.do(broker.events.clear)  # many: nobody has to look through them again

    def test_over_its_rate_a_device_is_read_more_slowly_and_loses_nothing(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "etl-1") as hasty, client(broker, "etl-2") as reader:
            assert reader.connect("etl-2").code == 0
            assert reader.subscribe("analytics/#") == (0,)
            assert hasty.connect("etl-1").code == 0
            hasty.send(*(Publish("analytics/x", b"%d" % number) for number in range(60)), Pingreq())
            assert [int(reader.expect(Publish).payload) for _ in range(60)] == list(range(60))
            hasty.expect(Pingresp)
        event = watch.wait_for(Kind.LIMIT, Reason.RATE_LIMIT, "etl-1")
        assert "messages_per_second" in event.detail

    def test_a_burst_within_its_rate_is_not_slowed(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "etl-5") as quick:
            assert quick.connect("etl-5").code == 0
            quick.send(*(Publish("analytics/x", b"", qos=1, packet_id=at) for at in range(1, 10)))
            assert [quick.expect(Puback).packet_id for _ in range(9)] == list(range(1, 10))
        assert watch.count(Kind.LIMIT, "etl-5") == 0

    def test_sessions_of_one_device_share_its_rate(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "etl-6") as one, client(broker, "etl-6") as other:
            assert one.connect("etl-6/1").code == 0
            assert other.connect("etl-6/2").code == 0
            one.send(*(Publish("analytics/x", b"") for _ in range(9)), Pingreq())
            one.expect(Pingresp)
            other.send(*(Publish("analytics/x", b"") for _ in range(18)), Pingreq())
            other.expect(Pingresp)
        assert watch.wait_for(Kind.LIMIT, Reason.RATE_LIMIT, "etl-6").client_id == "etl-6/2"

    def test_leaving_gets_nothing_past_the_rate(self, broker: RunningBroker) -> None:
        """What was read and waits for its turn when the connection is lost: DISCONNECT counts, a flood does not."""
        watch, sent = Watch(broker), 500  # in one TLS record, so that all of them are read
        with client(broker, "etl-3") as hasty, client(broker, "etl-4") as reader:
            assert reader.connect("etl-4").code == 0
            assert reader.subscribe("analytics/#") == (0,)
            assert hasty.connect("etl-3", will=Will("analytics/will", b"gone")).code == 0
            broker.do(lambda: self.spend(broker, "etl-3", 100_000))  # no time that a busy machine takes earns a message
            hasty.send(*(Publish("analytics/x", b"%d" % number) for number in range(sent)), Disconnect())
            assert reader.expect(Publish).payload == b"0"
            watch.wait_for(Kind.LIMIT, Reason.RATE_LIMIT, "etl-3")
            [connection] = broker.guard.roster.of("etl-3")
            broker.do(connection._transport.abort)
            watch.wait_for(Kind.DISCONNECT, Reason.OK, "etl-3")
            [dropped] = [event.count for event in broker.events if event.device == "etl-3" and "left" in event.detail]
            reader.ping()
            assert (dropped, list(reader.unread)) == (sent - 1, [])
        assert watch.count(Kind.WILL, "etl-3") == 0

    def test_a_new_connection_is_no_new_rate(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with client(broker, "etl-7") as first, client(broker, "etl-7") as second:
            assert first.connect("etl-7/1").code == 0
            broker.do(lambda: self.spend(broker, "etl-7"))
            assert second.connect("etl-7/2").code == 0
        event = watch.wait_for(Kind.LIMIT, Reason.RATE_LIMIT, "etl-7")
        assert event.client_id == "etl-7/2"

    @staticmethod
    def spend(broker: RunningBroker, device_id: str, tokens: int = 100) -> None:
        bucket = broker.guard.roster.of(device_id)[0]._bucket
        assert bucket is not None
        for _ in range(tokens):
            bucket.take(broker.guard.loop.time())


def test_answers_come_in_order_after_a_flood_of_one_turn(broker: RunningBroker) -> None:
    """More packets in one read than one turn of the loop handles: none is lost, and none overtakes another."""
    with client(broker, "lab-3") as busy:
        assert busy.connect("lab-3").code == 0
        wanted = [*range(1, 601)]
        busy.send(*(Subscribe(at, (("cameras/#", 0),)) for at in wanted), Pingreq())
        busy.expect(Pingresp)
        assert [packet.packet_id for packet in busy.unread if isinstance(packet, Suback)] == wanted
