"""`mqttseg ca broker`: the broker's certificate made anew."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography import x509

from mqttseg.cli.site import broker_names
from mqttseg.pki.trust import server_context
from tests.cli.conftest import Command

CRT, KEY = Path("certs/broker.crt"), Path("certs/broker.key")


def serial() -> int:
    return x509.load_pem_x509_certificate(CRT.read_bytes()).serial_number


def test_the_broker_gets_a_new_certificate_and_key_for_the_same_names(site: Path, mqttseg: Command) -> None:
    before, key, names = serial(), KEY.read_bytes(), broker_names(CRT)
    result = mqttseg("ca", "broker")
    assert result.code == 0
    assert "SIGHUP" in result.err
    assert (serial() != before, KEY.read_bytes() != key, broker_names(CRT)) == (True, True, names)
    server_context(Path("certs/ca.crt"), CRT, KEY)  # they fit each other and the bundle


def test_host_and_days_count(site: Path, mqttseg: Command) -> None:
    made = mqttseg("ca", "broker", "--host", "broker.example", "--host", "192.0.2.1", "--days", "7", "--json").json
    assert made["hosts"] == broker_names(CRT) == ["broker.example", "192.0.2.1"]
    leaf = x509.load_pem_x509_certificate(CRT.read_bytes())
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 7
    assert made["not_after"] == leaf.not_valid_after_utc.isoformat()


@pytest.mark.parametrize(("mode", "kept"), [(0o600, 0o600), (0o640, 0o640), (0o644, 0o640), (0o400, 0o600)])
def test_the_key_keeps_the_rights_of_its_group_and_never_those_of_others(
    mode: int, kept: int, site: Path, mqttseg: Command
) -> None:
    KEY.chmod(mode)
    mqttseg("ca", "broker")
    assert stat.S_IMODE(KEY.stat().st_mode) == kept


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_key_keeps_its_owner_and_group(site: Path, mqttseg: Command) -> None:
    os.chown(KEY, 12345, 54321)
    KEY.chmod(0o640)
    result = mqttseg("ca", "broker")
    found = KEY.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 54321, 0o640)
    assert "warning" not in result.err


def test_a_key_that_cannot_be_given_away_stays_its_owners_alone(
    site: Path, mqttseg: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr("os.fchown", refuse)
    KEY.chmod(0o640)
    result = mqttseg("ca", "broker")
    assert result.code == 0
    assert "warning: certs/broker.key has not the owner" in result.err
    assert stat.S_IMODE(KEY.stat().st_mode) == 0o600


def test_without_a_certificate_the_names_must_be_said(site: Path, mqttseg: Command) -> None:
    CRT.unlink()
    result = mqttseg("ca", "broker")
    assert (result.code, "--host" in result.err) == (1, True)
    assert mqttseg("ca", "broker", "--host", "localhost").code == 0


def test_a_name_that_cannot_stand_in_a_certificate_changes_nothing(site: Path, mqttseg: Command) -> None:
    before = serial(), KEY.read_bytes()
    assert mqttseg("ca", "broker", "--host", "no such host").code == 1
    assert (serial(), KEY.read_bytes()) == before
