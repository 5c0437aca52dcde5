"""The analyses of a deployment, as its OpenAPI document lists them."""

from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

from analysis_jobs.client import Client, Rejected


class UnknownAnalysisError(Exception):
    """The deployment has no analysis of this name. The message names the nearest one, and all others."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        near = get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"There is no analysis {name!r}.{hint} This API has {', '.join(sorted(known))}.")


def require_analysis(client: Client, name: str) -> None:
    """Raise `UnknownAnalysisError` unless the API has an analysis of this name.

    If the API does not show its document, for example because it is too large for an answer, nothing is checked.
    """
    known = names(client)
    if known and name not in known:
        raise UnknownAnalysisError(name, known)


def names(client: Client) -> list[str]:
    """Return the names of the deployed analyses. Empty if the API does not show its document."""
    try:
        return names_in(client.request("GET", "/openapi.json").json())
    except (Rejected, ValueError):
        return []


def names_in(document: Any) -> list[str]:
    """Return the names of the analyses in an OpenAPI document. Empty if it is not that of this API."""
    try:
        body = document["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        if mapping := body.get("discriminator", {}).get("mapping"):
            return sorted(mapping)
        schema = document["components"]["schemas"][body["$ref"].rpartition("/")[2]] if "$ref" in body else body
        analysis = schema["properties"]["analysis"]
    except (AttributeError, KeyError, TypeError):
        return []
    return sorted(analysis.get("enum") or filter(None, [analysis.get("const")]))
