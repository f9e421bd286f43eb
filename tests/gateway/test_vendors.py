"""Access lists by aerleon: never wider than the plan, and none of aerleon's known mistakes gets through."""

from __future__ import annotations

import logging
import re
import sys
from copy import deepcopy
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings

from mqttseg.errors import ConfigurationError, InternalError, OperatorError
from mqttseg.gateway.plan import Plan
from mqttseg.gateway.vendors.checks import AskedFilter, check
from mqttseg.gateway.vendors.generate import VENDORS, render_vendor
from tests.gateway.conftest import POLICY, Plans
from tests.gateway.oracle import Packet, packets, permits, version
from tests.gateway.shapes import CONDUIT, DEVICES, SHAPES, many_devices

GOLDEN = Path(__file__).with_name("golden")
SERVED = POLICY.replace("[dns, ntp]", "[dns]")  # nothing of the gateway itself
WIDE = POLICY.replace("[dns, ntp]", '[{to: 10.0.0.0/8, tcp: [443, 7000]}, {to: "::/0", udp: 5000}]')


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_texts_are_the_reviewed_ones(plans: Plans, vendor: str, request: pytest.FixtureRequest) -> None:
    for name, text in render_vendor(plans.plan(SERVED + CONDUIT), vendor, pinned_elsewhere=True).items():
        golden = GOLDEN / "vendors" / name
        if request.config.getoption("--write-golden"):
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(text)
        assert text == golden.read_text(), "review the difference, then run pytest with --write-golden"


# --- never wider ---------------------------------------------------------------------------------------------------

_CISCO = re.compile(
    r" (?P<verdict>permit|deny) (?P<protocol>\S+)"
    r" (?P<src>any|host \S+|\S+ 0\.\S+|\S+/\d+)(?: eq (?P<sport>\d+))?"
    r" (?P<dst>any|host \S+|\S+ 0\.\S+|\S+/\d+)(?: eq (?P<dport>\d+))?(?P<established> established)?(?: log)?"
)


def _cisco_permits(text: str, way: str, packet: Packet) -> bool:
    """What the access list says to the first packet of a flow."""
    inside = False
    for line in text.splitlines():
        if "access-list" in line:
            inside = line.startswith("ip") and f"mqttseg-{way}-" in line
        if not inside or not line.startswith((" permit", " deny")) or line.startswith(" permit 58 "):
            continue
        rule = _CISCO.fullmatch(line)
        assert rule, line
        if _is_meant(rule, packet):
            return rule["verdict"] == "permit"
    raise AssertionError("the list ends without a verdict")


def _is_meant(rule: re.Match[str], packet: Packet) -> bool:
    ends = ((rule["src"], packet.src), (rule["dst"], packet.dst))
    ports = ((rule["sport"], packet.sport), (rule["dport"], packet.dport))
    return (
        rule["protocol"] in {"ip", "ipv6", packet.protocol}
        and rule["established"] is None
        and all(_holds(text, address) for text, address in ends)
        and all(text is None or int(text) == port for text, port in ports)
    )


def _holds(text: str, address: object) -> bool:
    if text == "any":
        return True
    if text.startswith("host "):
        return ip_address(text[5:]) == address
    return address in ip_network(text.replace(" ", "/"))


def _is_answer(plan: Plan, packet: Packet) -> bool:
    """A stateless list tells an answer over UDP by the server's address and port alone, and DHCP by its ports."""
    back = Packet("", None, "", packet.dst, packet.src, packet.protocol, packet.dport, packet.sport)
    is_dhcp = {packet.sport, packet.dport} in ({67, 68}, {546, 547})
    served = any(
        r.to is not None and r.to.version == back.dst.version and back.dst in r.to and r.port == back.dport
        for g, d in plan.devices()
        if back.src in d.addresses
        for r in g.reaches
        if r.transport == "udp"
    )
    return packet.protocol == "udp" and (is_dhcp or served)


@pytest.mark.parametrize("policy", [SERVED + CONDUIT, WIDE])
def test_a_router_permits_nothing_that_the_plan_does_not(plans: Plans, policy: str) -> None:
    plan = plans.plan(policy)
    texts = render_vendor(plan, "cisco", pinned_elsewhere=True)

    @settings(deadline=None)
    @given(packets(plan))
    def check_packet(packet: Packet) -> None:
        if packet.oif is None or (packet.iif not in plan.interfaces and packet.oif not in plan.interfaces):
            return
        text = texts[f"mqttseg-cisco-v{version(packet)}.acl"]
        ways = [way for way, name in (("from", packet.iif), ("to", packet.oif)) if name in plan.interfaces]
        permitted = all(_cisco_permits(text, way, packet) for way in ways)
        is_own = any(packet.src in d.addresses and packet.mac == d.mac for _, d in plan.devices())
        if "from" in ways and not is_own:
            return  # a MAC address is the switch's to pin
        assert permits(plan, packet) <= permitted
        assert permitted <= (permits(plan, packet) or _is_answer(plan, packet))

    check_packet()


