"""`mqttseg device`: the life of a certificate from the command line."""

from __future__ import annotations

import errno
import shlex
import stat
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from mqttseg.cli.device import KeyTypeName, ReasonName
from mqttseg.pki.keys import KeyType
from mqttseg.pki.shapes import RevocationReason
from tests.cli.conftest import Command, Result


def options_of(line: str) -> dict[str, str]:
    """A mosquitto command line taken apart."""
    words = shlex.split(line)[1:]
    return dict(zip(words[::2], words[1::2], strict=False))


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    """A certificate request that asks for another name than it will get."""
    path = tmp_path / "thermo-9.csr"
    command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    keys = ["-keyout", str(tmp_path / "own.key"), "-out", str(path), "-subj", "/CN=bms-1"]
    subprocess.run([*command, *keys], check=True, capture_output=True)
    return path


def test_issue_makes_a_certificate_and_an_owner_only_key(site: Path, mqttseg: Command) -> None:
    result = mqttseg("device", "issue", "thermo-1", "--json")
    assert result.code == 0
    files = result.json["files"]
    assert files["key"] == "certs/devices/thermo-1.key"
    assert stat.S_IMODE(Path(files["key"]).stat().st_mode) == 0o600
    assert result.json["segment"] == "hvac"


def test_issue_prints_a_line_that_publishes_where_the_policy_allows(site: Path, mqttseg: Command) -> None:
    mqttseg("device", "issue", "bms-1")
    result = mqttseg("device", "issue", "thermo-1", "--json")
    line = options_of(result.json["try"]["publish"])
    assert line["-i"] == "thermo-1"
    assert line["-h"] == "localhost"
    assert all(Path(line[name]).is_file() for name in ("--cafile", "--cert", "--key"))
    assert mqttseg("policy", "explain", "thermo-1", "publish", line["-t"]).code == 0
    listening = options_of(result.json["try"]["subscribe"])
    assert listening["-i"] == "bms-1"
    assert listening["-t"] == line["-t"]


def test_a_device_that_is_alone_listens_to_itself_in_another_session(site: Path, mqttseg: Command) -> None:
    lines = mqttseg("device", "issue", "cam-1", "--json").json["try"]
    assert options_of(lines["subscribe"])["-i"] == "cam-1/sub"


def test_the_line_reaches_the_broker_by_a_name_of_its_certificate(tmp_path: Path, mqttseg: Command) -> None:
    mqttseg("init", tmp_path, "--host", "broker.example")
    result = mqttseg("device", "issue", "cam-1", "--json", "-c", tmp_path / "configs" / "mqttseg.yaml")
    assert options_of(result.json["try"]["publish"])["-h"] == "broker.example"


def test_a_device_in_no_segment_is_a_warning_with_the_line_to_add(site: Path, mqttseg: Command) -> None:
    result = mqttseg("device", "issue", "toaster-1")
    assert result.code == 0
    assert "warning: toaster-1 is in no segment" in result.err
    assert '`members: ["toaster-1"]`' in result.err
    assert "mosquitto_pub" not in result.out


def test_an_invalid_policy_does_not_keep_a_device_from_its_certificate(site: Path, mqttseg: Command) -> None:
    (site / "configs" / "policy.yaml").write_text("version: 1\n")
    result = mqttseg("device", "issue", "thermo-1")
    assert result.code == 0
    assert "warning: the policy is not valid" in result.err


@pytest.mark.parametrize("device_id", ["a/b", "#", "a+", "", "x" * 65, "é", "../x"])
def test_what_is_no_device_id_is_refused(device_id: str, site: Path, mqttseg: Command) -> None:
    result = mqttseg("device", "issue", device_id)
    assert result.code == 1
    assert "is not a device id" in result.err


def test_a_second_certificate_is_made_by_renew_only(site: Path, mqttseg: Command) -> None:
    assert mqttseg("device", "issue", "cam-1").code == 0
    again = mqttseg("device", "issue", "cam-1")
    assert (again.code, "mqttseg device renew cam-1" in again.err) == (1, True)
    assert mqttseg("device", "renew", "cam-1").code == 0
    assert len(mqttseg("device", "show", "cam-1", "--json").json) == 2


