"""Each rule: what it finds, what it leaves alone, and that neither memory nor the number of detections is unbounded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.detect import detector as detecting
from mqttseg.observe.detect.amounts import WINDOWS
from mqttseg.observe.detect.detector import Detection, Detector
from mqttseg.observe.detect.memory import Memory
from mqttseg.observe.detect.settings import (
    ClonedIdentity,
    DenialBurst,
    GoneSilent,
    NewAddress,
    Settings,
    TopicScan,
    Unusual,
)
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Direction, Traffic

MONDAY = 20_423 * 86400.0
HOUR, DAY = 3600.0, 86400.0


def denied(topic: str = "cameras/x", count: int = 1, **fields: object) -> Event:
    told: dict[str, object] = {"device": "thermo-1", "address": "192.0.2.7:4000", "action": "publish", **fields}
    return Event(Kind.DENY, Reason.OUTSIDE_SEGMENT, topic=topic, count=count, **told)  # type: ignore[arg-type]  # by name


def came(host: str, session: str = "thermo-1", kind: Kind = Kind.CONNECT) -> Event:
    return Event(kind, Reason.OK, device="thermo-1", client_id=session, address=f"{host}:4000")


def rules(detections: Iterable[Detection]) -> list[Reason]:
    return [detection.rule for detection in detections]


def seen(detector: Detector, *events: Event, at: float = MONDAY, every: float = 1.0) -> list[Reason]:
    return [rule for number, event in enumerate(events) for rule in rules(detector.see(event, at + number * every))]


class TestDenials:
    def test_a_burst_is_one_detection_not_hundreds(self) -> None:
        assert seen(Detector(Settings()), *[denied()] * 5000, every=0.01) == [Reason.DENIAL_BURST]

    def test_it_is_told_again_after_the_pause(self) -> None:
        detector = Detector(Settings(pause=60.0))
        assert seen(detector, denied(count=100)) == [Reason.DENIAL_BURST]
        assert seen(detector, denied(count=100), at=MONDAY + 59) == []
        assert seen(detector, denied(count=100), at=MONDAY + 61) == [Reason.DENIAL_BURST]

    def test_a_device_that_is_denied_now_and_then_all_day_is_no_burst(self) -> None:
        assert seen(Detector(Settings()), *[denied()] * 10_000, every=1.0) == []

    @pytest.mark.parametrize(
        "event",
        [
            denied(count=1000, observed=True),
            denied(count=1000, action="receive"),
            Event(Kind.REFUSE, Reason.QUARANTINED, device="thermo-1", address="192.0.2.7:1", count=1000),
            Event(Kind.REFUSE, Reason.CERTIFICATE_EXPIRED, device="thermo-1", address="192.0.2.7:1", count=1000),
            Event(Kind.REFUSE, Reason.CERTIFICATE_UNTRUSTED, address="192.0.2.7:1", count=1000),
        ],
    )
    def test_what_is_not_the_devices_attempt_does_not_count(self, event: Event) -> None:
        assert seen(Detector(Settings()), event) == []

    def test_many_different_topics_are_a_scan_even_within_hours(self) -> None:
        scan = [denied(f"area/node-{number}x/set") for number in range(20)]
        assert seen(Detector(Settings()), *scan, every=HOUR) == [Reason.TOPIC_SCAN]

    def test_topics_that_carry_a_number_are_one(self) -> None:
        assert seen(Detector(Settings()), *[denied(f"tele/{n}/2026-11-22") for n in range(500)], every=60.0) == []

    def test_a_rule_that_is_off_finds_nothing(self) -> None:
        off = Settings(denial_burst=DenialBurst(enabled=False), topic_scan=TopicScan(enabled=False))
        assert seen(Detector(off), *[denied(f"{'x' * n}", 100) for n in range(1, 50)]) == []


class TestAddresses:
    def test_another_network_after_the_first_day_is_new_once(self) -> None:
        detector = Detector(Settings())
        assert seen(detector, came("10.0.0.5"), came("10.0.0.99")) == []
        assert seen(detector, came("10.0.0.7"), came("198.51.100.1"), at=MONDAY + DAY) == [Reason.NEW_ADDRESS]
        assert seen(detector, came("198.51.100.1"), at=MONDAY + 3 * DAY) == []

    def test_while_it_learns_nothing_is_new(self) -> None:
        assert seen(Detector(Settings()), came("10.0.0.5"), came("198.51.100.1"), came("2001:db8::1")) == []

    def test_how_much_of_an_address_is_a_network_can_be_set(self) -> None:
        detector = Detector(Settings(learn=1.0, new_address=NewAddress(ipv4_prefix=32)))
        assert seen(detector, came("10.0.0.5"), came("10.0.0.6"), came("10.0.0.7")) == [Reason.NEW_ADDRESS]

    def test_two_who_take_the_session_from_each_other_are_a_clone(self) -> None:
        turns = [came(host) for _ in range(5) for host in ("10.0.0.5", "10.0.0.66")]
        assert seen(Detector(Settings()), *turns) == [Reason.CLONED_IDENTITY]

    def test_two_sessions_from_two_addresses_at_the_same_time_are_a_clone(self) -> None:
        detector = Detector(Settings())
        assert seen(detector, came("10.0.0.5"), came("10.0.0.66", "thermo-1/2")) == [Reason.CLONED_IDENTITY]

    def test_a_device_that_gets_another_address_is_none(self) -> None:
        """Even when its old connection is still open: the session is one."""
        detector = Detector(Settings())
        assert seen(detector, came("10.0.0.5"), came("10.0.0.6"), came("10.0.0.5"), came("10.0.0.6")) == []

    def test_a_session_that_has_ended_is_not_at_the_same_time(self) -> None:
        ended = came("10.0.0.5", kind=Kind.DISCONNECT)
        assert seen(Detector(Settings()), came("10.0.0.5"), ended, came("10.0.0.66", "thermo-1/2")) == []

    def test_ipv4_and_ipv6_in_turns_are_one_device(self) -> None:
        turns = [came(host) for _ in range(10) for host in ("10.0.0.5", "2001:db8::5")]
        assert seen(Detector(Settings()), *turns) == []

    def test_an_attacker_with_many_addresses_and_sessions_takes_no_more_memory(self) -> None:
        detector = Detector(Settings())
        for number in range(5000):
            seen(detector, came(f"10.{number // 250}.{number % 250}.1", f"thermo-1/{number}"), at=MONDAY + number)
        addresses = detector.known["thermo-1"].addresses
        assert max(len(addresses.networks), len(addresses._used), len(addresses._open)) <= 16


def sent(count: int = 1, size: int = 100, device: str = "thermo-1") -> list[Traffic]:
    return [Traffic(device, "hvac", Direction.PUBLISH, "t", count, size)]


def lived(detector: Detector, begin: float, hours: float, count: int = 1, devices: int = 1) -> list[Detection]:
    """A message (or more) of each device every 30 seconds."""
    detections = []
    for step in range(round(hours * 120)):
        now = begin + step * 30
        told = [item for number in range(devices) for item in sent(count, 100 * count, f"thermo-{number + 1}")]
        detections += [*detector.hear(told, now), *(detector.pass_time(now) if step % 2 else ())]
    return detections


class TestAmounts:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(learn=6 * HOUR, unusual_rate=Unusual(at_least=50))

    def test_far_more_messages_than_ever_are_unusual_and_told_once(self, settings: Settings) -> None:
        detector = Detector(settings)
        assert lived(detector, MONDAY, 12) == []
        assert rules(lived(detector, MONDAY + 12 * HOUR, 0.5, count=20)) == [Reason.UNUSUAL_RATE]

    def test_few_messages_are_never_unusual(self, settings: Settings) -> None:
        detector = Detector(settings)
        lived(detector, MONDAY, 12)
        assert lived(detector, MONDAY + 12 * HOUR, 0.5, count=4) == []

    def test_far_more_bytes_than_ever_are_unusual(self) -> None:
        detector = Detector(Settings(learn=6 * HOUR))
        lived(detector, MONDAY, 12)
        assert rules(detector.hear(sent(1, 300_000), MONDAY + 12 * HOUR)) == [Reason.UNUSUAL_PAYLOAD]

    def test_an_attacker_does_not_become_usual_in_a_few_hours(self, settings: Settings) -> None:
        detector = Detector(settings)
        lived(detector, MONDAY, 24)
        lived(detector, MONDAY + DAY, 6, count=20)
        assert rules(lived(detector, MONDAY + DAY + 6 * HOUR, 1.0, count=20)) == [Reason.UNUSUAL_RATE]

    def test_what_lasts_becomes_usual(self, settings: Settings) -> None:
        """New firmware, say: within two days nobody is told any more."""
        detector = Detector(settings)
        lived(detector, MONDAY, 24)
        assert rules(lived(detector, MONDAY + DAY, 24, count=10)) != []
        lived(detector, MONDAY + 2 * DAY, 24, count=10)
        assert lived(detector, MONDAY + 3 * DAY, 6, count=10) == []

    def test_what_could_not_be_counted_in_time_is_not_unusual(self, settings: Settings) -> None:
        """The disk blocked: ten minutes come at once."""
        detector = Detector(settings)
        lived(detector, MONDAY, 12)
        assert rules(detector.hear(sent(1000, 1000), MONDAY + 12 * HOUR + 600)) == []

    def test_a_baseline_is_bounded(self, settings: Settings) -> None:
        detector = Detector(settings)
        lived(detector, MONDAY, 48)
        assert len(detector.known["thermo-1"].amounts.messages.past) == WINDOWS


class TestSilence:
    def test_a_device_that_always_sends_is_missed_within_the_hour_and_once(self) -> None:
        detector = Detector(Settings())
        lived(detector, MONDAY, 60, devices=20)
        told = []
        for step in range(360):
            now = MONDAY + 60 * HOUR + step * 30
            others = [item for number in range(1, 20) for item in sent(device=f"thermo-{number + 1}")]
            told += [*detector.hear(others, now), *detector.pass_time(now)]
        assert [(d.rule, d.device) for d in told] == [(Reason.GONE_SILENT, "thermo-1")]
        assert told[0].at - (MONDAY + 60 * HOUR) < HOUR

    def test_a_site_without_power_is_one_detection(self) -> None:
        detector = Detector(Settings())
        lived(detector, MONDAY, 60, devices=30)
        told = []
        for step in range(240):
            now = MONDAY + 60 * HOUR + step * 30
            told += [*detector.hear(sent(device="thermo-30"), now), *detector.pass_time(now)]
        assert [(d.rule, d.device) for d in told] == [(Reason.GONE_SILENT, None)]
        assert told[0].detail.startswith("29 devices")

    def test_a_broker_that_hears_nothing_says_nothing_of_its_devices(self) -> None:
        """The disk blocks, so nothing is harvested: that is no silence."""
        detector = Detector(Settings())
        lived(detector, MONDAY, 60)
        assert list(detector.pass_time(MONDAY + 70 * HOUR)) == []

    def test_a_device_that_is_off_at_night_is_not_missed_at_night(self) -> None:
        detector, told = Detector(Settings()), []
        for day in range(4):
            told += lived(detector, MONDAY + day * DAY + 8 * HOUR, 10)
            for minute in range(14 * 60):
                now = MONDAY + day * DAY + 18 * HOUR + minute * 60
                told += [*detector.hear([], now), *detector.pass_time(now)]
        assert told == []

    def test_a_rule_that_is_off_finds_nothing(self) -> None:
        detector = Detector(Settings(gone_silent=GoneSilent(enabled=False)))
        lived(detector, MONDAY, 60)
        assert list(detector.hear([], MONDAY + 70 * HOUR)) + list(detector.pass_time(MONDAY + 70 * HOUR)) == []


def test_a_certificate_that_ends_soon_is_told_once_a_day() -> None:
    detector, now = Detector(Settings()), datetime(2026, 11, 22, tzinfo=UTC)
    soon, later = now + timedelta(days=10), now + timedelta(days=30)
    at = now.timestamp()
    assert rules(detector.check_certificate("thermo-1", later, at)) == []
    assert rules(detector.check_certificate("thermo-1", soon, at)) == [Reason.CERTIFICATE_EXPIRING]
    assert rules(detector.check_certificate("thermo-1", soon, at + HOUR)) == []
    assert rules(detector.check_certificate("thermo-1", soon, at + DAY)) == [Reason.CERTIFICATE_EXPIRING]


def test_more_devices_than_can_be_watched_take_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detecting, "DEVICES", 100)
    detector = Detector(Settings())
    for number in range(1000):
        list(detector.hear(sent(device=f"d-{number}"), MONDAY))
    assert len(detector.known) == 100
    assert "d-999" in detector.known


class TestMemory:
    def test_what_was_learnt_survives_a_restart(self, tmp_path: Path) -> None:
        before = Detector(Settings(learn=6 * HOUR, unusual_rate=Unusual(at_least=50)))
        seen(before, came("10.0.0.5"))
        lived(before, MONDAY, 12)
        assert Memory(tmp_path / "detect.db").save(before.known, before.changed)
        after = Detector(before.settings, Memory(tmp_path / "detect.db").load())
        assert lived(after, MONDAY + 12 * HOUR, 0.5) == []
        assert rules(lived(after, MONDAY + 13 * HOUR, 0.5, count=20)) == [Reason.UNUSUAL_RATE]
        assert seen(after, came("198.51.100.1"), at=MONDAY + 13 * HOUR) == [Reason.NEW_ADDRESS]

    @pytest.mark.parametrize("content", [b"rubbish" * 1000, b""])
    def test_a_file_that_cannot_be_read_is_learnt_anew(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "detect.db"
        path.write_bytes(content)
        assert Memory(path).load() == {}

    def test_it_is_its_owners_alone(self, tmp_path: Path) -> None:
        Memory(tmp_path / "detect.db").load()
        assert (tmp_path / "detect.db").stat().st_mode & 0o77 == 0


def test_a_clone_with_thresholds_of_ones_own() -> None:
    detector = Detector(Settings(cloned_identity=ClonedIdentity(returns=2, within=600.0)))
    turns = [came(host) for _ in range(2) for host in ("10.0.0.5", "10.0.0.66")]
    assert seen(detector, *turns, every=60.0) == [Reason.CLONED_IDENTITY]
