"""What MQTT 3.1.1 and the policy promise, kept as a ledger: who is owed which message, and who may get none.

Owns messages, the devices' own protocol state, and what each device may and must get. Devices are faithful: they send
again what was not acknowledged, and keep their QoS 2 state. The laws:

- a message is owed from its acknowledgement on (a will, a retained message: from the commit after it), to whoever was
  subscribed and allowed when it was routed, for as long as it stays so; what is owed arrives;
- what policy forbids at that moment, or nobody subscribed to, is never written to a device;
- at QoS 2 a session's device gets a message once, and without DUP nothing comes more often than it was published;
- on each topic, at each QoS, messages arrive in the order in which they were published;
- PUBACKs and PUBRECs come in the order of the PUBLISHes, refused ones among them;
- a delivery has the lower of both QoS; QoS 0 reaches a device that reads at once;
- CONNACK says session present exactly when there is one;
- a topic retains the last message, and shows it while its publisher may publish there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from mqttseg.wire.packets import (
    FAILURE,
    Packet,
    Publish,
    Suback,
    Unsuback,
)
from tests.model.reference_rights import DEVICES, MATCHED, TOPICS, Switches


class Kept(Enum):
    """Whether the server has something on the disk."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


@dataclass(eq=False, slots=True)
class Sent:
    """A message. ``empty`` ones clear what is retained, and nobody can tell them apart."""

    number: int
    device: str
    topic: str
    qos: int
    retain: bool
    empty: bool = False
    will: bool = False
    recorded: bool = False
    """QoS 2: PUBREC was written."""
    routed: list[int] = field(default_factory=list)
    """When it was handed to its receivers."""
    taken: Kept = Kept.NO
    """QoS 2: whether the server keeps it until PUBREL."""
    kills: int = 0
    """Restarts since it was first routed: each may have forgotten that it had been sent."""
    owed: dict[tuple[Ear, int], int | None] = field(default_factory=dict)
    """(receiver, its session) -> QoS, None when that is not certain."""

    @property
    def payload(self) -> bytes:
        return b"" if self.empty else b"%d" % self.number


