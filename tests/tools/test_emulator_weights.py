"""An alias with weights sends each call to one of its two versions."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from analysis_jobs_dev.cloud.emulator import weights

FUNCTION: dict[str, Any] = {
    "aliases": {
        "live": {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}},
        "candidate": {"FunctionVersion": "2"},
    }
}


@pytest.mark.parametrize(
    ("qualifier", "chance", "version"),
    [("live", 0.09, "2"), ("live", 0.11, "live"), ("candidate", 0.0, "candidate"), (None, 0.0, None), ("7", 0.0, "7")],
)
def test_a_call_of_an_alias_runs_on_the_version_that_chance_gives(
    qualifier: str | None, chance: float, version: str | None
) -> None:
    assert weights.chosen(FUNCTION, qualifier, lambda: chance) == version


def test_direct_invocations_and_mappings_both_choose() -> None:
    async def invoke(*given: Any) -> Any:
        return given[3]

    service = SimpleNamespace(
        _functions={"letters": FUNCTION},
        _invoke=invoke,
        _qp_first=lambda query, name: query.get(name),
        _effective_func_record_for_qualifier=lambda _func, qualifier: qualifier,
    )
    weights.install(service, lambda: 0.05)
    assert asyncio.run(service._invoke("letters", {}, {}, None, {"Qualifier": "live"})) == "2"  # noqa: SLF001
    assert service._effective_func_record_for_qualifier(FUNCTION, "live") == "2"  # noqa: SLF001
