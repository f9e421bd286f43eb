"""What a session is subscribed to: asked for by the device, answered by the backend, judged by filter (rules 5 and 7).

Holds the filters, those of them that policy narrows, and the SUBSCRIBEs on their way. Refuses to know messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from mqttseg.errors import PeerError, ProtocolError, Reason
from mqttseg.guard.ports import Ports, tell
from mqttseg.guard.traffic import traffic_of
from mqttseg.guard.verdict import is_large, judge
from mqttseg.observe.events import Kind
from mqttseg.observe.flows import Direction
from mqttseg.policy.compiled import Rights
from mqttseg.policy.decide import Decision
from mqttseg.policy.filtertree import FilterTree
from mqttseg.policy.model import Action
from mqttseg.wire.packets import FAILURE, Suback, Subscribe, Unsuback, Unsubscribe

LAST_PACKET_ID = 0xFFFF

LARGE_FILTERS = 16
"""Large filters that a session may hold: so that its memory is bounded by the number of its subscriptions (rule 8)."""

FILTERS_PER_TURN = 32
"""Filters of one SUBSCRIBE that are judged before the others have a turn: one may take 100 us, a packet has 1,000."""


@dataclass(slots=True)
class _PendingSubscribe:
    """A SUBSCRIBE on its way: the codes already known, None where the backend's answer belongs."""

    filters: tuple[str, ...]
    codes: list[int | None]


