"""Certificates that our authority would never make, and the authorities that would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from mqttseg.pki.authority import Authority

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DOMAIN = "plant7.example"
CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def new_authority(directory: Path, clock: Clock | None = None) -> Authority:
    return Authority.create(directory / "certs", trust_domain=DOMAIN, clock=clock or Clock())


@dataclass(frozen=True)
class Forger:
    """An authority with no scruples."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def named(cls, name: x509.Name, now: datetime = NOW) -> Forger:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _dated(name, name, key.public_key(), now - timedelta(hours=1), now + timedelta(days=99))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .add_extension(authority_usage(), True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def new(cls, common_name: str = "forger", now: datetime = NOW) -> Forger:
        return cls.named(_name([common_name]), now)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def leaf(
        self,
        san: Sequence[x509.GeneralName] | bytes = (),
        *,
        names: Sequence[str] = ("thermo-1",),
        usages: Sequence[x509.ObjectIdentifier] = CLIENT,
        is_authority: bool = False,
        begins: datetime = NOW - timedelta(hours=1),
        ends: datetime = NOW + timedelta(days=1),
        issuer: x509.Name | None = None,
        serial: int | None = None,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> x509.Certificate:
        """A certificate; ``san`` as bytes is the DER of the extension's value, as it is."""
        public = (key or ec.generate_private_key(ec.SECP256R1())).public_key()
        builder = _dated(_name(names), issuer or self.certificate.subject, public, begins, ends, serial)
        if isinstance(san, bytes):
            raw = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, san)
            builder = builder.add_extension(raw, False)
        elif san:
            builder = builder.add_extension(x509.SubjectAlternativeName(san), False)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), True)
        if is_authority:
            builder = builder.add_extension(authority_usage(), True)
        identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        above = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        builder = builder.add_extension(above, False)
        return builder.sign(self.key, hashes.SHA256())

    def crl(self, *serials: int, until: datetime = NOW + timedelta(days=9), **indirect: bool) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(NOW - timedelta(days=30))
            .next_update(until)
        )
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW)
            builder = builder.add_revoked_certificate(entry.build())
        if indirect:
            point = x509.IssuingDistributionPoint(None, None, False, False, None, True, False)
            builder = builder.add_extension(point, True)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def uri(text: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(text)


def raw_san(*names: tuple[int, bytes]) -> bytes:
    """GeneralNames of any bytes: the tag (0x86 URI, 0x82 DNS) and the content of each."""
    body = b"".join(bytes([tag]) + _length(content) + content for tag, content in names)
    return b"\x30" + _length(body) + body


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def authority_usage() -> x509.KeyUsage:
    return x509.KeyUsage(False, False, False, False, False, True, True, False, False)


def _length(content: bytes) -> bytes:
    size = len(content)
    return bytes([size]) if size < 0x80 else bytes([0x82]) + size.to_bytes(2, "big")


def _name(common_names: Sequence[str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, item) for item in common_names])


def _dated(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    begins: datetime,
    ends: datetime,
    serial: int | None = None,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
    )