def test_kubernetes_admits_devices_to_the_broker_pods_and_nobody_else(plans: Plans) -> None:
    plan = plans.plan()
    listed = yaml.safe_load(render_vendor(plan, "k8s", pinned_elsewhere=True)["mqttseg-k8s.yml"])
    admitted = set()
    for item in listed["items"]:
        assert item["spec"]["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "mqttseg"}}
        assert item["spec"]["policyTypes"] == ["Ingress"]
        for rule in item["spec"].get("ingress", ()):
            assert rule["ports"] == [{"port": 8883, "protocol": "TCP"}]
            admitted |= {block["ipBlock"]["cidr"] for block in rule["from"]}
    assert admitted == {str(ip_network(a)) for _, d in plan.devices() for a in d.addresses}
    assert "ingress" not in listed["items"][-1]["spec"]


def test_an_access_list_grows_with_the_devices_and_not_with_their_square() -> None:
    text = render_vendor(many_devices(100), "cisco", pinned_elsewhere=True)["mqttseg-cisco-v4.acl"]
    assert text.count("\n") < 100 * 15


# --- what access lists cannot express --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "what"),
    [("observe", "hvac is in observe mode"), ("observed-conduit", "conduit stills is in observe mode")],
)
def test_observation_is_refused_by_name(plans: Plans, shape: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        render_vendor(plans.plan(*SHAPES[shape]), "cisco", pinned_elsewhere=True)


def test_a_service_of_the_gateway_itself_is_refused_by_name(plans: Plans) -> None:
    with pytest.raises(ConfigurationError, match=r"ntp of the gateway itself.*network.services: \{ntp: \[ADDRESS\]\}"):
        render_vendor(plans.plan(), "juniper", pinned_elsewhere=True)


def test_addresses_that_nobody_pins_are_refused_by_name(plans: Plans) -> None:
    with pytest.raises(ConfigurationError, match="a1 is known by its MAC address 02:aa:00:00:00:01"):
        render_vendor(plans.plan(SERVED), "paloalto", pinned_elsewhere=False)


# --- aerleon's mistakes ----------------------------------------------------------------------------------------------

GOOD: AskedFilter = {
    "header": {"targets": {"cisco": "mqttseg-a extended"}, "comment": "mqttseg"},
    "terms": [
        {"name": "mqttseg-1", "action": "accept", "protocol": "tcp", "source-address": "X"},
        {"name": "mqttseg-2", "action": "deny"},
    ],
}


def test_what_is_right_may_be_asked() -> None:
    check([GOOD])


def test_two_filters_with_the_same_term_name_are_not_asked() -> None:
    with pytest.raises(InternalError, match="2 terms are called mqttseg-1"):
        check([GOOD, GOOD])


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"name": "log"}, "'log' is no name"),
        ({"name": "1-mqttseg"}, "'1-mqttseg' is no name"),
        ({"destnation-port": "P"}, "unknown keyword destnation-port"),
        ({"source-address": ""}, "nothing in source-address, which would be anybody"),
        ({"protocol": ""}, "permits every protocol"),
        ({"action": "maybe"}, "has no action"),
    ],
)
def test_a_term_that_aerleon_would_get_wrong_is_not_asked(changes: dict[str, str], what: str) -> None:
    asked = deepcopy(GOOD)
    asked["terms"][0] |= changes
    with pytest.raises(InternalError, match=what):
        check([asked])


def test_both_ip_versions_in_one_filter_are_not_asked() -> None:
    asked = deepcopy(GOOD)
    asked["header"]["targets"]["cisco"] = "mqttseg-a mixed"
    with pytest.raises(InternalError, match="both IP versions"):
        check([asked])


def test_a_filter_without_an_end_is_not_asked() -> None:
    asked = deepcopy(GOOD)
    del asked["terms"][1]
    with pytest.raises(InternalError, match="does not end"):
        check([asked])


def test_what_aerleon_only_warns_of_is_an_error(plans: Plans, monkeypatch: pytest.MonkeyPatch) -> None:
    from aerleon import api

    def warn(*_: object) -> dict[str, str]:
        logging.getLogger("absl").warning("Unexpected term keyword destnation-port")
        return {"x": ""}

    monkeypatch.setattr(api, "Generate", warn)
    with pytest.raises(InternalError, match="Unexpected term keyword"):
        render_vendor(plans.plan(SERVED), "cisco", pinned_elsewhere=True)


def test_loading_twice_replaces_the_rules(plans: Plans) -> None:
    """Aerleon's nftables and iptables have no flush; what we offer has a way to replace."""
    plan = plans.plan(SERVED)
    cisco = render_vendor(plan, "cisco", pinned_elsewhere=True)["mqttseg-cisco-v4.acl"]
    names = re.findall(r"^ip access-list extended (\S+)$", cisco, re.MULTILINE)
    assert [f"no ip access-list extended {name}" in cisco for name in names] == [True, True]
    juniper = render_vendor(plan, "juniper", pinned_elsewhere=True)["mqttseg-juniper-v4.acl"]
    assert juniper.count("filter mqttseg-") == juniper.count("replace: filter mqttseg-") == 2


def test_reserved_words_as_segments_become_no_names(plans: Plans) -> None:
    policy = SERVED.replace("  hvac:", "  log:").replace("  cameras:", "  any:")
    text = render_vendor(plans.plan(policy, DEVICES), "juniper", pinned_elsewhere=True)["mqttseg-juniper-v4.acl"]
    assert all(name.startswith("mqttseg-") for name in re.findall(r"(?:term|filter) (\S+)", text))


def test_without_the_extra_it_says_what_to_install(plans: Plans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aerleon", None)
    with pytest.raises(OperatorError, match=r"pip install 'mqttseg\[vendors\]'"):
        render_vendor(plans.plan(SERVED), "cisco", pinned_elsewhere=True)
