"""The judge of one connection, without sockets: packets in, packets and reports out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mqttseg.errors import PeerError, ProtocolError, Reason
from mqttseg.guard.backend import Resumed
from mqttseg.guard.monitor import Monitor
from mqttseg.guard.ports import Denied
from mqttseg.guard.publishing import UNRELEASED, UNRELEASED_BYTES
from mqttseg.guard.subscribing import FILTERS_PER_TURN
from mqttseg.guard.traffic import ANY, TOPICS_KEPT
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Direction, Traffic
from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.load import load_policy
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import (
    Connack,
    Connect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    PublishRun,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)

POLICY = """
version: 1
trust_domain: plant7.example
segments:
  hvac:
    members: ["thermo-*"]
    publish: ["hvac/${device}/#"]
    subscribe: ["hvac/${device}/cmd/#", "hvac/all/#"]
    deny: ["hvac/${device}/factory/#"]
    limits: {payload: 16B, subscriptions: 2}
  strict:
    members: ["strict-*"]
    on_denied: disconnect
  wide:
    members: ["wide-*"]
    subscriptions: narrow
  trial:
    members: ["trial-*"]
    mode: observe
"""


def compiled(tmp_path: Path, text: str = POLICY) -> Compiled:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return compile_policy(load_policy(path), datetime(2026, 11, 22, tzinfo=UTC))


class Wires:
    """Ports that remember what came out of them."""

    def __init__(self) -> None:
        self.device: list[Packet] = []
        self.backend: list[Packet] = []
        self.forgotten: list[int] = []
        self.events: list[Event] = []
        self.traffic: list[Traffic] = []
        self.room_for_retained = True
        self.mute: str | None = None
        self.postponed: Callable[[], None] | None = None

    def postpone(self, act: Callable[[], None]) -> None:
        assert self.postponed is None
        self.postponed = act

    def turn(self) -> bool:
        """Whether something had been postponed; it is done now."""
        act, self.postponed = self.postponed, None
        if act is not None:
            act()
        return act is not None

    def to_device(self, packet: Packet) -> None:
        self.device.append(packet)

    def to_backend(self, packet: Packet) -> None:
        self.backend.append(packet)

    def forget(self, packet_id: int) -> None:
        self.forgotten.append(packet_id)
        self.to_device(Pubcomp(packet_id))  # as a backend answers

    def acknowledge(self, packet: Puback | Pubrec) -> None:
        self.to_device(packet)  # as a backend does that owes no earlier answer

    def may_retain(self, topic: str) -> bool:
        return self.room_for_retained

    def mute_publisher(self, topic: str, origin: str | None) -> str | None:
        return self.mute

    def passed(self, traffic: Traffic) -> None:
        self.traffic.append(traffic)

    def report(self, event: Event) -> None:
        self.events.append(event)

    def reasons(self, kind: Kind = Kind.DENY) -> list[Reason]:
        return [event.reason for event in self.events if event.kind is kind]


class Judged:
    """A monitor with its wires."""

    def __init__(self, policy: Compiled, device_id: str) -> None:
        self.wires = Wires()
        self.monitor = Monitor(policy.rights(device_id), self.wires, max_subscriptions=100)

    def subscribed(self, *filters: str) -> Judged:
        self.monitor.resume(Resumed(dict.fromkeys(filters, 1)))
        self.monitor.withdraw()
        return self


@pytest.fixture
def thermo(tmp_path: Path) -> Judged:
    return Judged(compiled(tmp_path), "thermo-1")


def judged(tmp_path: Path, device_id: str) -> Judged:
    return Judged(compiled(tmp_path), device_id)


class TestPublish:
    """Rule 4."""

    def test_granted_publish_reaches_the_backend_as_it_came(self, thermo: Judged) -> None:
        packet = Publish("hvac/thermo-1/temp", b"21", frame=b"as it came")
        thermo.monitor.from_device(packet)
        assert thermo.wires.backend == [packet]
        assert thermo.wires.events == []

    @pytest.mark.parametrize(
        ("topic", "reason"),
        [
            ("hvac/thermo-2/temp", Reason.NOT_GRANTED),
            ("wide/x", Reason.OUTSIDE_SEGMENT),
            ("hvac/thermo-1/factory/reset", Reason.DENIED_BY_RULE),
            ("$SYS/broker/load", Reason.SYSTEM_TOPIC),
        ],
    )
    @pytest.mark.parametrize(("qos", "answer"), [(0, []), (1, [Puback(5)]), (2, [Pubrec(5)])])
    def test_denied_publish_is_acknowledged_and_goes_nowhere(
        self, thermo: Judged, topic: str, reason: Reason, qos: int, answer: list[Packet]
    ) -> None:
        thermo.monitor.from_device(Publish(topic, b"x", qos=qos, packet_id=5 if qos else 0))
        assert thermo.wires.backend == []
        assert thermo.wires.device == answer
        assert thermo.wires.reasons() == [reason]

    def test_denied_qos_2_publish_is_completed_by_the_guard(self, thermo: Judged) -> None:
        thermo.monitor.from_device(Publish("wide/x", b"", qos=2, packet_id=5))
        thermo.monitor.from_device(Pubrel(5))
        assert thermo.wires.device == [Pubrec(5), Pubcomp(5)]
        assert thermo.wires.backend == []

    def test_denial_disconnects_where_the_segment_says_so(self, tmp_path: Path) -> None:
        strict = judged(tmp_path, "strict-1")
        with pytest.raises(Denied):
            strict.monitor.from_device(Publish("hvac/x", b""))
        assert strict.wires.reasons() == [Reason.OUTSIDE_SEGMENT]

    def test_observed_segment_is_let_through_and_recorded(self, tmp_path: Path) -> None:
        trial = judged(tmp_path, "trial-1")
        trial.monitor.from_device(Publish("elsewhere/x", b""))
        assert len(trial.wires.backend) == 1
        assert [(event.reason, event.observed) for event in trial.wires.events] == [(Reason.OUTSIDE_SEGMENT, True)]

    def test_payload_over_the_limit_is_refused(self, thermo: Judged) -> None:
        thermo.monitor.from_device(Publish("hvac/thermo-1/t", b"x" * 16))
        thermo.monitor.from_device(Publish("hvac/thermo-1/t", b"x" * 17))
        assert len(thermo.wires.backend) == 1
        assert thermo.wires.reasons() == [Reason.PAYLOAD_TOO_LARGE]

    def test_retained_messages_are_bounded_but_may_be_cleared(self, thermo: Judged) -> None:
        thermo.wires.room_for_retained = False
        thermo.monitor.from_device(Publish("hvac/thermo-1/t", b"x", retain=True))
        assert thermo.wires.backend == [Publish("hvac/thermo-1/t", b"x")]
        assert thermo.wires.reasons(Kind.LIMIT) == [Reason.RATE_LIMIT]
        thermo.monitor.from_device(Publish("hvac/thermo-1/t", b"", retain=True))
        assert thermo.wires.backend[1] == Publish("hvac/thermo-1/t", b"", retain=True)

    def test_every_denial_is_reported_not_only_the_first(self, thermo: Judged) -> None:
        for _ in range(3):
            thermo.monitor.from_device(Publish("wide/x", b""))
        assert len(thermo.wires.events) == 3

    def test_event_names_the_policy_line(self, thermo: Judged) -> None:
        thermo.monitor.from_device(Publish("hvac/thermo-1/factory/x", b""))
        rule = thermo.wires.events[0].rule
        assert rule is not None
        assert rule.startswith("hvac/${device}/factory/# (")
        assert rule.endswith("policy.yaml:9:12)")


class TestReleaseOfQos2:
    """A QoS 2 message is published when it is released, so it is judged then, too."""

    def test_right_lost_before_release_publishes_nothing(self, thermo: Judged, tmp_path: Path) -> None:
        thermo.monitor.from_device(Publish("hvac/thermo-1/t", b"", qos=2, packet_id=9))
        without = POLICY.replace('publish: ["hvac/${device}/#"]', 'publish: ["hvac/all/#"]')
        thermo.monitor.change_rights(compiled(tmp_path, without).rights("thermo-1"))
        thermo.wires.backend.clear()
        thermo.monitor.from_device(Pubrel(9))
        assert thermo.wires.backend == []
        assert thermo.wires.forgotten == [9]
        assert thermo.wires.device == [Pubcomp(9)]
        assert thermo.wires.reasons() == [Reason.NOT_GRANTED]

    def test_unfinished_flow_of_a_resumed_session_is_judged_again(self, thermo: Judged) -> None:
        thermo.monitor.resume(Resumed(unreleased={9: ("hvac/thermo-2/t", 0)}))
        thermo.monitor.from_device(Pubrel(9))
        assert thermo.wires.backend == []
        assert thermo.wires.forgotten == [9]

    def test_packet_id_cannot_be_moved_to_another_topic(self, thermo: Judged) -> None:
        thermo.monitor.from_device(Publish("hvac/thermo-1/a", b"", qos=2, packet_id=9))
        with pytest.raises(ProtocolError):
            thermo.monitor.from_device(Publish("hvac/thermo-1/b", b"", qos=2, packet_id=9, dup=True))

    def test_hoarding_unreleased_messages_ends_the_connection(self, thermo: Judged) -> None:
        for number in range(1, UNRELEASED + 1):
            thermo.monitor.from_device(Publish("hvac/thermo-1/a", b"", qos=2, packet_id=number))
        with pytest.raises(PeerError) as raised:
            thermo.monitor.from_device(Publish("hvac/thermo-1/a", b"", qos=2, packet_id=UNRELEASED + 1))
        assert raised.value.reason is Reason.RATE_LIMIT

    def test_a_full_pipe_of_released_messages_is_no_hoarding(self, thermo: Judged) -> None:
        payload = b"x" * 16
        for number in range(1, 3 * UNRELEASED):
            thermo.monitor.from_device(Publish("hvac/thermo-1/a", payload, qos=2, packet_id=number))
            if number > 20:
                thermo.monitor.from_device(Pubrel(number - 20))
        assert thermo.wires.reasons() == []

    def test_bytes_of_unreleased_messages_are_bounded_and_given_back(self, tmp_path: Path) -> None:
        wide = judged(tmp_path, "wide-1")
        payload = bytes(UNRELEASED_BYTES // 4)
        for number in range(1, 20):
            wide.monitor.from_device(Publish("wide/a", payload, qos=2, packet_id=number))
            wide.monitor.from_device(Publish("wide/a", payload, qos=2, packet_id=number, dup=True))
            if number > 3:
                wide.monitor.from_device(Pubrel(number - 3))
        wide.monitor.from_device(Publish("wide/a", payload, qos=2, packet_id=100))
        with pytest.raises(PeerError):
            wide.monitor.from_device(Publish("wide/a", payload, qos=2, packet_id=101))

    def test_release_of_what_was_never_sent_is_completed_and_goes_nowhere(self, thermo: Judged) -> None:
        thermo.monitor.from_device(Pubrel(9))
        assert thermo.wires.device == [Pubcomp(9)]
        assert thermo.wires.backend == []


class TestSubscribe:
    """Rule 5."""

    def test_each_filter_is_answered_at_its_own_place(self, thermo: Judged) -> None:
        requests = (("#", 0), ("hvac/all/#", 1), ("hvac/#", 2), ("hvac/thermo-1/cmd/x", 0))
        thermo.monitor.from_device(Subscribe(3, requests))
        assert thermo.wires.backend == [Subscribe(3, (("hvac/all/#", 1), ("hvac/thermo-1/cmd/x", 0)))]
        thermo.monitor.from_backend(Suback(3, (1, 0)))
        assert thermo.wires.device == [Suback(3, (0x80, 1, 0x80, 0))]
        assert thermo.wires.reasons() == [Reason.FILTER_TOO_WIDE, Reason.FILTER_TOO_WIDE]

    def test_wholly_refused_subscribe_never_reaches_the_backend(self, thermo: Judged) -> None:
        thermo.monitor.from_device(Subscribe(3, (("wide/#", 0), ("$share/g/hvac/all/#", 0))))
        assert thermo.wires.backend == []
        assert thermo.wires.device == [Suback(3, (0x80, 0x80))]
        assert thermo.wires.reasons() == [Reason.OUTSIDE_SEGMENT, Reason.SYSTEM_TOPIC]

    def test_subscriptions_are_limited_and_a_repeated_one_does_not_count(self, thermo: Judged) -> None:
        thermo.monitor.from_device(Subscribe(1, (("hvac/all/a", 0), ("hvac/all/b", 0))))
        thermo.monitor.from_backend(Suback(1, (0, 0)))
        thermo.monitor.from_device(Subscribe(2, (("hvac/all/c", 0), ("hvac/all/b", 1))))
        thermo.monitor.from_backend(Suback(2, (1,)))
        assert thermo.wires.device[-1] == Suback(2, (0x80, 1))
        assert thermo.wires.reasons() == [Reason.TOO_MANY_SUBSCRIPTIONS]

    def test_thousands_of_filters_in_one_subscribe_end_the_connection(self, thermo: Judged) -> None:
        with pytest.raises(PeerError) as raised:
            thermo.monitor.from_device(Subscribe(1, tuple((f"hvac/all/{i}", 0) for i in range(101))))
        assert raised.value.reason is Reason.TOO_MANY_SUBSCRIPTIONS

    def test_filter_that_the_backend_refuses_is_not_held(self, thermo: Judged) -> None:
        thermo.monitor.from_device(Subscribe(1, (("hvac/all/a", 0),)))
        thermo.monitor.from_backend(Suback(1, (0x80,)))
        assert dict(thermo.monitor.filters) == {}

    def test_packet_id_of_a_pending_subscribe_cannot_be_used_again(self, thermo: Judged) -> None:
        thermo.monitor.from_device(Subscribe(1, (("hvac/all/a", 0),)))
        with pytest.raises(ProtocolError):
            thermo.monitor.from_device(Subscribe(1, (("hvac/all/b", 0),)))


class TestDelivery:
    """Rule 6."""

    def test_delivered_when_subscribed_and_granted(self, thermo: Judged) -> None:
        thermo.subscribed("hvac/all/#")
        packet = Publish("hvac/all/x", b"")
        thermo.monitor.from_backend(packet)
        assert thermo.wires.device == [packet]

    @pytest.mark.parametrize(
        ("topic", "reason"),
        [("hvac/thermo-1/cmd/x", Reason.NOT_SUBSCRIBED), ("wide/x", Reason.NOT_SUBSCRIBED)],
    )
    def test_dropped_when_not_subscribed(self, thermo: Judged, topic: str, reason: Reason) -> None:
        thermo.subscribed("hvac/all/#")
        thermo.monitor.from_backend(Publish(topic, b""))
        assert thermo.wires.device == []
        assert thermo.wires.reasons() == [reason]

    def test_dropped_qos_1_is_acknowledged_towards_the_backend(self, thermo: Judged) -> None:
        thermo.monitor.from_backend(Publish("wide/x", b"", qos=1, packet_id=4))
        assert thermo.wires.backend == [Puback(4)]

    def test_dropped_qos_2_flow_is_finished_without_the_device(self, thermo: Judged) -> None:
        thermo.monitor.from_backend(Publish("wide/x", b"", qos=2, packet_id=4))
        thermo.monitor.from_backend(Pubrel(4))
        assert thermo.wires.backend == [Pubrec(4), Pubcomp(4)]
        assert thermo.wires.device == []

    def test_retained_message_outlives_its_publishers_right(self, thermo: Judged) -> None:
        thermo.subscribed("hvac/all/#")
        thermo.wires.mute = "thermo-2"
        thermo.monitor.from_backend(Publish("hvac/all/x", b"", retain=True, qos=1, packet_id=3))
        assert thermo.wires.device == []
        assert thermo.wires.backend == [Puback(3)]
        assert "thermo-2" in thermo.wires.events[0].detail
        thermo.monitor.from_backend(Publish("hvac/all/x", b""))
        assert len(thermo.wires.device) == 1

    def test_nothing_more_is_delivered_after_unsubscribe(self, thermo: Judged) -> None:
        thermo.subscribed("hvac/all/#")
        thermo.monitor.from_device(Unsubscribe(2, ("hvac/all/#",)))
        thermo.monitor.from_backend(Publish("hvac/all/x", b""))
        thermo.monitor.from_backend(Unsuback(2))
        assert thermo.wires.device == [Unsuback(2)]

    def test_unsubscribe_of_what_is_not_held_is_one_filters_work_and_only_while_another_is_unanswered(
        self, thermo: Judged
    ) -> None:
        thermo.subscribed("hvac/all/#")
        thermo.monitor.from_device(Unsubscribe(2, ("hvac/all/#",)))
        thermo.monitor.from_device(Unsubscribe(3, tuple(f"hvac/all/{number}" for number in range(1000))))
        assert thermo.wires.backend == [Unsubscribe(2, ("hvac/all/#",)), Unsubscribe(3, ("hvac/all/0",))]
        assert thermo.wires.device == []
        thermo.monitor.from_backend(Unsuback(2))
        thermo.monitor.from_backend(Unsuback(3))
        thermo.monitor.from_device(Unsubscribe(4, ("hvac/all/#",)))
        assert thermo.wires.device == [Unsuback(2), Unsuback(3), Unsuback(4)]
        assert len(thermo.wires.backend) == 2

    def test_narrow_filter_delivers_only_what_is_allowed_and_reports_nothing_else(self, tmp_path: Path) -> None:
        wide = judged(tmp_path, "wide-1")
        wide.monitor.from_device(Subscribe(1, (("#", 0),)))
        wide.monitor.from_backend(Suback(1, (0,)))
        wide.monitor.from_backend(Publish("hvac/all/x", b""))
        wide.monitor.from_backend(Publish("wide/x", b""))
        assert wide.wires.device == [Suback(1, (0,)), Publish("wide/x", b"")]
        assert wide.wires.events == []

    def test_a_thousand_narrowed_filters_make_others_messages_no_dearer(self, tmp_path: Path) -> None:
        """Each message of each other segment, on a new topic, was compared with all of them, and then again."""
        policy = compiled(tmp_path)
        few, many = Judged(policy, "wide-1").subscribed("#"), Judged(policy, "wide-2")
        many.subscribed(*(f"+/+/telemetry/+/{number}" for number in range(999)), "#")
        assert calls(lambda: foreign(many)) < 2 * calls(lambda: foreign(few))
        assert not many.wires.device
        assert not many.wires.events

    def test_filter_that_is_given_up_is_narrowed_no_more(self, tmp_path: Path) -> None:
        wide = judged(tmp_path, "wide-1").subscribed("#")
        wide.monitor.from_device(Subscribe(1, (("wide/#", 0), ("#", 0))))
        wide.monitor.from_device(Unsubscribe(2, ("#",)))
        wide.monitor.from_backend(Publish("hvac/all/x", b""))
        assert wide.wires.reasons() == [Reason.NOT_SUBSCRIBED]


def foreign(device: Judged) -> None:
    for number in range(20):
        device.monitor.from_backend(Publish(f"hvac/thermo-1/telemetry/{number}", b""))


def calls(act: Callable[[], None]) -> int:
    """How many functions are called: work, without a clock."""
    made = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal made
        made += event == "call"

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return made


class TestManyFilters:
    """A SUBSCRIBE of a thousand filters is judged in turns with others: it took a tenth of a second."""

    def test_answer_is_one_and_complete(self, tmp_path: Path) -> None:
        wide = judged(tmp_path, "wide-1")
        requests = tuple((f"{'wide' if number % 2 else 'hvac'}/{number}", 0) for number in range(100))
        wide.monitor.from_device(Subscribe(1, requests))
        turns = 1
        while wide.wires.turn():
            turns += 1
        assert turns == -(-100 // FILTERS_PER_TURN)
        assert wide.wires.backend == [Subscribe(1, requests[1::2])]
        wide.monitor.from_backend(Suback(1, (0,) * 50))
        assert wide.wires.device == [Suback(1, (0x80, 0) * 50)]

    @pytest.mark.parametrize("settled", [True, False])
    def test_right_lost_between_two_turns_is_lost_to_what_was_judged_before(
        self, tmp_path: Path, settled: bool
    ) -> None:
        wide = judged(tmp_path, "wide-1")
        requests = tuple((f"wide/{'a' if number < 40 else 'b'}/{number}", 0) for number in range(80))
        wide.monitor.from_device(Subscribe(1, requests))
        denied = POLICY.replace('members: ["wide-*"]', 'members: ["wide-*"]\n    deny: ["wide/a/#"]')
        wide.monitor.change_rights(compiled(tmp_path, denied).rights("wide-1"))
        if settled:
            wide.monitor.settle()
        while wide.wires.turn():
            """To the end."""
        assert wide.wires.backend[-1] == Subscribe(1, requests[40:])
        wide.monitor.from_backend(Suback(1, (0,) * 40))
        assert wide.wires.device == [Suback(1, (0x80,) * 40 + (0,) * 40)]
        assert set(wide.monitor.filters) == {topic_filter for topic_filter, _ in requests[40:]}


class TestChangeOfPolicy:
    """Rule 7."""

    def test_filter_no_longer_allowed_is_withdrawn_behind_the_devices_back(
        self, thermo: Judged, tmp_path: Path
    ) -> None:
        thermo.subscribed("hvac/all/#", "hvac/thermo-1/cmd/#")
        without = POLICY.replace(', "hvac/all/#"]', "]")
        thermo.monitor.change_rights(compiled(tmp_path, without).rights("thermo-1"))
        assert thermo.monitor.settle() == 1
        [withdrawal] = thermo.wires.backend
        assert isinstance(withdrawal, Unsubscribe)
        assert withdrawal.filters == ("hvac/all/#",)
        thermo.monitor.from_backend(Unsuback(withdrawal.packet_id))
        assert thermo.wires.device == []
        assert thermo.wires.reasons(Kind.WITHDRAW) == [Reason.NOT_GRANTED]
        assert list(thermo.monitor.filters) == ["hvac/thermo-1/cmd/#"]

    def test_new_rights_count_before_anything_was_settled(self, thermo: Judged, tmp_path: Path) -> None:
        thermo.subscribed("hvac/all/#", "hvac/thermo-1/cmd/#")
        thermo.monitor.from_backend(Publish("hvac/all/x", b"before"))
        thermo.wires.device.clear()
        without = POLICY.replace(', "hvac/all/#"]', "]")
        thermo.monitor.change_rights(compiled(tmp_path, without).rights("thermo-1"))
        thermo.monitor.from_backend(Publish("hvac/all/x", b"after"))
        thermo.monitor.from_backend(Publish("hvac/thermo-1/cmd/x", b"allowed"))
        assert thermo.wires.device == [Publish("hvac/thermo-1/cmd/x", b"allowed")]
        assert list(thermo.monitor.filters) == ["hvac/thermo-1/cmd/#"]
        assert thermo.wires.backend == []  # no backend is asked in the middle of its delivery
        assert thermo.monitor.settle() == 1
        assert [packet.filters for packet in thermo.wires.backend if isinstance(packet, Unsubscribe)] == [
            ("hvac/all/#",)
        ]
        assert thermo.monitor.settle() == 0

    def test_filter_given_up_before_its_withdrawal_is_settled_is_answered_by_the_backend(
        self, thermo: Judged, tmp_path: Path
    ) -> None:
        thermo.subscribed("hvac/all/#")
        without = POLICY.replace(', "hvac/all/#"]', "]")
        thermo.monitor.change_rights(compiled(tmp_path, without).rights("thermo-1"))
        thermo.monitor.from_backend(Publish("hvac/all/x", b""))
        thermo.monitor.from_device(Unsubscribe(2, ("hvac/all/#",)))
        withdrawal, given_up = thermo.wires.backend
        assert isinstance(withdrawal, Unsubscribe)
        assert given_up == Unsubscribe(2, ("hvac/all/#",))
        thermo.monitor.from_backend(Unsuback(withdrawal.packet_id))
        assert thermo.wires.device == []
        thermo.monitor.from_backend(Unsuback(2))
        assert thermo.wires.device == [Unsuback(2)]

    def test_all_that_is_withdrawn_goes_in_one_packet(self, thermo: Judged, tmp_path: Path) -> None:
        thermo.subscribed("hvac/all/a", "hvac/all/b", "hvac/all/c")
        thermo.monitor.change_rights(compiled(tmp_path, POLICY).rights("thermo-1"))
        assert thermo.monitor.settle() == 0
        without = POLICY.replace(', "hvac/all/#"]', "]")
        thermo.monitor.change_rights(compiled(tmp_path, without).rights("thermo-1"))
        assert thermo.monitor.settle() == 3
        assert [packet.filters for packet in thermo.wires.backend if isinstance(packet, Unsubscribe)] == [
            ("hvac/all/a", "hvac/all/b", "hvac/all/c")
        ]

    def test_decisions_kept_from_the_old_policy_are_forgotten(self, thermo: Judged, tmp_path: Path) -> None:
        thermo.monitor.from_device(Publish("hvac/thermo-1/t", b""))
        without = POLICY.replace('publish: ["hvac/${device}/#"]', "publish: []")
        thermo.monitor.change_rights(compiled(tmp_path, without).rights("thermo-1"))
        thermo.wires.backend.clear()
        thermo.monitor.from_device(Publish("hvac/thermo-1/t", b""))
        assert thermo.wires.backend == []

    def test_stored_filters_are_judged_again_when_a_session_returns(self, thermo: Judged) -> None:
        thermo.subscribed("hvac/all/#", "wide/#")
        assert list(thermo.monitor.filters) == ["hvac/all/#"]
        assert [type(packet) for packet in thermo.wires.backend] == [Unsubscribe]


class TestProtocol:
    def test_second_connect_is_refused(self, thermo: Judged) -> None:
        with pytest.raises(ProtocolError):
            thermo.monitor.from_device(Connect("thermo-1"))

    @pytest.mark.parametrize("packet", [Connack(False, 0), Suback(1, (0,)), Unsuback(1), Pingresp()])
    def test_packets_of_a_server_are_refused_from_a_device(self, thermo: Judged, packet: Packet) -> None:
        with pytest.raises(ProtocolError):
            thermo.monitor.from_device(packet)

    @pytest.mark.parametrize("packet", [Connect("x"), Subscribe(1, (("a", 0),)), Pingreq()])
    def test_packets_of_a_client_are_refused_from_the_backend(self, thermo: Judged, packet: Packet) -> None:
        with pytest.raises(ProtocolError):
            thermo.monitor.from_backend(packet)

    def test_ping_is_answered_by_the_guard(self, thermo: Judged) -> None:
        thermo.monitor.from_device(Pingreq())
        assert thermo.wires.device == [Pingresp()]
        assert thermo.wires.backend == []

    @pytest.mark.parametrize("packet", [Puback(3), Pubrec(3), Pubcomp(3)])
    def test_acknowledgements_pass(self, thermo: Judged, packet: Packet) -> None:
        thermo.monitor.from_device(packet)
        assert thermo.wires.backend == [packet]


def test_retained_message_is_judged_by_its_own_publisher_not_the_topics_present_one(thermo: Judged) -> None:
    asked: list[str | None] = []

    def mute(topic: str, origin: str | None) -> str | None:
        asked.append(origin)
        return "thermo-9" if origin == "thermo-9" else None

    thermo.wires.mute_publisher = mute  # type: ignore[method-assign]  # a port that remembers
    thermo.subscribed("hvac/all/#")
    thermo.monitor.from_backend(Publish("hvac/all/x", b"evil", retain=True, origin="thermo-9"))
    thermo.monitor.from_backend(Publish("hvac/all/x", b"good", retain=True, origin="thermo-2"))
    assert asked == ["thermo-9", "thermo-2"]
    assert thermo.wires.device == [Publish("hvac/all/x", b"good", retain=True)]


def test_sizes_of_unreleased_messages_come_back_with_the_session(tmp_path: Path) -> None:
    wide = judged(tmp_path, "wide-1")
    wide.monitor.resume(Resumed(unreleased={7: ("wide/a", UNRELEASED_BYTES)}))
    with pytest.raises(PeerError):
        wide.monitor.from_device(Publish("wide/a", b"x", qos=2, packet_id=8))


def _run(topic: str, *payloads: bytes) -> PublishRun:
    frames = [encode(Publish(topic, payload)) for payload in payloads]
    return PublishRun(topic, b"".join(frames), len(frames), sum(map(len, payloads)))


def test_run_of_an_allowed_topic_passes_whole_once_the_topic_is_decided(tmp_path: Path) -> None:
    device = judged(tmp_path, "wide-1")
    run = _run("wide/t", b"1", b"2")
    device.monitor.from_device(run)
    device.monitor.from_device(run)
    assert device.wires.backend == [Publish("wide/t", b"1"), Publish("wide/t", b"2"), run]


def test_run_of_a_denied_topic_is_denied_message_by_message(thermo: Judged) -> None:
    thermo.monitor.from_device(_run("cameras/c", b"1", b"2", b"3"))
    assert thermo.wires.backend == []
    assert [event.reason for event in thermo.wires.events] == [Reason.OUTSIDE_SEGMENT] * 3


def test_run_cannot_hide_a_payload_over_the_limit(thermo: Judged) -> None:
    topic = "hvac/thermo-1/t"
    for _ in range(2):
        thermo.monitor.from_device(_run(topic, b"1", bytes(17)))
    assert thermo.wires.backend == [Publish(topic, b"1"), Publish(topic, b"1")]


def test_run_from_the_backend_is_delivered_only_where_the_device_is_subscribed(thermo: Judged) -> None:
    run = _run("hvac/all/news", b"1", b"2")
    thermo.monitor.from_backend(run)
    assert thermo.wires.device == []
    assert [event.reason for event in thermo.wires.events] == [Reason.NOT_SUBSCRIBED] * 2
    thermo.monitor.subscribing.resume({"hvac/all/#": 0})
    thermo.monitor.from_backend(run)
    thermo.monitor.from_backend(run)
    assert thermo.wires.device == [Publish("hvac/all/news", b"1"), Publish("hvac/all/news", b"2"), run]


def _told(device: Judged) -> list[tuple[Direction, str, int, int, bool]]:
    device.monitor.harvest()
    told, device.wires.traffic = device.wires.traffic, []
    assert {traffic.segment for traffic in told} <= {"hvac", "wide", "trial"}
    return [(t.direction, t.topic, t.count, t.bytes, t.observed) for t in told]


def test_what_passed_is_told_once_by_direction_and_topic(tmp_path: Path) -> None:
    device = judged(tmp_path, "wide-1")
    device.monitor.subscribing.resume({"wide/#": 1})
    device.monitor.from_device(_run("wide/t", b"1", b"22"))
    device.monitor.from_device(_run("wide/t", b"333", b"4444"))
    device.monitor.from_device(Publish("wide/t", b"55555"))
    device.monitor.from_device(Publish("wide/u", b"1", 1, packet_id=1))
    device.monitor.from_device(Publish("cameras/c", b"1"))
    device.monitor.from_backend(Publish("wide/t", b"1"))
    device.monitor.from_backend(_run("wide/t", b"1", b"22"))
    assert _told(device) == [
        (Direction.PUBLISH, "wide/t", 5, 15, False),
        (Direction.PUBLISH, "wide/u", 1, 1, False),
        (Direction.RECEIVE, "wide/t", 3, 4, False),
    ]
    assert _told(device) == []


def test_what_passed_is_told_before_the_decision_on_it_is_dropped(tmp_path: Path) -> None:
    device = judged(tmp_path, "wide-1")
    device.monitor.from_device(Publish("wide/t", b"1"))
    device.monitor.change_rights(compiled(tmp_path).rights("wide-1"))
    assert _told(device) == [(Direction.PUBLISH, "wide/t", 1, 1, False)]
    for number in range(TOPICS_KEPT + 1):
        device.monitor.from_device(Publish(f"wide/{number}", b"1"))
    assert len(device.wires.traffic) == TOPICS_KEPT
    assert len(_told(device)) == TOPICS_KEPT + 1


def test_large_topics_are_counted_and_not_kept(tmp_path: Path) -> None:
    device = judged(tmp_path, "wide-1")
    for number in range(3):
        device.monitor.from_device(Publish(f"wide/{number}/{'x' * 300}", b"12"))
    assert sum(traffic.count for traffic in device.wires.traffic) == 2
    assert _told(device)[-1] == (Direction.PUBLISH, ANY, 1, 2, False)
    assert not device.monitor.publishing.judged.topics


def test_what_only_observe_mode_lets_through_is_told_as_such(tmp_path: Path) -> None:
    device = judged(tmp_path, "trial-1")
    device.monitor.from_device(Publish("cameras/c", b"1"))
    device.monitor.from_device(Subscribe(1, (("trial/#", 0), ("cameras/#", 0))))
    assert _told(device) == [
        (Direction.SUBSCRIBE, "trial/#", 1, 0, False),
        (Direction.SUBSCRIBE, "cameras/#", 1, 0, True),
        (Direction.PUBLISH, "cameras/c", 1, 1, True),
    ]