class Subscribing:
    """One session's filters. ``changed`` is called each time before the backend can act on a change of them."""

    __slots__ = (
        "_dropped",
        "_ending",
        "_large",
        "_max_subscriptions",
        "_narrow",
        "_narrowed",
        "_pending",
        "_ports",
        "_rights",
        "_tree",
        "_unjudged",
        "_withdrawing",
        "changed",
        "filters",
    )

    def __init__(self, rights: Rights, ports: Ports, *, max_subscriptions: int, changed: Callable[[], None]) -> None:
        self._rights = rights
        self._ports = ports
        self._max_subscriptions = max_subscriptions
        self.changed = changed
        self.filters: dict[str, int] = {}
        # The filters again, and those that are narrowed, by level: a session may have a thousand (rule 8)
        self._tree: FilterTree[None] = FilterTree()
        self._narrowed: FilterTree[None] = FilterTree()
        self._narrow: set[str] = set()
        self._pending: dict[int, _PendingSubscribe] = {}
        self._large = 0
        self._dropped: list[str] = []
        self._withdrawing: set[int] = set()
        self._ending = 0  # UNSUBSCRIBEs that the backend has not answered
        self._unjudged = False

    def resume(self, filters: Mapping[str, int]) -> None:
        """Take over a stored session's filters; they are judged again before it is served (rule 7)."""
        for topic_filter, qos in filters.items():
            self._hold(topic_filter, qos)
        self._judge_all()

    def change_rights(self, rights: Rights) -> None:
        """The policy changed: what is no longer allowed counts no more (rule 7), and ``settle`` withdraws it.

        The filters are judged when somebody asks whether one matches, or by ``settle``: to judge those of all
        sessions in one go would hold everybody up.
        """
        self._rights = rights
        self._unjudged = True

    def settle(self) -> int:
        """Judge what is not judged yet, and have the backend end what was dropped; returns how many filters."""
        if self._unjudged:
            self._judge_all()
        dropped = len(self._dropped)
        self.withdraw()
        return dropped

    def _judge_all(self) -> None:
        """Drop the filters that the rights no longer cover."""
        self._unjudged = False
        self.changed()
        for topic_filter in list(self.filters):
            self._judge_held(topic_filter)

    def learn(self, topic_filter: str, qos: int) -> None:
        """The backend subscribed the session by itself: withdrawn at once if the rights do not cover it (rule 5)."""
        self._hold(topic_filter, qos)
        self.changed()
        self._judge_held(topic_filter)
        self.withdraw()

    def _judge_held(self, topic_filter: str) -> None:
        decision = judge(self._rights, Action.SUBSCRIBE, topic_filter)
        self._mark(topic_filter, narrowed=decision.narrowed)
        if not decision.passes:
            self._let_go(topic_filter)
            self._dropped.append(topic_filter)
            tell(self._ports, Kind.WITHDRAW, decision, Action.SUBSCRIBE, topic_filter)

    def withdraw(self) -> None:
        """Have the backend end the subscriptions that were dropped here."""
        filters, self._dropped = tuple(self._dropped), []
        if filters:
            packet_id = next(i for i in range(LAST_PACKET_ID, 0, -1) if i not in self._withdrawing)
            self._withdrawing.add(packet_id)
            self._end(packet_id, filters)

    def _end(self, packet_id: int, filters: tuple[str, ...]) -> None:
        self._ending += 1
        self._ports.to_backend(Unsubscribe(packet_id, filters))

    def _hold(self, topic_filter: str, qos: int) -> None:
        if topic_filter not in self.filters:
            self._large += is_large(topic_filter)
            self._tree.put(topic_filter, None, qos)
        self.filters[topic_filter] = qos

    def _let_go(self, topic_filter: str) -> bool:
        """False when it was not held."""
        if self.filters.pop(topic_filter, None) is None:
            return False
        self._large -= is_large(topic_filter)
        self._tree.remove(topic_filter, None)
        self._mark(topic_filter, narrowed=False)
        return True

    def _mark(self, topic_filter: str, *, narrowed: bool) -> None:
        if narrowed and topic_filter not in self._narrow:
            self._narrow.add(topic_filter)
            self._narrowed.put(topic_filter, None, 0)
        elif not narrowed and topic_filter in self._narrow:
            self._narrow.discard(topic_filter)
            self._narrowed.remove(topic_filter, None)

    # Asked for

    def subscribe(self, packet: Subscribe) -> None:
        """Judge a SUBSCRIBE filter by filter (rule 5). Raises ProtocolError, PeerError (too many filters)."""
        if packet.packet_id in self._pending:
            raise ProtocolError(f"SUBSCRIBE with packet id {packet.packet_id}, which is in use")  # [MQTT-2.3.1-2]
        if len(packet.requests) > self._max_subscriptions:  # not judged one by one: that would hold the loop (rule 8)
            raise PeerError(Reason.TOO_MANY_SUBSCRIPTIONS, f"{len(packet.requests)} filters in one SUBSCRIBE")
        self._judge_some(packet, [])

    def _judge_some(self, packet: Subscribe, codes: list[int | None]) -> None:
        """Judge so many filters as there is a turn for, from where ``codes`` ends; hand them on after the last."""
        codes += [self._judge(*request) for request in packet.requests[len(codes) : len(codes) + FILTERS_PER_TURN]]
        self.changed()
        if len(codes) < len(packet.requests):
            self._ports.postpone(partial(self._judge_some, packet, codes))
        else:
            self._hand_on(packet, codes)

    def _hand_on(self, packet: Subscribe, judged: list[int | None]) -> None:
        if self._unjudged:  # the policy changed between two turns
            self._judge_all()
        filters = tuple(topic_filter for topic_filter, _ in packet.requests)
        # What is held no longer was allowed, and withdrawn since
        codes = [code if f in self.filters else FAILURE for f, code in zip(filters, judged, strict=True)]
        allowed = tuple(r for r, code in zip(packet.requests, codes, strict=True) if code is None)
        if not allowed:
            self._ports.to_device(Suback(packet.packet_id, tuple(FAILURE for _ in codes)))
            return
        self._pending[packet.packet_id] = _PendingSubscribe(filters, codes)
        self._ports.to_backend(Subscribe(packet.packet_id, allowed))

    def _judge(self, topic_filter: str, qos: int) -> int | None:
        """None when the filter goes to the backend, else its return code (rule 5)."""
        decision = judge(self._rights, Action.SUBSCRIBE, topic_filter)
        if decision.passes and topic_filter not in self.filters and not self._has_room(topic_filter):
            decision = Decision(allowed=False, reason=Reason.TOO_MANY_SUBSCRIPTIONS, rule=None)
        if not decision.allowed:
            tell(self._ports, Kind.DENY, decision, Action.SUBSCRIBE, topic_filter)
        if not decision.passes:
            return FAILURE
        self._hold(topic_filter, qos)  # before SUBACK: retained messages may come first
        self._mark(topic_filter, narrowed=decision.narrowed)
        traffic = traffic_of(self._rights, Direction.SUBSCRIBE, topic_filter, observed=not decision.allowed)
        self._ports.passed(traffic)
        return None

    def _has_room(self, topic_filter: str) -> bool:
        if len(self.filters) >= self._limit():
            return False
        return not is_large(topic_filter) or self._large < LARGE_FILTERS

    def _limit(self) -> int:
        limit = self._rights.limits.subscriptions
        return self._max_subscriptions if limit is None else min(limit, self._max_subscriptions)

    def unsubscribe(self, packet: Unsubscribe) -> None:
        """Hand on only what is held: of the rest a packet can name 80,000, and each would be work for the backend.

        What is not held any more may still be ending, and begin again if the backend is killed. So while anything
        ends, the backend answers, after that: for this it is handed one filter.
        """
        self.withdraw()
        held = tuple(f for f in packet.filters if self._let_go(f))
        self.changed()
        if held or self._ending:
            self._end(packet.packet_id, held or packet.filters[:1])
        else:
            self._ports.to_device(Unsuback(packet.packet_id))  # [MQTT-3.10.4-5]

    # Answered

    def suback(self, packet: Suback) -> None:
        """Put the backend's codes at their places. Raises ProtocolError: it answers no SUBSCRIBE."""
        pending = self._pending.pop(packet.packet_id, None)
        if pending is None or pending.codes.count(None) != len(packet.codes):
            raise ProtocolError("SUBACK from the backend to no SUBSCRIBE")
        answers = iter(packet.codes)
        codes = tuple(next(answers) if code is None else code for code in pending.codes)
        for topic_filter, mine, code in zip(pending.filters, pending.codes, codes, strict=True):
            if mine is None and code == FAILURE:
                self._let_go(topic_filter)
                self.changed()
        self._ports.to_device(Suback(packet.packet_id, codes))

    def unsuback(self, packet: Unsuback) -> None:
        """The device hears only of what it asked for itself."""
        self._ending = max(0, self._ending - 1)
        if packet.packet_id in self._withdrawing:
            self._withdrawing.discard(packet.packet_id)
        else:
            self._ports.to_device(packet)

    # Matched

    def matches(self, topic: str) -> bool:
        """Whether any filter matches the topic."""
        if self._unjudged:
            self._judge_all()
        return self._tree.matches(topic)

    def narrows(self, topic: str) -> bool:
        """Whether a filter matches the topic that is wider than the rights (``subscriptions: narrow``)."""
        return self._narrowed.matches(topic)
