"""Conduits with a network part, and observe mode, with real packets."""

from __future__ import annotations

import pytest

from tests.gateway.conftest import POLICY, Plans
from tests.gateway.lab import Lab

CONDUIT = """\
conduits:
  stills:
    from: hvac
    to: cameras
    topics: [hvac/stills]
    network: {allow: [{to: 10.9.0.21, tcp: 7000}, {to: "fd00:9::21", tcp: 7000}]}
"""
OBSERVED = POLICY.replace("version: 1\n", "version: 1\nmode: observe\n")
ADDRESSES = pytest.mark.parametrize("address", ["10.9.0.21", "fd00:9::21"])


@ADDRESSES
def test_a_conduit_leads_from_its_segment_to_a_device_on_the_same_bridge(lab: Lab, plans: Plans, address: str) -> None:
    lab.load(plans.ruleset(POLICY + CONDUIT))
    assert lab["a1"].opens(address, 7000)


def test_a_conduit_leads_nowhere_else(lab: Lab, plans: Plans) -> None:
    lab.load(plans.ruleset(POLICY + CONDUIT))
    lab["b1"].listens(7001, "10.9.0.21")
    assert lab["a1"].is_kept_from("10.9.0.21", 7001)
    assert lab["a1"].is_kept_from("10.9.0.12", 7000)


def test_a_conduit_leads_one_way(lab: Lab, plans: Plans) -> None:
    lab.load(plans.ruleset(POLICY + CONDUIT))
    assert lab["b1"].is_kept_from("10.9.0.11", 7000)
    assert lab["b1"].is_kept_from("fd00:9::11", 7000)


def test_a_destination_that_holds_devices_leads_to_none_of_them(lab: Lab, plans: Plans) -> None:
    wide = POLICY.replace("[dns, ntp]", '[{to: 0.0.0.0/0, tcp: [7000, 8884]}, {to: "::/0", tcp: [7000, 8884]}]')
    lab.load(plans.ruleset(wide))
    assert lab["a1"].opens("192.0.2.10", 8884)
    assert lab["a1"].is_kept_from("10.9.0.21", 7000)
    assert lab["a1"].is_kept_from("10.9.0.12", 7000)
    assert lab["a1"].is_kept_from("fd00:9::21", 7000)


def test_observe_lets_through_what_it_records(lab: Lab, plans: Plans) -> None:
    lab.load(plans.ruleset(OBSERVED))
    assert lab["a1"].opens("192.0.2.10", 8884)
    assert lab["a1"].opens("2001:db8::10", 8884)
    assert lab["srv"].opens("10.9.0.11", 7000)
    assert lab.counter("deny_hvac") > 0
    assert lab.counter("denyto_hvac") > 0


@ADDRESSES
def test_observe_lets_devices_meet_that_are_both_observed(lab: Lab, plans: Plans, address: str) -> None:
    lab.load(plans.ruleset(OBSERVED))
    assert lab["a1"].opens(address, 7000)


def test_an_enforced_segment_is_out_of_reach_for_an_observed_one(lab: Lab, plans: Plans) -> None:
    lab.load(plans.ruleset(OBSERVED.replace("  cameras:\n", "  cameras:\n    mode: enforce\n")))
    assert lab["a1"].opens("192.0.2.10", 8884)
    assert lab["a1"].is_kept_from("10.9.0.21", 7000)
    assert lab["a1"].is_kept_from("fd00:9::21", 7000)
    assert lab["b1"].is_kept_from("10.9.0.11", 7000)


def test_an_unlisted_device_stays_out_in_observe_mode(lab: Lab, plans: Plans) -> None:
    lab.load(plans.ruleset(OBSERVED))
    assert lab["x1"].is_kept_from("192.0.2.10", 8883)
