"""The authority: what it issues, to whom, how often, and what it never overwrites."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from mqttseg.errors import OperatorError
from mqttseg.pki.authority import Authority
from mqttseg.pki.bundle import pem_blocks
from mqttseg.pki.keys import KeyType
from mqttseg.pki.records import Kind, Origin, Status
from mqttseg.pki.revocation import load_revocations
from mqttseg.pki.shapes import CLOCK_SKEW, RevocationReason
from tests.pki.forging import DOMAIN, NOW, Clock, Forger, new_authority


def request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cam-1")])
    wish = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"spiffe://{DOMAIN}/device/cam-1")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(wish, False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def leaf_of(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def public(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return]  # any public key


def fits(certificate: Path, key: Path) -> bool:
    private = load_pem_private_key(key.read_bytes(), None)
    return public(private.public_key()) == public(leaf_of(certificate).public_key())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_keys_are_owner_only_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    certs = tmp_path / "certs"
    certs.mkdir()
    certs.chmod(0o755)
    authority = new_authority(tmp_path)
    authority.issue_broker(["localhost"])
    authority.issue("thermo-1")
    for path in certs.rglob("*"):
        public = path.suffix in {".crt", ".crl"} and path.parent.name != "ca"
        assert mode(path) == (0o700 if path.is_dir() else 0o644 if public else 0o600), path


@pytest.mark.parametrize("key_type", KeyType)
def test_a_device_certificate_says_who_and_what_for_and_nothing_else(tmp_path: Path, key_type: KeyType) -> None:
    authority = new_authority(tmp_path)
    issued = authority.issue("02:aa:00:00:00:01", key_type=key_type, days=30)
    certificate = leaf_of(issued.certificate_file)
    assert issued.certificate_file == authority.certs / "devices" / "02:aa:00:00:00:01.crt"
    assert issued.certificate_file.read_bytes() == issued.certificate
    assert issued.key_file is not None
    assert fits(issued.certificate_file, issued.key_file)
    value = certificate.extensions.get_extension_for_class
    san = value(x509.SubjectAlternativeName).value
    assert list(san) == [x509.UniformResourceIdentifier(f"spiffe://{DOMAIN}/device/02:aa:00:00:00:01")]
    assert certificate.subject.rfc4514_string() == "CN=02:aa:00:00:00:01"
    assert list(value(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert value(x509.KeyUsage).value.digital_signature
    assert not value(x509.BasicConstraints).value.ca
    assert 0 < certificate.serial_number < 2**159
    assert certificate.not_valid_before_utc == NOW - CLOCK_SKEW
    assert certificate.not_valid_after_utc == NOW + timedelta(days=30)
    assert issued.record.key_type == key_type


def test_openssl_accepts_what_we_issue(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    device, broker = authority.issue("thermo-1"), authority.issue_broker(["broker.example", "192.0.2.1", "::1"])
    verify = ["openssl", "verify", "-x509_strict", "-attime", str(int(NOW.timestamp())), "-CAfile", "ca.crt"]
    check = ["-crl_check_all", "-CRLfile", "ca.crl"]
    for arguments in (
        ["-purpose", "sslclient", str(device.certificate_file)],
        ["-purpose", "sslserver", "-verify_hostname", "broker.example", str(broker.certificate_file)],
        ["-purpose", "sslserver", "-verify_ip", "::1", str(broker.certificate_file)],
    ):
        subprocess.run([*verify, *check, *arguments], cwd=authority.certs, check=True, capture_output=True)
    authority.revoke("thermo-1", reason=RevocationReason.KEY_COMPROMISE)
    run = subprocess.run(
        [*verify, *check, device.certificate_file], cwd=authority.certs, check=False, capture_output=True, text=True
    )
    assert "certificate revoked" in run.stderr


def test_the_broker_gets_its_names_and_addresses_and_server_auth_only(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    issued = authority.issue_broker(["broker_1.example", "192.0.2.1", "::1", "192.0.2.1"])
    certificate = leaf_of(authority.certs / "broker.crt")
    san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["broker_1.example"]
    assert list(map(str, san.get_values_for_type(x509.IPAddress))) == ["192.0.2.1", "::1"]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert issued.key_file is not None
    assert fits(issued.certificate_file, issued.key_file)
    with pytest.raises(OperatorError, match="exists already"):
        authority.issue_broker(["localhost"])
    authority.issue_broker(["localhost"], replace=True)
    assert len(authority.list(Kind.BROKER)) == 2


@pytest.mark.parametrize("host", ["", "a b", "[::1]", "*.example", "bücher.example", "a..b", "-a", "x" * 64, "a/b"])
def test_what_is_no_host_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(OperatorError, match="neither a host name nor an address"):
        new_authority(tmp_path).issue_broker([host])


@pytest.mark.parametrize("device_id", ["", "a/b", "../x", ".x", "a b", "a\n", "+", "é", "x" * 65, "a\x00"])
def test_what_is_no_device_id_is_refused_and_leaves_nothing(tmp_path: Path, device_id: str) -> None:
    authority = new_authority(tmp_path)
    with pytest.raises(OperatorError, match="not a device id"):
        authority.issue(device_id)
    assert not authority.list()


@pytest.mark.parametrize("days", [0, -1, 36501, 10**12])
def test_a_period_that_makes_no_sense_is_refused(tmp_path: Path, days: int) -> None:
    authority = new_authority(tmp_path)
    with pytest.raises(OperatorError, match="not a period"):
        authority.issue("thermo-1", days=days)
    assert not authority.list()


def test_no_certificate_outlives_its_issuer(tmp_path: Path) -> None:
    clock = Clock()
    authority = new_authority(tmp_path, clock)
    end = authority.certificates[1].not_valid_after_utc
    assert authority.issue("thermo-1", days=36500).record.not_after == end
    clock.now = end
    with pytest.raises(OperatorError, match="the authority itself expired"):
        authority.issue("thermo-2")


def test_an_id_is_enrolled_once(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    before = authority.issue("thermo-1").certificate_file.read_bytes()
    with pytest.raises(OperatorError, match="device renew thermo-1"):
        authority.issue("thermo-1", out=tmp_path / "elsewhere")
    assert (authority.certs / "devices" / "thermo-1.crt").read_bytes() == before
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("suffix", [".crt", ".key"])
def test_a_file_that_is_not_ours_is_never_overwritten(tmp_path: Path, suffix: str) -> None:
    authority = new_authority(tmp_path)
    foreign = tmp_path / "out" / f"thermo-1{suffix}"
    foreign.parent.mkdir()
    foreign.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OperatorError, match="exists already"):
        authority.issue("thermo-1", out=foreign.parent)
    assert foreign.is_symlink()
    assert not authority.list()


def test_out_says_where_the_files_go(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    issued = authority.issue("thermo-1", out=tmp_path / "a" / "b")
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["thermo-1.crt", "thermo-1.key"]
    assert issued.key_file is not None
    assert mode(issued.key_file) == 0o600
    assert authority.renew("thermo-1").certificate_file == issued.certificate_file


def test_an_expired_or_revoked_device_is_issued_afresh(tmp_path: Path) -> None:
    clock = Clock()
    authority = new_authority(tmp_path, clock)
    first = authority.issue("thermo-1", days=1)
    clock.now += timedelta(days=2)
    second = authority.issue("thermo-1")
    authority.revoke("thermo-1")
    third = authority.issue("thermo-1")
    assert [item.status(clock.now) for item in authority.show("thermo-1")] == [
        Status.VALID,
        Status.REVOKED,
        Status.EXPIRED,
    ]
    assert len({item.record.serial for item in (first, second, third)}) == 3
    assert third.key_file is not None
    assert fits(third.certificate_file, third.key_file)


def test_of_a_request_only_the_key_counts(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    key = ec.generate_private_key(ec.SECP384R1())
    issued = authority.sign(request(key), "thermo-1")
    certificate = leaf_of(issued.certificate_file)
    assert public(certificate.public_key()) == public(key.public_key())
    assert certificate.subject.rfc4514_string() == "CN=thermo-1"
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert b"cam-1" not in certificate.public_bytes(Encoding.DER)
    assert (issued.key, issued.key_file, issued.record.origin) == (None, None, Origin.SIGNED)
    assert not (authority.certs / "devices" / "thermo-1.key").exists()


def test_renewing_makes_a_new_key_unless_told_to_keep_it(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    first = authority.issue("thermo-1", key_type=KeyType.ED25519)
    assert first.key_file is not None
    kept = authority.renew("thermo-1", keep_key=True)
    assert kept.key is None
    assert first.key_file.read_bytes() == first.key
    assert fits(kept.certificate_file, first.key_file)
    renewed = authority.renew("thermo-1", days=9)
    assert renewed.key_file == first.key_file
    assert first.key_file.read_bytes() == renewed.key != first.key
    assert fits(renewed.certificate_file, first.key_file)
    assert renewed.record.key_type == "ed25519"
    assert [item.status(NOW) for item in authority.show("thermo-1")] == [Status.VALID] * 3
    assert authority.renew("thermo-1", key_type=KeyType.P256).record.key_type == "p256"


def test_a_device_that_made_its_own_key_keeps_it_or_brings_another(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    first, second = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority.sign(request(first), "thermo-1")
    assert public(leaf_of(authority.renew("thermo-1").certificate_file).public_key()) == public(first.public_key())
    renewed = authority.renew("thermo-1", request=request(second))
    assert public(leaf_of(renewed.certificate_file).public_key()) == public(second.public_key())
    with pytest.raises(OperatorError, match="--key-type"):
        authority.renew("thermo-1", key_type=KeyType.P256)


def test_a_request_does_not_leave_a_key_beside_a_certificate_that_it_does_not_fit(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    authority.issue("thermo-1")
    with pytest.raises(OperatorError, match=r"thermo-1\.key exists already"):
        authority.renew("thermo-1", request=request(ec.generate_private_key(ec.SECP256R1())))


def test_unknown_and_revoked_devices_are_not_renewed(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    with pytest.raises(OperatorError, match="no certificate was ever issued"):
        authority.renew("thermo-1")
    authority.issue("thermo-1")
    authority.revoke("thermo-1")
    with pytest.raises(OperatorError, match="issue it afresh"):
        authority.renew("thermo-1")


def test_revoking_a_device_revokes_all_that_is_not_expired(tmp_path: Path) -> None:
    clock = Clock()
    authority = new_authority(tmp_path, clock)
    authority.issue("thermo-1", days=1)
    clock.now += timedelta(days=2)
    second, third = authority.renew("thermo-1"), authority.renew("thermo-1")
    revoked = authority.revoke("thermo-1", reason=RevocationReason.CESSATION_OF_OPERATION)
    assert {item.serial for item in revoked} == {second.record.serial, third.record.serial}
    crl = x509.load_pem_x509_crl((authority.certs / "ca.crl").read_bytes())
    assert {entry.serial_number for entry in crl} == {item.serial for item in revoked}
    reasons = {entry.extensions.get_extension_for_class(x509.CRLReason).value.reason for entry in crl}
    assert reasons == {x509.ReasonFlags.cessation_of_operation}
    with pytest.raises(OperatorError, match="no valid certificate"):
        authority.revoke("thermo-1")


def test_one_serial_can_be_revoked_alone(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    first = authority.issue("thermo-1").record
    authority.renew("thermo-1")
    assert authority.revoke_serial(first.serial).serial == first.serial
    assert [item.status(NOW) for item in authority.show("thermo-1")] == [Status.VALID, Status.REVOKED]
    with pytest.raises(OperatorError, match="no valid certificate with the serial"):
        authority.revoke_serial(first.serial)


def test_the_crl_file_holds_both_lists_and_keeps_those_of_other_authorities(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    path, foreign = authority.certs / "ca.crl", Forger.new().crl(7)
    path.write_bytes(path.read_bytes() + foreign)
    authority.write_crl()
    authority.issue("thermo-1")
    authority.revoke("thermo-1")
    data = path.read_bytes()
    assert data.count(b"BEGIN X509 CRL") == 3
    assert data.endswith(foreign)  # after our two: docs/how-to/existing-fleet.md counts on it


def test_revoking_keeps_the_list_of_another_authority_of_the_bundle_in_force(tmp_path: Path) -> None:
    """As an operator brings a fleet: its authority appended to the bundle, and its list to ours."""
    authority, fleet = new_authority(tmp_path), Forger.new("fleet")
    bundle, lists = authority.certs / "ca.crt", authority.certs / "ca.crl"
    bundle.write_bytes(bundle.read_bytes() + fleet.pem)
    lists.write_bytes(lists.read_bytes() + b"# the fleet's\r\n" + fleet.crl(7).replace(b"\n", b"\r\n").rstrip())
    ours = x509.load_pem_x509_certificate(authority.issue("thermo-1").certificate)
    for _ in range(2):
        authority.write_crl()
    authority.revoke("thermo-1")
    revoked = load_revocations(lists, bundle)
    assert revoked.is_revoked(fleet.leaf(serial=7))
    assert revoked.is_revoked(ours)
    assert not revoked.is_revoked(fleet.leaf(serial=8))


@pytest.mark.parametrize("broken", [b"-----BEGIN X509 CRL-----\nMIIB\n", b"rubbish\xff"])
@pytest.mark.parametrize("closed", [b"", b"-----END X509 CRL-----\n"])
def test_a_damaged_list_of_another_authority_does_not_cost_the_whole_ones(
    tmp_path: Path, broken: bytes, closed: bytes
) -> None:
    authority, fleet = new_authority(tmp_path), Forger.new("fleet")
    lists = authority.certs / "ca.crl"
    lists.write_bytes(lists.read_bytes() + broken + closed + fleet.crl(7) + broken + closed)
    authority.write_crl()
    found = [x509.load_pem_x509_crl(block).issuer for block in pem_blocks(lists.read_bytes(), "X509 CRL")]
    assert found[2:] == [fleet.certificate.subject]


def test_every_list_has_a_higher_number_than_the_last(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    numbers = []
    for _ in range(3):
        crl = x509.load_pem_x509_crl(authority.write_crl().read_bytes())
        numbers.append(crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
    assert numbers == sorted(set(numbers))


def test_an_ageing_crl_is_renewed_by_the_next_command_that_signs(tmp_path: Path) -> None:
    clock = Clock()
    authority = new_authority(tmp_path, clock)
    clock.now += timedelta(days=120)
    authority.issue("thermo-1")
    crl = x509.load_pem_x509_crl((authority.certs / "ca.crl").read_bytes())
    assert crl.next_update_utc is not None
    assert crl.next_update_utc > clock.now + timedelta(days=120)


def test_everything_goes_on_with_the_root_key_offline(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    (authority.certs / "ca" / "root.key").unlink()
    authority = Authority.open(authority.certs, clock=Clock())
    authority.issue("thermo-1")
    authority.revoke("thermo-1")
    assert (authority.certs / "ca.crl").read_bytes().count(b"BEGIN X509 CRL") == 2


def test_a_sealed_authority_signs_only_with_its_passphrase(tmp_path: Path) -> None:
    certs = tmp_path / "certs"
    Authority.create(certs, trust_domain=DOMAIN, passphrase=b"correct horse", clock=Clock())
    assert Authority.needs_passphrase(certs)
    for name in ("root", "issuing"):
        assert b"ENCRYPTED" in (certs / "ca" / f"{name}.key").read_bytes()
    with pytest.raises(OperatorError, match="passphrase is wrong"):
        Authority.open(certs, passphrase=b"wrong", clock=Clock()).issue("thermo-1")
    unopened = Authority.open(certs, clock=Clock())
    with pytest.raises(OperatorError, match="give its passphrase"):
        unopened.issue("thermo-1")
    assert unopened.list() == ()
    Authority.open(certs, passphrase=b"correct horse", clock=Clock()).issue("thermo-1")
    assert [item.name for item in unopened.list()] == ["thermo-1"]


@pytest.mark.parametrize("existing", ["ca", "ca.crt", "ca.crl"])
def test_an_authority_never_overwrites_what_exists(tmp_path: Path, existing: str) -> None:
    certs = tmp_path / "certs"
    certs.mkdir()
    (certs / existing).mkdir() if existing == "ca" else (certs / existing).write_text("mine")
    with pytest.raises(OperatorError, match="exists already"):
        new_authority(tmp_path)
    assert [path.name for path in certs.iterdir()] == [existing]


@pytest.mark.parametrize("domain", ["", "Plant7.example", "a/b", "plant7.example:1", "x" * 256, ".a", "a b", "é"])
def test_what_is_no_trust_domain_is_refused(tmp_path: Path, domain: str) -> None:
    with pytest.raises(OperatorError, match="not a trust domain"):
        Authority.create(tmp_path / "certs", trust_domain=domain)
    assert not (tmp_path / "certs").exists()


def test_an_empty_passphrase_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="empty"):
        Authority.create(tmp_path / "certs", trust_domain=DOMAIN, passphrase=b"")
    assert not list((tmp_path / "certs").iterdir())


@pytest.mark.parametrize("loose", ["ca", "ca/issuing.key"])
def test_an_authority_that_others_can_read_is_not_used(tmp_path: Path, loose: str) -> None:
    authority = new_authority(tmp_path)
    (authority.certs / loose).chmod(0o750)
    with pytest.raises(OperatorError, match="open to others"):
        Authority.open(authority.certs).issue("thermo-1")


def test_a_lost_bundle_is_written_again_and_a_changed_one_kept(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    bundle = authority.certs / "ca.crt"
    before = bundle.read_bytes()
    bundle.unlink()
    Authority.open(authority.certs)
    assert bundle.read_bytes() == before
    bundle.write_bytes(before + Forger.new().pem)
    Authority.open(authority.certs)
    assert bundle.read_bytes() != before


def test_damaged_records_are_an_operator_error(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    (authority.certs / "ca" / "records.db").write_bytes(b"no database" * 1000)
    with pytest.raises(OperatorError, match="restore it from a backup"):
        Authority.open(authority.certs)


def test_secrets_do_not_show_in_a_repr(tmp_path: Path) -> None:
    assert "PRIVATE" not in repr(new_authority(tmp_path).issue("thermo-1"))