def test_key_type_days_and_out_count(site: Path, tmp_path: Path, mqttseg: Command) -> None:
    made = mqttseg(
        "device", "issue", "cam-1", "--key-type", "ed25519", "--days", "7", "--out", tmp_path / "out", "--json"
    )
    assert made.json["key_type"] == "ed25519"
    assert (tmp_path / "out" / "cam-1.key").is_file()


@pytest.mark.parametrize("days", ["0", "-1", "many"])
def test_days_below_one_are_a_usage_error(days: str, site: Path, mqttseg: Command) -> None:
    assert mqttseg("device", "issue", "cam-1", "--days", days).code == 2


def test_sign_takes_the_id_from_the_file_s_name_never_from_the_request(
    site: Path, request_file: Path, mqttseg: Command
) -> None:
    result = mqttseg("device", "sign", request_file, "--json")
    assert (result.code, result.json["device"], result.json["files"]["key"]) == (0, "thermo-9", None)
    assert result.json["origin"] == "signed"


def test_sign_takes_the_id_it_is_given(site: Path, request_file: Path, mqttseg: Command) -> None:
    assert mqttseg("device", "sign", request_file, "--id", "cam-3", "--json").json["device"] == "cam-3"


def test_a_request_from_stdin_needs_an_id(site: Path, mqttseg: Command) -> None:
    assert mqttseg("device", "sign", "-").code == 2


def test_a_request_that_cannot_be_read_is_refused(site: Path, tmp_path: Path, mqttseg: Command) -> None:
    assert mqttseg("device", "sign", tmp_path).code == 1
    assert mqttseg("device", "sign", tmp_path / "none.csr").code == 1
    (tmp_path / "bad.csr").write_text("rubbish")
    assert mqttseg("device", "sign", tmp_path / "bad.csr").code == 1


def test_revoke_puts_the_certificate_on_the_list(site: Path, mqttseg: Command) -> None:
    serial = mqttseg("device", "issue", "cam-1", "--json").json["serial"]
    assert mqttseg("device", "revoke", "cam-1", "--why", "key-compromise").code == 0
    assert mqttseg("device", "list", "--json").json[0]["status"] == "revoked"
    lists = mqttseg("ca", "crl", "--json").json
    assert serial in [entry["serial"] for item in lists for entry in item["revoked"]]


@pytest.mark.parametrize("command", ["revoke", "renew", "show"])
def test_an_unknown_device_is_an_error(command: str, site: Path, mqttseg: Command) -> None:
    result = mqttseg("device", command, "nobody")
    assert result.code == 1
    assert "nobody" in result.err


def test_list_shows_each_device_once_with_its_segment(site: Path, mqttseg: Command) -> None:
    for device_id in ("thermo-1", "bms-1"):
        mqttseg("device", "issue", device_id)
    mqttseg("device", "renew", "thermo-1")
    listed = mqttseg("device", "list")
    assert [line.split()[:3] for line in listed.out.splitlines()[1:]] == [
        ["bms-1", "hvac/controller", "valid"],
        ["thermo-1", "hvac", "valid"],
    ]


def test_enroll_issues_a_whole_list(site: Path, mqttseg: Command) -> None:
    Path("fleet.csv").write_text("id,days\nthermo-1,30\nthermo-2,\n")
    assert mqttseg("device", "enroll", "fleet.csv", "--json").json == {"enrolled": 2, "directory": "certs/devices"}
    assert len(mqttseg("device", "list", "--json").json) == 2


def test_enroll_goes_on_where_it_was_interrupted(site: Path, mqttseg: Command) -> None:
    mqttseg("device", "issue", "thermo-1")
    Path("fleet.csv").write_text("id\nthermo-1\nthermo-2\n")
    assert mqttseg("device", "enroll", "fleet.csv").code == 3
    assert mqttseg("device", "enroll", "fleet.csv", "--skip-existing", "--json").json["enrolled"] == 1
    assert mqttseg("device", "enroll", "fleet.csv", "--skip-existing").code == 0


