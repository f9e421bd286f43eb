"""The judge of one admitted connection, both directions, sans-I/O.

Packets go in with ``from_device`` and ``from_backend``; what is allowed comes out at the two ports, and every
denial is reported. Holds what the session is subscribed to and what is decided already; asks policy for the rest.
Refuses to know bytes, sockets, clocks and other connections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mqttseg.errors import PeerError, ProtocolError, Reason
from mqttseg.guard.backend import Resumed
from mqttseg.guard.verdict import judge
from mqttseg.observe.events import Event, Kind
from mqttseg.policy.compiled import Rights
from mqttseg.policy.decide import Decision
from mqttseg.policy.model import Action, OnDenied
from mqttseg.policy.topics import matches, matches_levels
from mqttseg.wire.packets import (
    FAILURE,
    Connack,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)

DECISIONS_KEPT = 1024
"""Topics a session keeps decided, in each direction; then it starts over."""

UNRELEASED = 1000
UNRELEASED_BYTES = 16 << 20
"""QoS 2 messages that a session may leave unreleased, and their payloads: a backend must keep them (rule 8)."""

LAST_PACKET_ID = 0xFFFF


class Denied(Exception):  # noqa: N818  # not an error: the segment says ``on_denied: disconnect``
    """The device is to be cut for what it tried."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        super().__init__(str(decision.reason))


class Ports(Protocol):
    """What the monitor is connected to."""

    def to_device(self, packet: Packet) -> None:
        """Send to the device; it was judged."""

    def to_backend(self, packet: Packet) -> None:
        """Hand to the backend; it was judged."""

    def forget(self, packet_id: int) -> None:
        """Have the backend drop an unreleased QoS 2 message."""

    def may_retain(self, topic: str) -> bool:
        """Whether one more retained message fits, or the topic has one already."""

    def mute_publisher(self, topic: str, origin: str | None) -> str | None:
        """The publisher of a retained message, if it may not publish there any more (rule 7).

        ``origin``: the session it is from; None when the backend does not say, then it is that of the topic's message.
        """

    def report(self, event: Event) -> None:
        """Tell what happened; device, segment and address are filled in."""


@dataclass(slots=True)
class _PendingSubscribe:
    """A SUBSCRIBE on its way: the codes already known, None where the backend's answer belongs."""

    filters: tuple[str, ...]
    codes: list[int | None]


