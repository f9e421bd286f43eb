"""`mqttseg policy`: every exit code, and JSON on demand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mqttseg.config import config_schema
from mqttseg.policy.schema import devices_schema, policy_schema
from tests.cli.conftest import Command

FAILING = """
version: 1
trust_domain: site.internal
segments: {hvac: {members: ["t-*"]}}
tests:
  - {device: t-1, can: ["publish other/x", "publish hvac/x"]}
"""


def test_check_says_what_it_found(site: Path, mqttseg: Command) -> None:
    result = mqttseg("policy", "check", "--json")
    assert (result.code, result.json["ok"], result.json["segments"]) == (0, True, 3)


def test_check_reports_every_problem_and_exits_with_3(site: Path, mqttseg: Command) -> None:
    Path("bad.yaml").write_text("version: 1\nbogus: 1\nsegments: {a: {mode: never}}\n")
    result = mqttseg("policy", "check", "bad.yaml", "--json")
    assert result.code == 3
    assert {problem["line"] for problem in result.json["problems"]} >= {2, 3}
    assert result.err.count("error: bad.yaml:") == len(result.json["problems"])


def test_check_warns_of_what_is_probably_not_meant(site: Path, mqttseg: Command) -> None:
    Path("empty.yaml").write_text("version: 1\ntrust_domain: site.internal\nsegments: {hvac: {}}\n")
    result = mqttseg("policy", "check", "empty.yaml", "--json")
    assert (result.code, [item["line"] for item in result.json["advice"]]) == (0, [3])
    assert "warning: empty.yaml:3:" in result.err


def test_a_failing_test_exits_with_4(site: Path, mqttseg: Command) -> None:
    Path("failing.yaml").write_text(FAILING)
    result = mqttseg("policy", "check", "failing.yaml")
    assert result.code == 4
    assert "failing.yaml:6" in result.err
    Path("configs/policy.yaml").write_text(FAILING)
    tested = mqttseg("policy", "test")
    assert tested.code == 4
    assert [line.split()[0] for line in tested.out.splitlines()] == ["RESULT", "failed", "ok"]
    assert mqttseg("policy", "test", "--json").json["ok"] is False


def test_check_of_a_file_takes_the_inventory_beside_it(site: Path, mqttseg: Command) -> None:
    Path("configs/devices.yaml").write_text("version: 1\ndevices: {thermo-1: {segment: nowhere}}\n")
    assert mqttseg("policy", "check", "configs/policy.yaml").code == 3
    Path("none.yaml").write_text("version: 1\n")
    assert mqttseg("policy", "check", "configs/policy.yaml", "--devices", "none.yaml").code == 0


def test_a_policy_that_is_not_there_is_invalid(site: Path, mqttseg: Command) -> None:
    assert mqttseg("policy", "check", "none.yaml").code == 3
    assert mqttseg("policy", "check", "configs").code == 3


@pytest.mark.parametrize(
    ("question", "code", "reason"),
    [
        (("thermo-1", "publish", "hvac/thermo-1/telemetry/temp"), 0, "ok"),
        (("etl-1", "subscribe", "hvac/+/telemetry/#"), 0, "ok"),
        (("cam-1", "publish", "hvac/all/off"), 4, "outside-segment"),
        (("cam-1", "subscribe", "#"), 4, "filter-too-wide"),
        (("thermo-1", "receive", "hvac/thermo-2/cmd/x"), 4, "not-granted"),
        (("toaster", "publish", "x"), 4, "no-segment"),
        (("not/an/id", "publish", "x"), 4, "identity-invalid"),
        (("cam-1", "publish", "cameras/#"), 4, "invalid-topic"),
    ],
)
def test_explain_gives_the_reason_and_exits_with_4_when_denied(
    question: tuple[str, str, str], code: int, reason: str, site: Path, mqttseg: Command
) -> None:
    result = mqttseg("policy", "explain", *question, "--json")
    assert (result.code, result.json["reason"]) == (code, reason)
    assert mqttseg("policy", "explain", *question).out.splitlines()[0].endswith(reason)


def test_explain_names_the_line_as_it_is_written_from_here(site: Path, mqttseg: Command) -> None:
    assert "(configs/policy.yaml:" in mqttseg("policy", "explain", "cam-1", "publish", "hvac/x").out


def test_explain_of_an_unknown_action_is_a_usage_error(site: Path, mqttseg: Command) -> None:
    assert mqttseg("policy", "explain", "cam-1", "write", "x").code == 2


def test_schema_prints_each_schema(mqttseg: Command) -> None:
    schemas = {"policy": policy_schema(), "devices": devices_schema(), "config": config_schema()}
    for name, schema in schemas.items():
        assert json.loads(mqttseg("policy", "schema", name).out) == schema


def test_a_policy_whose_last_line_does_not_end_is_valid_with_a_warning(site: Path, mqttseg: Command) -> None:
    policy = site / "configs" / "policy.yaml"
    policy.write_text(policy.read_text().rstrip("\n"))
    result = mqttseg("policy", "check", "--json")
    assert result.code == 0
    assert "cut short" in result.err
    assert [advice["file"] for advice in result.json["advice"]] == ["configs/policy.yaml"]


def test_diff_shows_who_gains_and_loses_what(site: Path, mqttseg: Command) -> None:
    policy = Path("configs/policy.yaml").read_text()
    Path("new.yaml").write_text(policy.replace("${device}/cmd/#", "+/cmd/#"))
    result = mqttseg("policy", "diff", "configs/policy.yaml", "new.yaml")
    assert (result.code, result.out.startswith("+ hvac"), "new.yaml:" in result.out) == (0, True, True)
    told = mqttseg("policy", "diff", "configs/policy.yaml", "new.yaml", "--json").json
    assert (told["empty"], [gain["action"] for gain in told["gains"]], told["losses"]) == (False, ["receive"], [])
    assert mqttseg("policy", "diff", "configs/policy.yaml", "new.yaml", "--exit-code").code == 1


def test_diff_of_a_policy_with_itself_is_empty(site: Path, mqttseg: Command) -> None:
    result = mqttseg("policy", "diff", "configs/policy.yaml", "configs/policy.yaml", "--exit-code")
    assert (result.code, result.out) == (0, "")
    assert "mean the same" in result.err


def test_diff_of_an_invalid_policy_exits_with_3(site: Path, mqttseg: Command) -> None:
    Path("bad.yaml").write_text("version: 1\n")
    assert mqttseg("policy", "diff", "bad.yaml", "configs/policy.yaml").code == 3
    assert mqttseg("policy", "diff", "configs/policy.yaml", "none.yaml").code == 3
    assert mqttseg("policy", "diff", "configs/policy.yaml", "configs").code == 3
