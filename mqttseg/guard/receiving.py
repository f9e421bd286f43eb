"""What a device receives: every message is judged again before it goes out (rules 6 and 7).

Holds what is decided already, and the QoS 2 flows that were ended in the device's place. Refuses to know what the
device publishes.
"""

from __future__ import annotations

from mqttseg.errors import Reason
from mqttseg.guard.ports import Ports, tell
from mqttseg.guard.subscribing import Subscribing
from mqttseg.guard.traffic import JudgedTopic, JudgedTopics
from mqttseg.guard.verdict import judge
from mqttseg.observe.events import Event, Kind
from mqttseg.policy.compiled import Rights
from mqttseg.policy.decide import Decision
from mqttseg.policy.model import Action
from mqttseg.wire.packets import Puback, Pubcomp, Publish, Pubrec, Pubrel


class Receiving:
    """One session's way from the backend to the device.

    On a ``free`` topic of ``judged`` a message that is not a retained one needs no more thought. Whoever changes what
    is subscribed has ``judged`` forget.
    """

    __slots__ = ("_dropped", "_ports", "_rights", "_subscribing", "judged")

    def __init__(self, rights: Rights, ports: Ports, subscribing: Subscribing, judged: JudgedTopics) -> None:
        self._rights = rights
        self._ports = ports
        self._subscribing = subscribing
        self.judged = judged
        self._dropped: set[int] = set()

    def change_rights(self, rights: Rights) -> None:
        """The policy changed (rule 7)."""
        self._rights = rights
        self.judged.change_rights(rights)

    def deliver(self, packet: Publish) -> None:
        """Judge a PUBLISH of the backend; what the device may not see is acknowledged in its place (rule 6)."""
        topic = packet.topic
        judged = self.judged.topics.get(topic) or self._judge(topic)
        decision = judged.decision
        if packet.retain and decision.passes:
            publisher = self._ports.mute_publisher(topic, packet.origin)
            if publisher is not None:
                self._withhold(packet, publisher)
                return
        if decision.allowed:
            self._pass_on(packet, judged)
            return
        if not decision.passes and self._subscribing.narrows(topic):
            self._acknowledge(packet)  # what a narrowed filter leaves out is nobody's attempt at anything
            return
        tell(self._ports, Kind.DENY, decision, Action.RECEIVE, topic)
        if decision.passes:
            self._pass_on(packet, judged)
        else:
            self._acknowledge(packet)

    def _pass_on(self, packet: Publish, judged: JudgedTopic) -> None:
        judged.count += 1
        judged.bytes += len(packet.payload)
        self._ports.to_device(packet)

    def _judge(self, topic: str) -> JudgedTopic:
        if self._subscribing.matches(topic):
            decision = judge(self._rights, Action.RECEIVE, topic)
        else:
            decision = Decision(allowed=False, reason=Reason.NOT_SUBSCRIBED, rule=None)
        return self.judged.keep(topic, decision, free=decision.allowed)

    def _withhold(self, packet: Publish, publisher: str) -> None:
        """A retained message does not outlive its publisher's right (rule 7)."""
        detail = f"retained by {publisher}, which may not publish there any more"
        event = Event(Kind.DENY, Reason.NOT_GRANTED, action=Action.RECEIVE, topic=packet.topic, detail=detail)
        self._ports.report(event)
        self._acknowledge(packet)

    def _acknowledge(self, packet: Publish) -> None:
        """Answer the backend for a message that the device will not see.

        One that is repeated the device may have seen: then it waits for PUBREL, without which the next message of
        this packet id would be a duplicate to it. If it has not, it answers PUBREL all the same [MQTT-4.3.3-2].
        """
        if packet.qos == 1:
            self._ports.to_backend(Puback(packet.packet_id))
        elif packet.qos == 2:
            if not packet.dup:
                self._dropped.add(packet.packet_id)
            self._ports.to_backend(Pubrec(packet.packet_id))

    def release(self, packet: Pubrel) -> None:
        """End the flow in the device's place when it never saw the PUBLISH."""
        if packet.packet_id in self._dropped:
            self._dropped.discard(packet.packet_id)
            self._ports.to_backend(Pubcomp(packet.packet_id))
        else:
            self._ports.to_device(packet)
