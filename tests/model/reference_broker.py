"""What MQTT 3.1.1 and the policy promise, kept as a ledger: who is owed which message, and who may get none.

Owns messages, the devices' own protocol state, and what each device may and must get. Devices are faithful: they send
again what was not acknowledged, and keep their QoS 2 state. The laws:

- a message is owed from its acknowledgement on (a will, a retained message: from the commit after it), to whoever was
  subscribed and allowed when it was routed, for as long as it stays so; what is owed arrives;
- what policy forbids at that moment, or nobody subscribed to, is never written to a device;
- at QoS 2 a session's device gets a message once, and without DUP nothing comes more often than it was published;
- on each topic, at each QoS, messages arrive in the order in which they were published;
- PUBACKs and PUBRECs come in the order of the PUBLISHes, refused ones among them;
- what a device waits for comes, when there is a commit: PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK;
- a delivery has the lower of both QoS; QoS 0 reaches a device that reads at once;
- CONNACK says session present exactly when there is one;
- a topic retains the last message, and shows it while its publisher may publish there.
"""

from __future__ import annotations

from tests.model.reference_message import Kept, Sent
from tests.model.reference_receiver import Ear
from tests.model.reference_rights import DEVICES, MATCHED, TOPICS, Switches


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
            sent.again += len(sent.routed)
            known = sent.taken is Kept.YES and sent.recorded
            sent.taken = Kept.YES if known else Kept.MAYBE if sent.routed or sent.taken is not Kept.NO else Kept.NO
        for ear in self.ears.values():
            ear.prompt.clear()
            if ear.unsaved:
                ear.kept, ear.unsaved = Kept.MAYBE, False
