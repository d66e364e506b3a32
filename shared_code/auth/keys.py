"""Signing keys: which one signs, which ones verify, and how they are published (RFC 7517)."""

import hashlib
import json
import os
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PEM = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----", re.S)


@dataclass(frozen=True)
class VerificationKey:
    kid: str
    algorithm: str
    key: Any
    """What PyJWT takes to verify: a public key, or the HS256 secret."""
    jwk: Mapping[str, str]
    """The public JWK; empty for a shared secret, which is never published."""


@dataclass(frozen=True)
class SigningKey(VerificationKey):
    private: Any


def from_pem(text: str) -> list[SigningKey]:
    """The keys in one or several PEM texts, in order. Line ends may be written as ``\\n``, as in a one-line app setting.

    Raises ValueError for anything but RSA of 2048 bits or more and P-256.
    """
    found = [match[0] for match in _PEM.finditer(text.replace("\\n", "\n"))]
    if not found:
        raise ValueError("holds no PEM private key")
    return [_signing_key(pem) for pem in found]


def _signing_key(pem: str) -> SigningKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise ValueError("must not be encrypted") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("cannot be read as a private key") from None
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= 2048:
        numbers = private.public_key().public_numbers()
        required = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
        algorithm = "RS256"
    elif isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
        point = private.public_key().public_numbers()
        required = {"crv": "P-256", "kty": "EC", "x": _number(point.x, 32), "y": _number(point.y, 32)}
        algorithm = "ES256"
    else:
        raise ValueError("must be RSA with 2048 bits or more, or P-256")
    kid = _encode(hashlib.sha256(json.dumps(required, separators=(",", ":"), sort_keys=True).encode()).digest())  # RFC 7638
    jwk = {**required, "kid": kid, "use": "sig", "alg": algorithm}
    return SigningKey(kid, algorithm, private.public_key(), jwk, private)


def shared_secret(secret: str) -> SigningKey:
    kid = hashlib.sha256(b"lydian hs256 kid\0" + secret.encode()).hexdigest()[:16]
    return SigningKey(kid, "HS256", secret.encode(), {}, secret.encode())


def from_jwks(document: Mapping[str, Any]) -> list[VerificationKey]:
    """The RS256 and ES256 keys of a JWKS; keys of other kinds are passed over."""
    import jwt

    keys = []
    for jwk in document.get("keys", ()):
        if jwk.get("alg") in ("RS256", "ES256") and jwk.get("kid"):
            keys.append(VerificationKey(jwk["kid"], jwk["alg"], jwt.PyJWK(jwk).key, jwk))
    return keys


def is_strong(key: VerificationKey) -> bool:
    """Whether it is a public key of the size and curve that we ask of our own, and of its algorithm's kind."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if key.algorithm == "RS256":
        return isinstance(key.key, rsa.RSAPublicKey) and key.key.key_size >= 2048
    return key.algorithm == "ES256" and isinstance(key.key, ec.EllipticCurvePublicKey) and isinstance(key.key.curve, ec.SECP256R1)


def local_key(folder: Path) -> str:
    """The PEM of the key that a local run makes once and keeps, readable by its owner only.

    Several apps may start at once: the first to link its file into place wins, and all read that one.
    """
    path = folder / "jwt-private-key.pem"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{path.name}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(new_pem())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another app was first: its key is everyone's
        finally:
            draft.unlink()
    return path.read_text()


def new_pem() -> str:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _number(value: int, length: int | None = None) -> str:
    return _encode(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
