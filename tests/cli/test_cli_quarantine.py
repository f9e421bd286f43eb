"""`mqttseg device quarantine`, `release` and `revoke`, with a running broker and without one."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mqttseg.control.endpoint import NAME, user_name
from mqttseg.pki.quarantine import FILE
from tests.cli.conftest import Command
from tests.cli.test_cli_end_to_end import device, running

ME = user_name(os.geteuid())


def _audited(site: Path, kind: str) -> dict[str, Any]:
    """The first such line of the audit file; the broker writes it beside what it does."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for line in map(json.loads, (site / "state" / "audit.jsonl").read_text().splitlines()):
            if line["kind"] == kind:
                return dict(line)
    raise AssertionError(f"no {kind} in the audit file")


class TestWithoutABroker:
    def test_it_is_recorded_for_the_next_start(self, site: Path, mqttseg: Command) -> None:
        result = mqttseg("device", "quarantine", "cam-7", "--for", "1h", "--why", "stolen", "--json")
        assert result.code == 0
        entry = result.json
        assert (entry["device"], entry["by"], entry["why"], entry["broker"]) == ("cam-7", ME, "stolen", False)
        length = datetime.fromisoformat(entry["until"]) - datetime.fromisoformat(entry["since"])
        assert length == timedelta(hours=1)
        assert "holds from its next start" in result.err
        assert list(json.loads((site / "state" / FILE).read_text())["devices"]) == ["cam-7"]
        assert _audited(site, "quarantine")["who"] == ME

    def test_it_is_released_again(self, site: Path, mqttseg: Command) -> None:
        mqttseg("device", "quarantine", "cam-7")
        assert mqttseg("device", "release", "cam-7", "--why", "found").code == 0
        assert json.loads((site / "state" / FILE).read_text())["devices"] == {}
        assert _audited(site, "release")["why"] == "found"

    def test_device_show_says_that_it_is_out(self, site: Path, mqttseg: Command) -> None:
        mqttseg("device", "issue", "cam-7")
        assert "quarantine" not in mqttseg("device", "show", "cam-7").out
        mqttseg("device", "quarantine", "cam-7", "--why", "stolen")
        assert f"by {ME}: stolen" in mqttseg("device", "show", "cam-7").out

    def test_releasing_who_is_not_out_fails_with_1(self, site: Path, mqttseg: Command) -> None:
        result = mqttseg("device", "release", "cam-7")
        assert (result.code, result.err) == (1, "error: cam-7 is not in quarantine\n")
        assert not (site / "state" / "audit.jsonl").exists()

    @pytest.mark.parametrize("device_id", ["../cam-7", "cam 7", "#", "a/b", "", "x" * 65, "cam-7\n"])
    def test_what_is_no_device_id_fails_with_1_and_changes_nothing(
        self, site: Path, mqttseg: Command, device_id: str
    ) -> None:
        for command in ("quarantine", "release"):
            result = mqttseg("device", command, device_id)
            assert result.code == 1
            assert "is not a device id" in result.err
        assert not (site / "state" / FILE).exists()

    @pytest.mark.parametrize("lasting", ["1", "h", "-1h", "0s", "1h30m", "nan", ""])
    def test_a_length_without_sense_is_a_usage_error(self, site: Path, mqttseg: Command, lasting: str) -> None:
        result = mqttseg("device", "quarantine", "cam-7", "--for", lasting)
        assert result.code == 2
        assert "--for" in result.err
        assert not (site / "state" / FILE).exists()

    def test_a_reason_of_two_lines_fails_with_1(self, site: Path, mqttseg: Command) -> None:
        assert mqttseg("device", "quarantine", "cam-7", "--why", "two\nlines").code == 1
        assert not (site / "state" / FILE).exists()

    def test_an_id_in_no_segment_is_put_out_with_a_warning(self, site: Path, mqttseg: Command) -> None:
        result = mqttseg("device", "quarantine", "toaster-9")
        assert result.code == 0
        assert "is in no segment of configs/policy.yaml" in result.err

    def test_a_damaged_register_fails_with_3_and_is_left_as_it_is(self, site: Path, mqttseg: Command) -> None:
        (site / "state").mkdir(exist_ok=True)
        (site / "state" / FILE).write_text("{")
        result = mqttseg("device", "quarantine", "cam-7")
        assert result.code == 3
        assert FILE in result.err
        assert (site / "state" / FILE).read_text() == "{"
        assert mqttseg("run").code == 3  # nobody is let in again by a damaged file

    def test_a_revocation_is_in_the_audit_trail(self, site: Path, mqttseg: Command) -> None:
        mqttseg("device", "issue", "cam-7")
        assert mqttseg("device", "revoke", "cam-7", "--why", "key-compromise").code == 0
        line = _audited(site, "revoke")
        assert (line["device"], line["who"], line["why"]) == ("cam-7", ME, "key-compromise")


class TestWithARunningBroker:
    @pytest.fixture
    def port(self, site: Path, unused_port: int, mqttseg: Command) -> Iterator[int]:
        for device_id in ("cam-1", "cam-2"):
            mqttseg("device", "issue", device_id)
        with running(site, unused_port):
            yield unused_port

    def test_the_device_is_cut_kept_out_and_let_in_again(self, site: Path, port: int, mqttseg: Command) -> None:
        with closing(device(site, "cam-1", port)) as thief, closing(device(site, "cam-2", port)) as other:
            assert thief.connect()
            assert other.connect()
            result = mqttseg("device", "quarantine", "cam-1", "--why", "stolen")
            assert result.code == 0, result.err
            assert "connections cut: 1" in result.out
            assert thief.wait_until_gone()
            assert other.publish("cameras/cam-2/x", "1")
        with closing(device(site, "cam-1", port)) as thief:
            assert not thief.connect()
        assert mqttseg("device", "release", "cam-1").code == 0
        with closing(device(site, "cam-1", port)) as found:
            assert found.connect()
        assert mqttseg("device", "release", "cam-1").code == 1
        line = _audited(site, "quarantine")
        assert (line["device"], line["who"], line["why"], line["segment"]) == ("cam-1", ME, "stolen", "cameras")

    def test_a_revoked_device_is_cut_and_the_broker_says_so(self, site: Path, port: int, mqttseg: Command) -> None:
        with closing(device(site, "cam-1", port)) as thief:
            assert thief.connect()
            result = mqttseg("device", "revoke", "cam-1", "--why", "key-compromise")
            assert "the running broker has cut the device" in result.err
            assert thief.wait_until_gone()
        assert _audited(site, "revoke")["who"] == ME

    def test_the_socket_is_its_owners(self, site: Path, port: int) -> None:
        assert (site / "state" / NAME).stat().st_mode & 0o777 == 0o600
