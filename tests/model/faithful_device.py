"""A device that does all that MQTT asks of clients, reads only when told to, and can be cut off at any byte.

Owns packet ids and the device's half of each flow. What it sends is told to the ledger when the last byte of the packet
is sent; what the broker writes, when it is written, whether the device reads it or not.
"""

from __future__ import annotations

from mqttseg.wire.encode import encode
from mqttseg.wire.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from tests.model.reference_broker import Ledger
from tests.model.reference_message import Kept, Sent
from tests.model.reference_receiver import Ear
from tests.model.small_site import Line, SmallSite

NOT_AUTHORIZED = 5


class FaithfulDevice:
    """One device, its connection, and what it has unfinished."""

    def __init__(self, site: SmallSite, ledger: Ledger, device: str) -> None:
        self.device = device
        self.ear: Ear = ledger.ears[device]
        self.inbox: list[Packet] = []
        self.sending: dict[int, Sent] = {}
        self.releasing: dict[int, Sent] = {}
        self.line: Line | None = None
        self._will: Sent | None = None
        self._unanswered: dict[int, list[int]] = {1: [], 2: []}
        """QoS -> packet ids of this connection's PUBLISHes, in the order in which they must be acknowledged."""
        self._site = site
        self._ledger = ledger

    @property
    def waits_for(self) -> list[str]:
        """What the broker still has to answer."""
        waits = {"PUBACK or PUBREC": self.sending, "PUBCOMP": self.releasing, "PUBREL": self.ear.half_received}
        waits |= {"SUBACK": self.ear.asked, "UNSUBACK": self.ear.ceasing}
        return [f"{answer} {sorted(ids)}" for answer, ids in waits.items() if ids]

    # Coming and going

    def connect(self, *, clean: bool, will: Sent | None = None) -> bool:
        """CONNECT; False when the policy refuses. While another connection of it is up, this takes over."""
        allowed = self._may_connect(will)
        if allowed:
            self.close(takeover=True)
        line = self._site.open(self.device)
        last_will = None if will is None else Will(will.topic, will.payload, will.qos, will.retain)
        self._site.turn(lambda: line.send(encode(Connect(self.device, clean, will=last_will))))
        if not allowed:
            assert line.received() == [Connack(False, NOT_AUTHORIZED)], "a CONNECT was not refused"
            assert line.closed
            return False
        self.line, self._will = line, will
        self._unanswered = {1: [], 2: []}
        self._greeted(clean)
        return True

    def _may_connect(self, will: Sent | None) -> bool:
        switches = self._ledger.switches
        placed = bool(switches.place(self.device))
        return placed and (will is None or switches.may_publish(self.device, will.topic))

    def _greeted(self, clean: bool) -> None:
        """Wait for CONNACK, then go on with what is unfinished."""
        assert self.line is not None
        packets = self.line.received()
        if not packets:
            self._ledger.take()
            self._site.commit()
            self._ledger.committed()
            packets = self.line.received()
        connack = packets[0]
        assert isinstance(connack, Connack)
        assert connack.code == 0
        assert connack.session_present in self.ear.expects_present(clean), f"{self.device}: session present is wrong"
        self.ear.arrive(clean=clean, present=connack.session_present)
        if not connack.session_present:
            self.forget_flows()
        self._take(packets[1:])
        self._send_again()

    def forget_flows(self) -> None:
        """The session is gone, and what was unfinished in it."""
        self.sending.clear()
        self.releasing.clear()

    def _send_again(self) -> None:
        for packet_id, sent in list(self.sending.items()):
            self.say(_publish(sent, packet_id, dup=True))
        for packet_id in list(self.releasing):
            self.say(Pubrel(packet_id))

    def close(self, *, takeover: bool = False) -> None:
        """The connection breaks, and the will fires; by a takeover the broker breaks it, when it comes to that."""
        line, self.line = self.line, None
        if line is None:
            return
        self._fire_will()
        if not takeover:
            self._site.turn(line.lose)
        self._left()

    def leave(self) -> None:
        """DISCONNECT: the will does not fire."""
        self._will = None
        self.say(Disconnect())
        assert self.line is not None
        assert self.line.closed
        self.line = None
        self._left()

    def cut_off(self) -> None:
        """The broker ended it, with the will to be judged by what is in force now."""
        self.line = None
        self._fire_will()
        self._left()

    def killed(self) -> None:
        """The broker is gone, and nobody publishes its wills."""
        self.line = self._will = None
        self._left()

    def _fire_will(self) -> None:
        will, self._will = self._will, None
        if will is not None and self._ledger.switches.may_publish(self.device, will.topic):
            self._ledger.route(will, leaving=self.ear)

    def _left(self) -> None:
        self.inbox.clear()
        if self.ear.connected:
            self.ear.leave()
        if self.ear.clean:
            self.forget_flows()

    # Packets

    def say(self, packet: Packet, cut: int | None = None) -> bool:
        """Send a packet; with ``cut``, only so many bytes of it before the connection breaks. False when it broke."""
        assert self.line is not None
        line, data = self.line, encode(packet)
        if cut is None or cut >= len(data):
            self._arrives(packet)
        self._site.turn(lambda: line.send(data[:cut]))
        if cut is None:
            return True
        self.collect()
        self.close()
        return False

    def _arrives(self, packet: Packet) -> None:
        match packet:
            case Publish():
                if packet.qos:
                    self._unanswered[packet.qos].append(packet.packet_id)
                self._ledger.publishes(self.sending[packet.packet_id] if packet.qos else self._sent(packet))
            case Pubrel():
                if packet.packet_id in self.releasing:
                    self._ledger.releases(self.releasing[packet.packet_id])
            case Subscribe():
                self.ear.asks(packet.packet_id, packet.requests)
            case Unsubscribe():
                self.ear.gives_up(packet.packet_id, packet.filters)

    def _sent(self, packet: Publish) -> Sent:
        return self._ledger.sent[-1] if not packet.payload else self._ledger.sent[int(packet.payload)]

    def publish(self, sent: Sent, cut: int | None = None) -> bool:
        """PUBLISH for the first time."""
        packet_id = self.free_id() if sent.qos else 0
        if sent.qos:
            self.sending[packet_id] = sent
        return self.say(_publish(sent, packet_id, dup=False), cut)

    def free_id(self) -> int:
        """A packet id that is not in use."""
        used = {*self.sending, *self.releasing, *self.ear.asked, *self.ear.ceasing}
        return next(packet_id for packet_id in range(1, 999) if packet_id not in used)

    def collect(self) -> None:
        """Take note of what the broker has written."""
        if self.line is not None:
            self._take(self.line.received())

    def _take(self, packets: list[Packet]) -> None:
        for packet in packets:
            self.ear.written(packet)
            self._promised(packet)
            self.inbox.append(packet)

    def _promised(self, packet: Packet) -> None:
        match packet:
            case Puback():
                self._answered(1, packet.packet_id)
                self._ledger.acknowledged(self.sending[packet.packet_id])
            case Pubrec():
                self._answered(2, packet.packet_id)
                if packet.packet_id in self.sending:
                    sent = self.sending[packet.packet_id]
                    sent.recorded = sent.recorded or sent.taken is Kept.YES
            case Pubcomp():
                self._ledger.acknowledged(self.releasing[packet.packet_id])

    def _answered(self, qos: int, packet_id: int) -> None:
        first = self._unanswered[qos].pop(0)
        assert packet_id == first, f"{self.device}: {packet_id} was acknowledged before {first}"

    def read(self, count: int, cut: int | None = None) -> bool:
        """Read so many packets and answer each; with ``cut``, the connection breaks in the last answer."""
        for left in range(count, 0, -1):
            if self.line is None or not self.inbox:
                break
            self._read(self.inbox.pop(0), cut if left == 1 else None)
        return self.line is not None

    def _read(self, packet: Packet, cut: int | None) -> None:
        match packet:
            case Publish():
                self._read_message(packet, cut)
            case Puback():
                del self.sending[packet.packet_id]
            case Pubrec():
                if packet.packet_id in self.sending:
                    self.releasing[packet.packet_id] = self.sending.pop(packet.packet_id)
                self.say(Pubrel(packet.packet_id), cut)
            case Pubrel():
                self.ear.half_received.discard(packet.packet_id)
                self.say(Pubcomp(packet.packet_id), cut)
            case Pubcomp():
                del self.releasing[packet.packet_id]
            case Suback() | Unsuback():
                pass

    def _read_message(self, packet: Publish, cut: int | None) -> None:
        known = packet.qos == 2 and packet.packet_id in self.ear.half_received
        if packet.qos == 2:
            self.ear.half_received.add(packet.packet_id)
        assert not known or packet.dup, f"{self.device}: a packet id in use was given to another message"
        if not known:
            self.ear.reads_message(packet)
        if packet.qos:
            self.say(Puback(packet.packet_id) if packet.qos == 1 else Pubrec(packet.packet_id), cut)


def _publish(sent: Sent, packet_id: int, *, dup: bool) -> Publish:
    return Publish(sent.topic, sent.payload, sent.qos, sent.retain, dup, packet_id)
