"""Condition keys of IAM that the roles of this project use and MiniStack does not know."""

import json
from collections.abc import Callable
from typing import Any

type Context = Callable[..., dict[str, Any]]


def install(iam_actions: Any) -> None:  # noqa: ANN401 - MiniStack has no types
    """Add the keys to the context of a request."""
    iam_actions.request_tag_context = with_event_source(iam_actions.request_tag_context)


def with_event_source(context: Context) -> Context:
    """Wrap MiniStack's function that reads condition keys from a request: add `events:source`."""

    def extended(service: str, action: str, body: bytes, *more: object) -> dict[str, Any]:
        found = context(service, action, body, *more)
        if action != "events:PutEvents":
            return found
        sources = sorted({str(entry.get("Source", "")) for entry in json.loads(body or b"{}").get("Entries", [])})
        # AWS checks each entry alone. A call with several sources has none that a condition could equal.
        return {**found, "events:source": sources[0] if len(sources) == 1 else ",".join(sources)}

    return extended
