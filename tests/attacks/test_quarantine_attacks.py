"""A device in quarantine, on every way by which it could still speak, hear, or come back."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mqttseg.broker import quarantine as broker_quarantine
from mqttseg.errors import OperatorError, Reason
from mqttseg.observe.events import Kind
from mqttseg.pki.quarantine import Quarantine, Register, quarantine_of
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import Connack, Connect, Publish, Pubrec, Will
from tests.support.brokers import PATIENCE, RunningBroker
from tests.support.clients import RawClient
from tests.support.sites import TestSite
from tests.support.stages import Stage, assert_only
from tests.support.victims import assert_shut_out

DOOR = "cameras/door"


def _put_out(broker: RunningBroker, device: str = "cam-1", seconds: float | None = None) -> int:
    """Quarantine a device as an operator does; the number of its connections that were cut."""
    quarantines = broker.plugin.service.quarantines
    _, done = broker.do(lambda: quarantines.impose(device, seconds, by="ann", why="stolen"))
    return int(done.connections)


def _let_in(broker: RunningBroker, device: str = "cam-1") -> None:
    quarantines = broker.plugin.service.quarantines
    assert broker.do(lambda: quarantines.lift(device, by="bob", why="found")) is not None


def _still_works(stage: Stage, victim: RawClient) -> None:
    """Others go on, and the victim had nothing else before."""
    stage.join("cam-3").publish("cameras/x", b"good", qos=1)
    assert_only(victim, ("cameras/x", b"good"))


class TestLive:
    def test_its_connection_ends_and_its_will_is_not_published(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        thief = stage.join("cam-1", will=Will(DOOR, b"evil"))
        assert _put_out(stage.broker) == 1
        thief.expect_end()
        stage.told(Kind.CUT, Reason.QUARANTINED, "cam-1")
        stage.broker.wait_for(lambda event: event.kind is Kind.DISCONNECT and event.device == "cam-1")
        _still_works(stage, victim)

    def test_what_it_sends_in_the_same_moment_arrives_nowhere_after_it(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        thief = stage.join("cam-1")
        thief.send(*[Publish(DOOR, str(number).encode()) for number in range(100)])
        _put_out(stage.broker)
        before = stage.broker.do(lambda: len(stage.broker.guard.roster.of("cam-1")))
        assert before == 0 or stage.broker.do(lambda: stage.broker.guard.roster.of("cam-1")[0].closed)
        stage.join("cam-3").publish("cameras/x", b"last", qos=1)
        while (message := victim.expect(Publish)).payload != b"last":
            assert message.topic == DOOR  # sent before it was out
        thief.expect_end()
        assert victim.messages() == []

    def test_it_hears_nothing_more(self, stage: Stage) -> None:
        thief = stage.listener("cam-1", "cameras/#")
        _put_out(stage.broker)
        stage.join("cam-3").publish(DOOR, b"secret", qos=1)
        thief.expect_end()
        assert thief.messages() == []

    def test_all_of_its_connections_go_and_no_other_device_of_a_similar_name(self, stage: Stage) -> None:
        thieves = [stage.tls("cam-1") for _ in range(3)]
        for number, thief in enumerate(thieves):
            assert thief.connect(f"cam-1/{number}").code == 0
        silent = stage.tls("cam-1")  # has shown its certificate, and not sent CONNECT
        stage.broker.do(lambda: _until(lambda: len(stage.broker.guard.roster.of("cam-1")) == 4))
        neighbour = stage.listener("cam-10", "cameras/#")
        assert _put_out(stage.broker) == 4
        for thief in (*thieves, silent):
            thief.expect_end()
        _still_works(stage, neighbour)

    def test_a_will_that_is_about_to_fire_does_not(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        stage.join("cam-1", will=Will(DOOR, b"evil"))
        guard = stage.broker.guard

        def lose_and_put_out() -> None:
            guard.roster.of("cam-1")[0].close()  # gone by itself, and the loop has not come to say so yet
            guard.change_quarantine({"cam-1"})

        stage.broker.do(lose_and_put_out)
        stage.broker.wait_for(lambda event: event.kind is Kind.DISCONNECT and event.device == "cam-1")
        _still_works(stage, victim)

    def test_a_message_that_it_has_not_released_is_not_published(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        thief = stage.join("cam-1", clean=False)
        thief.send(Publish(DOOR, b"evil", qos=2, packet_id=5))
        thief.expect(Pubrec)
        _put_out(stage.broker)
        thief.expect_end()
        assert_shut_out(stage.site.tls("cam-1"), stage.broker)
        _still_works(stage, victim)


class TestComingBack:
    def test_its_reconnect_is_refused_and_the_reason_told(self, stage: Stage) -> None:
        _put_out(stage.broker)
        assert_shut_out(stage.site.tls("cam-1"), stage.broker)
        event = stage.told(Kind.REFUSE, Reason.QUARANTINED, "cam-1")
        assert event.segment == "cameras"

    @pytest.mark.parametrize("client_id", ["cam-1", "cam-1/b", "", "cam-2"])
    def test_no_client_id_lets_it_in(self, stage: Stage, client_id: str) -> None:
        _put_out(stage.broker)
        assert_shut_out(stage.site.tls("cam-1"), stage.broker, client_id)

    def test_a_second_connection_does_not_take_its_session_over(self, stage: Stage) -> None:
        thief = stage.listener("cam-1", "cameras/#", qos=1, clean=False)
        _put_out(stage.broker)
        thief.expect_end()
        stage.join("cam-3").publish(DOOR, b"secret", qos=1)
        assert_shut_out(stage.site.tls("cam-1"), stage.broker)

    def test_what_was_queued_reaches_it_only_when_it_was_let_in_again(self, stage: Stage) -> None:
        device = stage.listener("cam-1", "cameras/#", qos=1, clean=False)
        _put_out(stage.broker)
        device.expect_end()
        stage.settle("cam-1")
        stage.join("cam-3").publish(DOOR, b"for later", qos=1)
        assert_shut_out(stage.site.tls("cam-1"), stage.broker)
        _let_in(stage.broker)
        returned, answer = stage.greet("cam-1", clean=False)
        assert answer == Connack(session_present=True, code=0)
        assert_only(returned, (DOOR, b"for later"))

    def test_a_handshake_that_was_under_way_lets_nobody_in(self, stage: Stage) -> None:
        with _Handshake(stage.site.tls("cam-1"), stage.broker.port) as thief:
            thief.greet()
            _put_out(stage.broker)
            thief.finish()
            thief.send(Connect("cam-1"))
            assert thief.reads_end()
        stage.told(Kind.REFUSE, Reason.QUARANTINED, "cam-1")

    def test_a_connect_that_was_waiting_for_the_old_session_does_not_get_in(self, stage: Stage) -> None:
        victim = stage.listener("cam-2", "cameras/#")
        stage.listener("cam-1", "cameras/#", clean=False)
        thief = stage.tls("cam-1")
        thief.send(Connect("cam-1", clean_session=False, will=Will(DOOR, b"evil")), Publish(DOOR, b"evil"))
        _put_out(stage.broker)
        thief.expect_end()
        stage.broker.do(lambda: _until(lambda: not stage.broker.guard.roster.of("cam-1")))
        while victim.messages():
            victim.unread.popleft()  # it may have been quicker, and then it was not out yet
        _still_works(stage, stage.listener("cam-4", "cameras/#"))

    def test_reconnecting_without_pause_while_it_is_put_out_ends_in_no_connection(self, stage: Stage) -> None:
        context, stop, refused = stage.site.tls("cam-1"), threading.Event(), threading.Event()

        def storm() -> None:
            while not stop.is_set():
                try:
                    with RawClient(context, stage.broker.port) as thief:
                        thief.connect("cam-1")
                except (OSError, AssertionError):
                    refused.set()

        threads = [threading.Thread(target=storm) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            stage.broker.wait_for_reason(Kind.CONNECT, Reason.OK, "cam-1")
            _put_out(stage.broker)
            mark = len(stage.broker.events)
            stage.broker.wait_for_reason(Kind.REFUSE, Reason.QUARANTINED, "cam-1")
        finally:
            stop.set()
            for thread in threads:
                thread.join(PATIENCE)
        assert refused.is_set()
        late = [e for e in stage.broker.events[mark:] if e.kind is Kind.CONNECT and e.device == "cam-1"]
        assert late == []
        assert stage.broker.do(lambda: stage.broker.guard.roster.holder("cam-1")) is None

    def test_it_is_let_in_again_when_it_is_released(self, stage: Stage) -> None:
        _put_out(stage.broker)
        _let_in(stage.broker)
        stage.join("cam-1").ping()
        stage.told(Kind.RELEASE, Reason.OK, "cam-1")


class TestRetained:
    def test_what_it_retained_is_not_delivered_while_it_is_out(self, stage: Stage) -> None:
        stage.join("cam-1").publish(DOOR, b"trap", qos=1, retain=True)
        stage.join("cam-2").publish("cameras/good", b"good", qos=1, retain=True)
        _put_out(stage.broker)
        assert_only(stage.listener("cam-3", "cameras/#"), ("cameras/good", b"good"))
        _let_in(stage.broker)
        assert_only(stage.listener("cam-4", DOOR), (DOOR, b"trap"))


class TestWhatIsKept:
    def test_it_holds_over_a_restart(self, tmp_path: Path) -> None:
        site = TestSite(tmp_path)
        with RunningBroker(site) as broker:
            _put_out(broker)
        with RunningBroker(site) as broker:
            assert_shut_out(site.tls("cam-1"), broker)
            broker.wait_for_reason(Kind.REFUSE, Reason.QUARANTINED, "cam-1")

    def test_it_is_on_disk_before_it_is_answered(self, stage: Stage) -> None:
        """It acts before: a disk that hangs keeps no device in."""
        _put_out(stage.broker)
        assert "cam-1" in Register(stage.site.root / "state").load()

    def test_it_runs_out_by_itself_also_after_a_restart(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        site, steady = TestSite(tmp_path), _Steady()
        monkeypatch.setattr(broker_quarantine, "_steady", steady)
        with RunningBroker(site) as broker:
            _put_out(broker, seconds=3600)
        with RunningBroker(site) as broker:
            assert_shut_out(site.tls("cam-1"), broker)
            steady.now += 3601
            broker.wait_for_reason(Kind.EXPIRE, Reason.OK, "cam-1")
            with RawClient(site.tls("cam-1"), broker.port) as camera:
                assert camera.connect("cam-1").code == 0
        assert Register(site.root / "state").load() == {}

    def test_who_and_why_are_in_the_audit_trail(self, stage: Stage) -> None:
        _put_out(stage.broker)
        event = stage.told(Kind.QUARANTINE, Reason.QUARANTINED, "cam-1")
        assert (event.who, event.why, event.segment) == ("ann", "stolen", "cameras")
        _let_in(stage.broker)
        event = stage.told(Kind.RELEASE, Reason.OK, "cam-1")
        assert (event.who, event.why) == ("bob", "found")

    def test_what_a_command_wrote_acts_without_being_told(self, stage: Stage) -> None:
        thief = stage.join("cam-1")
        register = Register(stage.site.root / "state")
        register.add(_entry("cam-1"))
        thief.expect_end()
        stage.told(Kind.QUARANTINE, Reason.QUARANTINED, "cam-1")
        register.remove("cam-1")
        stage.told(Kind.RELEASE, Reason.OK, "cam-1")
        stage.join("cam-1").ping()

    def test_a_register_that_is_damaged_while_it_runs_lets_nobody_in(self, stage: Stage) -> None:
        _put_out(stage.broker)
        (stage.site.root / "state" / "quarantine.json").write_text("{}")
        stage.broker.wait_for(lambda event: event.kind is Kind.ERROR and "quarantine.json" in event.detail)
        assert_shut_out(stage.site.tls("cam-1"), stage.broker)

    def test_a_disk_that_refuses_lets_nobody_in_and_is_told(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: Register, __: Quarantine) -> None:
            raise OperatorError("No space left on device")

        monkeypatch.setattr(Register, "add", refuse)
        quarantines = stage.broker.plugin.service.quarantines
        thief = stage.join("cam-1")
        _, done = stage.broker.do(lambda: quarantines.impose("cam-1", None, by="ann", why=""))
        thief.expect_end()
        assert "will not survive a restart" in done.trouble[0]
        stage.broker.wait_for(lambda event: event.kind is Kind.ERROR and "No space left" in event.detail)
        stage.broker.do(quarantines.reread)
        assert_shut_out(stage.site.tls("cam-1"), stage.broker)


class TestCompanions:
    def test_the_network_is_told_all_who_are_out(self, stage: Stage) -> None:
        told: list[list[str]] = []

        async def gateway(out: object) -> None:
            assert isinstance(out, frozenset)
            told.append(sorted(out))

        stage.broker.plugin.service.quarantines.companions.append(gateway)
        _put_out(stage.broker, "cam-1")
        _put_out(stage.broker, "cam-9")
        _let_in(stage.broker, "cam-1")
        assert told == [["cam-1"], ["cam-1", "cam-9"], ["cam-9"]]

    @pytest.mark.parametrize("failure", ["hangs", "raises"])
    def test_a_network_that_does_not_answer_keeps_nobody_in(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch, failure: str
    ) -> None:
        monkeypatch.setattr(broker_quarantine, "COMPANION_TIMEOUT", 0.05)

        async def gateway(_: object) -> None:
            if failure == "raises":
                raise OSError("nft: command not found")
            await asyncio.Event().wait()

        quarantines = stage.broker.plugin.service.quarantines
        quarantines.companions.append(gateway)
        thief = stage.join("cam-1")
        _, done = stage.broker.do(lambda: quarantines.impose("cam-1", None, by="ann", why=""))
        thief.expect_end()
        assert len(done.trouble) == 1
        assert done.trouble[0].startswith("the network was not told")
        stage.broker.wait_for(lambda event: event.kind is Kind.ERROR and "the network was not told" in event.detail)

    def test_a_slow_network_does_not_hold_up_the_next_device(self, stage: Stage) -> None:
        answers = threading.Event()

        async def gateway(_: object) -> None:
            await asyncio.to_thread(answers.wait, PATIENCE)

        quarantines = stage.broker.plugin.service.quarantines
        quarantines.companions.append(gateway)
        first, second = stage.join("cam-1"), stage.join("cam-9")
        tasks = [threading.Thread(target=_put_out, args=(stage.broker, device)) for device in ("cam-1", "cam-9")]
        for task in tasks:
            task.start()
        first.expect_end()
        second.expect_end()
        answers.set()
        for task in tasks:
            task.join(PATIENCE)


def _entry(device: str) -> Quarantine:
    return quarantine_of(device, None, by="ann", why="stolen", now=datetime.now(UTC))


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  # nothing tells of it
        await asyncio.sleep(0)


class _Steady:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class _Handshake:
    """A TLS client that stops in the middle of its handshake."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)

    def __enter__(self) -> _Handshake:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def greet(self) -> None:
        """ClientHello, and the broker's whole answer; the client's certificate is ready, and not sent."""
        while not self._step():
            if self._outgoing.pending and self._tls.version() is None:
                self._socket.sendall(self._outgoing.read())
            self._incoming.write(self._socket.recv(65536))

    def _step(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def finish(self) -> None:
        """Send the rest."""
        self._socket.sendall(self._outgoing.read())

    def send(self, packet: Connect) -> None:
        """A packet, over TLS."""
        self._tls.write(encode(packet))
        self._socket.sendall(self._outgoing.read())

    def reads_end(self) -> bool:
        """Whether the connection ends, and nothing of MQTT comes before."""
        try:
            while data := self._socket.recv(65536):
                self._incoming.write(data)
        except ConnectionError:
            pass
        try:
            return self._tls.read(1) == b""
        except ssl.SSLError:
            return True
