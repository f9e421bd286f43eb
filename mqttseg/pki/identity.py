"""From a certificate to a device: rule 1 of the rules of enforcement.

The chain to our authority is proved by the TLS handshake (``trust.py``); everything else about an identity is
decided here, and nowhere else. In this order, the first that fails decides the reason:

1. There is a certificate (``certificate-missing``), and it parses completely, every extension of it
   (``identity-invalid``).
2. It is an end entity, not an authority (basicConstraints), and says clientAuth in so many words: no extended
   key usage at all, or anyExtendedKeyUsage, is not enough (``identity-invalid``).
3. It names exactly one device, in the one place that the operator chose (``identity-invalid``):
   - ``san-uri``: exactly one URI in the SAN, byte for byte ``spiffe://TRUST_DOMAIN/device/ID``. No case folding, no
     percent-decoding, no user, port, query or fragment. A second URI refuses, also a foreign one.
   - ``cn``: exactly one common name in the subject. ``san-dns``: exactly one DNS name in the SAN.
   Wherever it comes from, ID matches DEVICE_ID as a whole. The places not chosen are not looked at: with ``san-uri``,
   a common name that says something else means nothing.
4. It is in date (``certificate-expired``, also for not yet valid: the detail tells which).
5. Neither it nor the authority that signed it is revoked (``certificate-revoked``).

Refuses to know sockets, files and clocks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mqttseg.errors import PeerError, Reason
from mqttseg.pki.revocation import Revocations

DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
"""A device id, with ``fullmatch``. ASCII only; it holds no wildcard, separator, space or percent sign."""

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_UNPARSABLE = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_SHOWN = 100  # how much of a hostile name a message repeats, escaped


class IdentitySource(StrEnum):
    """Where in the certificate the device id stands; ``san-uri`` is what our own authority writes."""

    SAN_URI = "san-uri"
    CN = "cn"
    SAN_DNS = "san-dns"


@dataclass(frozen=True, slots=True)
class Identity:
    """The device behind a connection. ``fingerprint``: SHA-256 of the DER, hex; dates are UTC."""

    device_id: str
    serial: int
    not_before: datetime
    not_after: datetime
    fingerprint: str
    certificate: x509.Certificate = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """What a certificate says, read once; nothing in it is believed yet."""

    certificate: x509.Certificate
    is_authority: bool
    usages: frozenset[x509.ObjectIdentifier]
    names: tuple[str, ...]  # what stands in the place that the operator chose


def device_uri(trust_domain: str, device_id: str) -> str:
    """The SAN URI of a device: a SPIFFE id."""
    return f"spiffe://{trust_domain}/device/{device_id}"


def identify(
    der: bytes | None, *, source: IdentitySource, trust_domain: str, now: datetime, revoked: Revocations
) -> Identity:
    """The device that a certificate, whose chain TLS has verified, speaks for. ``now`` is timezone-aware.

    Raises PeerError, never anything else, with ``certificate-missing``, ``identity-invalid``, ``certificate-expired``
    or ``certificate-revoked``, and a detail for the operator that holds no control characters.
    """
    if not der:
        raise PeerError(Reason.CERTIFICATE_MISSING, "the device sent no certificate")
    try:
        leaf = _read(der, source)
        identity = _identity(leaf, _device_id(leaf, source, trust_domain), der)
    except _UNPARSABLE as error:
        raise PeerError(Reason.IDENTITY_INVALID, "the certificate cannot be parsed") from error
    try:
        check_current(identity, now=now, revoked=revoked)
    except PeerError as error:
        raise PeerError(error.reason, error.detail, device=identity.device_id) from None
    return identity


def check_current(identity: Identity, *, now: datetime, revoked: Revocations) -> None:
    """Steps 4 and 5 again, for a live connection when time has passed or revocations have changed (rule 7).

    Raises PeerError: ``certificate-expired`` or ``certificate-revoked``.
    """
    if now < identity.not_before:
        raise PeerError(Reason.CERTIFICATE_EXPIRED, f"not yet valid: begins {identity.not_before.isoformat()}")
    if now > identity.not_after:
        raise PeerError(Reason.CERTIFICATE_EXPIRED, f"expired {identity.not_after.isoformat()}")
    if revoked.concerns(identity.serial) and revoked.is_revoked(identity.certificate):
        raise PeerError(Reason.CERTIFICATE_REVOKED, f"serial {identity.serial:x} or its issuer is revoked")


def _read(der: bytes, source: IdentitySource) -> _Leaf:
    certificate = x509.load_der_x509_certificate(der)
    extensions = certificate.extensions  # parses all of them, and refuses duplicates
    constraints = _extension(extensions, x509.BasicConstraints)
    usages = _extension(extensions, x509.ExtendedKeyUsage)
    return _Leaf(
        certificate,
        is_authority=constraints is not None and constraints.ca,
        usages=frozenset(usages or ()),
        names=_NAMES[source](certificate),
    )


def _identity(leaf: _Leaf, device_id: str, der: bytes) -> Identity:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return Identity(
        device_id=device_id,
        serial=leaf.certificate.serial_number,
        not_before=leaf.certificate.not_valid_before_utc,
        not_after=leaf.certificate.not_valid_after_utc,
        fingerprint=digest.finalize().hex(),
        certificate=leaf.certificate,
    )


def _device_id(leaf: _Leaf, source: IdentitySource, trust_domain: str) -> str:
    if leaf.is_authority:
        raise _invalid("an authority's certificate is not a device's")
    if ExtendedKeyUsageOID.CLIENT_AUTH not in leaf.usages:
        raise _invalid("its extended key usage does not say clientAuth")
    if len(leaf.names) != 1:
        raise _invalid(f"it must hold exactly one {source} name, and holds {len(leaf.names)}")
    name = leaf.names[0]
    prefix = device_uri(trust_domain, "") if source is IdentitySource.SAN_URI else ""
    if not name.startswith(prefix):
        raise _invalid(f"{_shown(name)} is not in the trust domain {trust_domain}")
    device_id = name[len(prefix) :]
    if DEVICE_ID.fullmatch(device_id) is None:
        raise _invalid(f"{_shown(device_id)} is not a device id")
    return device_id


def _uris(certificate: x509.Certificate) -> tuple[str, ...]:
    san = _extension(certificate.extensions, x509.SubjectAlternativeName)
    return () if san is None else tuple(san.get_values_for_type(x509.UniformResourceIdentifier))


def _dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    san = _extension(certificate.extensions, x509.SubjectAlternativeName)
    return () if san is None else tuple(san.get_values_for_type(x509.DNSName))


def _common_names(certificate: x509.Certificate) -> tuple[str, ...]:
    # A value may be bytes (a BIT STRING); as text it begins with a quote, and so is no device id.
    values = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return tuple(item.value if isinstance(item.value, str) else repr(item.value) for item in values)


_NAMES: dict[IdentitySource, Callable[[x509.Certificate], tuple[str, ...]]] = {
    IdentitySource.SAN_URI: _uris,
    IdentitySource.CN: _common_names,
    IdentitySource.SAN_DNS: _dns_names,
}


def _extension(extensions: x509.Extensions, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _invalid(detail: str) -> PeerError:
    return PeerError(Reason.IDENTITY_INVALID, detail)


def _shown(name: str) -> str:
    return ascii(name[:_SHOWN])
