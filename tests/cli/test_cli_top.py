"""`mqttseg top`: everything has its place on any screen, and what a peer sent does nothing to it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from mqttseg.cli.screen import Look, look_json, rate, screen
from mqttseg.control.api import create_api
from mqttseg.control.endpoint import listening
from mqttseg.control.server import serving
from mqttseg.errors import Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.queries import Recorded
from mqttseg.observe.snapshot import BrokerStatus, Busy, Expiry, PolicyInForce
from mqttseg.pki.quarantine import Quarantine
from tests.cli.conftest import Command
from tests.control.fakes import FakeOperations

NOW = datetime.now(UTC)
STATUS = BrokerStatus(
    version="1.2.3",
    pid=42,
    started=NOW - timedelta(hours=30, seconds=30),
    listening=("mqtts://127.0.0.1:8883",),
    policy=PolicyInForce("policy.yaml", 7, NOW, "enforce", 2, 1, 0),
    connected=31,
    sessions=33,
    retained=5,
    quarantined=1,
    counters={"received": 1000, "sent": 3000, "dropped": 4},
    segments={f"segment{number}": number for number in range(30)},
    denied={"outside-segment": 12, "not-granted": 3},
    observed={"no-segment": 2},
    busiest=tuple(Busy(f"thermo-{number}", 100.0 - number, 1.0) for number in range(20)),
    expiring=(Expiry(None, NOW + timedelta(days=400)), Expiry("thermo-1", NOW + timedelta(days=3, minutes=1))),
)
HOSTILE = Event(
    Kind.DENY, Reason.OUTSIDE_SEGMENT, device="cam-1", action="publish", topic="[bold]x\x1b[2J\r\n[/]", count=7
)
OUT = Quarantine("cam-1", NOW, None, "ada", "stolen\x1b[1m [red]")


def look(taken: float = 10.0, **changes: object) -> Look:
    events = tuple(Recorded(number, NOW, HOSTILE) for number in range(50))
    return Look(replace(STATUS, **changes), (OUT,), events, taken)  # type: ignore[arg-type]  # its own fields


def drawn(width: int, height: int | None) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height or 100, color_system=None, force_terminal=False)
    before = look(8.0, counters={"received": 900, "sent": 2000})
    with console.capture() as captured:
        console.print(screen(before, look(), width, height))
    return captured.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50), (100, 30), (40, 12), (250, 100)])
def test_it_fits_the_screen(width: int, height: int) -> None:
    lines = drawn(width, height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        "up 1d 6h",
        "policy revision 7",
        "mode enforce",
        "31 of 33 sessions connected",
        "in 50/s",
        "out 500/s",
        "dropped 4",
        "quarantined 1",
        "segment29",
        "outside-segment",
        "cam-1 out",
        "thermo-1: expires",
        "deny",
    ],
)
def test_what_matters_is_there_on_the_smallest_usual_screen(text: str) -> None:
    assert text in "\n".join(drawn(80, 24))


def test_a_wide_screen_shows_the_busiest_too() -> None:
    assert "thermo-0" in "\n".join(drawn(160, 50))


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_control_characters_and_markup_of_a_peer_are_text(size: tuple[int, int]) -> None:
    text = "\n".join(drawn(*size))
    assert "\x1b" not in text
    assert "\r" not in text
    assert "[bold]x\\x1b[2J" in text


def test_a_broker_that_was_restarted_has_no_negative_rate() -> None:
    assert rate(look(8.0, started=NOW - timedelta(days=9)), look(counters={"received": 1}), "received") == 0.0


def test_json_has_rates_and_who_is_out() -> None:
    told = look_json(look(8.0, counters={"received": 900}), look(counters={"received": 1000}))
    assert told["rates"] == {"received": 50.0}
    assert [entry["device"] for entry in told["quarantines"]] == ["cam-1"]  # type: ignore[attr-defined]  # a list


# The command


@pytest.fixture
def running(site: Path) -> Iterator[FakeOperations]:
    """A broker that is none, behind the site's real control API."""
    operations = FakeOperations()
    with listening(site / "state") as bound, serving(create_api(operations), bound):
        yield operations


def test_off_a_terminal_it_prints_once(running: FakeOperations, mqttseg: Command) -> None:
    result = mqttseg("top")
    assert result.code == 0
    assert "1 of 3 sessions connected" in result.out
    assert "\x1b" not in result.out


def test_with_json_it_prints_the_figures(running: FakeOperations, mqttseg: Command) -> None:
    assert mqttseg("top", "--json").json["connected"] == 1


def test_without_a_broker_it_says_so(site: Path, mqttseg: Command) -> None:
    result = mqttseg("top")
    assert (result.code, result.out) == (1, "")
    assert "no broker of this site is running here" in result.err


def test_status_says_what_the_broker_says_of_itself(running: FakeOperations, mqttseg: Command) -> None:
    rows = {row["what"]: row for row in mqttseg("status", "--json").json}
    assert rows["running"]["state"] == "ok"
    assert "1 of 3 sessions connected, 0 denied, 0 out" in rows["running"]["detail"]
    assert rows["in force"]["state"] == "older"  # the fake's policy is of long ago


def test_status_without_a_broker_has_no_such_row(site: Path, mqttseg: Command) -> None:
    assert "running" not in {row["what"] for row in mqttseg("status", "--json").json}
