"""Filling in devices.yaml: what somebody wrote stays, byte for byte, and nobody unknown is admitted."""

from __future__ import annotations

import difflib
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml

from mqttseg.cli import main
from mqttseg.errors import ConfigurationError
from mqttseg.gateway.inventory import import_list, import_sightings, read_list
from mqttseg.gateway.sightings import Sighting

SHIPPED = (Path(__file__).parents[2] / "configs" / "devices.yaml").read_text()
WRITTEN = """\
# our plant
version: 1
devices:
  a:   # the first one
    mac: "02:aa:00:00:00:01"   # on the sticker
    model: 'x 1.10'
  b: {mac: "02:AA:00:00:00:02", addresses: [10.9.0.2]}
  c: {mac: "02-aa-00-00-00-03", addresses: learned}
  d: {model: y}
"""


def seen(mac: str, address: str, name: str = "") -> Sighting:
    return Sighting(mac, ip_address(address), name)


def lost_lines(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line.startswith("- ")]


def test_an_entry_gets_the_addresses_that_were_seen_with_its_mac() -> None:
    found = import_sightings(WRITTEN, [seen("02:aa:00:00:00:01", "10.9.0.1"), seen("02:aa:00:00:00:01", "fd00::1")])
    assert yaml.safe_load(found.text)["devices"]["a"]["addresses"] == ["10.9.0.1", "fd00::1"]
    assert lost_lines(WRITTEN, found.text) == []


def test_comments_quotes_and_order_of_what_was_written_stay() -> None:
    found = import_sightings(SHIPPED, [seen("02:aa:00:00:00:0a", "10.9.0.5"), seen("02:aa:00:00:00:02", "10.9.0.99")])
    assert found.text == SHIPPED
    added = import_list(SHIPPED, [{"device": "thermo-9", "mac": "02:aa:00:00:00:99"}])
    assert lost_lines(SHIPPED, added.text) == []


def test_written_addresses_are_kept_and_the_difference_is_told() -> None:
    found = import_sightings(WRITTEN, [seen("02:aa:00:00:00:02", "10.9.0.77")])
    assert not found.changed
    assert found.kept == ["b: addresses is 10.9.0.2, not 10.9.0.77"]


def test_a_device_that_learns_its_address_goes_on_doing_so() -> None:
    assert not import_sightings(WRITTEN, [seen("02:aa:00:00:00:03", "10.9.0.77")]).changed


def test_an_unknown_device_is_listed_and_not_added_whatever_it_calls_itself() -> None:
    found = import_sightings(WRITTEN, [seen("02:ff:00:00:00:99", "10.9.0.9", "d")])
    assert not found.changed
    assert found.unknown == ["02:ff:00:00:00:99 10.9.0.9 d"]


def test_a_list_of_the_operator_s_own_adds_devices_and_fills_in_the_rest() -> None:
    text = "device,mac,addresses,firmware\na,,10.9.0.1,\nd,02:aa:00:00:00:04,learned,1.10\nnew,02:aa:00:00:00:05,,\n"
    found = import_list(WRITTEN, read_list(text, "list.csv"))
    devices = yaml.safe_load(found.text)["devices"]
    assert devices["a"]["addresses"] == ["10.9.0.1"]
    assert devices["d"] == {"model": "y", "mac": "02:aa:00:00:00:04", "addresses": "learned", "firmware": "1.10"}
    assert devices["new"] == {"mac": "02:aa:00:00:00:05"}
    assert found.added == ["new"]
    assert lost_lines(WRITTEN, found.text) == ["-   d: {model: y}"]  # it has more now


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "list.csv:1:1: the first line does not name the columns"),
        ("id,mac\na,b\n", "list.csv:1:1: the first line does not name the columns"),
        ("device,colour\na,red\n", "list.csv:1:2: there is no column 'colour'"),
        ("device,mac\na\n", "list.csv:2:1: the line has 1 values for 2 columns"),
        ("device,mac\n,02:aa:00:00:00:01\n", "list.csv:2:1: the line names no device"),
    ],
)
def test_a_list_that_cannot_be_read_names_the_place(text: str, what: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        list(read_list(text, "list.csv"))
    assert what in str(caught.value)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "mqttseg.yaml").write_text("policy: policy.yaml\n")
    (configs / "policy.yaml").write_text(
        "version: 1\ntrust_domain: x.example\nsegments:\n  hvac: {members: [a, b, c, d, new]}\n"
    )
    (configs / "devices.yaml").write_text(WRITTEN)
    return configs


@pytest.mark.parametrize(
    "row",
    ["new,02:aa:00:00:00:01,", "new,not a mac,", "no spaces please,,", "new,,10.9.0.2", "new,,nonsense", "-,,"],
)
def test_an_import_that_would_make_the_inventory_invalid_changes_nothing(
    site: Path, row: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "list.csv").write_text(f"device,mac,addresses\n{row}\n")
    code = main(["-c", str(site / "mqttseg.yaml"), "device", "import", str(site / "list.csv")])
    assert code == 3
    assert "devices.yaml:" in capsys.readouterr().err
    assert (site / "devices.yaml").read_text() == WRITTEN


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[{"dst": "10.9.0.1", "dev": "br", "lladdr": "02:aa:00:00:00:01", "state": ["STALE"]}]', "a: addresses"),
        ("1 02:aa:00:00:00:01 10.9.0.1 * *\n", "a: addresses"),
        (
            '<nmaprun><host><address addr="10.9.0.1" addrtype="ipv4"/>'
            '<address addr="02:AA:00:00:00:01" addrtype="mac"/></host></nmaprun>',
            "a: addresses",
        ),
        ("device,addresses\na,10.9.0.1\n", "a: addresses"),
    ],
)
def test_the_kind_of_file_is_told_by_its_content(
    site: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "file").write_text(text)
    arguments = ["-c", str(site / "mqttseg.yaml"), "device", "import", str(site / "file")]
    assert main([*arguments, "--dry-run"]) == 0
    assert told in capsys.readouterr().out
    assert (site / "devices.yaml").read_text() == WRITTEN
    assert main(arguments) == 0
    assert "10.9.0.1" in (site / "devices.yaml").read_text()
