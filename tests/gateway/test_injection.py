"""Whatever somebody writes into the policy or the inventory, no target's text says it but as a validated literal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mqttseg.errors import ConfigurationError
from mqttseg.gateway.targets import Options, render, targets
from tests.gateway.conftest import POLICY, Plans
from tests.gateway.shapes import CONDUIT, DEVICES

OPTIONS = Options(pinned_elsewhere=True, mud_url="https://plant7.example/mud/", now=datetime(2026, 1, 1, tzinfo=UTC))
HARMLESS = re.compile(r"[A-Za-z0-9_.:@/-]*", re.ASCII)
HOSTILE = (
    "a\nadd rule inet filter input accept",
    "x; flush ruleset",
    "$(reboot)",
    "`reboot`",
    "END\nreboot\n",
    '" place-before=0',
    "br-iot+",
    "a1\x00",
    "-j ACCEPT",
    "</entry><action>allow</action>",
    "}{",
)
texts = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=20))


def _written(place: str, text: str) -> tuple[str, str]:
    """The lab's policy and inventory with the text in one place."""
    policy: Any = yaml.safe_load(POLICY.replace("[dns, ntp]", "[dns]") + CONDUIT)
    devices: Any = yaml.safe_load(DEVICES)
    for entry in devices["devices"].values():
        entry["model"] = f"m{entry['port']}"
    _PLACES[place](policy, devices["devices"], text)
    return yaml.safe_dump(policy), yaml.safe_dump(devices)


def _segment(policy: Any, devices: Any, text: str) -> None:
    policy["segments"][text] = policy["segments"].pop("hvac")
    policy["conduits"]["stills"] |= {"from": text, "topics": [f"{text}/x"]}


def _role(policy: Any, devices: Any, text: str) -> None:
    policy["segments"]["hvac"]["roles"] = {text: {"members": ["a1"]}}
    policy["conduits"]["stills"]["from"] = f"hvac/{text}"


def _conduit(policy: Any, devices: Any, text: str) -> None:
    policy["conduits"][text] = policy["conduits"].pop("stills")


def _device(policy: Any, devices: Any, text: str) -> None:
    policy["segments"]["hvac"]["members"].append(text)
    devices[text] = devices.pop("a1")


def _service(policy: Any, devices: Any, text: str) -> None:
    policy["segments"]["hvac"]["network"]["allow"].append(text)
    policy["network"]["services"][text] = ["192.0.2.99"]


def _destination(policy: Any, devices: Any, text: str) -> None:
    policy["segments"]["hvac"]["network"]["allow"].append({"to": text, "tcp": 1})


def _interface(policy: Any, devices: Any, text: str) -> None:
    policy["network"] |= {"interfaces": [text], "subnets": {}}
    for entry in devices.values():
        entry["interface"] = text


def _of_network(key: str, *path: str) -> Callable[[Any, Any, str], None]:
    def put(policy: Any, devices: Any, text: str) -> None:
        held = policy["network"]
        for name in path:
            held = held[name]
        held[key].append(text)

    return put


def _of_device(key: str) -> Callable[[Any, Any, str], None]:
    def put(policy: Any, devices: Any, text: str) -> None:
        devices["a1"][key] = [text] if key == "addresses" else text

    return put


_PLACES: Mapping[str, Callable[[Any, Any, str], None]] = {
    "segment": _segment,
    "role": _role,
    "conduit": _conduit,
    "device": _device,
    "service": _service,
    "destination": _destination,
    "interface": _interface,
    "bridge port": _of_network("ports"),
    "admin": _of_network("admin"),
    "broker": _of_network("addresses", "broker"),
    **{key: _of_device(key) for key in ("addresses", "port", "mac", "model", "firmware")},
}
GOOD = {
    "segment": "heat",
    "role": "boss",
    "conduit": "pictures",
    "device": "a1-new",
    "service": "https",
    "destination": "203.0.113.7",
    "interface": "br-new",
    "bridge port": "px2",
    "admin": "203.0.113.8",
    "broker": "203.0.113.9",
    "addresses": "10.9.0.99",
    "port": "pa9",
    "mac": "02:aa:00:00:00:99",
    "model": "thermo-9",
    "firmware": "1.2.3",
}


@pytest.mark.parametrize("place", _PLACES)
def test_what_is_right_in_that_place_is_rendered(plans: Plans, place: str) -> None:
    plan = plans.plan(*_written(place, GOOD[place]))
    assert all(render(plan, target, OPTIONS) for target in targets())


@pytest.mark.parametrize("place", _PLACES)
def test_no_text_gets_through(plans: Plans, place: str) -> None:
    @settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
    @example(HOSTILE[0])
    @given(texts)
    def check(text: str) -> None:
        if HARMLESS.fullmatch(text):
            return
        try:
            plan = plans.plan(*_written(place, text))
        except ConfigurationError:
            return
        for target in targets():
            try:
                written = render(plan, target, OPTIONS)
            except ConfigurationError:
                continue
            ours = "".join(written.values())
            assert len(text) < 3 or text not in ours
            assert all(ord(character) < 127 and (character >= " " or character in "\n\t") for character in ours)

    check()
