"""The shapes of our certificates: what stands in each kind, and for how long it may.

Owns names, extensions (RFC 5280 4.2) and periods. Takes values and gives values: refuses to know files, records, the
clock, and who may have what.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mqttseg.errors import OperatorError
from mqttseg.pki.identity import DEVICE_ID, device_uri
from mqttseg.pki.keys import PublicKey

# Certificates begin this long before they are made. A device without a battery-backed clock that is set by hand, or by
# a gateway, is often minutes off and sometimes an hour (summer time); the broker's certificate must look valid to it.
CLOCK_SKEW = timedelta(hours=1)
ROOT_DAYS = 7300
ISSUING_DAYS = 3650
DEVICE_DAYS = 365
BROKER_DAYS = 825  # the longest that all common clients accept
MAX_DAYS = 36500
CRL_DAYS = 180

TRUST_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?")
"""A SPIFFE trust domain (SPIFFE ID 2.1), with ``fullmatch``."""
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_CN_MAX = 64  # RFC 5280 appendix A, ub-common-name


@dataclass(frozen=True, slots=True)
class Signer:
    """An authority that can sign: its certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class RevocationReason(StrEnum):
    """Why a certificate is revoked, as an operator says it (RFC 5280 5.3.1)."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation-of-operation"
    PRIVILEGE_WITHDRAWN = "privilege-withdrawn"


def check_device_id(device_id: str) -> None:
    """OperatorError for what is no device id."""
    if DEVICE_ID.fullmatch(device_id) is None:
        raise OperatorError(
            f"{device_id[:100]!a} is not a device id;"
            " use 1 to 64 of A-Z a-z 0-9 . _ : - beginning with a letter or digit"
        )


def root(key: ec.EllipticCurvePrivateKey, trust_domain: str, now: datetime) -> x509.Certificate:
    """A self-signed root that may certify issuing authorities, and nothing below those."""
    name = _authority_name("root", key, trust_domain)
    builder = _authority(key, name, name, path_length=1)
    return _dated(builder, now, ROOT_DAYS, None).sign(key, hashes.SHA256())


def issuing(key: ec.EllipticCurvePrivateKey, trust_domain: str, root: Signer, now: datetime) -> x509.Certificate:
    """The authority that signs devices and the broker, and cannot make further authorities."""
    name = _authority_name("issuing", key, trust_domain)
    builder = _authority(key, name, root.certificate.subject, path_length=0).add_extension(_issued_by(root), False)
    return _dated(builder, now, ISSUING_DAYS, root.certificate).sign(root.key, hashes.SHA256())


def device(
    key: PublicKey, device_id: str, trust_domain: str, *, signer: Signer, now: datetime, days: int
) -> x509.Certificate:
    """A device's certificate: its SPIFFE id, clientAuth and nothing else. OperatorError for what is no device id."""
    check_device_id(device_id)
    san = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(device_uri(trust_domain, device_id))])
    builder = _leaf(key, device_id, san, ExtendedKeyUsageOID.CLIENT_AUTH, signer)
    return _dated(builder, now, days, signer.certificate).sign(signer.key, hashes.SHA256())


def broker(key: PublicKey, hosts: Sequence[str], signer: Signer, now: datetime, days: int) -> x509.Certificate:
    """The broker's certificate for these host names and addresses: serverAuth and nothing else."""
    if not hosts:
        raise OperatorError("a broker needs at least one host name or address")
    names = list(dict.fromkeys(map(_general_name, hosts)))
    common_name = next((host for host in hosts if len(host) <= _CN_MAX), "broker")
    builder = _leaf(key, common_name, x509.SubjectAlternativeName(names), ExtendedKeyUsageOID.SERVER_AUTH, signer)
    return _dated(builder, now, days, signer.certificate).sign(signer.key, hashes.SHA256())


def revocation_list(
    entries: Iterable[x509.RevokedCertificate], number: int, signer: Signer, now: datetime, until: datetime
) -> x509.CertificateRevocationList:
    """A complete list of what one authority has revoked; ``number`` must grow with every list (RFC 5280 5.2.3)."""
    # All entries at once: adding them one by one copies the list each time.
    builder = x509.CertificateRevocationListBuilder(revoked_certificates=list(entries))
    return (
        builder.issuer_name(signer.certificate.subject)
        .last_update(now - CLOCK_SKEW)
        .next_update(until)
        .add_extension(x509.CRLNumber(number), False)
        .add_extension(_issued_by(signer), False)
        .sign(signer.key, hashes.SHA256())
    )


def revoked(serial: int, at: datetime, reason: RevocationReason) -> x509.RevokedCertificate:
    """One entry of a list. ``unspecified`` is said by saying nothing (RFC 5280 5.3.1)."""
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
    if reason is not RevocationReason.UNSPECIFIED:
        builder = builder.add_extension(x509.CRLReason(x509.ReasonFlags[reason.name.lower()]), False)
    return builder.build()


def pem(item: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """As PEM."""
    return item.public_bytes(serialization.Encoding.PEM)


def _dated(
    builder: x509.CertificateBuilder, now: datetime, days: int, issuer: x509.Certificate | None
) -> x509.CertificateBuilder:
    if not 1 <= days <= MAX_DAYS:
        raise OperatorError(f"{days} days is not a period; give 1 to {MAX_DAYS}")
    now = now.replace(microsecond=0)
    end = now + timedelta(days=days)
    if issuer is not None:
        if now >= issuer.not_valid_after_utc:
            raise OperatorError(
                f"the authority itself expired on {issuer.not_valid_after_utc:%Y-%m-%d}; make a new one"
            )
        end = min(end, issuer.not_valid_after_utc)
    return builder.not_valid_before(now - CLOCK_SKEW).not_valid_after(end)


def _leaf(
    key: PublicKey, common_name: str, san: x509.SubjectAlternativeName, usage: x509.ObjectIdentifier, signer: Signer
) -> x509.CertificateBuilder:
    # The extended usage is not critical: TLS stacks that know it obey it either way, and small ones that don't would
    # refuse the certificate for it.
    return (
        _certificate(key, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]), signer.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(_key_usage(digital_signature=True), True)
        .add_extension(x509.ExtendedKeyUsage([usage]), False)
        .add_extension(san, False)
        .add_extension(_issued_by(signer), False)
    )


def _authority(
    key: ec.EllipticCurvePrivateKey, name: x509.Name, issuer: x509.Name, path_length: int
) -> x509.CertificateBuilder:
    return (
        _certificate(key.public_key(), name, issuer)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), True)
        .add_extension(_key_usage(signs_certificates=True), True)
    )


def _certificate(key: PublicKey, name: x509.Name, issuer: x509.Name) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(issuer, name, key)
        .serial_number(x509.random_serial_number())  # 20 random bytes, positive
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
    )


def _authority_name(kind: str, key: ec.EllipticCurvePrivateKey, trust_domain: str) -> x509.Name:
    # The key's own mark keeps the names of two authorities of one trust domain apart.
    mark = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:8]
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, trust_domain[:_CN_MAX]),
            x509.NameAttribute(NameOID.COMMON_NAME, f"mqttseg {kind} authority {mark}"),
        ]
    )


def _issued_by(signer: Signer) -> x509.AuthorityKeyIdentifier:
    identifier = signer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _key_usage(*, digital_signature: bool = False, signs_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if _HOST.fullmatch(host) is None:
        raise OperatorError(
            f"{host[:100]!a} is neither a host name nor an address;"
            " write other scripts in punycode, IPv6 without brackets"
        )
    return x509.DNSName(host)
