"""Who gets which address, when the inventory leaves it to the network."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from mqttseg.errors import OperatorError, Source
from mqttseg.gateway.learning import learn
from mqttseg.gateway.plan import Address
from mqttseg.gateway.sightings import Sighting, read_leases, read_neighbours, read_nmap
from mqttseg.policy.model import Device

HERE = Source("devices.yaml", 1, 1)
A = Device("a", HERE, mac="02:aa:00:00:00:01", learned=True)
B = Device("b", HERE, mac="02:aa:00:00:00:02", learned=True)
FIXED = Device("f", HERE, mac="02:aa:00:00:00:03", addresses=("10.9.0.3",))
DEVICES = (A, B, FIXED)


def ip(text: str) -> Address:
    return ip_address(text)


def seen(device: Device, address: str) -> Sighting:
    return Sighting(device.mac or "", ip(address))


def test_a_device_gets_the_address_that_was_seen_with_its_mac() -> None:
    assert learn(DEVICES, [seen(A, "10.9.0.1")], {}, {}).learned == {"a": (ip("10.9.0.1"),)}


def test_a_device_gets_the_address_from_which_it_proved_itself() -> None:
    assert learn(DEVICES, [], {ip("10.9.0.1"): frozenset({"a"})}, {}).learned == {"a": (ip("10.9.0.1"),)}


def test_both_families_are_learned() -> None:
    found = learn(DEVICES, [seen(A, "10.9.0.1"), seen(A, "fd00:9::1")], {}, {}).learned
    assert found == {"a": (ip("10.9.0.1"), ip("fd00:9::1"))}


@pytest.mark.parametrize(
    ("sightings", "proven"),
    [
        ([seen(A, "10.9.0.1"), seen(B, "10.9.0.1")], {}),
        ([seen(A, "10.9.0.1")], {"10.9.0.1": {"b"}}),
        ([], {"10.9.0.1": {"a", "b"}}),
        ([seen(A, "10.9.0.1"), Sighting("02:ff:00:00:00:99", ip("10.9.0.1"))], {}),
    ],
)
def test_an_address_that_two_identities_claim_goes_to_neither(
    sightings: list[Sighting], proven: dict[str, set[str]]
) -> None:
    lesson = learn(DEVICES, sightings, {ip(a): frozenset(d) for a, d in proven.items()}, {})
    assert lesson.learned == {}
    assert [str(refusal.address) for refusal in lesson.refused] == ["10.9.0.1"]


def test_who_had_the_address_before_loses_it_when_another_claims_it() -> None:
    lesson = learn(DEVICES, [seen(B, "10.9.0.1")], {}, {"a": (ip("10.9.0.1"),)})
    assert lesson.learned == {"b": (ip("10.9.0.1"),)}


def test_a_device_that_uses_an_address_of_the_inventory_is_reported_and_gets_nothing() -> None:
    lesson = learn(DEVICES, [seen(A, "10.9.0.3")], {}, {})
    assert lesson.learned == {}
    assert "a and f" in lesson.refused[0].why


def test_a_new_address_replaces_the_old_one_of_its_family() -> None:
    before = {"a": (ip("10.9.0.1"), ip("fd00:9::1"))}
    assert learn(DEVICES, [seen(A, "10.9.0.7")], {}, before).learned == {"a": (ip("10.9.0.7"), ip("fd00:9::1"))}


def test_a_device_that_is_away_keeps_what_was_learned() -> None:
    before = {"a": (ip("10.9.0.1"),)}
    assert learn(DEVICES, [], {}, before).learned == before


def test_an_unknown_device_is_listed_and_gets_nothing() -> None:
    lesson = learn(DEVICES, [Sighting("02:ff:00:00:00:99", ip("10.9.0.9"), "printer")], {}, {})
    assert lesson.learned == {}
    assert [s.name for s in lesson.strangers] == ["printer"]


def test_a_name_that_a_stranger_calls_itself_makes_it_nobody_known() -> None:
    assert learn(DEVICES, [Sighting("02:ff:00:00:00:99", ip("10.9.0.9"), "a")], {}, {}).learned == {}


def test_link_local_addresses_are_not_learned() -> None:
    assert learn(DEVICES, [seen(A, "fe80::1"), seen(A, "169.254.1.1")], {}, {}).learned == {}


def test_leases_of_dnsmasq_are_read() -> None:
    text = "1 02:AA:00:00:00:01 10.9.0.1 thermo-1 *\n1 02:aa:00:00:00:02 10.9.0.2 * 01:02\nduid 1\n1 1 fd00::1 x y\n"
    assert list(read_leases(text, "leases")) == [
        Sighting("02:aa:00:00:00:01", ip("10.9.0.1"), "thermo-1"),
        Sighting("02:aa:00:00:00:02", ip("10.9.0.2")),
    ]


def test_neighbours_that_did_not_answer_are_left_out() -> None:
    text = """[{"dst": "10.9.0.1", "dev": "br-iot", "lladdr": "02:aa:00:00:00:01", "state": ["REACHABLE"]},
               {"dst": "10.9.0.2", "dev": "br-iot", "lladdr": "02:aa:00:00:00:02", "state": ["FAILED"]},
               {"dst": "10.9.0.3", "dev": "br-iot", "state": ["INCOMPLETE"]}]"""
    assert list(read_neighbours(text, "ip")) == [Sighting("02:aa:00:00:00:01", ip("10.9.0.1"), interface="br-iot")]


def test_hosts_of_nmap_are_read() -> None:
    text = """<!DOCTYPE nmaprun><nmaprun><host><address addr="10.9.0.1" addrtype="ipv4"/>
              <address addr="02:AA:00:00:00:01" addrtype="mac"/>
              <hostnames><hostname name="thermo-1"/></hostnames></host>
              <host><address addr="10.9.0.2" addrtype="ipv4"/></host></nmaprun>"""
    assert list(read_nmap(text, "scan")) == [Sighting("02:aa:00:00:00:01", ip("10.9.0.1"), "thermo-1")]


BOMB = '<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><nmaprun>&c;</nmaprun>'


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_leases, "not a lease file\n"),
        (read_leases, '{"json": 1}'),
        (read_neighbours, "nonsense"),
        (read_neighbours, '{"dst": 1}'),
        (read_neighbours, "[1]"),
        (read_nmap, "nonsense"),
        (read_nmap, BOMB),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name(read: object, text: str) -> None:
    with pytest.raises(OperatorError, match="the-file"):
        list(read(text, "the-file"))  # type: ignore[operator]
