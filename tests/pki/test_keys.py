"""Keys: strangers' are judged, an authority's is sealed well."""

from __future__ import annotations

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from mqttseg.errors import OperatorError
from mqttseg.pki import keys
from mqttseg.pki.keys import KeyType
from mqttseg.pki.request import MAX_BYTES, public_key_of

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
BUILDER = x509.CertificateSigningRequestBuilder().subject_name(NAME)
REQUEST = BUILDER.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())


def pem(request: x509.CertificateSigningRequest) -> bytes:
    return request.public_bytes(Encoding.PEM)


def test_strong_keys_of_requests_are_accepted() -> None:
    for key, name in (
        (ec.generate_private_key(ec.SECP256R1()), "p256"),
        (ec.generate_private_key(ec.SECP384R1()), "p384"),
        (ec.generate_private_key(ec.SECP521R1()), "p521"),
        (rsa.generate_private_key(65537, 2048), "rsa2048"),
    ):
        assert keys.name_of(public_key_of(pem(BUILDER.sign(key, hashes.SHA256())))) == name
    edwards = BUILDER.sign(ed25519.Ed25519PrivateKey.generate(), None)
    assert keys.name_of(public_key_of(edwards.public_bytes(Encoding.DER))) == "ed25519"


def test_weak_and_strange_keys_of_requests_are_refused() -> None:
    for request, why in (
        (BUILDER.sign(rsa.generate_private_key(65537, 1024), hashes.SHA256()), "1024 bits"),
        (BUILDER.sign(ec.generate_private_key(ec.SECP256K1()), hashes.SHA256()), "secp256k1"),
        (BUILDER.sign(ec.generate_private_key(ec.BrainpoolP256R1()), hashes.SHA256()), "brainpool"),
        (BUILDER.sign(dsa.generate_private_key(2048), hashes.SHA256()), "of this kind"),
        (BUILDER.sign(ed448.Ed448PrivateKey.generate(), None), "of this kind"),
    ):
        with pytest.raises(OperatorError, match=why):
            public_key_of(pem(request))


def test_a_request_that_its_key_did_not_sign_is_refused() -> None:
    data = bytearray(REQUEST.public_bytes(Encoding.DER))
    assert data[16:19] == b"\x55\x04\x03"
    data[data.index(b"x", 19)] = ord("y")  # the common name, after it was signed
    with pytest.raises(OperatorError, match="not signed by its own key"):
        public_key_of(bytes(data))


def test_a_huge_request_is_refused_unread() -> None:
    with pytest.raises(OperatorError, match="64 KiB"):
        public_key_of(pem(REQUEST) + b"\n" * MAX_BYTES)


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes_as_a_request_are_our_error(data: bytes) -> None:
    armour = b"-----BEGIN CERTIFICATE REQUEST-----\n%s\n-----END CERTIFICATE REQUEST-----\n"
    for request in (data, b"\x30" + data, armour % data):
        with pytest.raises(OperatorError):
            public_key_of(request)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=4), st.booleans())
@settings(max_examples=400, deadline=None)
def test_a_damaged_request_is_our_error_or_as_it_was(damage: list[tuple[int, int]], armoured: bool) -> None:
    data = bytearray(pem(REQUEST) if armoured else REQUEST.public_bytes(Encoding.DER))
    for place, flip in damage:
        data[place % len(data)] ^= flip
    try:
        assert public_key_of(bytes(data)) == REQUEST.public_key()
    except OperatorError as refused:
        assert str(refused)  # noqa: PT017  # either outcome is right


def test_a_sealed_key_opens_with_its_passphrase_here_and_in_openssl() -> None:
    key = keys.generate(KeyType.P256)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    sealed = keys.to_pem(key, b"correct horse")
    assert keys.load_authority_key(sealed, b"correct horse").private_numbers() == key.private_numbers()
    run = subprocess.run(
        ["openssl", "pkey", "-passin", "env:PASS", "-outform", "PEM"],
        input=sealed,
        env={"PASS": "correct horse", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    assert run.stdout == keys.to_pem(key)
    shown = subprocess.run(["openssl", "asn1parse"], input=sealed, capture_output=True, check=True).stdout
    assert b"scrypt" in shown
    assert b"aes-256-cbc" in shown


@pytest.mark.parametrize("passphrase", [None, b"", b"wrong", "größe".encode()])
def test_a_sealed_key_does_not_open_otherwise(passphrase: bytes | None) -> None:
    with pytest.raises(OperatorError, match="passphrase"):
        keys.load_authority_key(SEALED, passphrase)


SEALED = keys.to_pem(keys.generate(KeyType.P256), b"correct horse")


def test_what_is_no_authority_key_is_refused() -> None:
    for pem_text in (b"", b"garbage", keys.to_pem(keys.generate(KeyType.ED25519))):
        with pytest.raises(OperatorError, match="authority's key"):
            keys.load_authority_key(pem_text, None)
