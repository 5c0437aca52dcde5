"""Reads the claims of a bearer token, without verifying it. The API verifies tokens."""

from datetime import UTC, datetime

from analysis_jobs.client.tokens import claims_of


def tenant_of(token: str, claim: str) -> str | None:
    """Return the tenant in a JSON Web Token, or None for another kind of token or a missing claim."""
    tenant = claims_of(token).get(claim)
    return tenant if isinstance(tenant, str) else None


def expiry_of(token: str) -> datetime | None:
    """Return the time until which a JSON Web Token is valid, or None if it does not say."""
    expiry = claims_of(token).get("exp")
    try:
        return datetime.fromtimestamp(expiry, UTC) if isinstance(expiry, int | float) else None
    except (OverflowError, ValueError, OSError):
        return None
