"""`mqttseg policy learn` and `simulate`: from what was recorded, to a policy, to what it would break."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Direction, Traffic
from mqttseg.observe.store import Store
from tests.cli.conftest import Command

DAY = 86_400_000
TRAFFIC = [
    Traffic("thermo-1", "hvac", Direction.PUBLISH, "hvac/thermo-1/telemetry/temp", 9),
    Traffic("thermo-2", "hvac", Direction.PUBLISH, "hvac/thermo-2/telemetry/temp", 9),
    Traffic("thermo-1", "hvac", Direction.PUBLISH, "hvac/thermo-1/rare", 1),
    Traffic("etl-1", "analytics", Direction.SUBSCRIBE, "hvac/+/telemetry/#", 3),
    Traffic("cam-1", "cameras", Direction.PUBLISH, "hvac/all/off", 5, observed=True),
]


@pytest.fixture
def recorded(site: Path) -> Path:
    """A site whose broker has seen some traffic, and refused some."""
    now = time.time_ns() // 1_000_000
    store = Store.open(site / "state" / "events.db")
    denied = Event(
        Kind.DENY, Reason.OUTSIDE_SEGMENT, device="cam-1", action="publish", topic="analytics/\n- x", count=4
    )
    store.add([(now, denied)], TRAFFIC, now)
    store.add([], [Traffic("thermo-9", "hvac", Direction.PUBLISH, "hvac/thermo-9/old", 9)], now - 30 * DAY)
    store.close()
    return site


def test_a_learnt_policy_passes_the_check_and_breaks_nothing_that_it_was_learnt_from(
    recorded: Path, mqttseg: Command
) -> None:
    learnt = mqttseg("policy", "learn", "--since", "7d")
    assert learnt.code == 0
    assert '"hvac/${device}/telemetry/temp"  # thermo-1, thermo-2, 18 times' in learnt.out
    assert "thermo-9" not in learnt.out
    Path("learnt.yaml").write_text(learnt.out)
    assert mqttseg("policy", "check", "learnt.yaml").code == 0
    tried = mqttseg("policy", "simulate", "learnt.yaml", "--since", "7d", "--json")
    broken = [(one["device"], one["example"]) for one in tried.json["affected"]]
    assert (tried.code, broken) == (4, [("cam-1", "hvac/all/off"), ("thermo-1", "hvac/thermo-1/rare")])


def test_learn_tells_what_was_refused_and_what_waits(recorded: Path, mqttseg: Command) -> None:
    out = mqttseg("policy", "learn").out
    assert "#   cam-1 publish 'analytics/\\n- x', 4 times: outside-segment" in out
    assert any("OBSERVE MODE ONLY" in line and line.startswith("#") for line in out.splitlines())
    told = mqttseg("policy", "learn", "--observed", "--min-count", "1", "--json").json
    lines = {(line["filter"], line["active"], line["observed"]) for line in told["lines"]}
    assert lines >= {("hvac/all/off", True, 5), ("hvac/${device}/rare", True, 0)}


def test_simulate_says_what_breaks_for_whom_and_by_which_rule(recorded: Path, mqttseg: Command) -> None:
    policy = Path("configs/policy.yaml").read_text()
    Path("new.yaml").write_text(policy.replace("    roles:", '    deny: ["hvac/+/telemetry/#"]\n    roles:', 1))
    result = mqttseg("policy", "simulate", "new.yaml")
    assert result.code == 4
    row = next(line for line in result.out.splitlines() if "thermo-2" in line)
    assert row.split()[:5] == ["breaks", "thermo-2", "hvac", "publish", "hvac/${device}/telemetry/temp"]
    assert "denied-by-rule by hvac/+/telemetry/# (new.yaml:" in row


def test_a_policy_that_breaks_nothing_exits_with_0(recorded: Path, mqttseg: Command) -> None:
    Path("open.yaml").write_text(
        "version: 1\ntrust_domain: site.internal\nsegments: {all: {namespace: '#', members: ['*']}}\n"
    )
    result = mqttseg("policy", "simulate", "open.yaml", "--json")
    assert (result.code, result.json) == (0, {"flows": 6, "affected": []})


def test_what_cannot_be_done_says_why(site: Path, mqttseg: Command) -> None:
    nothing = mqttseg("policy", "learn")
    assert (nothing.code, "nothing was recorded yet" in nothing.err) == (1, True)
    assert mqttseg("policy", "simulate", "configs/policy.yaml").code == 1
    assert mqttseg("policy", "simulate", "none.yaml").code == 3
    assert mqttseg("policy", "learn", "--since", "soon").code == 2
    Store.open(site / "state" / "events.db").close()
    empty = mqttseg("policy", "learn")
    assert (empty.code, "no traffic was recorded" in empty.err) == (1, True)


def test_a_device_that_was_refused_very_often_does_not_drown_the_warnings(recorded: Path, mqttseg: Command) -> None:
    store = Store.open(recorded / "state" / "events.db")
    now = time.time_ns() // 1_000_000
    topics = [f"hvac/thermo-{n}/telemetry/temp" for n in range(1, 40)]
    store.add([], [Traffic("bms-1", "hvac", Direction.PUBLISH, topic, 9) for topic in topics[:2]], now)
    denials = [Event(Kind.DENY, Reason.NOT_GRANTED, device="bms-1", action="publish", topic=topic) for topic in topics]
    store.add([(now, denial) for denial in denials], [], now)
    store.close()
    result = mqttseg("policy", "learn")
    assert result.err.count("warning:") == 21
    assert result.err.rstrip().endswith("more like these; --json has them all")
