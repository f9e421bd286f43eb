"""Founding an authority: its two keys and certificates, its records and the root's revocation list.

The whole is built under a hidden name and renamed into place, so that it exists whole or not at all. Refuses to know
what is done with it later (``authority.py``).
"""

from __future__ import annotations

import secrets
import shutil
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from mqttseg.errors import OperatorError
from mqttseg.pki import files, keys, shapes
from mqttseg.pki.placement import refuse_existing
from mqttseg.pki.records import Records
from mqttseg.pki.shapes import Signer, pem

RECORDS = "records.db"
ROOT, ISSUING = "root", "issuing"
_FIRST_CRL = 1


def found(certs: Path, trust_domain: str, passphrase: bytes | None, now: datetime) -> None:
    """Make `certs/ca`. OperatorError, and nothing changed, when an authority or a part of one is there already."""
    if shapes.TRUST_DOMAIN.fullmatch(trust_domain) is None:
        raise OperatorError(
            f"{trust_domain[:100]!a} is not a trust domain;"
            " use small letters, digits, dots and dashes, like plant7.example"
        )
    certs.mkdir(parents=True, exist_ok=True)
    with files.locked(certs):
        refuse_existing([certs / "ca", certs / "ca.crt", certs / "ca.crl"])
        _remove_unfinished(certs)
        building = certs / f".ca.{secrets.token_hex(6)}{files.STAGED}"
        try:
            _build(building, trust_domain, passphrase, now)
            building.rename(certs / "ca")
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        files.sync_directory(certs)


def _build(directory: Path, trust_domain: str, passphrase: bytes | None, now: datetime) -> None:
    files.make_private_directory(directory)
    root_key, issuing_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = Signer(shapes.root(root_key, trust_domain, now), root_key)
    issuing = shapes.issuing(issuing_key, trust_domain, root, now)
    # The root's list is signed once, for as long as the issuing authority lasts, so that its key can go offline.
    root_list = shapes.revocation_list([], _FIRST_CRL, root, now, issuing.not_valid_after_utc)
    files.create(directory / f"{ROOT}.key", keys.to_pem(root_key, passphrase))
    files.create(directory / f"{ISSUING}.key", keys.to_pem(issuing_key, passphrase))
    files.create(directory / f"{ROOT}.crt", pem(root.certificate))
    files.create(directory / f"{ISSUING}.crt", pem(issuing))
    files.create(directory / f"{ROOT}.crl", pem(root_list))
    Records.create(directory / RECORDS, trust_domain)
    files.sync_directory(directory)


def _remove_unfinished(certs: Path) -> None:
    for path in certs.glob(f".ca.*{files.STAGED}"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
