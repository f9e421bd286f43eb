"""MUD files: what a model needs and no more, in the words of RFC 8520."""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from mqttseg.errors import ConfigurationError, InternalError, OperatorError
from mqttseg.gateway.mud.files import render_mud
from mqttseg.gateway.mud.lint import lint
from mqttseg.gateway.mud.validate import validate
from mqttseg.gateway.plan import Plan
from tests.gateway.conftest import POLICY, Plans
from tests.gateway.shapes import CONDUIT, SHAPES

GOLDEN = Path(__file__).with_name("golden")
BASE = "https://plant7.example/mud/"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MODELS = {"a1": "acme-t1", "a2": "acme-t1", "b1": "cam.9"}


def _with_models(plan: Plan, models: dict[str, str]) -> Plan:
    def known(devices: Any) -> Any:
        return tuple(replace(device, model=models.get(device.device)) for device in devices)

    return replace(plan, groups=tuple(replace(group, devices=known(group.devices)) for group in plan.groups))


def _files(plan: Plan, models: dict[str, str] = MODELS) -> dict[str, str]:
    return dict(render_mud(_with_models(plan, models), BASE, NOW))


def _rules(text: str) -> list[Any]:
    return [ace for acl in json.loads(text)["ietf-access-control-list:acls"]["acl"] for ace in acl["aces"]["ace"]]


def test_the_files_are_the_reviewed_ones(plans: Plans, request: pytest.FixtureRequest) -> None:
    files = _files(plans.plan(POLICY + CONDUIT))
    assert sorted(files) == ["acme-t1.json", "cam.9.json"]
    for name, text in files.items():
        golden = GOLDEN / "mud" / name
        if request.config.getoption("--write-golden"):
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(text)
        assert text == golden.read_text(), "review the difference, then run pytest with --write-golden"


@pytest.mark.parametrize("shape", ["two-segments", "conduit", "wide", "reserved-words", "no-devices"])
def test_yangson_finds_them_valid(plans: Plans, shape: str) -> None:
    validate(_files(plans.plan(*SHAPES[shape])))


def test_yangson_finds_what_is_not_valid(plans: Plans) -> None:
    text = _files(plans.plan())["cam.9.json"]
    for broken in (text.replace('"eq"', '"about"'), text.replace('"is-supported": true,', "")):
        assert broken != text
        with pytest.raises(InternalError, match=r"cam\.9\.json is no MUD file"):
            validate({"cam.9.json": broken})


def test_every_destination_is_one_of_the_plan(plans: Plans) -> None:
    plan = plans.plan(POLICY + CONDUIT)
    planned = {str(r.to) for g in plan.groups for r in g.reaches} | {str(n) for n in plan.admin}
    for text in _files(plan).values():
        for rule in _rules(text):
            matches = rule["matches"]
            ip = matches.get("ipv4") or matches["ipv6"]
            named = {value for key, value in ip.items() if key.endswith("-network")}
            assert named <= planned
            controller = matches.get("ietf-mud:mud", {}).get("controller")
            assert bool(named) is not bool(controller)
            assert controller in {None, f"{BASE}broker", "urn:ietf:params:mud:ntp"}


def test_only_the_device_opens_connections_but_for_administrators(plans: Plans) -> None:
    for rule in _rules(_files(plans.plan())["acme-t1.json"]):
        tcp = rule["matches"].get("tcp")
        if tcp:
            expected = "to-device" if rule["name"].endswith("admin") else "from-device"
            assert tcp["ietf-mud:direction-initiated"] == expected


def test_a_conduit_names_the_device_and_not_its_model(plans: Plans) -> None:
    text = _files(plans.plan(POLICY + CONDUIT))["acme-t1.json"]
    assert str(ip_network("10.9.0.21/32")) in text
    assert '"model"' not in text


def test_a_device_without_a_model_is_refused_by_name(plans: Plans) -> None:
    with pytest.raises(ConfigurationError, match=r"devices.yaml:\d+:\d+: b1 has no model"):
        _files(plans.plan(), {"a1": "t1", "a2": "t1"})


def test_devices_of_one_model_with_different_rights_are_refused_by_name(plans: Plans) -> None:
    with pytest.raises(ConfigurationError, match=r"b1 \(cameras\) and a1 \(hvac\) are both t1"):
        _files(plans.plan(), dict.fromkeys(MODELS, "t1"))


@pytest.mark.parametrize("model", ["../../etc/cron.d/x", 'x"}', "a b", ".hidden", "é"])
def test_a_model_that_is_no_name_for_a_file_is_refused(plans: Plans, model: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a MUD file's name"):
        _files(plans.plan(), MODELS | {"b1": model})


def test_observation_is_refused_by_name(plans: Plans) -> None:
    with pytest.raises(ConfigurationError, match="hvac is in observe mode, which mud cannot express"):
        _files(plans.plan(*SHAPES["observe"]))


@pytest.mark.parametrize(
    ("matches", "what"),
    [
        ({"ietf-mud:mud": {"local-networks": [None]}}, "names local-networks"),
        ({"ietf-mud:mud": {"same-manufacturer": [None]}}, "names same-manufacturer"),
        ({"ipv4": {"protocol": 6}, "ietf-mud:mud": {}}, "is for any host"),
        ({"tcp": {}}, "is for any port"),
    ],
)
def test_a_rule_that_says_too_much_is_a_lint_error(plans: Plans, matches: dict[str, Any], what: str) -> None:
    mud = deepcopy(json.loads(_files(plans.plan())["cam.9.json"]))
    lint(mud)
    mud["ietf-access-control-list:acls"]["acl"][0]["aces"]["ace"][0]["matches"] |= matches
    with pytest.raises(InternalError, match=what):
        lint(mud)


def test_a_way_out_without_a_way_back_is_a_lint_error(plans: Plans) -> None:
    mud = json.loads(_files(plans.plan())["cam.9.json"])
    del mud["ietf-access-control-list:acls"]["acl"][-1]["aces"]["ace"][0]
    with pytest.raises(InternalError, match="has no way back"):
        lint(mud)


def test_without_the_extra_it_says_what_to_install(plans: Plans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yangson", None)
    with pytest.raises(OperatorError, match=r"pip install 'mqttseg\[mud\]'"):
        validate({})
