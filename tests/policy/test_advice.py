"""What is valid and probably not meant."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mqttseg.errors import Problem
from mqttseg.policy.advice import advise, advise_of_text
from mqttseg.policy.compiled import compile_policy
from mqttseg.policy.load import load_policy

NOW = datetime(2026, 11, 22, tzinfo=UTC)

POLICY = """
version: 1
trust_domain: plant7.example
segments:
  hvac:
    members: ["thermo-*"]
    subscribe: ["hvac/all/#", "hvac/${device}/cmd"]
    deny: ["hvac/+/factory/#"]
    roles:
      controller: {members: [bms-1], subscribe: ["hvac/#"]}
  relaxed:
    members: ["lab-*"]
    subscriptions: narrow
    subscribe: ["relaxed/#"]
    deny: ["relaxed/secret"]
  empty: {}
conduits:
  old: {from: hvac, to: relaxed, topics: ["hvac/+/t"], until: 2026-01-01T00:00:00Z}
  new: {from: hvac, to: relaxed, topics: ["hvac/+/u"], until: 2027-01-01T00:00:00Z}
"""


def advice(tmp_path: Path, text: str) -> list[Problem]:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return advise(compile_policy(load_policy(path), NOW), NOW)


def test_each_finding_has_its_line_and_what_to_do(tmp_path: Path) -> None:
    told = [(problem.source.line, problem.what) for problem in advice(tmp_path, POLICY)]
    assert told == [
        (7, "no device can subscribe to hvac/all/#: the deny hvac/+/factory/# lies in it"),
        (10, "no device can subscribe to hvac/#: the deny hvac/+/factory/# lies in it"),
        (16, "no device is in empty"),
        (18, "the conduit old ended 2026-01-01 00:00 UTC, and grants nothing"),
    ]


def test_a_file_that_may_have_been_cut_short_is_pointed_out() -> None:
    """Cut after `members:`, hvac would have its whole namespace, and the file would be valid."""
    assert advise_of_text(POLICY, "p") == []
    cut = POLICY[: POLICY.index("\n    subscribe")]
    (found,) = advise_of_text(cut, "p")
    assert str(found.source) == "p:6:26"
    assert "cut short" in found.what
    assert advise_of_text(cut + "\r\n", "p") == []


def test_shipped_example_needs_no_advice() -> None:
    configs = Path(__file__).parents[2] / "configs"
    compiled = compile_policy(load_policy(configs / "policy.yaml", configs / "devices.yaml"), NOW)
    assert advise(compiled, NOW) == []
