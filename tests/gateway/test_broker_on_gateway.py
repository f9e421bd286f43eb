"""The broker on the gateway itself: the same rules at the hooks of what the gateway takes and sends."""

from __future__ import annotations

import pytest

from tests.gateway import frames
from tests.gateway.conftest import POLICY, Plans
from tests.gateway.lab import ANSWERS, PORTS, Lab

ADDRESSES = ("10.9.0.1", "fd00:9::1", "192.0.2.1", "2001:db8::1")  # the gateway's, on both of its sides
ON_GATEWAY = POLICY.replace('[192.0.2.10, "2001:db8::10"]', '[10.9.0.1, "fd00:9::1", 192.0.2.1, "2001:db8::1"]')
EVERY = pytest.mark.parametrize("address", ADDRESSES)


@pytest.fixture(scope="module")
def listening(network: Lab) -> Lab:
    network.gateway.listens(8883, *ADDRESSES)
    network.gateway.listens(8884, *ADDRESSES)
    network.gateway.listens(123, *ADDRESSES[1:], transport="udp")
    return network


@pytest.fixture
def guarded(listening: Lab, lab: Lab, plans: Plans) -> Lab:
    lab.load(plans.ruleset(ON_GATEWAY))
    return lab


@EVERY
def test_a_device_reaches_the_broker(guarded: Lab, address: str) -> None:
    assert guarded["a1"].opens(address, 8883)
    assert guarded["b1"].opens(address, 8883)


@EVERY
def test_another_port_of_the_gateway_is_dropped(guarded: Lab, address: str) -> None:
    assert guarded["a1"].is_kept_from(address, 8884)


@EVERY
def test_an_unlisted_device_does_not_reach_it(guarded: Lab, address: str) -> None:
    assert guarded["x1"].is_kept_from(address, 8883)


@pytest.mark.parametrize("address", ["10.9.0.11", "fd00:9::11"])
def test_the_broker_opens_no_connection_to_a_device(guarded: Lab, address: str) -> None:
    assert guarded.gateway.is_kept_from(address, 7000)


def test_a_connection_is_kept_over_a_reload_and_dies_with_its_permission(guarded: Lab, plans: Plans) -> None:
    assert guarded["a1"].opens("10.9.0.1", 8883, name="kept")
    guarded.load(plans.ruleset(ON_GATEWAY, revision=2))
    assert guarded["a1"].still_has("kept")
    guarded.load(plans.ruleset(ON_GATEWAY.replace("ports: [8883]", "ports: [8885]"), revision=3))
    assert guarded["a1"].has_lost("kept")


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_a_service_of_the_gateway_is_not_at_its_addresses_elsewhere(guarded: Lab, address: str) -> None:
    assert guarded["a1"].is_kept_from(address, 123, transport="udp")


@pytest.mark.parametrize("address", ["10.9.0.1", "fd00:9::1"])
def test_a_service_of_the_gateway_is_at_its_address_here(guarded: Lab, address: str) -> None:
    assert guarded["a1"].opens(address, 123, transport="udp")
    assert guarded["b1"].is_kept_from(address, 123, transport="udp")


def test_a_device_gets_an_address_by_dhcp(guarded: Lab) -> None:
    a1 = PORTS[0]
    guarded.gateway.ask("answer_dhcp", interface="br-iot")
    guarded["a1"].ask("tap", interface="eth0")
    discover = frames.datagram(a1.mac, frames.EVERYBODY, "0.0.0.0", "255.255.255.255", b"discover", ports=(68, 67))
    guarded["a1"].ask("frame", interface="eth0", data=discover)
    assert guarded["a1"].ask("seen", interface="eth0", needle=b"discover".hex(), timeout=ANSWERS)
