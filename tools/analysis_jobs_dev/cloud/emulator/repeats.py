"""Answers a repeated request for an alias as the first one.

On a busy machine the answer can be too late for Terraform's client, which then sends the request again. The second one
would find the alias of the first, and end the apply. Lambda itself answers in milliseconds.
"""

import functools
from collections.abc import Mapping
from typing import Any


def install(lambda_svc: Any) -> None:  # noqa: ANN401 - MiniStack has no types
    """Let a request for an alias succeed again if it is for the same version."""
    create = lambda_svc._create_alias  # noqa: SLF001 - there is no setting for this

    @functools.wraps(create)
    def created(name: str, data: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as above
        function = lambda_svc._functions.get(name) or {}  # noqa: SLF001 - as above
        alias = function.get("aliases", {}).get(data.get("Name", ""))
        if alias and alias["FunctionVersion"] == data.get("FunctionVersion"):
            return lambda_svc._get_alias(name, alias["Name"])  # noqa: SLF001 - as above
        return create(name, data)

    lambda_svc._create_alias = created  # noqa: SLF001 - as above
