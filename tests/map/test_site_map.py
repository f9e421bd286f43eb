"""What is on the map: who was seen, who is enrolled, what crossed, and which lines nobody needs."""

from __future__ import annotations

from mqttseg.map.site_map import Sources, as_json, make_map, within
from mqttseg.observe.flows import Direction
from tests.map.sites import POLICY, flow, small_site
from tests.policy.policies import NOW, compiled


def test_a_device_that_was_seen_and_never_enrolled_is_a_stranger() -> None:
    assert [dot.id for dot in small_site().strangers] == ["etl-1", "stranger"]


def test_a_device_that_is_enrolled_and_never_seen_is_silent() -> None:
    assert [dot.id for dot in small_site().silent] == ["thermo-2"]


def test_nobody_is_called_a_stranger_when_records_cannot_be_read() -> None:
    site = small_site(enrolled=None)
    assert (site.strangers, site.silent) == ([], [])


def test_every_device_is_on_the_map_in_its_segment() -> None:
    places = {dot.id: (dot.segment, dot.role) for dot in small_site().dots}
    assert places == {
        "bms-1": ("hvac", "controller"),
        "cam-1": ("cameras", ""),
        "etl-1": ("analytics", ""),
        "stranger": (None, ""),
        "thermo-1": ("hvac", ""),
        "thermo-2": ("hvac", ""),
    }


def test_a_flow_that_no_line_allows_is_told_with_its_reason() -> None:
    (trace,) = small_site().uncovered
    assert (trace.flow.device, trace.flow.shape, trace.reason) == ("cam-1", "hvac/thermo-1/cmd/off", "outside-segment")


def test_what_crosses_is_added_up_per_conduit_and_what_has_none_is_a_line_of_its_own() -> None:
    found = {(line.conduit, line.origin, line.target): (line.count, line.devices) for line in small_site().lines}
    assert found == {
        ("telemetry", "hvac", "analytics"): (40, 1),
        ("reports", "analytics", "hvac"): (0, 0),
        (None, "cameras", "hvac"): (3, 1),
    }


def test_lines_that_no_flow_uses_are_told_and_others_are_not() -> None:
    found = {(line.where, line.direction, line.rule.partition(" ")[0], line.seen) for line in small_site().unused}
    assert ("hvac", "subscribe", "hvac/${device}/cmd/#", 1) in found
    assert ("hvac/controller", "publish", "hvac/+/cmd/#", 0) in found
    assert ("conduit reports", "pass", "analytics/report", 0) in found
    assert not {line for line in found if line[0] == "conduit telemetry"}
    assert ("hvac", "publish", "hvac/${device}/#", 1) not in found


def test_a_subscription_uses_the_line_that_covers_it() -> None:
    flows = [flow("thermo-1", Direction.SUBSCRIBE, "hvac/thermo-1/cmd/#")]
    site = make_map(compiled(POLICY), Sources(flows, [], None), NOW)
    assert ("hvac", "subscribe") not in {(line.where, line.direction) for line in site.unused}
    assert [line.count for line in site.lines] == [0, 0]  # to subscribe is not to get


def test_the_map_of_one_segment_has_what_crosses_its_border() -> None:
    site = within(small_site(), "cameras")
    assert [dot.id for dot in site.dots] == ["cam-1"]
    assert [zone.name for zone in site.zones] == ["hvac", "cameras"]
    assert [line.conduit for line in site.lines] == [None]


def test_json_has_the_four_findings() -> None:
    told = as_json(small_site())
    assert told["seen_not_enrolled"] == ["etl-1", "stranger"]
    assert told["enrolled_never_seen"] == ["thermo-2"]
    assert len(told["flows_no_line_allows"]) == 1  # type: ignore[arg-type]  # it is a list
    assert len(told["lines_no_flow_uses"]) == len(small_site().unused)  # type: ignore[arg-type]  # it is a list
