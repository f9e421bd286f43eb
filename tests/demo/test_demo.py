"""The demo tells the truth: 0 when all went as the policy says, 1 otherwise, and nothing is left behind."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from rich.console import Console

from mqttseg.cli import main
from mqttseg.demo.attempt import DENIES, Attempt, Outcome, reason_of
from mqttseg.demo.run import DEFAULT_PORT, _commands
from mqttseg.demo.site import DemoSite, throw_away_site
from mqttseg.demo.table import AttemptTable
from mqttseg.errors import Reason

PATIENCE = 60


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demo makes its site; its path is short, for a Unix socket has to fit below it."""
    tmp_path = tmp_path_factory.mktemp("demo")
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


@contextmanager
def staying_demo(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A demo that stays up, and what it printed until then."""
    command = [sys.executable, "-m", "mqttseg", "demo", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as demo:
        assert demo.stdout is not None
        printed = []
        try:
            for line in demo.stdout:
                printed.append(line.rstrip("\n"))
                if "Ctrl-C ends" in line:
                    break
            yield demo, printed
        finally:
            demo.terminate()
            demo.communicate(timeout=PATIENCE)


def test_once_exits_with_0_and_every_refusal_has_its_reason(
    temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--once", "--port", "0"]) == 0
    printed = capsys.readouterr().out
    assert "16 of 16 went as the policy says." in printed
    assert "WRONG" not in printed
    assert "\x1b" not in printed
    reasons = (
        Reason.OUTSIDE_SEGMENT,
        Reason.NOT_GRANTED,
        Reason.FILTER_TOO_WIDE,
        Reason.WILL_NOT_GRANTED,
        Reason.CLIENT_ID_MISMATCH,
        Reason.CERTIFICATE_MISSING,
        Reason.CERTIFICATE_UNTRUSTED,
        Reason.CERTIFICATE_REVOKED,
    )
    assert all(f"{reason}: " in printed for reason in reasons)
    assert "(policy.yaml:" in printed
    assert list(temporary.iterdir()) == []


def test_a_broker_that_does_not_hold_the_policy_makes_it_exit_with_1(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = DemoSite.command

    def lax(self: DemoSite, *arguments: str) -> list[str]:
        if arguments[0] == "run":  # what the scenario asks is the policy as it was
            policy = self.root / "configs" / "policy.yaml"
            before, tests, _ = policy.read_text().partition("tests:\n")
            policy.write_text(before.replace("mode: enforce", "mode: observe") if tests else before)
        return command(self, *arguments)

    monkeypatch.setattr(DemoSite, "command", lax)
    monkeypatch.setattr("mqttseg.demo.device.PATIENCE", 2.0)
    monkeypatch.setattr("mqttseg.demo.scenario.PATIENCE", 0.5)
    assert main(["demo", "--once", "--port", "0"]) == 1
    assert "WRONG" in capsys.readouterr().out


def test_the_usual_port_being_taken_is_no_obstacle(temporary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        with suppress(OSError):  # somebody else has it, which is as good
            taken.bind(("127.0.0.1", DEFAULT_PORT))
            taken.listen()
        assert main(["demo", "--once"]) == 0
    assert f":{DEFAULT_PORT}\n" not in capsys.readouterr().out


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(
    temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["demo", "--once", "--port", str(port)]) == 1
    assert f"cannot listen on mqtts://127.0.0.1:{port}" in capsys.readouterr().err
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_it_stays_up_until_a_signal_and_leaves_nothing_behind(number: signal.Signals, temporary: Path) -> None:
    with staying_demo(temporary) as (demo, _):
        assert len(list(temporary.iterdir())) == 1
        demo.send_signal(number)
        assert demo.wait(PATIENCE) == 0
    assert list(temporary.iterdir()) == []


def types(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, shell=True, timeout=PATIENCE, check=False, capture_output=True, text=True)


def test_the_commands_it_prints_work_and_what_the_broker_says_of_them_is_shown(temporary: Path) -> None:
    with staying_demo(temporary) as (demo, printed):
        commands = [line.strip() for line in printed if line.startswith("  ")]
        others = [line for line in commands if "sub" not in shlex.split(line)[0].rsplit("_")[-1]]
        publish, denied, explain, events, quarantine, top = others
        assert types(publish).returncode == 0
        assert types(denied).returncode == 0
        assert demo.stdout is not None
        assert any("cam-1" in line and "outside-segment" in line for line in demo.stdout)
        assert types(explain).returncode == 4
        assert "cam-1" in types(events).stdout
        assert "cam-1 is out" in types(quarantine).stdout
        assert "cam-1" in types(top).stdout
        demo.terminate()
        assert demo.wait(PATIENCE) == 0
    assert list(temporary.iterdir()) == []


def test_without_mosquitto_it_prints_python_commands(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with throw_away_site() as site:
        commands = [command for _, command in _commands(site, 8883)]
    assert all(command.startswith(shlex.quote(sys.executable)) for command in commands)


def row(right: bool) -> tuple[Attempt, Outcome]:
    outcome = Outcome(DENIES, "reached nobody", "outside-segment: cameras (policy.yaml:1:1)", right)
    return Attempt("cam-1", "publishes", "hvac/x", lambda: outcome), outcome


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_table_on_a_terminal_ends_with_every_row(width: int) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=width, height=12, no_color=True)
    with AttemptTable(console) as table:
        for right in (True, False, *[True] * 20):
            attempt, outcome = row(right)
            table.begin(attempt)
            table.end(attempt, outcome)
    assert output.getvalue().rpartition("what happened")[2].count("reached nobody") == 22
    assert (table.total, table.surprises) == (22, 1)


def test_the_table_that_grows_is_never_longer_than_the_terminal_nor_breaks_a_topic() -> None:
    """What does not fit could not be replaced: pieces of it would stay above the table."""
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=80, height=24, no_color=True, legacy_windows=False)
    topic = "hvac/thermo-1/telemetry/temp"
    outcome = Outcome(DENIES, "delivered to thermo-1, bms-1", "not-granted: hvac (policy.yaml:14:3)" * 3, right=True)
    attempt = Attempt("thermo-1", "publishes retained", topic, lambda: outcome)
    with AttemptTable(console) as table:
        for _ in range(12):
            table.begin(attempt)
            table.end(attempt, outcome)
        growing = output.getvalue()
    frames = growing.split("what happened")[1:]
    assert len(frames) == 24
    assert max(frame.count("\n") for frame in frames) < 24
    assert all(frame.count(topic) == frame.count("publishes") > 0 for frame in frames)


def test_off_a_terminal_a_row_is_a_line_and_a_surprise_is_marked() -> None:
    output = io.StringIO()
    with AttemptTable(Console(file=output, width=40)) as table:
        table.end(*row(True))
        table.end(*row(False))
    assert [line[:5] for line in output.getvalue().splitlines()] == ["ok   ", "WRONG"]


def test_a_reason_names_the_line_without_the_directory() -> None:
    event = {"reason": "outside-segment", "rule": "hvac (/tmp/x y/policy.yaml:14:3)"}
    assert reason_of(event) == "outside-segment: hvac (policy.yaml:14:3)"
    assert reason_of({"reason": "certificate-revoked", "detail": f"serial {'ab' * 20} is"}) == (
        "certificate-revoked: serial abababab... is"
    )
    assert reason_of(None) == "the broker reported nothing"
