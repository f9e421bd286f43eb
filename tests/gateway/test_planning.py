"""From policy and inventory to a plan: who reaches what, who gets nothing, and what is refused."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from mqttseg.errors import ConfigurationError
from mqttseg.gateway.plan import Plan
from tests.gateway.conftest import POLICY, Plans, inventory

DEVICES = inventory("a1", "a2", "b1")


def _reaches(plan: Plan, group: str) -> set[tuple[str, str, int]]:
    found = next(g for g in plan.groups if g.name == group)
    return {(str(r.to or "gateway"), r.transport.value, r.port) for r in found.reaches}


def _problems(plans: Plans, policy: str = POLICY, devices: str = DEVICES) -> str:
    with pytest.raises(ConfigurationError) as caught:
        plans.plan(policy, devices)
    return str(caught.value)


def test_a_segment_reaches_the_broker_and_its_services_and_nothing_else(plans: Plans) -> None:
    plan = plans.plan()
    broker = {("192.0.2.10/32", "tcp", 8883), ("2001:db8::10/128", "tcp", 8883)}
    assert _reaches(plan, "cameras") == broker
    dns = {("192.0.2.53/32", "tcp", 53), ("192.0.2.53/32", "udp", 53)}
    assert _reaches(plan, "hvac") == broker | dns | {("gateway", "udp", 123)}


def test_a_conduit_of_a_role_is_for_that_role_alone(plans: Plans) -> None:
    policy = POLICY.replace("members: [a1, a2]", "members: [a1]\n    roles: {boss: {members: [a2]}}") + (
        "conduits:\n  look:\n    from: hvac/boss\n    to: cameras\n    topics: [hvac/x]\n"
        "    network: {allow: [{to: 10.9.0.21, tcp: 80}]}\n"
    )
    plan = plans.plan(policy)
    assert ("10.9.0.21/32", "tcp", 80) in _reaches(plan, "hvac.boss")
    assert ("10.9.0.21/32", "tcp", 80) not in _reaches(plan, "hvac")
    assert {d.device for g, d in plan.devices() if g.name == "hvac.boss"} == {"a2"}
    assert {d.device for g, d in plan.devices() if g.name == "hvac"} == {"a1"}


def test_a_service_name_in_a_conduit_means_the_devices_at_its_end(plans: Plans) -> None:
    conduit = "conduits:\n  look: {from: hvac, to: cameras, topics: [hvac/x], network: {allow: [http]}}\n"
    plan = plans.plan(POLICY + conduit)
    assert {("10.9.0.21/32", "tcp", 80), ("fd00:9::21/128", "tcp", 80)} <= _reaches(plan, "hvac")


def test_a_conduit_that_has_ended_gives_nothing(plans: Plans) -> None:
    ended = (
        "conduits:\n  look: {from: hvac, to: cameras, topics: [hvac/x], until: 2020-01-01T00:00:00Z, "
        "network: {allow: [http]}}\n"
    )
    assert not {r for r in _reaches(plans.plan(POLICY + ended), "hvac") if r[2] == 80}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("  a1: {addresses: [10.9.0.11], interface: br-iot}", "no MAC address"),
        ('  a1: {mac: "02:aa:00:00:00:01"}', "no address"),
        ('  a1: {mac: "02:aa:00:00:00:01", addresses: learned}', "no address learned yet"),
        ("  a1: {model: x}", "no MAC address, no address"),
    ],
)
def test_a_device_about_which_something_is_unknown_is_unbound_and_gets_nothing(
    plans: Plans, line: str, why: str
) -> None:
    plan = plans.plan(devices=f"version: 1\ndevices:\n{line}\n")
    assert [(u.device, u.segment, u.why) for u in plan.unbound] == [("a1", "hvac", why)]
    assert not list(plan.devices())


LEARNED = """\
version: 1
devices:
  a1: {mac: "02:aa:00:00:00:01", addresses: learned}
  a2: {mac: "02:aa:00:00:00:02", addresses: learned}
  b1: {mac: "02:bb:00:00:00:01", addresses: [10.9.0.21]}
