"""Which certificates are out, although they are in date.

Owns reading certificate revocation lists (RFC 5280 section 5) and proving that an authority of ours signed each.
Refuses to know who writes them (``authority.py``), and never forgives: a list past its nextUpdate is stale, which is
for the operator to know, but what it revokes stays revoked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from mqttseg.pki.bundle import complaint, load_bundle, pem_blocks, read

REMEDY = "sign it afresh with `mqttseg ca crl --refresh`"
_MALFORMED = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion)


@dataclass(frozen=True, slots=True)
class Revocations:
    """What the revocation lists say. ``next_update``: when the first of them goes stale (None: there is none).

    ``entries``: serial -> the issuers that revoked it, each as its DER name and as its key identifier.
    ``issuers``: authorities of the bundle that are revoked themselves, or stand below one that is.
    """

    entries: Mapping[int, frozenset[bytes]] = field(default_factory=dict)
    issuers: tuple[x509.Certificate, ...] = ()
    next_update: datetime | None = None

    @classmethod
    def none(cls) -> Revocations:
        """Nothing is revoked: for fleets whose authority publishes no list, and for tests."""
        return cls()

    def concerns(self, serial: int) -> bool:
        """Whether a certificate of this serial number may be revoked: for thousands of them, which hardly ever are."""
        return serial in self.entries or bool(self.issuers)

    def is_revoked(self, certificate: x509.Certificate) -> bool:
        """Whether this certificate, or the authority that signed it, is revoked."""
        revokers = self.entries.get(certificate.serial_number)
        if revokers is not None and not revokers.isdisjoint(_issuer_marks(certificate)):
            return True
        return any(_signed(issuer, certificate) for issuer in self.issuers)

    def is_stale(self, now: datetime) -> bool:
        """Whether a list is past its nextUpdate: newer revocations may be missing. ``now`` is timezone-aware."""
        return self.next_update is not None and now > self.next_update


def load_revocations(crl: Path, ca_bundle: Path) -> Revocations:
    """The revocations of a PEM file of one or more lists, each signed by an authority of the bundle.

    A missing or empty file is an error too: nobody could be told from nobody revoked. Raises ConfigurationError.
    """
    authorities = load_bundle(ca_bundle)
    data = read(crl, REMEDY)
    try:
        lists = [x509.load_pem_x509_crl(block) for block in pem_blocks(data, "X509 CRL")]
        if not lists:
            raise ValueError("it holds no list")
        for item in lists:
            _check_form(item)
            _check_signer(item, authorities, ca_bundle)
        return _combine(lists, authorities)
    except _MALFORMED as error:
        raise complaint(crl, f"is not a revocation list that can be used: {error}", REMEDY) from error


def _check_form(crl: x509.CertificateRevocationList) -> None:
    # An indirect list speaks of other issuers' certificates, a delta list of another list's (RFC 5280 5.2.4, 5.2.5):
    # read as a plain one, either would revoke the wrong certificates or miss the right ones.
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.IssuingDistributionPoint):
            if value.indirect_crl:
                raise ValueError("indirect lists are not supported")
        elif extension.critical:
            raise ValueError(f"the critical extension {extension.oid.dotted_string} is not supported")


def _check_signer(crl: x509.CertificateRevocationList, authorities: Iterable[x509.Certificate], bundle: Path) -> None:
    named = [item for item in authorities if item.subject == crl.issuer]
    if not any(_may_sign_lists(item) and _verifies(crl, item) for item in named):
        raise ValueError(f"none of the authorities in {bundle} signed the list of {crl.issuer.rfc4514_string()}")


def _may_sign_lists(authority: x509.Certificate) -> bool:
    try:
        return authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def _verifies(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]  # others raise TypeError
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _combine(lists: Iterable[x509.CertificateRevocationList], authorities: tuple[x509.Certificate, ...]) -> Revocations:
    entries: dict[int, frozenset[bytes]] = {}
    updates: list[datetime] = []
    for crl in lists:
        marks = _list_marks(crl)
        for entry in crl:
            entries[entry.serial_number] = entries.get(entry.serial_number, frozenset()) | marks
        if crl.next_update_utc is not None:
            updates.append(crl.next_update_utc)
    return Revocations(entries, _revoked_among(authorities, entries), min(updates, default=None))


def _revoked_among(
    authorities: tuple[x509.Certificate, ...], entries: Mapping[int, frozenset[bytes]]
) -> tuple[x509.Certificate, ...]:
    """The authorities that are revoked, or signed by one that is, however deep."""
    revoked: tuple[x509.Certificate, ...] = ()
    while True:
        known = Revocations(entries, revoked)
        found = tuple(item for item in authorities if item in revoked or known.is_revoked(item))
        if found == revoked:
            return revoked
        revoked = found


def _issuer_marks(certificate: x509.Certificate) -> frozenset[bytes]:
    return _marks(certificate.issuer, certificate.extensions)


def _list_marks(crl: x509.CertificateRevocationList) -> frozenset[bytes]:
    return _marks(crl.issuer, crl.extensions)


def _marks(issuer: x509.Name, extensions: x509.Extensions) -> frozenset[bytes]:
    """How an issuer is recognised: by name, and by key, since names can be encoded in several ways."""
    name = issuer.public_bytes()
    try:
        key = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        key = None
    return frozenset([name] if key is None else [name, key])


def _signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    # By signature, not by name: whoever holds a revoked authority's key chooses the names it writes, and TLS compares
    # names without regard to case (RFC 5280 7.1).
    signature, signed = certificate.signature, certificate.tbs_certificate_bytes
    try:
        match issuer.public_key(), certificate.signature_algorithm_parameters:
            case ec.EllipticCurvePublicKey() as key, ec.ECDSA() as scheme:
                key.verify(signature, signed, scheme)
            case rsa.RSAPublicKey() as key, (padding.PKCS1v15() | padding.PSS()) as scheme:
                key.verify(signature, signed, scheme, certificate.signature_hash_algorithm)  # type: ignore[arg-type]  # None raises TypeError
            case (ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey()) as key, None:
                key.verify(signature, signed)
            case ((ec.EllipticCurvePublicKey() | rsa.RSAPublicKey() | ed25519.Ed25519PublicKey()), _):
                return False  # a key of this kind cannot have made that signature
    except InvalidSignature:
        return False
    except _MALFORMED:
        return True  # cannot be told: deny
    return True