class Ear:
    """A device as a receiver, and its session."""

    def __init__(self, ledger: Ledger, device: str) -> None:
        self.ledger = ledger
        self.device = device
        self.connected = False
        self.reads = True
        self.clean = True
        self.session = 0
        self.kept = Kept.NO
        self.unsaved = False
        """The session is in no commit yet."""
        self.granted: dict[str, int | None] = {}
        """Filters that it certainly has, with their QoS if that is certain."""
        self.possible: set[str] = set()
        """Filters that a stored session may have."""
        self.live: set[str] = set()
        """Filters of this connection, as the guard must see them."""
        self.asked: dict[int, tuple[tuple[str, int], ...]] = {}
        self.ceasing: dict[int, tuple[str, ...]] = {}
        self._versions: dict[str, int] = {}
        self._asked_at: dict[int, dict[str, int]] = {}
        self.due: dict[Sent, int | None] = {}
        self.prompt: set[Sent] = set()
        """QoS 0 messages that must be written before this turn ends."""
        self.got: list[tuple[Sent, int]] = []
        self.plain: dict[Sent, int] = {}
        """Deliveries without DUP and RETAIN, written."""
        self.half_received: set[int] = set()

    # The session

    def expects_present(self, clean: bool) -> set[bool]:
        """What CONNACK may say."""
        if clean or self.kept is Kept.NO:
            return {False}
        return {True} if self.kept is Kept.YES else {True, False}

    def arrive(self, *, clean: bool, present: bool) -> None:
        """CONNACK came."""
        self.connected, self.clean, self.reads = True, clean, True
        if not present:
            self._begin_session()
            self.kept = Kept.NO if clean else Kept.YES
            self.unsaved = not clean
        elif not clean:
            self.kept = Kept.YES
        self._resume()

    def _begin_session(self) -> None:
        self.session += 1
        for state in (self.granted, self.possible, self.due, self.got, self.plain, self.half_received):
            state.clear()

    def _resume(self) -> None:
        """Stored filters are judged again."""
        switches = self.ledger.switches
        self.live = {f for f in self.possible if switches.may_subscribe(self.device, f)}
        for topic_filter in self.possible - self.live:
            self._withdraw(topic_filter)
        self.ledger.reconsider()

    def leave(self) -> None:
        """The connection is gone; what was on its way is lost with it."""
        self.connected = False
        self.asked.clear()
        self.ceasing.clear()
        self.prompt.clear()
        self.live.clear()
        if self.clean:
            self._begin_session()

    def judge_filters(self) -> None:
        """The policy changed."""
        for topic_filter in [f for f in self.live if not self.ledger.switches.may_subscribe(self.device, f)]:
            self.live.discard(topic_filter)
            self._withdraw(topic_filter)

    def _withdraw(self, topic_filter: str) -> None:
        """The broker ends a subscription; that is safe with the next commit."""
        self.granted.pop(topic_filter, None)
        self._versions[topic_filter] = self._versions.get(topic_filter, 0) + 1

    # Subscriptions

    def asks(self, packet_id: int, requests: tuple[tuple[str, int], ...]) -> None:
        """SUBSCRIBE arrives."""
        self.asked[packet_id] = requests
        self._asked_at[packet_id] = {}
        for topic_filter, qos in requests:
            if not self.ledger.switches.may_subscribe(self.device, topic_filter):
                continue
            self.live.add(topic_filter)
            self.possible.add(topic_filter)
            self._asked_at[packet_id][topic_filter] = self._versions.get(topic_filter, 0)
            if topic_filter in self.granted and self.granted[topic_filter] != qos:
                self.granted[topic_filter] = None
        self.ledger.reconsider()

    def gives_up(self, packet_id: int, filters: tuple[str, ...]) -> None:
        """UNSUBSCRIBE arrives."""
        self.ceasing[packet_id] = filters
        for topic_filter in filters:
            self.live.discard(topic_filter)
            self._withdraw(topic_filter)
        self.ledger.reconsider()

    def covers(self, topic: str) -> bool:
        """Whether it certainly is subscribed to the topic, and may receive it."""
        matched = any(topic in MATCHED[f] for f in self.granted)
        return matched and self.ledger.switches.may_receive(self.device, topic)

    def granted_qos(self, topic: str) -> int | None:
        """The highest QoS of its filters for this topic; None when one is not certain, or may still be there."""
        matching = [f for f in self.possible | self.granted.keys() if topic in MATCHED[f]]
        qos = [self.granted.get(f) for f in matching]
        return None if None in qos else max(q for q in qos if q is not None)

    # What the broker writes

    def written(self, packet: Packet) -> None:
        """A packet left the broker for this device: only what may be, and what it promises."""
        match packet:
            case Publish():
                self._written_message(packet)
            case Suback():
                self._granted(packet)
            case Unsuback():
                for topic_filter in self.ceasing.pop(packet.packet_id):
                    if topic_filter not in self.live and topic_filter not in self.granted:
                        self.possible.discard(topic_filter)

    def _granted(self, packet: Suback) -> None:
        requests, versions = self.asked.pop(packet.packet_id), self._asked_at.pop(packet.packet_id)
        for (topic_filter, qos), code in zip(requests, packet.codes, strict=True):
            assert code == (qos if topic_filter in versions else FAILURE), f"{self.device} {topic_filter}: {code}"
            if versions.get(topic_filter) == self._versions.get(topic_filter, 0):
                self.granted[topic_filter] = qos

    def _written_message(self, packet: Publish) -> None:
        switches = self.ledger.switches
        about = f"{packet.payload!r} on {packet.topic} to {self.device}"
        assert switches.may_receive(self.device, packet.topic), f"forbidden: {about}"
        assert any(packet.topic in MATCHED[f] for f in self.live), f"not subscribed: {about}"
        if not packet.payload:
            return
        sent = self.ledger.sent[int(packet.payload)]
        assert sent.topic == packet.topic
        assert sent.routed, f"never published: {about}"
        assert packet.qos <= sent.qos, about
        if packet.retain:
            assert sent.retain, about
            assert switches.may_publish(sent.device, sent.topic), f"retained by one who may not: {about}"
            return
        if not packet.dup:
            self.plain[sent] = self.plain.get(sent, 0) + 1
            assert self.plain[sent] <= len(sent.routed) + sent.kills, f"more often than published: {about}"
        once = len(sent.routed) == 1
        expected = sent.owed.get((self, self.session), self.due.get(sent)) if once else None
        assert expected in {None, packet.qos}, f"QoS {packet.qos} and not {expected}: {about}"
        if packet.qos == 0:
            self.prompt.discard(sent)

    # What the device reads

    def reads_message(self, packet: Publish) -> None:
        """The device takes a message, which is no repetition of a QoS 2 one."""
        if packet.retain or not packet.payload:
            return
        sent, qos = self.ledger.sent[int(packet.payload)], packet.qos
        assert qos < 2 or (sent, 2) not in self.got, f"message {sent.number} came twice at QoS 2 to {self.device}"
        if sent not in {other for other, _ in self.got} and len(sent.routed) == 1:
            later = [o.number for o, at in self.got if at == qos and _follows(o, sent)]
            assert not later, f"message {sent.number} came after {later} to {self.device}"
        self.got.append((sent, qos))
        if qos:
            self.due.pop(sent, None)


