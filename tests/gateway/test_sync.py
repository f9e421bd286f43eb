"""Learned addresses in a ruleset that is loaded: changed in place, and given up when two claim them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gateway.conftest import POLICY
from tests.gateway.keyboard import Operator
from tests.gateway.lab import PORTS, Lab

A1, A2, B1, X1 = PORTS
LEARNED = "version: 1\ndevices:\n" + "".join(
    f'  {p.host}: {{mac: "{p.mac}", port: {p.port}, addresses: learned}}\n' for p in (A1, A2, B1)
)


@pytest.fixture
def operator(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    found = Operator(lab, tmp_path / "site", capsys)
    found.writes(POLICY, LEARNED)
    found.does("apply", "--confirm", "0")
    return found


def leases(operator: Operator, *lines: str) -> str:
    file = operator.configs / "leases"
    file.write_text("".join(f"1700000000 {line} * *\n" for line in lines))
    return str(file)


def test_a_device_gets_nothing_until_its_address_is_learned(operator: Operator) -> None:
    a1 = operator.lab["a1"]
    assert a1.is_kept_from("192.0.2.10", 8883)
    operator.does("sync", "--leases", leases(operator, f"{A1.mac} {A1.v4}"))
    assert a1.opens("192.0.2.10", 8883)
    assert operator.lab["a2"].is_kept_from("192.0.2.10", 8883)
    assert operator.types("drift").returncode == 0


def test_a_change_in_place_keeps_the_flows_of_others(operator: Operator) -> None:
    operator.does("sync", "--leases", leases(operator, f"{A1.mac} {A1.v4}"))
    assert operator.lab["a1"].opens("192.0.2.10", 8883, name="kept")
    operator.does("sync", "--leases", leases(operator, f"{A1.mac} {A1.v4}", f"{B1.mac} {B1.v4}"))
    assert operator.lab["a1"].still_has("kept")
    assert operator.lab["b1"].opens("192.0.2.10", 8883)
    assert json.loads(operator.does("status", "--json"))["loaded"]["revision"] == 1


def test_an_address_that_two_claim_is_taken_from_both_and_reported(operator: Operator) -> None:
    operator.does("sync", "--leases", leases(operator, f"{A1.mac} {A1.v4}"))
    done = operator.types("sync", "--leases", leases(operator, f"{A1.mac} {A1.v4}", f"{B1.mac} {A1.v4}"))
    assert f"{A1.v4} is given to nobody: claimed by a1 and b1" in done.stderr
    assert operator.lab["a1"].is_kept_from("192.0.2.10", 8883)


def test_a_stranger_is_listed_and_let_nowhere(operator: Operator) -> None:
    done = operator.types("sync", "--leases", leases(operator, f"{X1.mac} {X1.v4}"))
    assert f"unknown: {X1.mac} {X1.v4}" in done.stderr
    assert operator.lab["x1"].is_kept_from("192.0.2.10", 8883)


def test_the_server_s_address_is_not_learned(operator: Operator) -> None:
    done = operator.types("sync", "--leases", leases(operator, f"{A1.mac} 192.0.2.10"))
    assert "not given to a1" in done.stderr
    assert "nothing changed" in done.stdout


def test_dry_run_changes_nothing(operator: Operator) -> None:
    before = operator.listing()
    told = operator.does("sync", "--dry-run", "--leases", leases(operator, f"{A1.mac} {A1.v4}"))
    assert f"peer4: {A1.v4} : goto re_hvac" in told
    assert operator.listing() == before
    assert not (operator.state / "learned.json").exists()


def test_what_was_learned_is_in_the_next_apply(operator: Operator) -> None:
    operator.does("sync", "--leases", leases(operator, f"{A1.mac} {A1.v4}"))
    operator.does("apply", "--confirm", "0")
    assert operator.lab["a1"].opens("192.0.2.10", 8883)


def test_a_lease_file_that_is_none_changes_nothing(operator: Operator) -> None:
    file = operator.configs / "leases"
    file.write_text("these are not leases\n")
    before = operator.listing()
    done = operator.types("sync", "--leases", str(file))
    assert done.returncode == 1
    assert "leases:1" in done.stderr
    assert operator.listing() == before
