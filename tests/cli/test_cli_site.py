"""`mqttseg ca`, `mqttseg status`, and how every command finds its site and fails."""

from __future__ import annotations

import errno
import socket
import threading
from pathlib import Path

import pytest

from mqttseg import __version__
from mqttseg.cli import app, main
from tests.cli.conftest import Command


def test_ca_show_tells_the_trust_domain_and_what_was_issued(site: Path, mqttseg: Command) -> None:
    mqttseg("device", "issue", "cam-1")
    shown = mqttseg("ca", "show", "--json").json
    assert shown["trust_domain"] == "site.internal"
    assert shown["devices"] == {"valid": 1, "expired": 0, "revoked": 0}
    assert "site.internal" in mqttseg("ca", "show").out


def test_ca_crl_prints_the_list_and_signs_it_afresh_when_asked(site: Path, mqttseg: Command) -> None:
    before = mqttseg("ca", "crl").out
    assert before.startswith("-----BEGIN X509 CRL-----")
    assert before.strip() == Path("certs/ca.crl").read_text().strip()
    assert mqttseg("ca", "crl", "--refresh").out != before


def test_status_exits_with_1_when_nothing_listens(site: Path, mqttseg: Command, unused_port: int) -> None:
    Path("configs/mqttseg.yaml").write_text(f"listen: mqtts://127.0.0.1:{unused_port}\n")
    result = mqttseg("status", "--json")
    states = {finding["what"]: finding["state"] for finding in result.json}
    assert result.code == 1
    assert states == {
        "policy": "ok",
        "authority": "valid",
        "broker": "valid",
        "revocations": "ok",
        f"mqtts://127.0.0.1:{unused_port}": "down",
    }


def test_status_says_that_another_service_listens(site: Path, mqttseg: Command) -> None:
    def greet() -> None:
        with listening.accept()[0] as accepted:
            accepted.recv(1)
            accepted.sendall(b"220 mail.example ESMTP\r\n")
            accepted.recv(1 << 16)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        Path("configs/mqttseg.yaml").write_text(f"listen: mqtts://127.0.0.1:{listening.getsockname()[1]}\n")
        server = threading.Thread(target=greet)
        server.start()
        result = mqttseg("status")
        server.join()
    assert result.code == 1
    assert "did not complete a TLS handshake" in result.out
    assert "_ssl.c" not in result.out + result.err


def test_status_counts_one_problem_as_one(site: Path, mqttseg: Command) -> None:
    Path("configs/mqttseg.yaml").write_text("listen: mqtts://127.0.0.1:1\n")
    Path("configs/policy.yaml").write_text("version: 1\ntrust_domain: site.internal\nsegments: {a: {membrs: []}}\n")
    assert "1 problem in" in mqttseg("status").out


def test_status_exits_with_3_when_a_file_is_invalid(site: Path, mqttseg: Command) -> None:
    Path("configs/mqttseg.yaml").write_text("listen: mqtts://127.0.0.1:1\n")
    Path("configs/policy.yaml").write_text("")
    assert mqttseg("status").code == 3


def test_status_exits_with_4_when_a_test_of_the_policy_fails(site: Path, mqttseg: Command) -> None:
    Path("configs/mqttseg.yaml").write_text("listen: mqtts://127.0.0.1:1\n")
    with Path("configs/policy.yaml").open("a") as policy:
        policy.write('  - device: thermo-1\n    cannot: ["publish hvac/thermo-1/x"]\n')
    result = mqttseg("status", "--json")
    assert (result.code, result.json[0]["state"]) == (4, "tests fail"), result.err


def test_status_exits_with_3_when_the_broker_has_no_certificate(site: Path, mqttseg: Command) -> None:
    Path("configs/mqttseg.yaml").write_text("listen: mqtts://127.0.0.1:1\n")
    Path("certs/broker.key").unlink()
    assert mqttseg("status").code == 3


def test_no_configuration_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mqttseg: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    result = mqttseg("status")
    assert result.code == 1
    assert "mqttseg init" in result.err


def test_the_configuration_is_found_by_option_then_environment(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mqttseg: Command
) -> None:
    config = site / "configs" / "mqttseg.yaml"
    monkeypatch.chdir(tmp_path)
    assert mqttseg("device", "list", "--config", config).code == 0
    assert mqttseg("--config", config, "device", "list").code == 0
    monkeypatch.setenv("MQTTSEG_CONFIG", str(config))
    assert mqttseg("device", "list").code == 0
    assert mqttseg("-c", tmp_path / "none.yaml", "device", "list").code == 3


