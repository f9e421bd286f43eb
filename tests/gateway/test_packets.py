"""Real packets against the loaded ruleset: what the policy permits passes, everything else is dropped."""

from __future__ import annotations

import pytest

from tests.gateway.conftest import POLICY, Plans, inventory
from tests.gateway.lab import Lab

BROKER = ("192.0.2.10", "2001:db8::10")


@pytest.fixture
def guarded(lab: Lab, plans: Plans) -> Lab:
    """The lab with the policy's ruleset loaded."""
    lab.load(plans.ruleset())
    return lab


@pytest.mark.parametrize("broker", BROKER)
def test_a_device_reaches_the_broker(guarded: Lab, broker: str) -> None:
    assert guarded["a1"].opens(broker, 8883)
    assert guarded["b1"].opens(broker, 8883)


@pytest.mark.parametrize("broker", BROKER)
def test_another_port_of_the_broker_is_dropped_and_counted(guarded: Lab, broker: str) -> None:
    assert guarded["a1"].is_kept_from(broker, 8884)
    assert guarded.counter("deny_hvac") > 0


def test_a_service_is_for_the_segment_that_allows_it(guarded: Lab) -> None:
    assert guarded["a1"].opens("192.0.2.53", 53, transport="udp")
    assert guarded["b1"].is_kept_from("192.0.2.53", 53, transport="udp")


def test_a_service_of_the_gateway_is_for_the_segment_that_allows_it(guarded: Lab) -> None:
    assert guarded["a1"].opens("10.9.0.1", 123, transport="udp")
    assert guarded["b1"].is_kept_from("10.9.0.1", 123, transport="udp")
    assert guarded["a1"].is_kept_from("10.9.0.1", 2222)


@pytest.mark.parametrize("address", ["10.9.0.21", "fd00:9::21"])
def test_another_segment_is_out_of_reach(guarded: Lab, address: str) -> None:
    assert guarded["a1"].is_kept_from(address, 7000)


@pytest.mark.parametrize("address", ["10.9.0.12", "fd00:9::12"])
def test_a_peer_of_the_same_segment_is_out_of_reach(guarded: Lab, address: str) -> None:
    assert guarded["a1"].is_kept_from(address, 7000)


@pytest.mark.parametrize("address", ["10.9.0.11", "fd00:9::11"])
def test_the_broker_cannot_open_a_connection_to_a_device(guarded: Lab, address: str) -> None:
    assert guarded["srv"].is_kept_from(address, 7000)


@pytest.mark.parametrize("address", ["10.9.0.11", "fd00:9::11"])
def test_an_administrator_can(guarded: Lab, address: str) -> None:
    assert guarded["adm"].opens(address, 7000)


@pytest.mark.parametrize("address", ["10.9.0.11", "fd00:9::11"])
def test_the_gateway_itself_cannot_unless_it_is_an_administrator(guarded: Lab, address: str) -> None:
    assert guarded.gateway.is_kept_from(address, 7000)


@pytest.mark.parametrize("broker", BROKER)
def test_an_unlisted_device_reaches_nothing(guarded: Lab, broker: str) -> None:
    assert guarded["x1"].is_kept_from(broker, 8883)


@pytest.mark.parametrize("revision", [2])
def test_a_withdrawn_permission_kills_the_live_flow_at_the_reload(guarded: Lab, plans: Plans, revision: int) -> None:
    assert guarded["a1"].opens("192.0.2.10", 8883, name="kept")
    assert guarded["a1"].opens("192.0.2.53", 53, transport="udp", name="withdrawn")
    assert guarded["b1"].opens("192.0.2.10", 8883, name="gone")
    changed = POLICY.replace("network: {allow: [dns, ntp]}", "network: {allow: [ntp]}")
    guarded.load(plans.ruleset(changed, inventory("a1", "a2"), revision))
    assert guarded["a1"].still_has("kept")
    assert guarded["a1"].has_lost("withdrawn")
    assert guarded["b1"].has_lost("gone")
