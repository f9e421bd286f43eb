"""The TLS side of trust: what the broker's listeners demand of a peer, and what a failed handshake means.

Owns the server context (rule 1: a certificate is required, TLS 1.2 or later) and the reading of OpenSSL's errors.
Refuses to know sockets; who the peer is, once the chain holds, is ``identity.py``'s to say.
"""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mqttseg.errors import Reason
from mqttseg.pki.bundle import complaint, load_bundle, read

# TLS 1.2 with forward secrecy and authenticated encryption only; ours sign with ECDSA, RSA serves foreign certificates.
_CIPHERS = ":".join(
    f"ECDHE-{signature}-{cipher}"
    for signature in ("ECDSA", "RSA")
    for cipher in ("AES128-GCM-SHA256", "CHACHA20-POLY1305", "AES256-GCM-SHA384")
)
_OPTIONS = ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
_REASONS = {  # X509_V_ERR_*, from OpenSSL's x509_vfy.h
    9: (Reason.CERTIFICATE_EXPIRED, "not yet valid"),
    10: (Reason.CERTIFICATE_EXPIRED, "expired"),
    18: (Reason.CERTIFICATE_UNTRUSTED, "self-signed"),
    19: (Reason.CERTIFICATE_UNTRUSTED, "self-signed root that is not trusted"),
    23: (Reason.CERTIFICATE_REVOKED, "revoked"),
    26: (Reason.IDENTITY_INVALID, "not made for devices: its extended key usage does not say clientAuth"),
}


def server_context(ca: Path, cert: Path, key: Path, *, strict: bool = True) -> ssl.SSLContext:
    """The context of a listener: only peers with a certificate that chains to the bundle, TLS 1.2 or later.

    No session outlives its connection's certificate: no tickets. (TLS 1.2 may still resume by session id within one
    context; the peer's certificate is there then too, so ``identify`` judges every connection.) ``strict`` holds
    certificates to RFC 5280 to the letter; false is for authorities of fleets that are not so tidy. Raises
    ConfigurationError for a file that is missing, is not what it should be, or does not fit the others.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= _OPTIONS
    context.num_tickets = 0
    context.set_ciphers(_CIPHERS)
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    bundle = load_bundle(ca)
    context.load_verify_locations(cadata=b"".join(item.public_bytes(Encoding.DER) for item in bundle))
    _load_own(context, cert, key)
    return context


def certificate_end(cert: Path) -> datetime:
    """When the broker's certificate expires. Raises ConfigurationError as ``server_context`` does."""
    remedy = "make one with `mqttseg ca broker`"
    try:
        return x509.load_pem_x509_certificate(read(cert, remedy)).not_valid_after_utc
    except ValueError as error:
        raise complaint(cert, f"is not a certificate: {error}", remedy) from error


def handshake_reason(error: ssl.SSLError) -> tuple[Reason, str]:
    """Why a handshake failed: a reason code, and a detail that holds nothing of the peer's choosing."""
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _REASONS.get(error.verify_code)
        return known or (Reason.CERTIFICATE_UNTRUSTED, error.verify_message or "verification failed")
    if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return Reason.CERTIFICATE_MISSING, "the device sent no certificate"
    return Reason.PROTOCOL_ERROR, (error.reason or "TLS failed").lower().replace("_", " ")


def _load_own(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    read(cert, "make one with `mqttseg ca broker`, and let the broker's user read it")
    read(key, "make one, and a certificate, with `mqttseg ca broker`, and let the broker's user read it")
    try:
        # A sealed key would make OpenSSL ask on the terminal, where nobody is: this password never fits.
        context.load_cert_chain(cert, key, password=lambda: b"-")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise complaint(key, f"is not the key of {cert}", "give the key that belongs to the certificate") from error
        remedy = "give a PEM certificate with its chain, and its key without a passphrase"
        raise complaint(cert, f"and {key} cannot be used: {_cause(error)}", remedy) from error


def _cause(error: ssl.SSLError) -> str:
    return (error.reason or "not PEM").lower().replace("_", " ")
