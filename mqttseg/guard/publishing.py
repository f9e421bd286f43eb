"""What a device publishes: judged by topic, and again when a QoS 2 message is released (rules 4 and 6).

Holds what is decided already and which QoS 2 messages the backend keeps unreleased. Refuses to know subscriptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mqttseg.errors import PeerError, ProtocolError, Reason
from mqttseg.guard.ports import Denied, Ports, tell
from mqttseg.guard.traffic import JudgedTopic, JudgedTopics
from mqttseg.guard.verdict import is_large, judge
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Direction
from mqttseg.policy.compiled import Rights
from mqttseg.policy.decide import Decision
from mqttseg.policy.model import Action, OnDenied
from mqttseg.wire.packets import Puback, Publish, Pubrec, Pubrel

UNRELEASED = 1000
UNRELEASED_BYTES = 16 << 20
"""QoS 2 messages that a session may leave unreleased, with payloads and large topics: a backend keeps them (rule 8)."""


class Publishing:
    """One session's way from the device to the backend.

    On a ``free`` topic of ``judged`` a QoS 0 message that is not to be retained needs no more thought.
    """

    __slots__ = ("_payload", "_ports", "_rights", "_unreleased", "_unreleased_bytes", "judged")

    def __init__(self, rights: Rights, ports: Ports) -> None:
        self._rights = rights
        self._payload = rights.limits.payload
        self._ports = ports
        self.judged = JudgedTopics(rights, Direction.PUBLISH, ports.passed)
        self._unreleased: dict[int, tuple[str, int]] = {}
        self._unreleased_bytes = 0

    def resume(self, unreleased: Mapping[int, tuple[str, int]]) -> None:
        """What a stored session has not released: packet id -> topic and size."""
        self._unreleased = dict(unreleased)
        self._unreleased_bytes = sum(size for _, size in unreleased.values())

    def change_rights(self, rights: Rights) -> None:
        """The policy changed (rule 7)."""
        self._rights = rights
        self._payload = rights.limits.payload
        self.judged.change_rights(rights)

    def publish(self, packet: Publish) -> None:
        """Judge a PUBLISH. Raises ProtocolError, PeerError (too much unreleased) and Denied."""
        topic = packet.topic
        judged = self.judged.topics.get(topic) or self._judge(topic)
        decision = judged.decision
        if packet.qos == 2:
            self._check_reuse(packet.packet_id, topic)
        if not decision.allowed or packet.retain or self._payload is not None:
            refused = self._refusal(packet, decision)
            if refused is not None:
                self._refuse(packet, refused)
                return
        if packet.retain and packet.payload and not self._ports.may_retain(topic):
            packet = self._unretained(packet)
        if packet.qos == 2:
            self._keep_unreleased(packet)
        judged.count += 1
        judged.bytes += len(packet.payload)
        self._ports.to_backend(packet)

    def _judge(self, topic: str) -> JudgedTopic:
        decision = judge(self._rights, Action.PUBLISH, topic)
        return self.judged.keep(topic, decision, free=decision.allowed and self._payload is None)

    def _check_reuse(self, packet_id: int, topic: str) -> None:
        known = self._unreleased.get(packet_id)
        if known is not None and known[0] != topic:
            raise ProtocolError(f"packet id {packet_id} is in use for another topic")  # [MQTT-2.3.1-2]

    def _refusal(self, packet: Publish, decision: Decision) -> Decision | None:
        """Why this PUBLISH is not forwarded, or None. What ``observe`` lets through is reported here."""
        if not decision.passes:
            return decision
        if self._payload is not None and len(packet.payload) > self._payload:
            return Decision(allowed=False, reason=Reason.PAYLOAD_TOO_LARGE, rule=decision.rule)
        if not decision.allowed:
            tell(self._ports, Kind.DENY, decision, Action.PUBLISH, packet.topic)
        return None

    def _refuse(self, packet: Publish, decision: Decision) -> None:
        """Acknowledge what is not forwarded, since 3.1.1 has no refusal (rule 4).

        The backend says when: acknowledgements keep the order of the messages [MQTT-4.6.0-2][MQTT-4.6.0-3].
        """
        tell(self._ports, Kind.DENY, decision, Action.PUBLISH, packet.topic)
        if self._rights.on_denied is OnDenied.DISCONNECT:
            raise Denied(decision)
        if packet.qos == 1:
            self._ports.acknowledge(Puback(packet.packet_id))
        elif packet.qos == 2:
            self._ports.acknowledge(Pubrec(packet.packet_id))

    def _unretained(self, packet: Publish) -> Publish:
        """There is no room to retain it; whoever is subscribed now gets it all the same (rule 8, rule 10)."""
        detail = "limits.retained or retained_per_device is reached: delivered, and not retained"
        event = Event(Kind.LIMIT, Reason.RATE_LIMIT, action=Action.PUBLISH, topic=packet.topic, detail=detail)
        self._ports.report(event)
        return replace(packet, retain=False, frame=None)

    def _keep_unreleased(self, packet: Publish) -> None:
        size = len(packet.payload) + (len(packet.topic) if is_large(packet.topic) else 0)
        _, before = self._unreleased.get(packet.packet_id, ("", 0))
        self._unreleased[packet.packet_id] = (packet.topic, size)
        self._unreleased_bytes += size - before
        if len(self._unreleased) > UNRELEASED or self._unreleased_bytes > UNRELEASED_BYTES:
            raise PeerError(Reason.RATE_LIMIT, "too many QoS 2 messages published and not released")

    def release(self, packet: Pubrel) -> None:
        """Release a QoS 2 message: it is published now, so it is judged now (rule 6, rule 7)."""
        topic, size = self._unreleased.pop(packet.packet_id, (None, 0))
        self._unreleased_bytes -= size
        if topic is None:  # never forwarded, or released already [MQTT-4.3.3-2], and perhaps not safe yet
            self._ports.forget(packet.packet_id)
            return
        decision = (self.judged.topics.get(topic) or self._judge(topic)).decision
        if decision.passes:
            self._ports.to_backend(packet)
            return
        tell(self._ports, Kind.DENY, decision, Action.PUBLISH, topic)
        self._ports.forget(packet.packet_id)
