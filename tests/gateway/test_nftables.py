"""The ruleset as text: the same policy gives the same bytes, and nft takes whatever we write."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mqttseg.gateway.nftables.render import plan_digest, render_nftables
from tests.gateway.conftest import POLICY, Plans, inventory

GOLDEN = Path(__file__).with_name("golden")
DEVICES = inventory("a1", "a2", "b1")
SHAPES = {
    "two-segments": (POLICY, DEVICES),
    "observe": (POLICY.replace("version: 1\n", "version: 1\nmode: observe\n"), DEVICES),
    "conduit": (
        POLICY + "conduits:\n  stills: {from: hvac, to: cameras, topics: [hvac/x], network: {allow: [https]}}\n",
        DEVICES,
    ),
    "no-devices": (POLICY.replace("  ports: [px1]\n", ""), "version: 1\ndevices: {}\n"),
    "reserved-words": (
        POLICY.replace("  hvac:", "  log:").replace("  cameras:", "  counter:"),
        DEVICES,
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_ruleset_is_the_reviewed_one(plans: Plans, shape: str, request: pytest.FixtureRequest) -> None:
    text = plans.ruleset(*SHAPES[shape])
    golden = GOLDEN / f"{shape}.nft"
    if request.config.getoption("--write-golden"):
        golden.write_text(text)
    assert text == golden.read_text(), "review the difference, then run pytest with --write-golden"


@pytest.mark.parametrize("shape", SHAPES)
def test_nft_takes_the_ruleset(plans: Plans, shape: str) -> None:
    if shutil.which("nft") is None:
        pytest.skip("needs nft: install nftables")
    probe = subprocess.run(["unshare", "-rn", "true"], check=False)
    if probe.returncode:
        pytest.skip("needs root, or user namespaces")
    text = plans.ruleset(*SHAPES[shape])
    done = subprocess.run(
        ["unshare", "-rn", "nft", "-c", "-f", "-"], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_same_policy_gives_the_same_bytes_but_for_the_revision(plans: Plans) -> None:
    first, again, later = plans.ruleset(), plans.ruleset(), plans.ruleset(revision=7)
    assert first == again
    differing = [(a, b) for a, b in zip(first.splitlines(), later.splitlines(), strict=True) if a != b]
    assert differing
    assert all("rev" in a or "0x01000000" in a for a, _ in differing)


def test_the_digest_tells_policies_apart_and_not_revisions(plans: Plans) -> None:
    plan = plans.plan()
    assert plan_digest(plan) == plan_digest(plans.plan())
    assert plan_digest(plan) != plan_digest(plans.plan(POLICY.replace("ports: [8883]", "ports: [8884]")))


@pytest.mark.parametrize("revision", [0, 256, -1])
def test_a_revision_that_does_not_fit_its_bits_is_refused(plans: Plans, revision: int) -> None:
    with pytest.raises(ValueError, match="revision"):
        render_nftables(plans.plan(), revision)


def test_nothing_of_another_table_is_touched(plans: Plans) -> None:
    commands = [line for line in plans.ruleset().splitlines() if line.startswith(("table", "delete", "flush", "add"))]
    assert {" ".join(line.split()[:4]).rstrip(" {") for line in commands} == {
        "table inet mqttseg",
        "table bridge mqttseg",
        "delete table inet mqttseg",
        "delete table bridge mqttseg",
    }
