"""Certificates that `mqttseg device issue` would never make, ready for a TLS handshake."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from tests.support.sites import TRUST_DOMAIN, TestSite

CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)
ANY_USAGE = (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)

_URI, _DNS = 0x86, 0x82
_HOUR = timedelta(hours=1)
_UNCOMPRESSED = PublicFormat.UncompressedPoint


def uri(device_id: str | bytes, trust_domain: str = TRUST_DOMAIN) -> tuple[int, bytes]:
    """The SAN URI that names a device, whatever its id holds."""
    name = device_id.encode() if isinstance(device_id, str) else device_id
    return _URI, b"spiffe://%s/device/%s" % (trust_domain.encode(), name)


def dns(name: str) -> tuple[int, bytes]:
    """A DNS name in the SAN."""
    return _DNS, name.encode()


@dataclass(frozen=True)
class Forged:
    """A certificate with whatever key its holder has."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: bytes = b""

    def tls(self, site: TestSite, directory: Path) -> ssl.SSLContext:
        """The context of a client of the site that shows this certificate."""
        certificate, key = directory / "forged.crt", directory / "forged.key"
        certificate.write_bytes(self.certificate.public_bytes(Encoding.PEM) + self.chain)
        key.write_bytes(key_pem(self.key))
        context = site.tls_without_certificate()
        context.load_cert_chain(certificate, key)
        return context


@dataclass(frozen=True)
class Forger:
    """Signs anything with the key of an authority."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def inside(cls, site: TestSite) -> Forger:
        """The site's own issuing authority, at the hands of somebody careless."""
        signer = site.authority._site._signer()
        return cls(signer.certificate, signer.key)

    @classmethod
    def outside(cls, site: TestSite) -> Forger:
        """An authority of the same names, serial number and dates as the site's own, with another key."""
        ours = site.authority.certificates[1]
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder(ours.issuer, ours.subject, key.public_key(), ours.serial_number)
            .not_valid_before(ours.not_valid_before_utc)
            .not_valid_after(ours.not_valid_after_utc)
        )
        for extension in ours.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @property
    def pem(self) -> bytes:
        """The authority's own certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    def leaf(
        self,
        *san: tuple[int, bytes],
        common_names: Sequence[str] = ("cam-1",),
        usages: Sequence[x509.ObjectIdentifier] = CLIENT,
        begins: datetime | None = None,
        ends: datetime | None = None,
    ) -> Forged:
        """A certificate that names cam-1, unless told otherwise, and a key that fits."""
        now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder(self.certificate.subject, _name(common_names), key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins or now - _HOUR)
            .not_valid_after(ends or now + _HOUR)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(_digital_signature(), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(self._authority_key_identifier(), False)
            .add_extension(_san(san or (uri("cam-1"),)), False)
        )
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
        return Forged(builder.sign(self.key, hashes.SHA256()), key, self.pem)

    def _authority_key_identifier(self) -> x509.AuthorityKeyIdentifier:
        subject_key = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_key)


def self_signed() -> Forged:
    """A certificate of cam-1 by nobody but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = _name(["cam-1"]), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _HOUR)
        .not_valid_after(now + _HOUR)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage(CLIENT), False)
        .add_extension(_san([uri("cam-1")]), False)
    )
    return Forged(builder.sign(key, hashes.SHA256()), key)


def without_its_key(stolen: x509.Certificate) -> tuple[bytes, bytes]:
    """A certificate that was overheard, and as its key a file that says it fits and does not: both PEM.

    SEC 1 keeps the public key beside the private one, and OpenSSL compares only the public ones when it loads them.
    """
    point = stolen.public_key().public_bytes(Encoding.X962, _UNCOMPRESSED)
    wrong = ec.generate_private_key(ec.SECP256R1())
    sec1 = wrong.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    own_point = wrong.public_key().public_bytes(Encoding.X962, _UNCOMPRESSED)
    assert sec1.count(own_point) == 1
    lie = ssl.DER_cert_to_PEM_cert(sec1.replace(own_point, point)).replace("CERTIFICATE", "EC PRIVATE KEY")
    return stolen.public_bytes(Encoding.PEM), lie.encode()


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key, unsealed."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _name(common_names: Sequence[str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, item) for item in common_names])


def _san(names: Sequence[tuple[int, bytes]]) -> x509.UnrecognizedExtension:
    """GeneralNames byte for byte: the usual classes refuse to write what an attacker would."""
    body = b"".join(bytes([tag]) + _length(name) + name for tag, name in names)
    return x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30" + _length(body) + body)


def _length(content: bytes) -> bytes:
    size = len(content)
    return bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")


def _digital_signature() -> x509.KeyUsage:
    return x509.KeyUsage(True, False, False, False, False, False, False, False, False)