def test_every_error_of_a_list_is_reported_and_nobody_is_enrolled(site: Path, mqttseg: Command) -> None:
    Path("fleet.csv").write_text("id,days\nthermo-1,0\na/b,30\nthermo-1\n")
    result = mqttseg("device", "enroll", "fleet.csv")
    assert result.code == 3
    assert [line.split()[1] for line in result.err.splitlines()] == [
        "fleet.csv:2:10:",
        "fleet.csv:3:1:",
        "fleet.csv:4:1:",
    ]
    assert mqttseg("device", "list", "--json").json == []


def test_errors_of_a_list_that_are_all_alike_are_folded(site: Path, mqttseg: Command) -> None:
    (site / "many.csv").write_text("id,days\n" + "bad id,1\n" * 500 + "good-1,x\n")
    refused = mqttseg("device", "enroll", "many.csv")
    lines = refused.err.splitlines()
    assert (refused.code, len(lines)) == (3, 22)
    assert "many.csv: 480 more like these, to line 501" in lines[20]
    assert "many.csv:502:8: 'x' is not a number of days" in lines[21]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--days", "0", "Invalid value for --days: write a number of at least 1; see `mqttseg device issue --help`"),
        ("--days", "abc", "Invalid value for --days: write a whole number; see"),
        ("--key-type", "foo", "Invalid value for --key-type: 'foo' is not one of 'p256', 'ed25519', 'rsa2048'; see"),
    ],
)
def test_a_wrong_value_is_told_without_the_parsers_own_words(
    option: str, value: str, words: str, site: Path, mqttseg: Command
) -> None:
    refused = mqttseg("device", "issue", "cam-1", option, value)
    assert refused.code == 2
    assert words in refused.err


def test_enroll_warns_of_devices_in_no_segment(site: Path, mqttseg: Command) -> None:
    Path("fleet.csv").write_text("id\ntoaster-1\ntoaster-2\n")
    assert "toaster-1 and 1 more of these devices are in no segment" in mqttseg("device", "enroll", "fleet.csv").err


def test_the_choices_of_the_command_line_are_those_of_the_authority() -> None:
    assert set(get_args(KeyTypeName)) == set(KeyType)
    assert set(get_args(ReasonName)) == set(RevocationReason)


def refuse_to_write(path: Path, *_: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


@pytest.fixture
def half_revoked(site: Path, mqttseg: Command, monkeypatch: pytest.MonkeyPatch) -> Result:
    """What `device revoke cam-1` said when certs/ was not writable; it is again."""
    mqttseg("device", "issue", "cam-1")
    with monkeypatch.context() as patch:
        patch.setattr("mqttseg.pki.files.replace", refuse_to_write)
        first, second = mqttseg("device", "revoke", "cam-1"), mqttseg("device", "revoke", "cam-1")
    assert first == second
    return first


def test_a_revocation_that_cannot_be_published_says_so_and_what_to_do(half_revoked: Result) -> None:
    assert half_revoked.code == 1
    assert "recorded, but NOT published: the broker still admits it" in half_revoked.err
    assert "writable and run `mqttseg ca crl --refresh`" in half_revoked.err


def test_revoking_again_publishes_what_could_not_be_published(half_revoked: Result, mqttseg: Command) -> None:
    assert mqttseg("device", "revoke", "cam-1").code == 0
    serial = mqttseg("device", "show", "cam-1", "--json").json[0]["serial"]
    assert serial in str(mqttseg("ca", "crl", "--json").json)
    assert mqttseg("device", "revoke", "cam-1").code == 1


def test_status_shows_a_revocation_that_is_not_published(half_revoked: Result, mqttseg: Command) -> None:
    def states() -> list[str]:
        return [found["state"] for found in mqttseg("status", "--json").json if found["what"] == "revocations"]

    assert states() == ["ok", "not published"]
    assert mqttseg("status").code == 1
    assert mqttseg("ca", "crl", "--refresh").code == 0
    assert states() == ["ok"]


def test_a_key_that_was_certified_again_is_named(site: Path, mqttseg: Command) -> None:
    mqttseg("device", "issue", "cam-1")
    assert mqttseg("device", "renew", "cam-1", "--keep-key", "--json").json["files"]["key"] == "certs/devices/cam-1.key"
