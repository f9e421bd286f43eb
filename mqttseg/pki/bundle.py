"""Trust bundles and PEM files as the operator keeps them: read whole, or refused with what to do.

Owns the strictness: a file cut in the middle is an error, never a shorter list. Refuses to know what the
certificates are for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from mqttseg.errors import ConfigurationError, Problem, Source


def complaint(path: Path, what: str, remedy: str) -> ConfigurationError:
    """An error about a file as a whole."""
    return ConfigurationError([Problem(Source(str(path), 1, 1), what, remedy)])


def read(path: Path, remedy: str) -> bytes:
    """The bytes of a file; ConfigurationError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise complaint(path, f"cannot be read: {error.strerror}", remedy) from error


def pem_blocks(data: bytes, label: str) -> list[bytes]:
    """Every PEM block of one label, in order. Raises ValueError when one of them is not closed."""
    blocks = whole_blocks(data, label)
    if not len(blocks) == data.count(_begin(label)) == data.count(_end(label)):
        raise ValueError(f"a {label} block is cut short")
    return blocks


def whole_blocks(data: bytes, label: str) -> list[bytes]:
    """The PEM blocks of one label that are closed, in order: what can be saved of a damaged file."""
    blocks = re.findall(re.escape(_begin(label)) + rb"[^-]*" + re.escape(_end(label)), data)
    return [block + b"\n" for block in blocks]


def _begin(label: str) -> bytes:
    return f"-----BEGIN {label}-----".encode()


def _end(label: str) -> bytes:
    return f"-----END {label}-----".encode()


def load_bundle(path: Path) -> tuple[x509.Certificate, ...]:
    """The authorities of a trust bundle: at least one, and nothing but authorities. Raises ConfigurationError."""
    remedy = "give a PEM file that holds the certificates of the authorities to trust"
    data = read(path, f"make a site with `mqttseg init`, or {remedy}")
    try:
        authorities = tuple(map(x509.load_pem_x509_certificate, pem_blocks(data, "CERTIFICATE")))
        strangers = [item for item in authorities if not _is_authority(item)]
    except (ValueError, x509.DuplicateExtension, x509.InvalidVersion) as error:
        raise complaint(path, f"is not a trust bundle: {error}", remedy) from error
    if not authorities:
        raise complaint(path, "holds no certificate", remedy)
    if strangers:
        raise complaint(path, f"holds {strangers[0].subject.rfc4514_string()}, which is no authority", remedy)
    return authorities


def is_issued_by(certificate: x509.Certificate, authorities: Iterable[x509.Certificate]) -> bool:
    """Whether one of the authorities signed the certificate."""
    return any(_issued(authority, certificate) for authority in authorities)


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
