"""Loading on a real gateway: nothing changes unless all of it does, and nothing stays that nobody confirms."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.gateway.conftest import POLICY, inventory
from tests.gateway.keyboard import REPOSITORY, Operator, until
from tests.gateway.lab import Lab


@pytest.fixture
def operator(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(lab, tmp_path / "site", capsys)


CHANGED = POLICY.replace("[dns, ntp]", "[ntp]")


def test_apply_and_confirm_keep_the_rules(operator: Operator) -> None:
    operator.does("apply", "--confirm", "60")
    assert operator.lab["a1"].opens("192.0.2.10", 8883)
    assert operator.lab["a1"].is_kept_from("192.0.2.10", 8884)
    operator.does("confirm")
    told = json.loads(operator.does("status", "--json"))
    assert (told["loaded"]["revision"], told["current"], told["confirm_by"]) == (1, True, None)


def test_a_change_that_nobody_confirms_restores_the_identical_ruleset(operator: Operator) -> None:
    operator.does("apply", "--confirm", "0")
    before = operator.listing()
    operator.writes(CHANGED)
    operator.does("apply", "--confirm", "1")
    assert operator.listing() != before
    until(lambda: not (operator.state / "pending.json").exists())
    assert operator.listing() == before
    assert operator.types("confirm").returncode == 1


def test_a_first_apply_that_nobody_confirms_leaves_nothing_of_ours(operator: Operator) -> None:
    operator.does("apply", "--confirm", "1")
    until(lambda: not (operator.state / "pending.json").exists())
    assert "table inet mqttseg {" not in operator.listing()


def test_a_killed_apply_is_rolled_back_all_the_same(operator: Operator) -> None:
    operator.does("apply", "--confirm", "0")
    before = operator.listing()
    slow = CHANGED.replace(
        "addresses: [192.0.2.10,", "addresses: [192.0.2.99,"
    )  # nobody answers there: the probe waits
    operator.writes(slow)
    process = operator.starts("apply", "--confirm", "4")
    until(lambda: operator.listing() != before)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: operator.listing() == before)


def test_rules_that_cut_the_broker_off_from_the_gateway_are_rolled_back_at_once(operator: Operator) -> None:
    operator.does("apply", "--confirm", "0")
    before = operator.listing()
    operator.writes(CHANGED.replace("interfaces: [br-iot]", "interfaces: [br-iot, up0]"))
    done = operator.types("apply")
    assert done.returncode == 1
    assert "no longer" in done.stderr
    assert operator.listing() == before
    assert not (operator.state / "pending.json").exists()


def test_a_second_apply_waits_for_the_first_to_be_confirmed(operator: Operator) -> None:
    operator.does("apply", "--confirm", "60")
    done = operator.types("apply")
    assert done.returncode == 1
    assert "waits for confirmation" in done.stderr
    operator.does("rollback")
    assert operator.types("apply", "--confirm", "0").returncode == 0


@pytest.mark.parametrize(
    ("policy", "devices"),
    [
        (POLICY.replace("[dns, ntp]", "[dms]"), inventory("a1")),
        (POLICY, inventory("a1").replace("10.9.0.11", "10.1.0.11")),
        (POLICY, inventory("a1", "a2").replace("02:aa:00:00:00:02", "02:aa:00:00:00:01")),
        (POLICY, inventory("a1").replace("  a1:", "  zz:")),
    ],
)
def test_a_bad_file_exits_3_and_changes_nothing(operator: Operator, policy: str, devices: str) -> None:
    operator.does("apply", "--confirm", "0")
    before = operator.listing()
    operator.writes(policy, devices)
    done = operator.types("apply")
    assert done.returncode == 3
    assert ".yaml:" in done.stderr
    assert operator.listing() == before


def test_dry_run_shows_what_would_change_and_changes_nothing(operator: Operator) -> None:
    operator.does("apply", "--confirm", "0")
    before = operator.listing()
    operator.writes(CHANGED)
    assert "set dst4_hvac: 192.0.2.53 . udp . 53" in operator.does("apply", "--dry-run")
    assert operator.listing() == before


def test_drift_names_what_somebody_changed_by_hand(operator: Operator) -> None:
    operator.does("apply", "--confirm", "0")
    assert operator.types("drift").returncode == 0
    operator.lab.gateway.run("nft", "insert", "rule", "inet", "mqttseg", "seg_cameras", "accept")
    operator.lab.gateway.run("nft", "delete", "element", "inet", "mqttseg", "peer4", "{ 10.9.0.11 }")
    done = operator.types("drift")
    assert done.returncode == 4
    assert "+ inet mqttseg chain seg_cameras: accept" in done.stdout
    assert "- inet mqttseg map peer4: 10.9.0.11 : goto re_hvac" in done.stdout


def test_every_apply_judges_every_flow_again(operator: Operator) -> None:
    operator.does("apply", "--confirm", "0")
    assert operator.lab["a1"].opens("192.0.2.53", 53, transport="udp", name="dns")
    operator.writes(CHANGED)
    operator.does("apply", "--confirm", "0")
    assert json.loads(operator.does("status", "--json"))["loaded"]["revision"] == 2
    assert operator.lab["a1"].has_lost("dns")


def test_tables_of_others_are_untouched(operator: Operator) -> None:
    operator.lab.load("table inet theirs {\n chain c {\n type filter hook input priority 5; policy accept;\n }\n}\n")
    operator.does("apply", "--confirm", "0")
    operator.does("rollback")
    left = {line for line in operator.listing().splitlines() if line.startswith("table")}
    quarantine = {"table inet mqttseg_q {", "table bridge mqttseg_q {"}  # which no rollback empties
    assert left == {"table inet theirs {"} | quarantine


@pytest.mark.parametrize("command", ["apply", "status", "drift", "check"])
def test_without_root_the_command_to_run_is_named(operator: Operator, command: str) -> None:
    with tempfile.TemporaryDirectory() as site:
        Path(site).chmod(0o755)
        shutil.copytree(operator.configs, f"{site}/configs")
        operator.configs = Path(site) / "configs"
        line = operator.command(command)
        unprivileged = ["setpriv", "--reuid=65534", "--clear-groups"]
        command_line = [*line[:4], *unprivileged, *line[4:]]
        done = subprocess.run(command_line, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "sudo" in done.stderr
