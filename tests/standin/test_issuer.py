"""An authorizer that has the published keys accepts the issuer's tokens, and refuses the forged ones."""

import base64
import json
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from analysis_jobs_dev.cloud.stand_in import StandIn
from analysis_jobs_dev.cloud.stand_in.issuer import Issuer


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def claims(token: str, keys: dict[str, Any]) -> dict[str, Any]:
    """Return a token's claims after its signature was verified with the published keys."""
    head, payload, signature = token.split(".")
    [key] = [each for each in keys["keys"] if each["kid"] == json.loads(decoded(head))["kid"]]
    n, e = (int.from_bytes(decoded(key[name])) for name in ("n", "e"))
    public = rsa.RSAPublicNumbers(e, n).public_key()
    public.verify(decoded(signature), f"{head}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
    found: dict[str, Any] = json.loads(decoded(payload))
    return found


def published(stand_in: StandIn) -> dict[str, Any]:
    with urlopen(f"{stand_in.url}/.well-known/openid-configuration") as response:
        configuration = json.load(response)
    assert configuration["issuer"] == stand_in.url
    with urlopen(configuration["jwks_uri"]) as response:
        keys: dict[str, Any] = json.load(response)
    return keys


def test_a_token_is_verified_by_the_published_key(stand_in: StandIn) -> None:
    token = stand_in.token("acme", sub="ada", scope="jobs:write", ttl_s=60)
    found = claims(token, published(stand_in))
    assert found["iss"] == stand_in.url
    assert found["aud"] == "analysis-jobs"
    assert (found["tenant"], found["sub"], found["scope"]) == ("acme", "ada", "jobs:write")
    assert 50 < found["exp"] - time.time() <= 60


def test_a_forged_token_names_a_key_that_did_not_sign_it(stand_in: StandIn) -> None:
    with pytest.raises(InvalidSignature):
        claims(stand_in.token("acme", forged=True), published(stand_in))


def test_a_token_can_be_wrong_in_other_ways(stand_in: StandIn) -> None:
    token = stand_in.token("acme", ttl_s=-10, audience="other", issuer="https://elsewhere.example", claims={"x": 1})
    found = claims(token, published(stand_in))
    assert found["exp"] < time.time()
    assert (found["aud"], found["iss"], found["x"]) == ("other", "https://elsewhere.example", 1)


def test_a_kept_key_survives_a_restart_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "stand-in" / "key.pem"
    first, second = Issuer("http://127.0.0.1:1", file), Issuer("http://127.0.0.1:1", file)
    assert claims(first.mint("acme"), second.keys())["tenant"] == "acme"
    assert file.stat().st_mode & 0o777 == 0o600
    assert Issuer("http://127.0.0.1:1").keys() != first.keys()
