"""Revocation lists are believed only when an authority of ours signed them, and then for ever."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from mqttseg.errors import ConfigurationError, PeerError, Reason
from mqttseg.pki.identity import IdentitySource, check_current, identify
from mqttseg.pki.revocation import Revocations, load_revocations
from tests.pki.forging import DOMAIN, NOW, Forger, der, new_authority, uri

OURS = Forger.new("ours")
GOOD = [uri(f"spiffe://{DOMAIN}/device/thermo-1")]


def loaded(directory: Path, lists: bytes, *authorities: Forger) -> Revocations:
    (directory / "ca.crl").write_bytes(lists)
    (directory / "ca.crt").write_bytes(b"".join(item.pem for item in authorities))
    return load_revocations(directory / "ca.crl", directory / "ca.crt")


def test_a_revoked_device_is_refused_before_and_while_connected(tmp_path: Path) -> None:
    authority = new_authority(tmp_path)
    issued = authority.issue("thermo-1")
    data = der(x509.load_pem_x509_certificate(issued.certificate))
    files = (authority.certs / "ca.crl", authority.certs / "ca.crt")
    live = identify(data, source=IdentitySource.SAN_URI, trust_domain=DOMAIN, now=NOW, revoked=load_revocations(*files))
    authority.revoke("thermo-1")
    revoked = load_revocations(*files)
    with pytest.raises(PeerError) as refused:
        check_current(live, now=NOW, revoked=revoked)
    assert refused.value.reason is Reason.CERTIFICATE_REVOKED
    with pytest.raises(PeerError, match="certificate-revoked"):
        identify(data, source=IdentitySource.CN, trust_domain=DOMAIN, now=NOW, revoked=revoked)


def test_a_list_revokes_only_its_own_issuers_serials(tmp_path: Path) -> None:
    ours, other = Forger.new("ours"), Forger.new("other")
    revoked = loaded(tmp_path, other.crl(7), ours, other)
    assert not revoked.is_revoked(ours.leaf(GOOD, serial=7))
    assert revoked.is_revoked(other.leaf(GOOD, serial=7))
    assert not revoked.is_revoked(other.leaf(GOOD, serial=8))


def test_several_lists_add_up(tmp_path: Path) -> None:
    ours, other = Forger.new("ours"), Forger.new("other")
    revoked = loaded(tmp_path, other.crl(7) + ours.crl(8) + ours.crl(9), ours, other)
    assert revoked.is_revoked(other.leaf(GOOD, serial=7))
    assert revoked.is_revoked(ours.leaf(GOOD, serial=8))
    assert revoked.is_revoked(ours.leaf(GOOD, serial=9))


def test_a_list_of_a_stranger_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="signed the list of CN=stranger"):
        loaded(tmp_path, Forger.new("stranger").crl(7), Forger.new("ours"))


def test_a_list_of_an_impostor_with_our_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="none of the authorities"):
        loaded(tmp_path, Forger.new("ours").crl(7), Forger.new("ours"))


def test_a_stale_list_still_revokes_and_says_that_it_is_stale(tmp_path: Path) -> None:
    ours = Forger.new("ours")
    revoked = loaded(tmp_path, ours.crl(7, until=NOW - timedelta(days=1)) + ours.crl(8), ours)
    assert revoked.is_revoked(ours.leaf(GOOD, serial=7))
    assert revoked.is_stale(NOW)
    assert not revoked.is_stale(NOW - timedelta(days=2))
    assert not Revocations.none().is_stale(NOW)


def test_an_indirect_list_is_an_error(tmp_path: Path) -> None:
    ours = Forger.new("ours")
    with pytest.raises(ConfigurationError, match="indirect"):
        loaded(tmp_path, ours.crl(7, indirect=True), ours)


@pytest.mark.parametrize("lists", [b"", b"garbage", b"-----BEGIN X509 CRL-----\nMIIB"])
def test_a_file_without_a_whole_list_is_an_error(tmp_path: Path, lists: bytes) -> None:
    with pytest.raises(ConfigurationError, match="mqttseg ca crl --refresh"):
        loaded(tmp_path, lists, Forger.new("ours"))


def test_a_list_cut_anywhere_is_an_error_or_the_lists_before_it(tmp_path: Path) -> None:
    ours = Forger.new("ours")
    whole = ours.crl(7)
    for cut in range(1, len(whole) - 1, 9):
        with pytest.raises(ConfigurationError):
            loaded(tmp_path, whole + whole[:cut] if cut > 30 else whole[:cut], ours)


def test_a_missing_list_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(Forger.new().pem)
    with pytest.raises(ConfigurationError, match=r"ca\.crl:1:1: cannot be read"):
        load_revocations(tmp_path / "ca.crl", tmp_path / "ca.crt")


def subordinate(root: Forger, name: str = "Issuing CA") -> Forger:
    key = ec.generate_private_key(ec.SECP256R1())
    return Forger(root.leaf(names=[name], usages=(), is_authority=True, key=key), key)


def test_devices_of_a_revoked_issuing_authority_are_revoked(tmp_path: Path) -> None:
    root = Forger.new("root")
    issuing, healthy = subordinate(root), subordinate(root)
    below = subordinate(issuing, "below")
    lists = root.crl(issuing.certificate.serial_number)
    revoked = loaded(tmp_path, lists, root, below, issuing, healthy)
    assert revoked.is_revoked(issuing.leaf(GOOD))
    assert revoked.is_revoked(below.leaf(GOOD))
    assert not revoked.is_revoked(healthy.leaf(GOOD))
    assert not revoked.is_revoked(root.leaf(GOOD))


def test_a_revoked_authority_cannot_hide_behind_another_spelling_of_its_name(tmp_path: Path) -> None:
    root = Forger.new("root")
    issuing = subordinate(root)
    revoked = loaded(tmp_path, root.crl(issuing.certificate.serial_number), root, issuing)
    other_case = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ISSUING CA")])
    assert revoked.is_revoked(issuing.leaf(GOOD, issuer=other_case))


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_as_a_list_are_our_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    directory = tmp_path_factory.mktemp("lists")
    armoured = b"-----BEGIN X509 CRL-----\n" + data.replace(b"-", b"") + b"\n-----END X509 CRL-----\n"
    for lists in (data, armoured):
        with pytest.raises(ConfigurationError):
            loaded(directory, lists, OURS)