def test_json_may_stand_before_the_command(site: Path, mqttseg: Command) -> None:
    assert mqttseg("--json", "device", "list").json == []


def test_a_configuration_that_is_wrong_exits_with_3_and_its_place(site: Path, mqttseg: Command) -> None:
    Path("configs/mqttseg.yaml").write_text("listen: everywhere\nbogus: 1\n")
    result = mqttseg("device", "list")
    assert result.code == 3
    assert "mqttseg.yaml:1:" in result.err
    assert "mqttseg.yaml:2:" in result.err


def test_a_directory_in_place_of_a_file_is_no_traceback(site: Path, mqttseg: Command) -> None:
    assert mqttseg("device", "list", "-c", site).code == 3


def test_authority_keys_that_others_can_reach_are_refused(site: Path, mqttseg: Command) -> None:
    Path("certs/ca").chmod(0o755)
    result = mqttseg("device", "issue", "cam-1")
    assert result.code == 1
    assert "chmod" in result.err


def test_run_with_a_bad_policy_exits_with_3(site: Path, mqttseg: Command) -> None:
    Path("configs/policy.yaml").write_text("")
    assert mqttseg("run", "--listen", "mqtts://127.0.0.1:0").code == 3


@pytest.mark.parametrize("address", ["8883", "mqtt://127.0.0.1:1883", "mqtts://127.0.0.1:99999", "mqtts://"])
def test_run_on_what_is_no_address_is_a_usage_error(address: str, site: Path, mqttseg: Command) -> None:
    assert mqttseg("run", "--listen", address).code == 2


@pytest.mark.parametrize("arguments", [("bogus",), ("device", "bogus"), ("device", "issue"), ("init", "--bogus")])
def test_usage_errors_exit_with_2_and_name_the_help(arguments: tuple[str, ...], mqttseg: Command) -> None:
    result = mqttseg(*arguments)
    assert result.code == 2
    assert "--help`" in result.err


def test_no_arguments_show_the_help(mqttseg: Command) -> None:
    result = mqttseg()
    assert result.code == 2
    assert "$ mqttseg init" in result.err


def test_version(mqttseg: Command) -> None:
    result = mqttseg("--version")
    assert (result.code, result.out) == (0, f"mqttseg {__version__}\n")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "certs"), 1, "error: certs: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device", "x.key"), 1, "error: x.key: No space left on device"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_the_system_or_the_person_ends_is_no_traceback(
    error: BaseException,
    code: int,
    message: str,
    site: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("mqttseg.pki.authority.Authority.list", fail)
    assert main(["device", "list"]) == code
    assert capsys.readouterr().err.startswith(message)


def test_error_messages_hold_no_control_characters(mqttseg: Command) -> None:
    assert "\x1b" not in mqttseg("\x1b[31mred").err


def test_every_error_of_ours_has_an_exit_code_of_the_contract() -> None:
    assert {app.USAGE, app.INTERRUPTED} == {2, 130}


@pytest.mark.parametrize("state", ["missing", "empty"])
def test_a_lost_revocation_list_is_signed_anew_by_the_command_that_the_error_names(
    state: str, site: Path, mqttseg: Command
) -> None:
    Path("certs/ca.crl").unlink()
    if state == "empty":
        Path("certs/ca.crl").touch()
    else:
        assert "`mqttseg ca crl --refresh`" in mqttseg("ca", "crl").err
    assert "`mqttseg ca crl --refresh`" in mqttseg("status").err
    assert mqttseg("ca", "crl", "--refresh").code == 0
    assert "revocations" in mqttseg("status").out


@pytest.mark.parametrize("name", ["records.db", "issuing.key", "issuing.crt", "root.crt"])
def test_what_nothing_can_make_again_is_to_be_restored(name: str, site: Path, mqttseg: Command) -> None:
    Path("certs/ca", name).unlink()
    result = mqttseg("device", "issue", "cam-1")
    assert result.code == 1
    assert f"{name} is missing; restore it from a backup" in result.err
    assert "init" not in result.err


@pytest.mark.parametrize(
    ("name", "command"), [("broker.crt", "ca broker"), ("broker.key", "ca broker"), ("ca.crt", "init")]
)
def test_what_a_command_makes_is_an_error_that_names_the_command(
    name: str, command: str, site: Path, mqttseg: Command
) -> None:
    Path("certs", name).unlink()
    assert f"`mqttseg {command}`" in mqttseg("run").err
