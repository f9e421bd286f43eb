"""`mqttseg init` makes a site that is valid at once, and never overwrites."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mqttseg.cli.site import broker_names
from tests.cli.conftest import Command

ROOT = Path(__file__).parents[2]
MADE = {
    "configs/mqttseg.yaml",
    "configs/policy.yaml",
    "configs/devices.yaml",
    "configs/mqttseg.schema.json",
    "configs/policy.schema.json",
    "configs/devices.schema.json",
    "certs/ca.crt",
    "certs/ca.crl",
    "certs/broker.crt",
    "certs/broker.key",
}


def contents(root: Path) -> dict[str, bytes]:
    """Every file of a site but the authority's own."""
    files = (path for path in root.rglob("*") if path.is_file() and "ca" not in path.relative_to(root).parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_init_writes_the_whole_layout(site: Path) -> None:
    assert set(contents(site)) == MADE
    assert (site / "state").is_dir()
    assert (site / "certs" / "ca").is_dir()


def test_every_key_is_its_owners_alone(site: Path) -> None:
    keys = [*site.rglob("*.key")]
    assert len(keys) == 3
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert stat.S_IMODE((site / "certs" / "ca").stat().st_mode) == 0o700


def test_the_starter_policy_is_valid_and_its_tests_hold(site: Path, mqttseg: Command) -> None:
    assert mqttseg("policy", "check").code == 0
    tested = mqttseg("policy", "test", "--json")
    assert tested.code == 0
    assert tested.json["tests"] > 0


def test_init_says_what_to_do_about_an_authority_that_lost_its_records(site: Path, mqttseg: Command) -> None:
    (site / "certs" / "ca" / "records.db").unlink()
    before = contents(site)
    refused = mqttseg("init")
    assert refused.code == 1
    assert "certs/ca is an authority without its records.db; restore that from a backup" in refused.err
    assert "move certs/ca, ca.crt and ca.crl away" in refused.err
    assert contents(site) == before
    (site / "certs" / "ca").rename(site / "lost")
    for name in ("ca.crt", "ca.crl"):
        (site / "certs" / name).rename(site / name)
    assert mqttseg("init").code == 0
    assert mqttseg("device", "issue", "cam-1").code == 0


def test_rerunning_changes_nothing_and_says_what_was_kept(site: Path, mqttseg: Command) -> None:
    (site / "configs" / "policy.yaml").write_text((site / "configs" / "policy.yaml").read_text() + "# mine\n")
    before = contents(site)
    result = mqttseg("init", "--json")
    assert result.code == 0
    assert result.json["made"] == []
    assert "configs/policy.yaml" in result.json["kept"]
    assert contents(site) == before


def test_rerunning_makes_what_is_missing(site: Path, mqttseg: Command) -> None:
    missing = ("configs/devices.yaml", "certs/broker.crt", "certs/ca.crl", "certs/ca.crt")
    for name in (*missing, "certs/broker.key"):
        (site / name).unlink()
    result = mqttseg("init", "--json")
    assert result.code == 0
    assert set(result.json["made"]) == {*missing, "certs/broker.key"}
    assert set(contents(site)) == MADE


def test_the_default_broker_certificate_is_for_this_machine(site: Path) -> None:
    assert {"localhost", "127.0.0.1", "::1"} <= set(broker_names(site / "certs" / "broker.crt"))


def test_host_says_whom_the_broker_certificate_is_for(tmp_path: Path, mqttseg: Command) -> None:
    assert mqttseg("init", tmp_path, "--host", "broker.example", "--host", "192.0.2.1").code == 0
    assert broker_names(tmp_path / "certs" / "broker.crt") == ["broker.example", "192.0.2.1"]


def test_another_host_than_the_kept_certificate_s_is_a_warning(site: Path, mqttseg: Command) -> None:
    result = mqttseg("init", "--host", "other.example")
    assert result.code == 0
    assert "warning: certs/broker.crt is kept, and it is not for other.example" in result.err


def test_trust_domain_is_that_of_policy_and_authority(tmp_path: Path, mqttseg: Command) -> None:
    assert mqttseg("init", tmp_path, "--trust-domain", "plant7.example").code == 0
    assert "\ntrust_domain: plant7.example " in (tmp_path / "configs" / "policy.yaml").read_text()
    shown = mqttseg("ca", "show", "--json", "-c", tmp_path / "configs" / "mqttseg.yaml")
    assert shown.json["trust_domain"] == "plant7.example"


@pytest.mark.parametrize("name", ["Plant7", "a/b", "", "-x"])
def test_what_is_no_trust_domain_is_a_usage_error(name: str, tmp_path: Path, mqttseg: Command) -> None:
    result = mqttseg("init", tmp_path / "new", "--trust-domain", name)
    assert result.code == 2
    assert not (tmp_path / "new").exists()


def test_a_trust_domain_against_the_kept_policy_is_refused(site: Path, mqttseg: Command) -> None:
    result = mqttseg("init", "--trust-domain", "other.example")
    assert result.code == 1
    assert "configs/policy.yaml says trust_domain: site.internal, not other.example" in result.err


def test_a_kept_policy_that_is_invalid_is_reported_with_its_place(site: Path, mqttseg: Command) -> None:
    (site / "configs" / "policy.yaml").write_text("version: 1\nbogus: 2\n")
    result = mqttseg("init")
    assert result.code == 3
    assert "configs/policy.yaml:2:1" in result.err


def test_a_host_that_cannot_stand_in_a_certificate_is_refused(tmp_path: Path, mqttseg: Command) -> None:
    result = mqttseg("init", tmp_path, "--host", "no such host")
    assert result.code == 1
    assert "no such host" in result.err


def test_a_file_where_a_directory_must_be_is_an_error_without_a_traceback(tmp_path: Path, mqttseg: Command) -> None:
    (tmp_path / "configs").write_text("")
    result = mqttseg("init", tmp_path)
    assert result.code == 1
    assert result.err.startswith("error: ")


def test_a_sealed_authority_signs_with_its_passphrase_only(tmp_path: Path, mqttseg: Command) -> None:
    secret, wrong, empty = tmp_path / "secret", tmp_path / "wrong", tmp_path / "empty"
    secret.write_text("correct horse\n")
    wrong.write_text("wrong")
    empty.write_text("\n")
    config = tmp_path / "site" / "configs" / "mqttseg.yaml"
    assert mqttseg("init", tmp_path / "site", "--passphrase-file", secret).code == 0
    assert b"ENCRYPTED" in (tmp_path / "site" / "certs" / "ca" / "issuing.key").read_bytes()

    assert mqttseg("device", "issue", "cam-1", "-c", config, "--passphrase-file", secret).code == 0
    refused = mqttseg("device", "issue", "cam-2", "-c", config, "--passphrase-file", wrong)
    assert (refused.code, "passphrase is wrong" in refused.err) == (1, True)
    unasked = mqttseg("device", "issue", "cam-2", "-c", config)
    assert (unasked.code, "--passphrase-file" in unasked.err) == (1, True)
    assert mqttseg("device", "issue", "cam-2", "-c", config, "--passphrase-file", empty).code == 1
    assert mqttseg("device", "issue", "cam-2", "-c", config, "--passphrase-file", tmp_path / "none").code == 1
    assert mqttseg("device", "list", "-c", config).code == 0  # reading needs none


@pytest.mark.parametrize("name", ["mqttseg.yaml"])
def test_the_shipped_example_is_what_init_writes(site: Path, name: str) -> None:
    assert (site / "configs" / name).read_text() == (ROOT / "configs" / name).read_text()


def test_the_next_steps_name_devices_that_the_policy_places(tmp_path: Path, mqttseg: Command) -> None:
    made = mqttseg("init", tmp_path / "site").err
    assert "  mqttseg device issue thermo-1     a certificate" in made
    assert "; then bms-1 and cam-1\n" in made
    policy = tmp_path / "site" / "configs" / "policy.yaml"
    policy.write_text("version: 1\ntrust_domain: site.internal\nsegments: {ovens: {members: ['oven-*', big-oven]}}\n")
    kept = mqttseg("init", tmp_path / "site").err
    assert "mqttseg device issue big-oven     a certificate for a device, and a line to try it with\n" in kept
    assert "thermo" not in kept


def test_a_policy_without_devices_gives_no_example(tmp_path: Path, mqttseg: Command) -> None:
    mqttseg("init", tmp_path)
    (tmp_path / "configs" / "policy.yaml").write_text("version: 1\ntrust_domain: site.internal\nsegments: {a: {}}\n")
    assert "  mqttseg device issue ID     a certificate" in mqttseg("init", tmp_path).err
