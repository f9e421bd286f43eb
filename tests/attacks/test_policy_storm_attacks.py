"""The policy changes again and again, in any order, while everything else happens at once."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mqttseg.broker.site import load_site
from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from mqttseg.pki.quarantine import Register
from mqttseg.wire.packets import Connack, Publish
from tests.support.brokers import BackendName
from tests.support.clients import RawClient
from tests.support.sites import POLICY
from tests.support.stages import Stage

FLOW, TEMPERATURE = "hvac/+/telemetry/#", "hvac/thermo-1/telemetry/t"
MOVED = POLICY.replace('["etl-*"]', '["etl-2"]').replace('["lab-*"]', '["lab-*", "etl-1"]')
POLICIES = {
    "open": POLICY,
    "closed": POLICY[: POLICY.index("conduits:")],
    "moved": MOVED,
    "expired": POLICY + "    until: 2001-01-01T00:00:00Z\n",
}
STEPS = 10


class Teller:
    """A device that publishes, without pause, the number of the policy that was in force when it said so."""

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self._stopped = threading.Event()
        self._told = threading.Condition()
        self._count = 0
        self.step = -1

    def run(self) -> None:
        while not self._stopped.is_set():
            self._client.publish(TEMPERATURE, str(self.step).encode(), qos=1)
            with self._told:
                self._count += 1
                self._told.notify_all()

    def stop(self) -> None:
        self._stopped.set()

    def go_on(self) -> None:
        """Wait until it has said some more, all of it with the number of now."""
        with self._told:
            enough = self._count + 10
            assert self._told.wait_for(lambda: self._count >= enough, 20)


@contextmanager
def at_once(*chores: Callable[[], None]) -> Iterator[None]:
    """Do these again and again, each in a thread of its own; what one raises fails the test."""
    stopped, failures = threading.Event(), list[Exception]()

    def go_on(chore: Callable[[], None]) -> None:
        try:
            while not stopped.is_set():
                chore()
        except Exception as error:  # noqa: BLE001  # whatever it is, the test fails of it
            failures.append(error)

    threads = [threading.Thread(target=go_on, args=(chore,)) for chore in chores]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join(20)
    assert failures == []


def take_over(stage: Stage) -> Callable[[], None]:
    """Connect, and take one's own session over."""

    def chore() -> None:
        with RawClient(stage.site.tls("cam-1"), stage.broker.port) as one:
            one.connect("cam-1", clean=False)
            with RawClient(stage.site.tls("cam-1"), stage.broker.port) as other:
                assert other.connect("cam-1", clean=False).code == 0
                assert other.subscribe("cameras/#", "hvac/#") == (0, 0x80)
            one.expect_end()

    return chore


def in_and_out(stage: Stage) -> Callable[[], None]:
    """Put a device out while it is connected, and let it in again."""
    quarantines = stage.broker.plugin.service.quarantines

    def chore() -> None:
        with RawClient(stage.site.tls("cam-2"), stage.broker.port) as device:
            assert device.connect("cam-2").code == 0
            stage.broker.do(lambda: quarantines.impose("cam-2", None, by="storm", why=""))
            device.expect_end()
            stage.broker.do(lambda: quarantines.lift("cam-2", by="storm"))

    return chore


def put_in_force(stage: Stage, name: str) -> None:
    """Two operators apply the same file at the same moment."""
    service = stage.broker.plugin.service
    stage.site.write_policy(POLICIES[name])
    stage.broker.do(lambda: asyncio.gather(service.apply(by="one"), service.apply(by="other")))


@pytest.mark.parametrize("seed", range(3))
def test_nothing_forbidden_is_delivered_after_apply_has_returned(stage: Stage, seed: int, backend: BackendName) -> None:
    chance = random.Random(seed)
    victim, teller = stage.join("etl-1"), Teller(stage.join("thermo-1"))
    witnesses = {"analytics/x": stage.join("etl-2"), "lab/x": stage.join("lab-1")}
    thread = threading.Thread(target=teller.run)
    thread.start()
    try:
        with at_once(take_over(stage), in_and_out(stage)):
            for step in range(STEPS):
                name = chance.choice(sorted(POLICIES))
                put_in_force(stage, name)
                teller.step = step
                victim.subscribe(FLOW, "analytics/#", "lab/#")
                teller.go_on()
                topic = "lab/x" if name == "moved" else "analytics/x"
                witnesses[topic].publish(topic, b"last", qos=1)
                got = list(iter(lambda: victim.expect(Publish).payload, b"last"))
                if name != "open":
                    assert str(step).encode() not in got, name
                elif backend == "engine":
                    assert str(step).encode() in got, name
    finally:
        teller.stop()
        thread.join(20)


