"""Publishing revocation lists: `certs/ca.crl`, both authorities' lists in PEM.

Owns what goes into it and when it is due. Lists of other authorities that the operator added to the file are kept.
Refuses to know who may revoke (``authority.py``) and how lists are read (``revocation.py``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from mqttseg.pki import files, shapes
from mqttseg.pki.bundle import whole_blocks
from mqttseg.pki.records import Record, Records
from mqttseg.pki.shapes import RevocationReason, Signer, pem

_LIFE = timedelta(days=shapes.CRL_DAYS)
_REFRESH = _LIFE / 2
_KEPT_AFTER_EXPIRY = timedelta(days=30)  # for brokers whose clock is behind


def is_due(path: Path, records: Records, now: datetime) -> bool:
    """Whether the file is missing, ageing, or behind the records."""
    state = records.crl_state()
    return state.number != state.published or not path.exists() or now > state.published_at + _REFRESH


def publish(path: Path, records: Records, issuing: Signer, root_list: bytes, now: datetime) -> None:
    """Sign the issuing authority's list with the next number, and replace the file atomically."""
    number = records.demand_crl()
    entries = map(_entry, records.revoked(now - _KEPT_AFTER_EXPIRY))
    issuing_list = pem(shapes.revocation_list(entries, number, issuing, now, now + _LIFE))
    root = x509.load_pem_x509_crl(root_list).issuer
    foreign = _others(path, {root, issuing.certificate.subject})
    files.replace(path, b"".join([issuing_list, root_list, *foreign]))
    records.mark_published(number, now)


def unpublished(path: Path, records: Records, now: datetime) -> tuple[Record, ...]:
    """What is revoked and has not expired, and yet is in no list of the file: brokers still admit it."""
    listed = {entry.serial_number for item in map(_load, _blocks(path)) if item is not None for entry in item}
    return tuple(record for record in records.revoked(now) if record.serial not in listed)


def _entry(record: Record) -> x509.RevokedCertificate:
    return shapes.revoked(
        record.serial,
        record.revoked_at or record.issued_at,
        RevocationReason(record.reason or RevocationReason.UNSPECIFIED),
    )


def _others(path: Path, ours: set[x509.Name]) -> list[bytes]:
    """The lists in the file that are not ours; damaged ones are left out, so that this is the file's repair."""
    return [block for block in _blocks(path) if (item := _load(block)) is not None and item.issuer not in ours]


def _blocks(path: Path) -> list[bytes]:
    return whole_blocks(path.read_bytes() if path.exists() else b"", "X509 CRL")


def _load(block: bytes) -> x509.CertificateRevocationList | None:
    try:
        return x509.load_pem_x509_crl(block)
    except ValueError:
        return None
