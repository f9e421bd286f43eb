"""`mqttseg events` and `mqttseg flows`: what is asked is shown, and what a peer sent does nothing to the terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Direction, Traffic
from mqttseg.observe.store import Store
from tests.cli.conftest import Command

NOON = 1_795_348_800_123
"""2026-11-22 12:00:00.123 UTC."""
MINUTE = 60_000

HOSTILE = Event(
    Kind.DENY,
    Reason.OUTSIDE_SEGMENT,
    device="cam-1",
    segment="cameras",
    action="publish",
    topic="hvac/\x1b[2J\r\nok",
    rule="cameras/# (policy.yaml:3:5)",
    observed=True,
    count=7,
)
TOLD = (
    Event(Kind.CONNECT, Reason.OK, device="thermo-1", segment="hvac"),
    HOSTILE,
    Event(Kind.REFUSE, Reason.CERTIFICATE_MISSING, address="192.0.2.7:4711", action="connect"),
    Event(Kind.QUARANTINE, Reason.OK, device="cam-1", segment="cameras", who="ada", why="stolen"),
)


@pytest.fixture
def store(site: Path) -> Iterator[Store]:
    opened = Store.open(site / "state" / "events.db")
    opened.add([(NOON + number * MINUTE, event) for number, event in enumerate(TOLD)], [], NOON)
    opened.add([], [Traffic("thermo-1", "hvac", Direction.PUBLISH, "hvac/thermo-1/2026/temp", 3, 12)], NOON)
    opened.add([], [Traffic("cam-1", "cameras", Direction.PUBLISH, "hvac/x", 2, 8, observed=True)], NOON + MINUTE)
    yield opened
    opened.close()


def kinds(out: str) -> list[str]:
    return [json.loads(line)["kind"] for line in out.splitlines()]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), ["connect", "deny", "refuse", "quarantine"]),
        (("--device", "cam-1"), ["deny", "quarantine"]),
        (("--segment", "hvac"), ["connect"]),
        (("--denied",), ["deny", "refuse"]),
        (("--kind", "refuse"), ["refuse"]),
        (("--reason", "outside-segment"), ["deny"]),
        (("--since", "2026-11-22T12:01:00Z", "--until", "2026-11-22T13:02:00+01:00"), ["deny"]),
        (("--since", "1h"), []),
        (("--limit", "1"), ["quarantine"]),
        (("--limit", "0"), ["connect", "deny", "refuse", "quarantine"]),
    ],
)
def test_what_is_asked_for_is_shown(store: Store, mqttseg: Command, options: tuple[str, ...], shown: list[str]) -> None:
    result = mqttseg("events", "--json", *options)
    assert result.code == 0
    assert kinds(result.out) == shown


def test_json_has_number_time_and_every_field_that_is_not_empty(store: Store, mqttseg: Command) -> None:
    result = mqttseg("events", "--json", "--kind", "deny")
    assert "\x1b" not in result.out
    assert result.json == {
        "id": 2,
        "time": "2026-11-22T12:01:00.123+00:00",
        "kind": "deny",
        "reason": "outside-segment",
        "device": "cam-1",
        "segment": "cameras",
        "action": "publish",
        "topic": "hvac/\x1b[2J\r\nok",
        "rule": "cameras/# (policy.yaml:3:5)",
        "observed": True,
        "count": 7,
    }


def test_the_table_says_who_what_and_why_and_is_safe_to_look_at(store: Store, mqttseg: Command) -> None:
    out = mqttseg("events").out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 1 + len(TOLD)
    denied, refused, put_out = out.splitlines()[2:]
    assert denied.startswith("2026-11-22 12:01:00.123Z  deny        outside-segment      cam-1     cameras")
    assert denied.endswith("observed: let through; by cameras/# (policy.yaml:3:5)")
    assert refused.endswith("from 192.0.2.7:4711")
    assert put_out.endswith("by ada; stolen")


def test_nothing_found_is_said_and_no_error(store: Store, mqttseg: Command) -> None:
    result = mqttseg("events", "--device", "nobody")
    assert (result.code, result.out) == (0, "")
    assert "Nothing of that is in state/events.db." in result.err


@pytest.mark.parametrize("command", ["events", "flows"])
def test_before_the_broker_ever_ran_there_is_nothing_to_ask(site: Path, mqttseg: Command, command: str) -> None:
    result = mqttseg(command)
    assert result.code == 1
    assert "nothing was recorded yet; `mqttseg run` records it" in result.err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--since", "yesterday"), "write a number with its unit: 500ms, 5s, 20m, 1h or 90d, or a moment such as"),
        (("--since", "5"), "'5' is not a duration"),
        (("--since", "999999999d"), "or a moment such as"),
        (("--until", "2026-11-22T12:00:00"), "has no time zone"),
        (("--kind", "explosion"), "explosion"),
        (("--limit", "-1"), "write a number of at least 0"),
    ],
)
def test_a_wrong_option_is_told_with_what_to_write(
    store: Store, mqttseg: Command, options: tuple[str, ...], complaint: str
) -> None:
    result = mqttseg("events", *options)
    assert result.code == 2
    assert complaint in result.err


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), ["cam-1", "thermo-1"]),
        (("--device", "cam-1"), ["cam-1"]),
        (("--segment", "hvac"), ["thermo-1"]),
        (("--direction", "receive"), []),
        (("--until", "2026-11-22T12:00:30Z"), ["thermo-1"]),
        (("--limit", "1"), ["cam-1"]),
    ],
)
def test_flows_that_are_asked_for_are_shown(
    store: Store, mqttseg: Command, options: tuple[str, ...], shown: list[str]
) -> None:
    result = mqttseg("flows", "--json", *options)
    assert [json.loads(line)["device"] for line in result.out.splitlines()] == shown


def test_a_flow_in_json_and_in_the_table(store: Store, mqttseg: Command) -> None:
    assert mqttseg("flows", "--json", "--device", "thermo-1").json == {
        "device": "thermo-1",
        "segment": "hvac",
        "direction": "publish",
        "shape": "hvac/${device}/+/temp",
        "example": "hvac/thermo-1/2026/temp",
        "count": 3,
        "bytes": 12,
        "observed": 0,
        "first_seen": "2026-11-22T12:00:00.123+00:00",
        "last_seen": "2026-11-22T12:00:00.123+00:00",
    }
    row = mqttseg("flows", "--device", "cam-1").out.splitlines()[1]
    assert row.split() == ["cam-1", "cameras", "publish", "hvac/x", "2", "8", "2", *["2026-11-22", "12:01:00.123Z"] * 2]


@pytest.mark.parametrize("damaged", [False, True], ids=["the same file", "a new file after damage"])
def test_following_shows_what_comes_and_nothing_twice(store: Store, site: Path, damaged: bool) -> None:
    path = site / "state" / "events.db"
    command = [sys.executable, "-m", "mqttseg", "events", "--follow", "--json", "--device", "cam-1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}) as p:
        assert p.stdout is not None
        try:
            seen = [json.loads(p.stdout.readline())["kind"] for _ in range(2)]
            if damaged:
                store.close()
                path.rename(path.with_name("events.db.damaged-1"))
                for suffix in ("-wal", "-shm"):
                    Path(f"{path}{suffix}").unlink(missing_ok=True)
            writer = Store.open(path)
            for event in (TOLD[0], Event(Kind.RELEASE, Reason.OK, device="cam-1"), HOSTILE):
                writer.add([(NOON, event)], [], NOON)
            seen += [json.loads(p.stdout.readline())["kind"] for _ in range(2)]
            writer.close()
        finally:
            p.kill()
    assert seen == ["deny", "quarantine", "release", "deny"]
