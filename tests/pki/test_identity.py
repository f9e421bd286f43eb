"""Rule 1: identity is this connection's certificate, and every other reading of it is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from mqttseg.errors import PeerError, Reason
from mqttseg.pki.identity import Identity, IdentitySource, check_current, identify
from mqttseg.pki.revocation import Revocations
from tests.pki.forging import CLIENT, DOMAIN, NOW, SERVER, Forger, der, raw_san, uri

FORGER = Forger.new("mqttseg issuing authority")
GOOD = "spiffe://plant7.example/device/thermo-1"


def judge(certificate: x509.Certificate | bytes, source: IdentitySource = IdentitySource.SAN_URI) -> Identity:
    data = certificate if isinstance(certificate, bytes) else der(certificate)
    return identify(data, source=source, trust_domain=DOMAIN, now=NOW, revoked=Revocations.none())


def refusal(certificate: x509.Certificate | bytes, source: IdentitySource = IdentitySource.SAN_URI) -> PeerError:
    with pytest.raises(PeerError) as refused:
        judge(certificate, source)
    assert refused.value.detail.isprintable()
    assert refused.value.detail.isascii()
    return refused.value


@pytest.mark.parametrize("device_id", ["thermo-1", "a", "02:aa:00:00:00:01", "A.b_c-d:e", "x" * 64, "7"])
def test_the_device_uri_of_our_trust_domain_is_the_identity(device_id: str) -> None:
    certificate = FORGER.leaf([uri(f"spiffe://{DOMAIN}/device/{device_id}")], names=["something else"])
    identity = judge(certificate)
    assert identity.device_id == device_id
    assert identity.serial == certificate.serial_number
    assert identity.not_after == certificate.not_valid_after_utc
    assert identity.fingerprint == certificate.fingerprint(SHA256()).hex()


@pytest.mark.parametrize(
    "text",
    [
        "spiffe://plant7.example.evil/device/thermo-1",
        "spiffe://plant7.exampl/device/thermo-1",
        "spiffe://evil.plant7.example/device/thermo-1",
        "spiffe://evilplant7.example/device/thermo-1",
        "spiffe:///device/thermo-1",
        "Spiffe://plant7.example/device/thermo-1",
        "SPIFFE://plant7.example/device/thermo-1",
        "spiffe://Plant7.example/device/thermo-1",
        "spiffe://plant7.example/Device/thermo-1",
        "spiffe://plant7.example./device/thermo-1",
        "spiffe://user@plant7.example/device/thermo-1",
        "spiffe://plant7.example@evil.example/device/thermo-1",
        "spiffe://plant7.example:443/device/thermo-1",
        "spiffe://plant7.example/device/thermo-1?x=1",
        "spiffe://plant7.example/device/thermo-1#x",
        "spiffe://plant7.example/device/thermo-1/",
        "spiffe://plant7.example/device//thermo-1",
        "spiffe://plant7.example//device/thermo-1",
        "spiffe://plant7.example/device/../device/thermo-1",
        "spiffe://plant7.example/device/thermo%2d1",
        "spiffe://plant7.example/device/a%2fb",
        "spiffe://plant7%2eexample/device/thermo-1",
        "spiffe://plant7.example/%64evice/thermo-1",
        "spiffe://plant7.example/device/",
        "spiffe://plant7.example/device",
        "spiffe://plant7.example/gateway/thermo-1",
        "https://plant7.example/device/thermo-1",
        "spiffe:plant7.example/device/thermo-1",
        " spiffe://plant7.example/device/thermo-1",
        "spiffe://plant7.example/device/thermo-1 ",
        "spiffe://plant7.example/device/+",
        "spiffe://plant7.example/device/#",
        "spiffe://plant7.example/device/$SYS",
        "spiffe://plant7.example/device/*",
        "spiffe://plant7.example/device/-thermo",
        "spiffe://plant7.example/device/" + "x" * 65,
        "spiffe://plant7.example/device/" + "x" * 60_000,
        "",
    ],
)
def test_every_other_uri_is_refused(text: str) -> None:
    assert refusal(FORGER.leaf([uri(text)])).reason is Reason.IDENTITY_INVALID


@pytest.mark.parametrize("source", IdentitySource)
@pytest.mark.parametrize(
    "odd",
    [
        b"thermo-1\x00",
        b"thermo-1\x00.evil",
        b"\x00",
        b"thermo-1\n",
        b"thermo-1\r\n",
        b"th\x1bermo-1",
        b"thermo-1\x7f",
        b"thermo-1\x80",
        "thermо-1".encode(),  # a Cyrillic o
        "ｔhermo-1".encode(),  # a full-width t
        "thermo-١".encode(),  # an Arabic digit
        b"thermo\xe2\x80\x8b-1",  # a zero-width space
        b"\xff\xfe",
    ],
)
def test_control_bytes_and_look_alikes_are_refused(source: IdentitySource, odd: bytes) -> None:
    if source is IdentitySource.CN:
        certificate = FORGER.leaf(names=[odd.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()])
    elif source is IdentitySource.SAN_DNS:
        certificate = FORGER.leaf(raw_san((0x82, odd)))
    else:
        certificate = FORGER.leaf(raw_san((0x86, b"spiffe://plant7.example/device/" + odd)))
    assert refusal(certificate, source).reason is Reason.IDENTITY_INVALID


@pytest.mark.parametrize("foreign", [GOOD, "spiffe://plant7.example/device/cam-1", "https://vendor.example/x"])
def test_two_uris_are_refused_even_if_one_is_foreign(foreign: str) -> None:
    for san in ([uri(GOOD), uri(foreign)], [uri(foreign), uri(GOOD)]):
        assert refusal(FORGER.leaf(san)).reason is Reason.IDENTITY_INVALID


def test_other_kinds_of_names_beside_the_uri_do_not_matter() -> None:
    certificate = FORGER.leaf([x509.DNSName("cam-1"), uri(GOOD), x509.RFC822Name("a@b.example")], names=["cam-1"])
    assert judge(certificate).device_id == "thermo-1"


@pytest.mark.parametrize(
    ("usages", "accepted"),
    [
        (CLIENT, True),
        ((*SERVER, *CLIENT), True),
        (SERVER, False),
        ((), False),
        ((ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,), False),
        ((ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE), False),
    ],
)
def test_client_auth_must_be_said_in_so_many_words(usages: tuple[x509.ObjectIdentifier, ...], accepted: bool) -> None:
    certificate = FORGER.leaf([uri(GOOD)], usages=usages)
    if accepted:
        assert judge(certificate).device_id == "thermo-1"
    else:
        assert "clientAuth" in refusal(certificate).detail


def test_an_authority_is_no_device() -> None:
    refused = refusal(FORGER.leaf([uri(GOOD)], is_authority=True))
    assert (refused.reason, "authority" in refused.detail) == (Reason.IDENTITY_INVALID, True)


def test_no_certificate_is_missing() -> None:
    for nothing in (None, b""):
        with pytest.raises(PeerError) as refused:
            identify(nothing, source=IdentitySource.CN, trust_domain=DOMAIN, now=NOW, revoked=Revocations.none())
        assert refused.value.reason is Reason.CERTIFICATE_MISSING


@pytest.mark.parametrize(
    ("begins", "ends", "detail"),
    [
        (timedelta(days=-9), timedelta(seconds=-1), "expired"),
        (timedelta(seconds=1), timedelta(days=9), "not yet valid"),
        (timedelta(0), timedelta(days=9), None),
        (timedelta(days=-9), timedelta(0), None),
    ],
)
def test_dates_are_inclusive_and_the_detail_tells_which_failed(
    begins: timedelta, ends: timedelta, detail: str | None
) -> None:
    certificate = FORGER.leaf([uri(GOOD)], begins=NOW + begins, ends=NOW + ends)
    if detail is None:
        assert judge(certificate).device_id == "thermo-1"
    else:
        refused = refusal(certificate)
        assert (refused.reason, detail in refused.detail) == (Reason.CERTIFICATE_EXPIRED, True)


def test_a_live_identity_ends_with_its_certificate() -> None:
    identity = judge(FORGER.leaf([uri(GOOD)]))
    check_current(identity, now=identity.not_after, revoked=Revocations.none())
    with pytest.raises(PeerError) as refused:
        check_current(identity, now=identity.not_after + timedelta(seconds=1), revoked=Revocations.none())
    assert refused.value.reason is Reason.CERTIFICATE_EXPIRED


@pytest.mark.parametrize(
    ("names", "accepted"),
    [
        (["thermo-1"], True),
        ([], False),
        (["thermo-1", "thermo-1"], False),
        (["thermo-1", "cam-1"], False),
        (["*"], False),
        (["thermo 1"], False),
        (["a%2fb"], False),
        (["a/b"], False),
        (["x" * 64], True),
    ],
)
def test_a_common_name_counts_when_the_operator_says_so(names: list[str], accepted: bool) -> None:
    certificate = FORGER.leaf([uri(GOOD)], names=names)
    if accepted:
        assert judge(certificate, IdentitySource.CN).device_id == names[0]
    else:
        assert refusal(certificate, IdentitySource.CN).reason is Reason.IDENTITY_INVALID


@pytest.mark.parametrize(
    ("names", "accepted"),
    [
        (["thermo-1"], True),
        (["thermo-1.plant7.example"], True),
        ([], False),
        (["thermo-1", "cam-1"], False),
        (["*.plant7.example"], False),
        (["x" * 65], False),
    ],
)
def test_a_dns_name_counts_when_the_operator_says_so(names: list[str], accepted: bool) -> None:
    certificate = FORGER.leaf([uri(GOOD), *map(x509.DNSName, names)])
    if accepted:
        assert judge(certificate, IdentitySource.SAN_DNS).device_id == names[0]
    else:
        assert refusal(certificate, IdentitySource.SAN_DNS).reason is Reason.IDENTITY_INVALID


def test_a_truncated_name_extension_is_refused_for_every_source() -> None:
    certificate = FORGER.leaf(b"\x30\x20\x86\x01")
    for source in IdentitySource:
        assert refusal(certificate, source).reason is Reason.IDENTITY_INVALID


@given(st.binary(max_size=300), st.sampled_from(IdentitySource))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_refused_with_our_error(data: bytes, source: IdentitySource) -> None:
    assert refusal(data, source).reason in {Reason.IDENTITY_INVALID, Reason.CERTIFICATE_MISSING}


VALID = der(FORGER.leaf([uri(GOOD)]))


@given(st.data(), st.sampled_from(IdentitySource))
@settings(max_examples=600, deadline=None)
def test_a_damaged_certificate_is_an_identity_or_our_error(data: st.DataObject, source: IdentitySource) -> None:
    damaged = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(VALID) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.sampled_from([len(VALID)] * 4 + list(range(0, len(VALID), 7)))) :]
    try:
        assert judge(bytes(damaged), source).certificate is not None
    except PeerError as refused:
        assert refused.detail.isprintable()  # noqa: PT017  # either outcome is right
