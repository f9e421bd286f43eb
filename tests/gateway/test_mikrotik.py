"""The RouterOS script as text, and read back: it permits what the plan permits, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from mqttseg.errors import ConfigurationError
from mqttseg.gateway.expressible import without_ports
from mqttseg.gateway.mikrotik import render_mikrotik
from mqttseg.gateway.plan import Plan
from tests.gateway.conftest import Plans
from tests.gateway.mikrotik_model import Router
from tests.gateway.oracle import Packet, packets, permits
from tests.gateway.shapes import SHAPES, many_devices

GOLDEN = Path(__file__).with_name("golden")


def _plan(plans: Plans, shape: str) -> Plan:
    return without_ports(plans.plan(*SHAPES[shape]))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_script_is_the_reviewed_one(plans: Plans, shape: str, request: pytest.FixtureRequest) -> None:
    text = render_mikrotik(_plan(plans, shape))
    golden = GOLDEN / "mikrotik" / f"{shape}.rsc"
    if request.config.getoption("--write-golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text(), "review the difference, then run pytest with --write-golden"


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_permitted_is_what_the_plan_permits(plans: Plans, shape: str) -> None:
    _hold_against_the_plan(_plan(plans, shape))


@pytest.mark.parametrize("count", [9, 40, 300])
def test_among_many_devices_each_is_found_and_no_other(count: int) -> None:
    _hold_against_the_plan(many_devices(count))


def _hold_against_the_plan(plan: Plan) -> None:
    router = Router(render_mikrotik(plan))

    @settings(deadline=None)
    @given(packets(plan))
    def check(packet: Packet) -> None:
        assert router.accept(packet) == permits(plan, packet)

    check()


def test_pins_to_ports_are_refused_by_name(plans: Plans) -> None:
    with pytest.raises(ConfigurationError, match="a1 is pinned to the port pa1, and mikrotik sees no frames"):
        render_mikrotik(plans.plan())


def test_the_rules_before_go_only_after_the_jumps_to_the_new_ones(plans: Plans) -> None:
    lines = render_mikrotik(_plan(plans, "two-segments")).splitlines()
    jumps = [i for i, line in enumerate(lines) if "place-before" in line]
    old = [i for i, line in enumerate(lines) if line.startswith("remove") and "!" in line and "chain~" in line]
    assert len(jumps) == 8
    assert jumps[3] < old[0] < jumps[4] < jumps[7] < old[1]


def test_the_sender_of_a_packet_between_devices_is_judged_first(plans: Plans) -> None:
    forward = Router(render_mikrotik(_plan(plans, "two-segments"))).menus[4].chains["forward"]
    assert [rule["jump-target"].rsplit("-", 1)[1] for rule in forward] == ["from", "to"]
