"""The register of quarantines: durable, strict, and on time whatever the clock does."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mqttseg.errors import ConfigurationError, OperatorError
from mqttseg.pki.quarantine import FILE, LONGEST, Quarantine, QuarantineClock, Register, quarantine_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _entry(device: str = "cam-7", seconds: float | None = None, now: datetime = NOW) -> Quarantine:
    return quarantine_of(device, seconds, by="ann", why="stolen", now=now)


def _file_of(devices: str) -> str:
    return f'{{"version": 1, "devices": {{{devices}}}}}'


class TestRegister:
    def test_what_was_added_is_found_by_the_next_reader(self, tmp_path: Path) -> None:
        Register(tmp_path / "state").add(_entry(seconds=3600))
        assert Register(tmp_path / "state").load() == {"cam-7": _entry(seconds=3600)}

    def test_a_second_word_on_a_device_replaces_the_first_and_leaves_others(self, tmp_path: Path) -> None:
        register = Register(tmp_path)
        for entry in (_entry("cam-1"), _entry("cam-7"), _entry("cam-7", 60)):
            register.add(entry)
        assert register.load() == {"cam-1": _entry("cam-1"), "cam-7": _entry("cam-7", 60)}

    def test_removing_says_what_was_removed(self, tmp_path: Path) -> None:
        register = Register(tmp_path)
        assert register.remove("cam-7") is None
        register.add(_entry())
        assert register.remove("cam-7") == _entry()
        assert register.remove("cam-7") is None
        assert register.load() == {}

    def test_only_its_owner_reads_it(self, tmp_path: Path) -> None:
        Register(tmp_path / "state").add(_entry())
        assert stat.S_IMODE((tmp_path / "state" / FILE).stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700

    def test_a_change_leaves_nothing_else_behind(self, tmp_path: Path) -> None:
        register = Register(tmp_path)
        register.add(_entry())
        register.remove("cam-7")
        assert [path.name for path in tmp_path.iterdir()] == [FILE]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "{}",
            '{"version": 2, "devices": {}}',
            _file_of('"../x": {"since": "2026-01-01T00:00:00Z", "until": null, "by": "", "why": ""}'),
            _file_of('"cam-1\\n": {"since": "2026-01-01T00:00:00Z", "until": null, "by": "", "why": ""}'),
            _file_of('"cam-1": {"since": "2026-01-01T00:00:00", "until": null, "by": "", "why": ""}'),
            _file_of('"cam-1": {"since": "0001-01-01T00:00:00+12:00", "until": null, "by": "", "why": ""}'),
            _file_of('"cam-1": {"since": "2026-01-01T00:00:00Z"}'),
            '{"version": 1, "devices": {}, "more": 1}',
        ],
    )
    def test_a_damaged_file_is_an_error_and_never_an_empty_register(self, tmp_path: Path, text: str) -> None:
        (tmp_path / FILE).write_text(text)
        register = Register(tmp_path)
        with pytest.raises(ConfigurationError, match="register of quarantines"):
            register.load()
        with pytest.raises(ConfigurationError):
            register.add(_entry())
        with pytest.raises(ConfigurationError):
            register.remove("cam-7")
        assert (tmp_path / FILE).read_text() == text

    def test_a_state_directory_that_cannot_be_made_is_the_operators_to_mend(self, tmp_path: Path) -> None:
        (tmp_path / "state").write_text("")
        with pytest.raises(OperatorError, match="state"):
            Register(tmp_path / "state").add(_entry())


class TestWhatMayBeQuarantined:
    @pytest.mark.parametrize("device", ["", "a/b", "../cam-1", "cam 1", "#", "+", "$SYS", "cam-1\n", "x" * 65, ".cam"])
    def test_what_is_no_device_id_is_refused(self, device: str) -> None:
        with pytest.raises(OperatorError, match="not a device id"):
            _entry(device)

    @pytest.mark.parametrize("seconds", [0, -1, LONGEST.total_seconds() + 1, float("inf"), float("nan")])
    def test_a_length_of_nothing_or_for_ever_is_refused(self, seconds: float) -> None:
        with pytest.raises(OperatorError, match="lasts"):
            _entry(seconds=seconds)

    @pytest.mark.parametrize("why", ["two\nlines", "\x1b[2J", "x" * 501])
    def test_a_reason_that_would_deface_the_audit_trail_is_refused(self, why: str) -> None:
        with pytest.raises(OperatorError, match="one line"):
            quarantine_of("cam-7", None, by="ann", why=why, now=NOW)


class TestClock:
    def _following(self, entry: Quarantine, now: datetime = NOW, steady: float = 100.0) -> QuarantineClock:
        clock = QuarantineClock()
        clock.follow({entry.device: entry}, now, steady)
        return clock

    def test_it_ends_when_it_should_and_not_before(self) -> None:
        clock = self._following(_entry(seconds=60))
        assert clock.ended(159.9) == []
        assert clock.ended(160.0) == [_entry(seconds=60)]

    def test_without_an_end_it_never_ends(self) -> None:
        assert self._following(_entry()).ended(1e12) == []

    def test_a_clock_that_is_set_forward_lets_nobody_out(self) -> None:
        clock = self._following(_entry(seconds=60))
        clock.follow({"cam-7": _entry(seconds=60)}, NOW + timedelta(days=400), 101.0)
        assert clock.ended(159.9) == []

    def test_a_clock_that_is_set_back_keeps_nobody_in(self) -> None:
        clock = self._following(_entry(seconds=60))
        clock.follow({"cam-7": _entry(seconds=60)}, NOW - timedelta(days=400), 101.0)
        assert len(clock.ended(160.0)) == 1

    def test_after_a_restart_with_an_older_clock_it_lasts_no_longer_than_was_meant(self) -> None:
        clock = self._following(_entry(seconds=60), now=NOW - timedelta(days=400))
        assert clock.ended(159.9) == []
        assert len(clock.ended(160.0)) == 1

    def test_after_a_restart_the_time_that_passed_counts(self) -> None:
        assert len(self._following(_entry(seconds=60), now=NOW + timedelta(seconds=59)).ended(101.0)) == 1

    def test_new_terms_count_from_when_they_were_given(self) -> None:
        clock = self._following(_entry(seconds=60))
        clock.follow({"cam-7": _entry(seconds=60, now=NOW + timedelta(seconds=50))}, NOW + timedelta(seconds=50), 150.0)
        assert clock.ended(160.0) == []
        assert len(clock.ended(210.0)) == 1

    def test_who_was_released_does_not_end(self) -> None:
        clock = self._following(_entry(seconds=60))
        clock.follow({}, NOW, 101.0)
        assert clock.ended(1000.0) == []


def test_the_file_is_readable_by_a_person(tmp_path: Path) -> None:
    Register(tmp_path).add(_entry(seconds=60))
    assert json.loads((tmp_path / FILE).read_text()) == {
        "version": 1,
        "devices": {
            "cam-7": {
                "since": "2026-11-22T12:00:00Z",
                "until": "2026-11-22T12:01:00Z",
                "by": "ann",
                "why": "stolen",
            }
        },
    }
