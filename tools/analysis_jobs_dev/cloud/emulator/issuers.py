"""Makes HTTP APIs of MiniStack accept the tokens of the local issuer, whichever issuer their authorizer names.

A Terraform root names the identity provider of the real environment. Locally the stand-in mints the tokens. It writes
the name of the expected issuer into a token, and its own key signs the token.
"""

from typing import Any

KEYS_PATH = "/.well-known/jwks.json"
VARIABLE = "ANALYSIS_JOBS_ISSUER"


def install(apigateway: Any, issuer: str) -> None:  # noqa: ANN401 - MiniStack has no types
    """Make MiniStack's module `apigateway` check tokens with the keys of the local `issuer` too. Empty: do nothing."""
    if not issuer:
        return
    keys_url = f"{issuer}{KEYS_PATH}"
    fetch = apigateway._fetch_jwks  # noqa: SLF001 - there is no setting for this

    async def keys_uri(_issuer: str) -> str:
        return keys_url

    async def keys_of(url: str) -> dict[str, Any]:
        ours = (await fetch(keys_url)).get("keys") or []
        # The other keys are those of a user pool of Cognito in the same MiniStack.
        others = [] if url == keys_url else (await fetch(url)).get("keys") or []
        return {"keys": [*ours, *others]}

    apigateway._fetch_oidc_jwks_uri = keys_uri  # noqa: SLF001 - as above
    apigateway._fetch_jwks = keys_of  # noqa: SLF001 - as above
