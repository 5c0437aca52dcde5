"""Explains why the API rejected a bearer token. Reads the token without verifying it."""

import base64
import json
from datetime import UTC, datetime
from typing import Any


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a JSON Web Token, {} for another kind of token."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def expiry_of(token: str) -> datetime | None:
    """Return the time until which a JSON Web Token is valid, or None if it does not say."""
    expiry = claims_of(token).get("exp")
    try:
        return datetime.fromtimestamp(expiry, UTC) if isinstance(expiry, int | float) else None
    except (OverflowError, ValueError, OSError):
        return None


def why_rejected(token: str | None, now: datetime) -> str:
    """Return what is probably wrong with a token that the API rejected with 401."""
    if not token:
        return "no token was sent; give one"
    claims = claims_of(token)
    expiry = expiry_of(token)
    if expiry and expiry <= now:
        at = expiry.isoformat(timespec="seconds").replace("+00:00", "Z")
        return f"the token expired at {at}; get a new one"
    if not claims:
        return "the token is not a JSON Web Token; give an access token of the API's issuer"
    return (
        f"the API does not accept this token of {claims.get('iss')!r}; compare its issuer and audience with the API's"
    )
