"""Aliases that send a share of the calls to a second version. MiniStack stores the weights, and ignores them.

Lambda chooses the version of each invocation at random:
https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
"""

import functools
import random
from collections.abc import Callable, Mapping
from typing import Any


def install(lambda_svc: Any, chance: Callable[[], float] = random.random) -> None:  # noqa: ANN401 - MiniStack has no types
    """Let invocations of an alias choose the version by its weights."""
    record_of, invoke = lambda_svc._effective_func_record_for_qualifier, lambda_svc._invoke  # noqa: SLF001 - there is no setting for this

    @functools.wraps(record_of)
    def chosen_record(func: Any, qualifier: Any) -> Any:  # noqa: ANN401 - as above
        return record_of(func, chosen(func, qualifier, chance))

    @functools.wraps(invoke)
    async def chosen_invoke(
        name: str,
        event: Any,  # noqa: ANN401 - as above
        headers: Any,  # noqa: ANN401 - as above
        path_qualifier: str | None = None,
        query_params: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - as above
        given = path_qualifier or lambda_svc._qp_first(query_params or {}, "Qualifier")  # noqa: SLF001 - as above
        version = chosen(lambda_svc._functions.get(name), given, chance)  # noqa: SLF001 - as above
        return await invoke(name, event, headers, version, query_params)

    lambda_svc._effective_func_record_for_qualifier = chosen_record  # noqa: SLF001 - as above
    lambda_svc._invoke = chosen_invoke  # noqa: SLF001 - as above


def chosen(func: Mapping[str, Any] | None, qualifier: str | None, chance: Callable[[], float]) -> str | None:
    """Return the version that an invocation of an alias runs on; the qualifier itself if it has no weights."""
    alias = (func or {}).get("aliases", {}).get(qualifier or "", {})
    left = chance()
    for version, weight in ((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}).items():
        left -= weight
        if left < 0:
            return str(version)
    return qualifier