def test_a_change_of_trust_domain_holds_from_the_first_packet_on_and_lets_no_will_through(stage: Stage) -> None:
    """Each connection finds out by itself that its name is of another domain now: none is served until its turn."""
    victim = stage.listener("cam-2", "cameras/#")
    sender = stage.listener("cam-1", "cameras/#")
    policy = POLICY.replace("plant7.example", "other.example")
    stage.site.write_policy(policy)
    site = stage.broker.plugin.service

    async def change_and_do_not_settle() -> None:
        site.guard.change_policy(load_site(site.site.config).compiled)

    stage.broker.do(change_and_do_not_settle)
    sender.send(Publish("cameras/door", b"evil"))
    sender.expect_end()
    stage.told(Kind.CUT, Reason.IDENTITY_INVALID, "cam-1")
    assert victim.messages() == []
    settled = stage.broker.do(stage.broker.guard.settle)
    victim.expect_end()
    assert victim.messages() == []
    assert settled.subscriptions == 0


class TestQuarantineAndHandshake:
    """The TCP connection is up, the TLS handshake is not, and the device is put out or let in meanwhile."""

    def test_put_out_during_the_handshake_is_refused(self, stage: Stage) -> None:
        quarantines = stage.broker.plugin.service.quarantines
        with socket.create_connection(("127.0.0.1", stage.broker.port), timeout=20) as plain:
            stage.broker.do(lambda: quarantines.impose("cam-1", None, by="ada", why="stolen"))
            with stage.site.tls("cam-1").wrap_socket(plain, server_hostname="localhost") as device:
                assert _end_of(device)
        stage.told(Kind.REFUSE, Reason.QUARANTINED, "cam-1")

    def test_let_in_during_the_handshake_is_admitted(self, stage: Stage) -> None:
        quarantines = stage.broker.plugin.service.quarantines
        stage.broker.do(lambda: quarantines.impose("cam-1", None, by="ada", why="stolen"))
        plain = socket.create_connection(("127.0.0.1", stage.broker.port), timeout=20)
        stage.broker.do(lambda: quarantines.lift("cam-1", by="ada"))
        with RawClient(stage.site.tls("cam-1"), stage.broker.port, plain=plain) as device:
            assert device.connect("cam-1") == Connack(False, 0)


def test_a_disk_that_hangs_keeps_no_device_in(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarantine acts before the register is written, and reading the old register meanwhile lets nobody in."""
    device, quarantines = stage.join("cam-1"), stage.broker.plugin.service.quarantines
    disk, add = threading.Event(), Register.add

    def slow(register: Register, entry: object) -> None:
        assert disk.wait(20)
        add(register, entry)  # type: ignore[arg-type]  # what it was given

    monkeypatch.setattr(Register, "add", slow)
    imposing = asyncio.run_coroutine_threadsafe(
        quarantines.impose("cam-1", None, by="ada", why=""), stage.broker.guard.loop
    )
    device.expect_end()
    reading = asyncio.run_coroutine_threadsafe(quarantines.reread(), stage.broker.guard.loop)
    with RawClient(stage.site.tls("cam-1"), stage.broker.port) as again:
        again.expect_end()
    assert not imposing.done()
    disk.set()
    assert imposing.result(20)[1].trouble == ()
    reading.result(20)
    assert "cam-1" in Register(stage.site.root / "state").load()
    with RawClient(stage.site.tls("cam-1"), stage.broker.port) as again:
        again.expect_end()


def _end_of(device: socket.socket) -> bool:
    try:
        return device.recv(1) == b""
    except ConnectionError:
        return True
