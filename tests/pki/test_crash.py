"""Killed at any step, or run twice at once, the authority is left whole. Real processes, killed with SIGKILL."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mqttseg.errors import OperatorError
from mqttseg.pki.authority import Authority
from mqttseg.pki.records import Status
from mqttseg.pki.revocation import load_revocations
from tests.pki.forging import DOMAIN, NOW, Clock, new_authority

# Everything that changes a file or the records, as Python calls it.
STEPS = {"open", "write", "flush", "fsync", "fchmod", "chmod", "mkdir", "replace", "rename", "unlink", "execute"}
STEPS |= {"executemany", "connect"}
OWNERS = {"module", "BufferedWriter", "Connection"}  # not: str.replace, datetime.replace


strides = pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.full)], ids="every_{}".format)


def child(act: Callable[[], object]) -> int:
    """Run in a forked process, which leaves by itself."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return pid


def is_step(function: object) -> bool:
    owner = type(getattr(function, "__self__", None)).__name__
    return owner in OWNERS and getattr(function, "__name__", "") in STEPS


def killed_at(step: int, act: Callable[[], object]) -> bool:
    """Whether the process that acts was killed before its step of this number; false when it got to its end."""

    def dying() -> None:
        left = [step]

        def count(_frame: FrameType, event: str, argument: object) -> None:
            if event == "c_call" and is_step(argument):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(count)
        act()
        sys.setprofile(None)

    _, status = os.waitpid(child(dying), 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def mended(certs: Path) -> Authority:
    """The authority after the next command that signs."""
    authority = Authority.open(certs, clock=Clock())
    authority.write_crl()
    assert not list(certs.rglob(".*")), "something unfinished is left"
    return authority


def assert_whole(authority: Authority) -> None:
    """Every record has its files, every file its record, and the newest certificate fits its key."""
    devices = authority.certs / "devices"
    names = {item.name for item in authority.list()}
    found = {path.name for path in devices.iterdir()} if devices.exists() else set()
    assert found == {f"{name}{suffix}" for name in names for suffix in (".crt", ".key")}
    for name in names:
        certificate = x509.load_pem_x509_certificate((devices / f"{name}.crt").read_bytes())
        key = load_pem_private_key((devices / f"{name}.key").read_bytes(), None)
        assert certificate.public_key() == key.public_key()
        assert certificate.serial_number == authority.show(name)[0].serial


@strides
def test_killed_while_issuing_there_is_a_whole_device_or_none(tmp_path: Path, stride: int) -> None:
    certs = new_authority(tmp_path).certs
    outcomes = set()
    for step in range(0, 1000, stride):
        name = f"dev-{step}"
        killed = killed_at(step, lambda name=name: Authority.open(certs, clock=Clock()).issue(name))  # type: ignore[misc]
        authority = mended(certs)
        assert_whole(authority)
        outcomes.add((killed, name in {item.name for item in authority.list()}))
        if not killed:
            break
    assert outcomes == {(True, False), (True, True), (False, True)}


@strides
def test_killed_while_renewing_the_old_or_the_new_certificate_is_whole(tmp_path: Path, stride: int) -> None:
    authority = new_authority(tmp_path)
    authority.issue("dev-1")
    for step in range(0, 1000, stride):
        killed = killed_at(step, lambda: Authority.open(authority.certs, clock=Clock()).renew("dev-1"))
        assert_whole(mended(authority.certs))
        if not killed:
            break
    assert step > 20


@strides
def test_killed_while_revoking_records_and_list_agree_afterwards(tmp_path: Path, stride: int) -> None:
    authority = new_authority(tmp_path)
    certs = authority.certs
    outcomes = set()
    for step in range(0, 1000, stride):
        name = f"dev-{step}"
        issued = authority.issue(name)
        killed = killed_at(step, lambda name=name: Authority.open(certs, clock=Clock()).revoke(name))  # type: ignore[misc]
        load_revocations(certs / "ca.crl", certs / "ca.crt")  # whole also before mending
        status = mended(certs).show(name)[0].status(NOW)
        revoked = load_revocations(certs / "ca.crl", certs / "ca.crt")
        listed = revoked.is_revoked(x509.load_pem_x509_certificate(issued.certificate))
        assert listed == (status is Status.REVOKED)
        outcomes.add((killed, listed))
        if not killed:
            break
    assert outcomes == {(True, False), (True, True), (False, True)}


@strides
def test_killed_while_founding_there_is_a_whole_authority_or_none(tmp_path: Path, stride: int) -> None:
    for step in range(0, 1000, stride):
        certs = tmp_path / str(step) / "certs"
        killed = killed_at(step, lambda certs=certs: Authority.create(certs, trust_domain=DOMAIN, clock=Clock()))  # type: ignore[misc]
        if Authority.exists(certs):
            authority = mended(certs)
        else:
            authority = Authority.create(certs, trust_domain=DOMAIN, clock=Clock())
        authority.issue("dev-1")
        assert_whole(mended(certs))
        assert load_revocations(certs / "ca.crl", certs / "ca.crt").next_update is not None
        if not killed:
            break
    assert step > 20


def test_a_disk_that_fails_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = new_authority(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device", "dev-1.key")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OperatorError, match="No space left"):
            authority.issue("dev-1")
    assert authority.list() == ()
    assert_whole(mended(authority.certs))
    authority.issue("dev-1")


def test_two_processes_issuing_at_once_corrupt_nothing(tmp_path: Path) -> None:
    certs = new_authority(tmp_path).certs
    ready, start = os.pipe()

    def issue_many(prefix: str) -> None:
        os.close(start)
        os.read(ready, 1)
        authority = Authority.open(certs, clock=Clock())
        won = 0
        for number in range(12):
            authority.issue(f"{prefix}-{number}")
            authority.revoke(f"{prefix}-{number}") if number % 4 == 0 else None
            try:
                authority.issue(f"contested-{number}")
                won += 1
            except OperatorError:
                continue
        (certs.parent / prefix).write_text(str(won))

    children = [child(lambda prefix=prefix: issue_many(prefix)) for prefix in ("left", "right")]  # type: ignore[misc]
    os.close(start)  # both begin now
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
    os.close(ready)
    authority = mended(certs)
    assert_whole(authority)
    assert len(authority.list()) == len({item.name for item in authority.list()}) == 36
    assert sum(int((tmp_path / prefix).read_text()) for prefix in ("left", "right")) == 12
    revoked = load_revocations(certs / "ca.crl", certs / "ca.crt")
    assert len(revoked.entries) == 6


def test_two_processes_founding_at_once_make_one_authority(tmp_path: Path) -> None:
    certs = tmp_path / "certs"

    def found() -> None:
        try:
            Authority.create(certs, trust_domain=DOMAIN, clock=Clock())
        except OperatorError:
            os._exit(7)

    codes = sorted(os.WEXITSTATUS(os.waitpid(pid, 0)[1]) for pid in [child(found), child(found)])
    assert codes == [0, 7]
    assert_whole(mended(certs))