"""


@pytest.mark.parametrize(
    "claimed",
    [
        "10.9.0.21",
        "192.0.2.10",
        "192.0.2.53",
        "198.51.100.40",
        "10.8.0.1",
        "fe80::1",
        "224.0.0.1",
        "127.0.0.1",
        "0.0.0.0",
    ],
)
def test_a_learned_address_that_is_not_the_device_s_to_have_is_refused(plans: Plans, claimed: str) -> None:
    plan = plans.plan(POLICY, LEARNED, {"a1": [ip_address(claimed)]})
    assert {d.device for _, d in plan.devices()} == {"b1"}


def test_of_two_devices_that_use_one_address_neither_takes_it_from_the_inventory(plans: Plans) -> None:
    plan = plans.plan(POLICY, LEARNED, {"a1": [ip_address("10.9.0.9")], "a2": [ip_address("10.9.0.9")]})
    assert [d.device for _, d in plan.devices() if ip_address("10.9.0.9") in d.addresses] in (["a1"], [])


def test_addresses_are_not_learned_for_a_device_that_names_its_own(plans: Plans) -> None:
    plan = plans.plan(POLICY, LEARNED, {"b1": [ip_address("10.9.0.99")]})
    assert [str(a) for _, d in plan.devices() if d.device == "b1" for a in d.addresses] == ["10.9.0.21"]


@pytest.mark.parametrize(
    ("policy", "devices", "what"),
    [
        ("[dns, ntp]", "[dms]", "there is no service dms"),
        ("[dns, ntp]", "[{to: 10.9.0.21, tcp: 80}]", "is the device b1"),
        ("[br-iot]", '["br-*"]', "cannot be written safely"),
        ("[br-iot]", "['br\"x']", "cannot be written safely"),
        ("interfaces: [br-iot]", "interfaces: []", "names no interfaces"),
        ('  broker: {addresses: [192.0.2.10, "2001:db8::10"], ports: [8883]}\n', "", "where the broker is"),
        ("subnets: {br-iot", "subnets: {br-lab", "not one of the interfaces"),
    ],
)
def test_a_policy_that_cannot_be_planned_is_refused_with_its_place(
    plans: Plans, policy: str, devices: str, what: str
) -> None:
    text = _problems(plans, POLICY.replace(policy, devices))
    assert what in text
    assert "policy.yaml:" in text


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("10.9.0.11", "10.8.0.11", "outside the subnets of br-iot"),
        ("10.9.0.11", "192.0.2.10", "which is the broker's"),
        ("10.9.0.11", "224.0.0.9", "outside the subnets"),
        ("10.9.0.11", "10.9.0.12", "which a1 has too"),
        ("02:aa:00:00:00:02", "02:aa:00:00:00:01", "which a1 has too"),
        ("  a1:\n", "  zz:\n", "in no segment"),
        ("interface: br-iot", "interface: br-lab", "which network.interfaces does not name"),
        ("port: pa1", 'port: "pa*"', "cannot be written safely"),
    ],
)
def test_an_inventory_that_cannot_be_planned_is_refused_with_its_place(
    plans: Plans, old: str, new: str, what: str
) -> None:
    text = _problems(plans, devices=DEVICES.replace(old, new))
    assert what in text
    assert "devices.yaml:" in text


def test_without_a_network_section_there_is_nothing_to_plan(plans: Plans) -> None:
    assert "no network section" in _problems(plans, POLICY[: POLICY.index("network:\n  interfaces")])


def test_an_admin_network_is_kept_as_written(plans: Plans) -> None:
    plan = plans.plan(POLICY.replace("198.51.100.40", "198.51.100.0/24"))
    assert ip_network("198.51.100.0/24") in plan.admin
