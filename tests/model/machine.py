"""The rules by which the model is driven, by hypothesis or by walks with chosen odds (walk.py)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mqttseg.wire.encode import encode
from mqttseg.wire.packets import Connack, Connect, Publish, Suback, Subscribe, Unsubscribe
from tests.model.faithful_device import FaithfulDevice
from tests.model.reference_broker import Ledger
from tests.model.reference_message import Kept, Sent
from tests.model.reference_rights import DEVICES, FILTERS, OBSERVER, TOPICS
from tests.model.small_site import SmallSite

CUTS = st.none() | st.none() | st.integers(0, 12)
"""Bytes of a packet before its connection breaks; mostly none does."""


class BrokerMachine(RuleBasedStateMachine):
    """Three devices, a broker, and whoever changes the policy, pulls plugs and kills the broker."""

    def __init__(self) -> None:
        super().__init__()
        self.site = SmallSite()
        self.ledger = Ledger()
        self.devices = {device: FaithfulDevice(self.site, self.ledger, device) for device in DEVICES}

    @initialize(qos=st.integers(0, 2))
    def begin(self, qos: int) -> None:
        """Most of what can go wrong needs stored sessions that hear each other: begin with some."""
        if qos:
            self.come_back()
            for device, topic_filter in zip(DEVICES, ("s/#", "s/#", "#"), strict=True):
                self.subscribe(device, topic_filter, qos)
            self._finish()

    # Devices

    @rule(device=st.sampled_from(DEVICES), topic_filter=st.sampled_from(FILTERS), qos=st.integers(0, 2))
    def subscribe(self, device: str, topic_filter: str, qos: int) -> None:
        if self._connected(device):
            packet_id = self.devices[device].free_id()
            self.devices[device].say(Subscribe(packet_id, ((topic_filter, qos), ("x/y", 0))[:1]))
        self._look()

    @rule(
        device=st.sampled_from(DEVICES),
        topic=st.sampled_from(TOPICS),
        qos=st.integers(0, 2),
        retain=st.sampled_from([False, False, True]),
        empty=st.sampled_from([False, False, False, True]),
        cut=CUTS,
    )
    def publish(self, device: str, topic: str, qos: int, *, retain: bool, empty: bool, cut: int | None) -> None:
        if self._connected(device):
            sent = self.ledger.new(device, topic, qos, retain=retain, empty=empty and retain)
            self.devices[device].publish(sent, cut)
        self._look()

    @rule(
        device=st.sampled_from(DEVICES),
        topic=st.sampled_from(TOPICS),
        qos=st.integers(0, 2),
        count=st.integers(2, 6),
    )
    def publish_row(self, device: str, topic: str, qos: int, count: int) -> None:
        """Some messages of one flow, of which order is promised."""
        for _ in range(count):
            self.publish(device, topic, qos, retain=False, empty=False, cut=None)

    @rule(device=st.sampled_from(DEVICES), topic=st.sampled_from(TOPICS), qos=st.integers(1, 2))
    def overwhelm(self, device: str, topic: str, qos: int) -> None:
        """Its buffer fills with what may be lost while another publishes what may not."""
        self.stop_reading(device)
        other = DEVICES[DEVICES.index(device) - 1]
        for each in (0, 0, 0, 0, qos, qos):
            self.publish(other, topic, each, retain=False, empty=False, cut=None)

    @rule(device=st.sampled_from(DEVICES), count=st.integers(1, 5), cut=CUTS)
    def read(self, device: str, count: int, cut: int | None) -> None:
        for left in range(count, 0, -1):
            self.devices[device].read(1, cut if left == 1 else None)
            self._look()

    @rule(count=st.integers(1, 4))
    def read_all(self, count: int) -> None:
        for device in DEVICES:
            self.read(device, count, None)

    @rule(device=st.sampled_from(DEVICES))
    def finish(self, device: str) -> None:
        """It ends all its flows while the others are where they are."""
        if self._connected(device):
            self._finish(device)

    @rule()
    def come_back(self) -> None:
        """Every device resumes its session."""
        for device in self.devices.values():
            if device.line is None:
                device.connect(clean=False)
                self._look()

    @rule(
        device=st.sampled_from(DEVICES),
        clean=st.booleans(),
        will=st.none() | st.tuples(st.sampled_from(TOPICS), st.integers(0, 2), st.booleans()),
    )
    def connect(self, device: str, *, clean: bool, will: tuple[str, int, bool] | None) -> None:
        """It connects, or takes over its own connection."""
        last = None if will is None else self.ledger.new(device, will[0], will[1], retain=will[2], will=True)
        self.devices[device].connect(clean=clean, will=last)
        self._look()

    @rule(device=st.sampled_from(DEVICES), data=st.data())
    def disturb(self, device: str, data: st.DataObject) -> None:
        """What ends or changes the state that takes long to build up: one rule, so that it does not prevail."""
        what = data.draw(st.sampled_from(["drop", "leave", "unsubscribe", "stop reading", "kill while connecting"]))
        match what:
            case "unsubscribe":
                self.unsubscribe(device, data.draw(st.sampled_from(FILTERS)))
            case _:
                getattr(self, what.replace(" ", "_"))(device)

    def drop(self, device: str) -> None:
        self.devices[device].close()
        self._look()

    def leave(self, device: str) -> None:
        if self.devices[device].line is not None:
            self.devices[device].leave()
        self._look()

    def unsubscribe(self, device: str, topic_filter: str) -> None:
        if self._connected(device):
            self.devices[device].say(Unsubscribe(self.devices[device].free_id(), (topic_filter,)))
        self._look()

    def stop_reading(self, device: str) -> None:
        line = self.devices[device].line
        if line is not None and self.devices[device].ear.reads:
            self.devices[device].ear.reads = False
            self.site.turn(line.stop_reading)

    def kill_while_connecting(self, device: str) -> None:
        """Until CONNACK nothing is decided: the session may be there or not."""
        if not self.ledger.switches.place(device):
            return
        self.devices[device].close()
        line, ear = self.site.open(device), self.devices[device].ear
        self.site.turn(lambda: line.send(encode(Connect(device, clean_session=True))))
        if line.received():
            ear.kept = Kept.NO
            ear.arrive(clean=True, present=False)
            self.devices[device].forget_flows()
            self.site.turn(line.lose)
            ear.leave()
        else:
            self.kill()
            ear.kept = Kept.MAYBE
        self._look()

    # The operator

    @rule(
        what=st.sampled_from(["conduit", "deny", "mute", "home", "home"]),
        home=st.sampled_from(["s", "s", "t", ""]),
    )
    def change_policy(self, what: str, home: str) -> None:
        """Throw one switch of the policy. Bytes that were judged before are not taken back, so all are read first."""
        for device in self.devices.values():
            self._read_on(device)
        self._look()
        switches = self.ledger.switches
        changed = {"home": home} if what == "home" else {what: not getattr(switches, what)}
        self.ledger.change(replace(switches, **changed))
        self.site.change_policy(self.ledger.switches)
        self._look()
        for name, device in self.devices.items():
            assert device.line is None or self.ledger.switches.place(name), f"{name} was not cut"

    # The disk

    @rule()
    def commit(self) -> None:
        self.ledger.take()
        self.site.take()
        self._committed()
        self.ledger.take()
        self.site.commit()
        self._committed()

    @rule(end=st.sampled_from(["committed", "failed", "killed"]))
    def half_commit(self, end: str) -> None:
        """A batch goes to the disk while the next gathers; or it fails; or the broker dies before it has said so."""
        if self.site.pending:
            if end == "failed":
                self.ledger.failed()
                self.site.failed()
                self._look()
                return
            self.site.store_taken()
            if end == "killed":
                self.kill()
                return
            self._committed()
        elif self.site.take():
            self.ledger.take()

    def _committed(self) -> None:
        self.site.store_taken()
        self.site.committed()
        self._look()
        self.ledger.committed()

    @precondition(lambda self: bool(self.ledger.sent))
    @rule()
    def kill(self) -> None:
        self.site.kill()
        self.ledger.killed()
        for device in self.devices.values():
            device.killed()

    # What must hold

    def _look(self) -> None:
        """What the broker has written, and whom it cut off."""
        for device in self.devices.values():
            device.collect()
            if device.line is not None and device.line.closed:
                device.cut_off()
        for device in self.devices.values():
            device.collect()
            late = [sent.number for sent in device.ear.prompt]
            assert not late, f"{device.device} did not get {late} at once"

    def _connected(self, name: str) -> bool:
        """Have it connected and reading; False when the policy has no place for it."""
        device = self.devices[name]
        if device.line is None and not device.connect(clean=device.ear.clean):
            return False
        self._read_on(device)
        self._look()  # what waited for it was judged before what it does now
        return True

    def _read_on(self, device: FaithfulDevice) -> None:
        if device.line is not None and not device.ear.reads:
            device.ear.reads = True
            self.site.turn(device.line.read_on)

    @precondition(lambda self: bool(self.ledger.sent))
    @rule(anew=st.booleans())
    def settle(self, anew: bool) -> None:
        """All that kept a session come back, ``anew`` those too that are there, and finish: nothing may be due then."""
        for device in self.devices.values():
            self._read_on(device)
            if not device.ear.clean and (anew or device.line is None):
                device.connect(clean=False)
            self._look()
        self._finish()
        for device in self.devices.values():
            missing = sorted(sent.number for sent in device.ear.due)
            allowed = bool(self.ledger.switches.place(device.device))
            assert not missing or not allowed, f"{device.device} never got {missing}"
            assert device.line is None or not device.waits_for, f"{device.device} waits for {device.waits_for}"
        self._check_retained()

    def _finish(self, *names: str) -> None:
        busy = True
        while busy:
            self.commit()
            busy = False
            for device in [self.devices[name] for name in names or DEVICES]:
                while device.line is not None and device.inbox:
                    device.read(1)
                    self._look()
                    busy = True

    def _check_retained(self) -> None:
        """What an observer of all topics is shown."""
        line = self.site.open(OBSERVER)
        requests = (("s/#", 0), ("t/#", 0))
        self.site.turn(lambda: line.send(encode(Connect(OBSERVER)) + encode(Subscribe(1, requests))))
        packets = line.received()
        assert packets[:2] == [Connack(False, 0), Suback(1, (0, 0))]
        messages = [packet for packet in packets[2:] if isinstance(packet, Publish)]
        shown = {message.topic: int(message.payload) for message in messages}
        assert len(shown) == len(packets) - 2, "not one retained message per topic"
        assert all(message.retain for message in messages)
        for topic, candidates in self.ledger.retained.items():
            assert shown.get(topic) in {self._shown(sent) for sent in candidates}, f"{topic}: {shown.get(topic)}"
        self.site.turn(line.lose)

    def _shown(self, sent: Sent | None) -> int | None:
        visible = sent is not None and not sent.empty and self.ledger.switches.may_publish(sent.device, sent.topic)
        return sent.number if sent is not None and visible else None

    def teardown(self) -> None:
        try:
            if self.ledger.sent:
                self.settle(anew=False)
        finally:
            self.site.close()
