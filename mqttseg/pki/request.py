"""Certificate requests from outside (PKCS#10): the one thing in them that counts is the public key.

The proof of possession, the request's signature by that key, must hold. Names and extensions asked for are not read.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from mqttseg.errors import OperatorError
from mqttseg.pki.keys import PublicKey, accept

MAX_BYTES = 64 * 1024


def public_key_of(request: bytes) -> PublicKey:
    """The key of a PEM or DER request, proved to be in the requester's hands. Raises OperatorError, never else."""
    if len(request) > MAX_BYTES:
        raise OperatorError(f"the request is larger than {MAX_BYTES // 1024} KiB; give a PKCS#10 request in PEM")
    try:
        csr = x509.load_der_x509_csr(request) if request[:1] == b"\x30" else x509.load_pem_x509_csr(request)
        key = accept(csr.public_key())
        proved = csr.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise OperatorError(
            "this is not a certificate request that can be read; make one with `openssl req -new -key KEY -subj /CN=x`"
        ) from error
    if not proved:
        raise OperatorError("the request is not signed by its own key; whoever sent it has not proved to hold the key")
    return key
