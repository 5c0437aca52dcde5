"""Reads the claims of a bearer token, without verifying it. The API verifies tokens."""

import base64
import json
from datetime import UTC, datetime
from typing import Any


def tenant_of(token: str, claim: str) -> str | None:
    """Return the tenant in a JSON Web Token, or None for another kind of token or a missing claim."""
    tenant = _claims(token).get(claim)
    return tenant if isinstance(tenant, str) else None


def expiry_of(token: str) -> datetime | None:
    """Return the time until which a JSON Web Token is valid, or None if it does not say."""
    expiry = _claims(token).get("exp")
    try:
        return datetime.fromtimestamp(expiry, UTC) if isinstance(expiry, int | float) else None
    except (OverflowError, ValueError, OSError):
        return None


def _claims(token: str) -> dict[str, Any]:
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
