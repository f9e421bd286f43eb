"""`mqttseg map`: the same site as a table, as text for graphs, as a page and as JSON."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Direction, Traffic
from mqttseg.observe.store import Store
from tests.cli.conftest import Command

NOON = 1_795_348_800_123

TOLD = (
    Event(Kind.CONNECT, Reason.OK, device="guest-1"),
    Event(Kind.DENY, Reason.OUTSIDE_SEGMENT, device="guest-1", action="publish", topic="x", count=4),
    Event(Kind.QUARANTINE, Reason.OK, device="never-here", who="ada"),
)


@pytest.fixture
def recorded(site: Path) -> Path:
    store = Store.open(site / "state" / "events.db")
    store.add([(NOON, event) for event in TOLD], [], NOON)
    store.add([], [Traffic("guest-1", None, Direction.PUBLISH, "<b>/x", 3, 12, observed=True)], NOON)
    store.close()
    return site


def test_the_table_shows_segments_and_what_does_not_fit(recorded: Path, mqttseg: Command) -> None:
    result = mqttseg("map")
    assert result.code == 0
    assert result.out.startswith("SEGMENT")
    assert "Seen, and not enrolled here (1):\n  guest-1\n" in result.out
    assert "guest-1 publish <b>/x (no-segment)" in result.out
    assert "never-here" not in result.out  # what was done about a device is not the device


def test_what_a_device_tried_is_counted(recorded: Path, mqttseg: Command) -> None:
    (guest,) = [device for device in mqttseg("map", "--json").json["devices"] if device["id"] == "guest-1"]
    assert (guest["denied"], guest["published"], guest["enrolled"]) == (4, 3, False)


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("site.html", "<!doctype html>"),
        ("site.dot", "digraph site {"),
        ("site.mmd", "flowchart LR"),
        ("site.json", "{"),
    ],
)
def test_the_name_of_the_file_says_what_is_made(recorded: Path, mqttseg: Command, name: str, begin: str) -> None:
    result = mqttseg("map", "-o", name)
    assert (result.code, result.out) == (0, "")
    assert (recorded / name).read_text().startswith(begin)
    assert stat.S_IMODE((recorded / name).stat().st_mode) == 0o600


def test_a_format_that_is_named_counts_more_than_the_name_of_the_file(recorded: Path, mqttseg: Command) -> None:
    assert mqttseg("map", "--format", "mermaid", "-o", "site.html").code == 0
    assert (recorded / "site.html").read_text().startswith("flowchart LR")


def test_what_was_before_since_is_left_out(recorded: Path, mqttseg: Command) -> None:
    assert mqttseg("map", "--json", "--since", "2026-11-22T12:01:00Z").json["flows"] == []
    assert len(mqttseg("map", "--json", "--since", "2026-11-22T11:00:00Z").json["flows"]) == 1


def test_a_site_on_which_nothing_was_recorded_has_a_map(site: Path, mqttseg: Command) -> None:
    result = mqttseg("map")
    assert result.code == 0
    assert "Nothing was recorded yet in state/events.db" in result.err


def test_without_the_authority_nobody_is_called_a_stranger(recorded: Path, mqttseg: Command) -> None:
    (recorded / "certs" / "ca").rename(recorded / "elsewhere")
    result = mqttseg("map")
    assert result.code == 0
    assert "Who is enrolled is not known here" in result.err
    assert "not enrolled" not in result.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--segment", "nowhere"), 2, "the policy has no segment 'nowhere'"),
        (("--since", "yesterday"), 2, "--since"),
        (("-o", "missing/site.html"), 1, "missing/site.html: No such file or directory; name a file that can be"),
        (("-o", "site.txt"), 2, "a table is for the terminal"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_that_says_so(
    recorded: Path, mqttseg: Command, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = mqttseg("map", *arguments)
    assert (result.code, result.out) == (code, "")
    assert message in result.err
    assert not list(recorded.glob("*.part"))


def test_a_policy_that_is_not_valid_has_no_map(recorded: Path, mqttseg: Command) -> None:
    (recorded / "configs" / "policy.yaml").write_text("version: 1\n")
    assert mqttseg("map").code == 3
