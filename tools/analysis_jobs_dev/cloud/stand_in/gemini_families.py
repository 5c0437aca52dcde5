"""What each family of Gemini models takes: thinking levels, thinking budgets, service tiers.

https://ai.google.dev/gemini-api/docs/thinking, https://ai.google.dev/gemini-api/docs/optimization
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from analysis_jobs_dev.cloud.stand_in.refusals import RefusedError

_LEVELS: Final = (
    (r"gemini-3[^-]*-pro", ("LOW", "MEDIUM", "HIGH")),
    (r"gemini-3", ("MINIMAL", "LOW", "MEDIUM", "HIGH")),
    (r"", ()),
)
# The smallest and the largest budget. 0 switches thinking off, -1 lets the model decide.
_BUDGETS: Final = (
    (r"gemini-2\.5-pro", (128, 32_768)),
    (r"gemini-2\.5-flash-lite", (512, 24_576)),
    (r"gemini-2\.5-flash", (1, 24_576)),
    (r"gemini-3", (1, 65_536)),  # still accepted, for older programs
    (r"", None),
)
_TIERS: Final = ("flex", "standard", "priority")


def check(model: str, given: Mapping[str, Any]) -> None:
    """Refuse a thinking configuration or a service tier that the model does not take.

    Raises:
        RefusedError: INVALID_ARGUMENT.

    """
    config = (given.get("generationConfig") or {}).get("thinkingConfig") or {}
    level = config.get("thinkingLevel") or config.get("thinking_level")
    budget = config.get("thinkingBudget", config.get("thinking_budget"))
    if level and budget is not None:
        raise _invalid("You can only set only one of thinking budget and thinking level.")
    if level and level not in _first(_LEVELS, model):
        raise _invalid(f"Thinking level {level} is not supported for this model.")
    if budget is not None:
        _check_budget(model, budget)
    tier = given.get("serviceTier") or given.get("service_tier")
    if tier and tier not in _TIERS:
        raise _invalid(f"Invalid value at 'service_tier': {tier}")


def _check_budget(model: str, budget: int) -> None:
    limits = _first(_BUDGETS, model)
    if limits is None:
        raise _invalid("Thinking is not supported for this model.")
    least, most = limits
    off = budget == 0 and "pro" not in model
    if not (off or budget == -1 or least <= budget <= most):
        raise _invalid(f"The thinking budget {budget} is invalid. Please choose a value between {least} and {most}.")


def _first(table: Any, model: str) -> Any:  # noqa: ANN401 - a value of the table
    return next(value for pattern, value in table if re.match(pattern, model))


def _invalid(message: str) -> RefusedError:
    return RefusedError("INVALID_ARGUMENT", message)