class Monitor:
    """Judges one session's packets by its device's rights; rule numbers are those of mqttseg.guard."""

    __slots__ = (
        "_dropped",
        "_dropped_filters",
        "_levels",
        "_max_subscriptions",
        "_may_publish",
        "_may_receive",
        "_narrowed",
        "_payload",
        "_pending",
        "_ports",
        "_rights",
        "_unreleased",
        "_unreleased_bytes",
        "_unreleased_sizes",
        "_withdrawing",
        "filters",
    )

    def __init__(self, rights: Rights, ports: Ports, *, max_subscriptions: int) -> None:
        self._rights = rights
        self._payload = rights.limits.payload
        self._ports = ports
        self._max_subscriptions = max_subscriptions
        self.filters: dict[str, int] = {}
        self._narrowed: set[str] = set()
        self._pending: dict[int, _PendingSubscribe] = {}
        self._dropped_filters: list[str] = []
        self._withdrawing: set[int] = set()
        self._unreleased: dict[int, str] = {}
        self._unreleased_sizes: dict[int, int] = {}
        self._unreleased_bytes = 0
        self._dropped: set[int] = set()
        self._levels: list[list[str]] | None = None
        self._may_publish: dict[str, Decision] = {}
        self._may_receive: dict[str, Decision] = {}

    @property
    def rights(self) -> Rights:
        """What the device may do now."""
        return self._rights

    def resume(self, resumed: Resumed) -> None:
        """Take over a stored session: its filters are judged again before it is served (rule 7).

        Call ``withdraw`` when the backend takes packets: what has no right any more is to end there too.
        """
        self.filters = dict(resumed.filters)
        self._unreleased = {packet_id: topic for packet_id, (topic, _) in resumed.unreleased.items()}
        self._unreleased_sizes = {packet_id: size for packet_id, (_, size) in resumed.unreleased.items()}
        self._unreleased_bytes = sum(self._unreleased_sizes.values())
        self._judge_filters()

    def change_rights(self, rights: Rights) -> None:
        """The policy changed: from here on the new rights count, also for what is subscribed already (rule 7)."""
        self._rights = rights
        self._payload = rights.limits.payload
        self._may_publish.clear()
        self._judge_filters()
        self.withdraw()

    def _judge_filters(self) -> None:
        """Drop the filters that the rights no longer cover."""
        self._forget_receivers()
        self._narrowed.clear()
        for topic_filter in list(self.filters):
            decision = judge(self._rights, Action.SUBSCRIBE, topic_filter)
            if decision.narrowed:
                self._narrowed.add(topic_filter)
            if not decision.passes:
                del self.filters[topic_filter]
                self._dropped_filters.append(topic_filter)
                self._report(Kind.WITHDRAW, decision, Action.SUBSCRIBE, topic_filter)

    def withdraw(self) -> None:
        """Have the backend end the subscriptions that were dropped here."""
        filters, self._dropped_filters = self._dropped_filters, []
        for topic_filter in filters:
            packet_id = next(i for i in range(LAST_PACKET_ID, 0, -1) if i not in self._withdrawing)
            self._withdrawing.add(packet_id)
            self._ports.to_backend(Unsubscribe(packet_id, (topic_filter,)))

    # From the device

    def from_device(self, packet: Packet) -> None:
        """Judge a packet that the device sent after CONNECT.

        Raises:
            ProtocolError: the packet may not be sent here.
            Denied: the packet was denied, and the segment says to disconnect for it.
        """
        if type(packet) is Publish:  # first, and without a look-up: this is nearly all of the traffic
            decision = self._may_publish.get(packet.topic)
            if packet.qos or packet.retain or self._payload is not None or decision is None or not decision.allowed:
                self._publish(packet)
            else:
                self._ports.to_backend(packet)
            return
        handler = _FROM_DEVICE.get(type(packet))
        if handler is None:
            raise ProtocolError(f"unexpected {type(packet).__name__.upper()}")  # a second CONNECT [MQTT-3.1.0-2]
        handler(self, packet)

    def _publish(self, packet: Publish) -> None:
        topic = packet.topic
        decision = self._may_publish.get(topic) or self._decide_publish(topic)
        if packet.qos == 2:
            self._check_reuse(packet.packet_id, topic)
        if not decision.allowed or packet.retain or self._payload is not None:
            refused = self._refusal(packet, decision)
            if refused is not None:
                self._refuse_publish(packet, refused)
                return
        if packet.retain and packet.payload and not self._ports.may_retain(topic):
            packet = self._unretained(packet)
        if packet.qos == 2:
            self._keep_unreleased(packet)
        self._ports.to_backend(packet)

    def _unretained(self, packet: Publish) -> Publish:
        """There is no room to retain it; whoever is subscribed now gets it all the same (rule 8, rule 10)."""
        detail = "limits.retained is reached: delivered, and not retained"
        event = Event(Kind.LIMIT, Reason.RATE_LIMIT, action=Action.PUBLISH, topic=packet.topic, detail=detail)
        self._ports.report(event)
        return replace(packet, retain=False, frame=None)

    def _keep_unreleased(self, packet: Publish) -> None:
        size = len(packet.payload)
        self._unreleased[packet.packet_id] = packet.topic
        self._unreleased_bytes += size - self._unreleased_sizes.get(packet.packet_id, 0)
        self._unreleased_sizes[packet.packet_id] = size
        if len(self._unreleased) > UNRELEASED or self._unreleased_bytes > UNRELEASED_BYTES:
            raise PeerError(Reason.RATE_LIMIT, "too many QoS 2 messages published and not released")

    def _decide_publish(self, topic: str) -> Decision:
        if len(self._may_publish) >= DECISIONS_KEPT:
            self._may_publish.clear()
        decision = self._may_publish[topic] = judge(self._rights, Action.PUBLISH, topic)
        return decision

    def _check_reuse(self, packet_id: int, topic: str) -> None:
        if self._unreleased.get(packet_id, topic) != topic:
            raise ProtocolError(f"packet id {packet_id} is in use for another topic")  # [MQTT-2.3.1-2]

    def _refusal(self, packet: Publish, decision: Decision) -> Decision | None:
        """Why this PUBLISH is not forwarded, or None. What ``observe`` lets through is reported here."""
        if not decision.passes:
            return decision
        if self._payload is not None and len(packet.payload) > self._payload:
            return Decision(allowed=False, reason=Reason.PAYLOAD_TOO_LARGE, rule=decision.rule)
        if not decision.allowed:
            self._report(Kind.DENY, decision, Action.PUBLISH, packet.topic)
        return None

    def _refuse_publish(self, packet: Publish, decision: Decision) -> None:
        """Acknowledge what is not forwarded, since 3.1.1 has no refusal (rule 4)."""
        self._report(Kind.DENY, decision, Action.PUBLISH, packet.topic)
        if self._rights.on_denied is OnDenied.DISCONNECT:
            raise Denied(decision)
        if packet.qos == 1:
            self._ports.to_device(Puback(packet.packet_id))
        elif packet.qos == 2:
            self._ports.to_device(Pubrec(packet.packet_id))

    def _pubrel(self, packet: Pubrel) -> None:
        """Release a QoS 2 message: it is published now, so it is judged now (rule 6, rule 7)."""
        topic = self._unreleased.pop(packet.packet_id, None)
        self._unreleased_bytes -= self._unreleased_sizes.pop(packet.packet_id, 0)
        if topic is None:  # never forwarded, or released already: complete it [MQTT-4.3.3-2]
            self._ports.to_device(Pubcomp(packet.packet_id))
            return
        decision = self._may_publish.get(topic) or self._decide_publish(topic)
        if decision.passes:
            self._ports.to_backend(packet)
            return
        self._report(Kind.DENY, decision, Action.PUBLISH, topic)
        self._ports.forget(packet.packet_id)
        self._ports.to_device(Pubcomp(packet.packet_id))

    def _subscribe(self, packet: Subscribe) -> None:
        if packet.packet_id in self._pending:
            raise ProtocolError(f"SUBSCRIBE with packet id {packet.packet_id}, which is in use")  # [MQTT-2.3.1-2]
        if len(packet.requests) > self._max_subscriptions:  # not judged one by one: that would hold the loop (rule 8)
            raise PeerError(Reason.TOO_MANY_SUBSCRIPTIONS, f"{len(packet.requests)} filters in one SUBSCRIBE")
        codes = [self._judge_subscribe(topic_filter, qos) for topic_filter, qos in packet.requests]
        allowed = tuple(r for r, code in zip(packet.requests, codes, strict=True) if code is None)
        self._forget_receivers()
        if not allowed:
            self._ports.to_device(Suback(packet.packet_id, tuple(FAILURE for _ in codes)))
            return
        self._pending[packet.packet_id] = _PendingSubscribe(tuple(f for f, _ in packet.requests), codes)
        self._ports.to_backend(Subscribe(packet.packet_id, allowed))

    def _judge_subscribe(self, topic_filter: str, qos: int) -> int | None:
        """None when the filter goes to the backend, else its return code (rule 5)."""
        decision = judge(self._rights, Action.SUBSCRIBE, topic_filter)
        if decision.passes and topic_filter not in self.filters and len(self.filters) >= self._subscription_limit():
            decision = Decision(allowed=False, reason=Reason.TOO_MANY_SUBSCRIPTIONS, rule=None)
        if not decision.allowed:
            self._report(Kind.DENY, decision, Action.SUBSCRIBE, topic_filter)
        if not decision.passes:
            return FAILURE
        if decision.narrowed:
            self._narrowed.add(topic_filter)
        self.filters[topic_filter] = qos  # before SUBACK: retained messages may come first
        return None

    def _subscription_limit(self) -> int:
        limit = self._rights.limits.subscriptions
        return self._max_subscriptions if limit is None else min(limit, self._max_subscriptions)

    def _unsubscribe(self, packet: Unsubscribe) -> None:
        """Hand on only what is held: of the rest a packet can name 80,000, and each would be work for the backend."""
        held = tuple(f for f in packet.filters if self.filters.pop(f, None) is not None)
        self._narrowed.difference_update(held)
        self._forget_receivers()
        if held:
            self._ports.to_backend(Unsubscribe(packet.packet_id, held))
        else:
            self._ports.to_device(Unsuback(packet.packet_id))  # [MQTT-3.10.4-5]

    def _forward(self, packet: Packet) -> None:
        self._ports.to_backend(packet)

    def _pingreq(self, _: Packet) -> None:
        self._ports.to_device(Pingresp())  # [MQTT-3.12.4-1]; the backend need not know

    # From the backend

    def from_backend(self, packet: Packet) -> None:
        """Judge a packet that the backend sends to the device (rule 6).

        Raises:
            ProtocolError: the backend sent what no server may send.
        """
        if type(packet) is Publish:
            decision = self._may_receive.get(packet.topic)
            if packet.retain or decision is None or not decision.allowed:
                self._deliver(packet)
            else:
                self._ports.to_device(packet)
            return
        handler = _FROM_BACKEND.get(type(packet))
        if handler is None:
            raise ProtocolError(f"{type(packet).__name__.upper()} from the backend")
        handler(self, packet)

    def _deliver(self, packet: Publish) -> None:
        topic = packet.topic
        decision = self._may_receive.get(topic) or self._decide_receive(topic)
        if packet.retain and decision.passes:
            publisher = self._ports.mute_publisher(topic, packet.origin)
            if publisher is not None:
                self._withhold(packet, publisher)
                return
        if decision.allowed:
            self._ports.to_device(packet)
            return
        if not decision.passes and self._is_narrowed(topic):
            self._answer_backend(packet)  # what a narrowed filter leaves out is nobody's attempt at anything
            return
        self._report(Kind.DENY, decision, Action.RECEIVE, topic)
        if decision.passes:
            self._ports.to_device(packet)
        else:
            self._answer_backend(packet)

    def _withhold(self, packet: Publish, publisher: str) -> None:
        """A retained message does not outlive its publisher's right (rule 7)."""
        detail = f"retained by {publisher}, which may not publish there any more"
        event = Event(Kind.DENY, Reason.NOT_GRANTED, action=Action.RECEIVE, topic=packet.topic, detail=detail)
        self._ports.report(event)
        self._answer_backend(packet)

    def _decide_receive(self, topic: str) -> Decision:
        if len(self._may_receive) >= DECISIONS_KEPT:
            self._may_receive.clear()
        if self._is_subscribed(topic):
            decision = judge(self._rights, Action.RECEIVE, topic)
        else:
            decision = Decision(allowed=False, reason=Reason.NOT_SUBSCRIBED, rule=None)
        self._may_receive[topic] = decision
        return decision

    def _is_subscribed(self, topic: str) -> bool:
        levels = topic.split("/")
        return any(matches_levels(wanted, levels) for wanted in self._taken_apart())

    def _taken_apart(self) -> list[list[str]]:
        """The filters' levels, taken apart once for each change: a session may have a thousand of them (rule 8)."""
        if self._levels is None:
            self._levels = [topic_filter.split("/") for topic_filter in self.filters]
        return self._levels

    def _forget_receivers(self) -> None:
        """What is subscribed changed."""
        self._may_receive.clear()
        self._levels = None

    def _is_narrowed(self, topic: str) -> bool:
        return any(matches(topic_filter, topic) for topic_filter in self._narrowed)

    def _answer_backend(self, packet: Publish) -> None:
        """Acknowledge towards the backend what the device will not see."""
        if packet.qos == 1:
            self._ports.to_backend(Puback(packet.packet_id))
        elif packet.qos == 2:
            self._dropped.add(packet.packet_id)
            self._ports.to_backend(Pubrec(packet.packet_id))

    def _release(self, packet: Pubrel) -> None:
        if packet.packet_id in self._dropped:  # the device never saw the PUBLISH: end the flow in its place
            self._dropped.discard(packet.packet_id)
            self._ports.to_backend(Pubcomp(packet.packet_id))
        else:
            self._ports.to_device(packet)

    def _suback(self, packet: Suback) -> None:
        pending = self._pending.pop(packet.packet_id, None)
        if pending is None or pending.codes.count(None) != len(packet.codes):
            raise ProtocolError("SUBACK from the backend to no SUBSCRIBE")
        answers = iter(packet.codes)
        codes = tuple(next(answers) if code is None else code for code in pending.codes)
        for topic_filter, mine, code in zip(pending.filters, pending.codes, codes, strict=True):
            if mine is None and code == FAILURE:
                self.filters.pop(topic_filter, None)
                self._forget_receivers()
        self._ports.to_device(Suback(packet.packet_id, codes))

    def _unsuback(self, packet: Unsuback) -> None:
        if packet.packet_id in self._withdrawing:
            self._withdrawing.discard(packet.packet_id)
        else:
            self._ports.to_device(packet)

    def _to_device(self, packet: Packet) -> None:
        self._ports.to_device(packet)

    def _report(self, kind: Kind, decision: Decision, action: Action, topic: str) -> None:
        rule = decision.rule
        self._ports.report(
            Event(
                kind,
                decision.reason,
                action=action,
                topic=topic,
                rule=None if rule is None else str(rule),
                observed=decision.observed,
            )
        )


_Handler = Callable[[Monitor, Any], None]

_FROM_DEVICE: Mapping[type, _Handler] = {
    Pubrel: Monitor._pubrel,
    Subscribe: Monitor._subscribe,
    Unsubscribe: Monitor._unsubscribe,
    Puback: Monitor._forward,
    Pubrec: Monitor._forward,
    Pubcomp: Monitor._forward,
    Pingreq: Monitor._pingreq,
}

_FROM_BACKEND: Mapping[type, _Handler] = {
    Connack: Monitor._to_device,
    Suback: Monitor._suback,
    Unsuback: Monitor._unsuback,
    Puback: Monitor._to_device,
    Pubrec: Monitor._to_device,
    Pubrel: Monitor._release,
    Pubcomp: Monitor._to_device,
}
