"""A device as a receiver: its session, what it subscribed to, and what it may and must get.

Owns the laws of what the broker writes to one device. Who publishes what, and the disk, are the ledger's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqttseg.wire.packets import FAILURE, Packet, Publish, Suback, Unsuback
from tests.model.reference_message import Kept, Sent, follows
from tests.model.reference_rights import MATCHED

if TYPE_CHECKING:
    from tests.model.reference_broker import Ledger


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
            assert self.plain[sent] <= len(sent.routed) + sent.again, f"more often than published: {about}"
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
            later = [o.number for o, at in self.got if at == qos and follows(o, sent)]
            assert not later, f"message {sent.number} came after {later} to {self.device}"
        self.got.append((sent, qos))
        if qos:
            self.due.pop(sent, None)
