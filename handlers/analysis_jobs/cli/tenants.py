"""What a bearer token says of its bearer; whether it is true is for the API to check."""

import base64
import json


def tenant_of(token: str, claim: str) -> str | None:
    """Return the tenant that a JSON web token names, None where it is another kind of token or names none."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError):
        return None
    tenant = claims.get(claim) if isinstance(claims, dict) else None
    return tenant if isinstance(tenant, str) else None
