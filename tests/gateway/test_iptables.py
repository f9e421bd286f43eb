"""The iptables script as text, and read back: it permits what the plan permits, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings

from mqttseg.errors import ConfigurationError
from mqttseg.gateway.expressible import without_ports
from mqttseg.gateway.iptables.script import render_iptables
from mqttseg.gateway.plan import Plan
from tests.gateway.conftest import Plans
from tests.gateway.iptables_model import Tables
from tests.gateway.oracle import Packet, packets, permits
from tests.gateway.shapes import SHAPES, many_devices

GOLDEN = Path(__file__).with_name("golden")


def _plan(plans: Plans, shape: str) -> Plan:
    return without_ports(plans.plan(*SHAPES[shape]))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_script_is_the_reviewed_one(plans: Plans, shape: str, request: pytest.FixtureRequest) -> None:
    text = render_iptables(_plan(plans, shape))
    golden = GOLDEN / "iptables" / f"{shape}.sh"
    if request.config.getoption("--write-golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text(), "review the difference, then run pytest with --write-golden"


@pytest.mark.parametrize("shape", SHAPES)
def test_iptables_and_ipset_take_the_script_twice_and_the_next_one_leaves_nothing_of_it(
    plans: Plans, shape: str
) -> None:
    if missing := [tool for tool in ("iptables", "ipset") if shutil.which(tool) is None]:
        pytest.skip(f"needs {' and '.join(missing)}: install iptables and ipset")
    if subprocess.run(["unshare", "-rn", "true"], check=False).returncode:
        pytest.skip("needs root, or user namespaces")
    first, other = render_iptables(_plan(plans, shape)), render_iptables(many_devices(40))
    listing = "iptables -S; ip6tables -S; ipset list -n"
    steps = "\n".join(f"cat <<'SCRIPT' | sh\n{text}SCRIPT" for text in (first, first, other))
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-euc", f"{steps}\n{listing}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    digest = first.splitlines()[1].split("plan ")[1].split(".")[0]
    assert digest not in done.stdout
    assert done.stdout.count("-A FORWARD -j mqttseg-forward") == 2


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_permitted_is_what_the_plan_permits(plans: Plans, shape: str) -> None:
    _hold_against_the_plan(_plan(plans, shape))


@pytest.mark.parametrize("count", [9, 40, 300])
def test_among_many_devices_each_is_found_and_no_other(count: int) -> None:
    _hold_against_the_plan(many_devices(count))


def _hold_against_the_plan(plan: Plan) -> None:
    tables = Tables.of(render_iptables(plan))

    @settings(deadline=None)
    @given(packets(plan))
    def check(packet: Packet) -> None:
        assert tables.accept(packet) == permits(plan, packet)

    check()


def test_no_device_is_behind_many_rules() -> None:
    chains = Tables.of(render_iptables(many_devices(1000))).chains[4]
    assert max(len(rules) for name, rules in chains.items() if "-id" in name) <= 17


def test_pins_to_ports_are_refused_by_name(plans: Plans) -> None:
    with pytest.raises(ConfigurationError) as caught:
        render_iptables(plans.plan())
    text = str(caught.value)
    assert "network.ports names px1" in text
    assert "a1 is pinned to the port pa1" in text
    assert "--pinned-elsewhere" in text
    assert "policy.yaml:" in text


def test_nothing_but_our_chains_and_sets_is_named(plans: Plans) -> None:
    tables = Tables.of(render_iptables(_plan(plans, "two-segments")))
    names = [*tables.sets, *tables.chains[4], *tables.chains[6]]
    assert all(name.startswith("mqttseg-") for name in names)
    assert max(len(name) for name in names) <= 28  # a chain's; a set's may have 31
