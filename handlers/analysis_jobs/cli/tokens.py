"""Reads the claims of a bearer token, without verifying it. The API verifies tokens."""

from analysis_jobs.client.tokens import claims_of


def tenant_of(token: str, claim: str) -> str | None:
    """Return the tenant in a JSON Web Token, or None for another kind of token or a missing claim."""
    tenant = claims_of(token).get(claim)
    return tenant if isinstance(tenant, str) else None