def _follows(other: Sent, sent: Sent) -> bool:
    """Whether it is a later message of the same flow, of which order is promised."""
    once = len(other.routed) == 1
    return once and (other.topic, other.qos) == (sent.topic, sent.qos) and other.routed > sent.routed


class Ledger:
    """All messages and all receivers."""

    def __init__(self) -> None:
        self.switches = Switches()
        self.ears = {device: Ear(self, device) for device in DEVICES}
        self.sent: list[Sent] = []
        self.retained: dict[str, list[Sent | None]] = {topic: [None] for topic in TOPICS}
        """What may be retained, oldest first."""
        self._clock = 0
        self._unsaved: list[Sent] = []
        self._taken: tuple[list[Sent], list[Ear], dict[Ear, set[str]]] | None = None

    def new(self, device: str, topic: str, qos: int, *, retain: bool, empty: bool = False, will: bool = False) -> Sent:
        """A message, not sent yet."""
        sent = Sent(len(self.sent), device, topic, qos, retain, empty, will)
        self.sent.append(sent)
        return sent

    # What arrives at the broker

    def publishes(self, sent: Sent) -> None:
        """PUBLISH arrives, for the first time or again."""
        allowed = self.switches.may_publish(sent.device, sent.topic)
        if sent.qos == 2:
            if allowed:
                sent.taken = Kept.YES
            elif sent.taken is Kept.YES and not sent.recorded:
                sent.taken = Kept.MAYBE  # the guard answers this one, and knows nothing of the disk
        elif allowed:
            self.route(sent)
        else:
            sent.owed.clear()

    def releases(self, sent: Sent) -> None:
        """PUBREL arrives."""
        if not self.switches.may_publish(sent.device, sent.topic):
            sent.owed.clear()
            sent.taken = Kept.NO if sent.taken is Kept.NO else Kept.MAYBE  # dropped, which a kill may undo
        elif sent.taken is not Kept.NO:
            before = sent.owed if sent.routed else {}
            self.route(sent)
            if sent.taken is Kept.MAYBE:
                self._doubt(sent, before)
            sent.taken = Kept.NO

    def _doubt(self, sent: Sent, before: dict[tuple[Ear, int], int | None]) -> None:
        """It went now, or before a kill (then to those), or, when the server never had it, not at all."""
        sent.owed = {key: None for key, qos in sent.owed.items() if qos != 0 and before.get(key, 0) != 0}
        self._unsaved.remove(sent)
        for ear in self.ears.values():
            ear.prompt.discard(sent)

    def route(self, sent: Sent, leaving: Ear | None = None) -> None:
        """The message goes to its receivers. ``leaving``: whose will it is."""
        self._clock += 1
        sent.routed.append(self._clock)
        sent.owed = {}
        for ear in () if sent.empty else self.ears.values():
            if ear.covers(sent.topic):
                self._owe(sent, ear, leaving)
        if sent.retain:
            self.retained[sent.topic].append(sent)
        self._unsaved.append(sent)

    def _owe(self, sent: Sent, ear: Ear, leaving: Ear | None) -> None:
        granted = ear.granted_qos(sent.topic)
        qos = 0 if sent.qos == 0 else None if granted is None else min(granted, sent.qos)
        if (ear is leaving and ear.clean) or (qos is None and not self._certainly_kept(ear, sent)):
            return
        sent.owed[ear, ear.session] = qos
        if qos == 0 and ear.connected and ear.reads and ear is not leaving:
            ear.prompt.add(sent)

    def acknowledged(self, sent: Sent) -> None:
        """From here on it is due wherever it is owed."""
        for (ear, session), qos in sent.owed.items():
            if ear.session == session and qos != 0 and sent not in {other for other, _ in ear.got}:
                ear.due[sent] = qos
        sent.owed = {}

    @staticmethod
    def _certainly_kept(ear: Ear, sent: Sent) -> bool:
        """Whether it is owed at QoS 1 at least, though at which is not certain."""
        qos = [ear.granted[f] for f in ear.granted if sent.topic in MATCHED[f]]
        return any(q for q in qos)

    def reconsider(self) -> None:
        """Subscriptions or the policy changed: what nobody may or wants to receive any more is not owed."""
        for sent in self.sent:
            for key in [key for key in sent.owed if not key[0].covers(sent.topic)]:
                del sent.owed[key]
        for ear in self.ears.values():
            for sent in [sent for sent in ear.due if not ear.covers(sent.topic)]:
                del ear.due[sent]

    def change(self, switches: Switches) -> None:
        """A policy is put in force."""
        self.switches = switches
        for ear in self.ears.values():
            if ear.connected:
                ear.judge_filters()
        self.reconsider()

    # The disk

    def take(self) -> None:
        """A commit begins."""
        if self._taken is None:
            fading = {ear: ear.possible - ear.granted.keys() - ear.live for ear in self.ears.values() if ear.connected}
            self._taken = self._unsaved, [ear for ear in self.ears.values() if ear.unsaved], fading
            self._unsaved = []

    def committed(self) -> None:
        """It is done: what was in it is safe."""
        if self._taken is None:
            return
        saved, ears, fading = self._taken
        self._taken = None
        for ear in ears:
            ear.unsaved = False
        for ear, filters in fading.items():
            ear.possible -= {f for f in filters if f not in ear.live and f not in ear.granted and not ear.asked}
        for sent in saved:
            if sent.retain:
                self._supersede(sent)
            if sent.will:
                self.acknowledged(sent)

    def failed(self) -> None:
        """It was not done."""
        if self._taken is not None:
            self._unsaved = [*self._taken[0], *self._unsaved]
            self._taken = None

    def _supersede(self, sent: Sent) -> None:
        candidates = self.retained[sent.topic]
        if sent in candidates:
            place = len(candidates) - 1 - candidates[::-1].index(sent)
            self.retained[sent.topic] = candidates[place:]

    def killed(self) -> None:
        """kill -9: only what was safe is certain."""
        self._taken, self._unsaved = None, []
        for sent in self.sent:
            if sent.routed:
                sent.kills += 1
            known = sent.taken is Kept.YES and sent.recorded
            sent.taken = Kept.YES if known else Kept.MAYBE if sent.routed or sent.taken is not Kept.NO else Kept.NO
        for ear in self.ears.values():
            ear.prompt.clear()
            if ear.unsaved:
                ear.kept, ear.unsaved = Kept.MAYBE, False
