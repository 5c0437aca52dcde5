"""The local token issuer, in place of an identity provider for the API's JWT authorizer."""

import base64
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AUDIENCE: Final = "analysis-jobs"
CONFIGURATION_PATH: Final = "/.well-known/openid-configuration"
KEYS_PATH: Final = "/.well-known/jwks.json"
_KEY_BITS = 2048


class Issuer:
    """Mints RS256 tokens with the `iss` of its `url`.

    With a `key_file` the key survives a restart, and tokens stay valid until they expire.
    """

    def __init__(self, url: str, key_file: Path | None = None) -> None:
        self.url = url
        self._key = _kept_key(key_file) if key_file else _new_key()
        self._key_id = _thumbprint(_public_numbers(self._key))

    def configuration(self) -> dict[str, Any]:
        """Return the OpenID configuration."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}{KEYS_PATH}",
            "token_endpoint": f"{self.url}/token",
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def keys(self) -> dict[str, Any]:
        """Return the JSON Web Key Set."""
        return {"keys": [{**_public_numbers(self._key), "kid": self._key_id, "use": "sig", "alg": "RS256"}]}

    def mint(  # noqa: PLR0913 - claims, and ways to make a token that must be refused
        self,
        tenant: str,
        sub: str = "local-user",
        *,
        ttl_s: float = 3600,
        audience: str = AUDIENCE,
        scope: str | None = None,
        issuer: str | None = None,
        claims: Mapping[str, Any] | None = None,
        forged: bool = False,
    ) -> str:
        """Return a token.

        With a negative `ttl_s` it has expired; `forged` signs it with another key under this key's ID.
        """
        now = int(time.time())
        payload = {
            "iss": issuer or self.url,
            "aud": audience,
            "sub": sub,
            "tenant": tenant,
            "iat": min(now, int(now + ttl_s)),
            "exp": int(now + ttl_s),
            **({"scope": scope} if scope is not None else {}),
            **(claims or {}),
        }
        head = {"alg": "RS256", "typ": "JWT", "kid": self._key_id}
        signed = f"{_encode(json.dumps(head).encode())}.{_encode(json.dumps(payload).encode())}"
        key = _new_key() if forged else self._key
        return f"{signed}.{_encode(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)


def _kept_key(file: Path) -> rsa.RSAPrivateKey:
    """Return the key in the file; create the file on first use, readable by its owner only."""
    if file.exists():
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError(f"{file} does not hold an RSA key")
        return key
    key = _new_key()
    file.parent.mkdir(parents=True, exist_ok=True)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(pem)
    return key


def _public_numbers(key: rsa.RSAPrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    size = (numbers.n.bit_length() + 7) // 8
    return {"kty": "RSA", "n": _encode(numbers.n.to_bytes(size)), "e": _encode(numbers.e.to_bytes(3))}


def _thumbprint(numbers: Mapping[str, str]) -> str:
    """Return the key's ID by RFC 7638."""
    canonical = json.dumps({name: numbers[name] for name in ("e", "kty", "n")}, separators=(",", ":"))
    return _encode(hashlib.sha256(canonical.encode()).digest())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
