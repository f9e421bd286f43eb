"""Keys: making them, judging strangers' ones, and sealing an authority's with a passphrase.

Refuses to know certificates and files.
"""

from __future__ import annotations

import base64
import os
from enum import StrEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mqttseg.errors import OperatorError

DeviceKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

_CURVES = {"secp256r1": "p256", "secp384r1": "p384", "secp521r1": "p521"}
_RSA_BITS = range(2048, 8193)  # larger ones would let one device keep the broker busy with handshakes

# scrypt, RFC 7914; N as large as OpenSSL reads by default (32 MiB), p for the time: a quarter of a second
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 5
# object identifiers in DER: RFC 8018 A.4, RFC 7914 7.1, NIST
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_AES_256_CBC = bytes.fromhex("060960864801650304012a")


class KeyType(StrEnum):
    """What ``device issue --key-type`` makes."""

    P256 = "p256"
    ED25519 = "ed25519"
    RSA2048 = "rsa2048"


def generate(key_type: KeyType) -> DeviceKey:
    """A new key."""
    match key_type:
        case KeyType.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case KeyType.RSA2048:
            return rsa.generate_private_key(65537, 2048)


def accept(key: object) -> PublicKey:
    """A public key that is strong enough for a certificate of ours; raises OperatorError for every other."""
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            return key
        case ec.EllipticCurvePublicKey():
            raise OperatorError(f"the curve {key.curve.name} is not accepted; use P-256, P-384 or P-521")
        case rsa.RSAPublicKey() if key.key_size in _RSA_BITS:
            return key
        case rsa.RSAPublicKey():
            raise OperatorError(f"an RSA key of {key.key_size} bits is not accepted; use 2048 to 8192, or P-256")
        case ed25519.Ed25519PublicKey():
            return key
    raise OperatorError("keys of this kind are not accepted; use P-256, Ed25519, or RSA of at least 2048 bits")


def name_of(key: PublicKey) -> str:
    """``p256``, ``p384``, ``p521``, ``ed25519`` or ``rsa`` with its size."""
    match key:
        case ec.EllipticCurvePublicKey():
            return _CURVES[key.curve.name]
        case rsa.RSAPublicKey():
            return f"rsa{key.key_size}"
    return "ed25519"


def to_pem(key: DeviceKey, passphrase: bytes | None = None) -> bytes:
    """PKCS#8 PEM, encrypted when there is a passphrase; OperatorError when that is empty."""
    if passphrase is None:
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    if not passphrase:
        raise OperatorError("the passphrase is empty; give one, or none at all")
    return _armour(_seal(key, passphrase))


def is_sealed(pem: bytes) -> bool:
    """Whether a passphrase is needed to load this key."""
    return b"BEGIN ENCRYPTED PRIVATE KEY" in pem


def load_authority_key(pem: bytes, passphrase: bytes | None) -> ec.EllipticCurvePrivateKey:
    """The key of an authority of ours; OperatorError when the passphrase is missing or wrong, or it is no such key."""
    if is_sealed(pem) and not passphrase:
        raise OperatorError("the authority's key is sealed; give its passphrase")
    try:
        key = serialization.load_pem_private_key(pem, passphrase if is_sealed(pem) else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        what = "the passphrase is wrong" if is_sealed(pem) else "the authority's key is damaged; restore it"
        raise OperatorError(what) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise OperatorError("the authority's key is not an elliptic curve key; restore the original")
    return key


def _seal(key: DeviceKey, passphrase: bytes) -> bytes:
    """EncryptedPrivateKeyInfo (RFC 5958 3) with PBES2, scrypt and AES-256-CBC, which OpenSSL reads too.

    By hand, because `cryptography` writes only PBKDF2 with 2,048 iterations into PKCS#8: too few for a root.
    """
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    salt, vector = os.urandom(16), os.urandom(16)
    secret = Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P).derive(passphrase)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(vector)).encryptor()
    sealed = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    costs = b"".join(map(_integer, (_SCRYPT_N, _SCRYPT_R, _SCRYPT_P)))
    derivation = _sequence(_SCRYPT + _sequence(_tagged(0x04, salt) + costs))
    scheme = _sequence(_AES_256_CBC + _tagged(0x04, vector))
    return _sequence(_sequence(_PBES2 + _sequence(derivation + scheme)) + _tagged(0x04, sealed))


def _armour(der: bytes) -> bytes:
    text = base64.b64encode(der)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, b"-----END ENCRYPTED PRIVATE KEY-----", b""])


def _sequence(content: bytes) -> bytes:
    return _tagged(0x30, content)


def _integer(value: int) -> bytes:
    return _tagged(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _tagged(tag: int, content: bytes) -> bytes:
    """DER tag, length (X.690 8.1.3) and content."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
