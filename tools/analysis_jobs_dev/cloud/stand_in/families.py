"""What each family of Bedrock's models takes, and its refusals, in the vendors' words where they are known.

This table is the stand-in's own: it does not read that of the library, so a wrong entry there shows in the tests.
https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html,
https://platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5, the model cards of the user guide
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from analysis_jobs_dev.cloud.stand_in.refusals import require
from analysis_jobs_dev.cloud.stand_in.schema_subset import violation

_FROM_MODEL: Final = "The model returned the following errors: "
_EXTRA: Final = "Extra inputs are not permitted"
_FIVE: Final = ("low", "medium", "high", "xhigh", "max")
_ALL_TIERS: Final = ("default", "priority", "flex")


@dataclass(frozen=True)
class Family:
    """What a model takes.

    Attributes:
        native: a JSON schema in `outputConfig.textFormat`.
        strict: `strict` on a tool.
        no_force: its error for a forced tool; empty where it takes one.
        tools: any tool.
        thinks: `never`, `asked` (with a budget), `default` (it can be switched off) or `always`.
        budget: a thinking budget.
        efforts: the efforts that it takes.
        effort_in: `outputConfig`, or the field of `additionalModelRequestFields`.
        tiers: the service tiers.
        large: the formats of documents that may be larger than 4.5 MB.

    """

    native: bool = False
    strict: bool = False
    no_force: str = ""
    tools: bool = True
    thinks: str = "never"
    budget: bool = False
    efforts: tuple[str, ...] = ()
    effort_in: str = "outputConfig"
    tiers: tuple[str, ...] = ("default",)
    large: tuple[str, ...] = ()


_NO_FIELD: Final = (
    "This model doesn't support the toolConfig.toolChoice.tool field. Remove toolConfig.toolChoice.tool and try again."
)
_THINKS: Final = f"{_FROM_MODEL}Thinking may not be enabled when tool_choice forces tool use."
_CLAUDE_TIERS: Final = ("default", "reserved")
_FAMILIES: Final = (
    (
        r"anthropic\.claude-(opus-5-5|sonnet-5-5|fable-5|mythos)",
        Family(native=True, strict=True, no_force=_THINKS, thinks="always", efforts=_FIVE, tiers=_CLAUDE_TIERS),
    ),
    (r"anthropic\.claude-haiku-5-5", Family(thinks="default", efforts=_FIVE, tiers=_CLAUDE_TIERS)),
    (
        r"anthropic\.claude-(opus|sonnet)-5\b",
        Family(native=True, strict=True, thinks="default", efforts=_FIVE, tiers=_CLAUDE_TIERS),
    ),
    (
        r"anthropic\.claude-opus-4-[78]",
        Family(thinks="asked", efforts=_FIVE, effort_in="output_config", tiers=_CLAUDE_TIERS),
    ),
    (
        r"anthropic\.claude-(opus|sonnet)-4-6",
        Family(
            native=True,
            strict=True,
            thinks="asked",
            budget=True,
            efforts=("low", "medium", "high", "max"),
            effort_in="output_config",
            tiers=_CLAUDE_TIERS,
        ),
    ),
    (
        r"anthropic\.claude-(opus|sonnet|haiku)-4-5",
        Family(native=True, strict=True, thinks="asked", budget=True, tiers=_CLAUDE_TIERS),
    ),
    (r"anthropic\.claude-(opus-4|sonnet-4|3-7)", Family(thinks="asked", budget=True)),
    (r"anthropic\.", Family()),
    (r"amazon\.nova-2", Family(efforts=("low", "medium", "high"), effort_in="reasoningConfig", tiers=_ALL_TIERS)),
    (r"amazon\.nova-(pro|premier)", Family(tiers=_ALL_TIERS)),
    (
        r"openai\.gpt-oss",
        Family(
            native=True,
            strict=True,
            no_force=_NO_FIELD,
            thinks="always",
            efforts=("low", "medium", "high"),
            effort_in="reasoning_effort",
            tiers=_ALL_TIERS,
        ),
    ),
    (r"deepseek\.r1", Family(no_force=_NO_FIELD, tools=False, thinks="always")),
    (r"(deepseek|qwen)\.", Family(native=True, strict=True, no_force=_NO_FIELD, tiers=_ALL_TIERS)),
    (r"(meta|writer)\.", Family(no_force=_NO_FIELD)),
    (r"(google\.gemma-3-(12|27)|mistral\.(magistral|ministral|mistral-large-3))", Family(native=True, strict=True)),
    (r"", Family()),
)
# https://docs.aws.amazon.com/bedrock/latest/userguide/inference-api-restrictions.html
_LARGE_DOCUMENTS: Final = (
    (r"anthropic\.claude-3", ()),
    (r"anthropic\.", ("pdf",)),
    (r"amazon\.nova", ("pdf", "docx")),
    (r"", ()),
)


def family_of(model: str) -> Family:
    """Return what a foundation model takes; an application inference profile has the defaults."""
    found = next(family for pattern, family in _FAMILIES if re.match(pattern, model))
    return replace(found, large=next(large for pattern, large in _LARGE_DOCUMENTS if re.match(pattern, model)))


def check(family: Family, body: Mapping[str, Any]) -> None:
    """Refuse what the family does not take.

    Raises:
        RefusedError: ValidationException.

    """
    fields = body.get("additionalModelRequestFields") or {}
    _check_tools(family, body.get("toolConfig") or {}, fields)
    _check_thinking(family, body, fields)
    _check_effort(family, (body.get("outputConfig") or {}).get("effort"), fields)
    schema = native_schema(body)
    if schema is not None:
        require(family.native, f"{_FROM_MODEL}output_config.format: {_EXTRA}")
        wrong = violation(schema)
        require(not wrong, f"{_FROM_MODEL}output_config.format.schema: {wrong}")
    tier = (body.get("serviceTier") or {}).get("type")
    require(tier is None or tier in family.tiers, f"The service tier {tier} is not supported for this model.")


def native_schema(body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return the schema of `outputConfig.textFormat` as it was sent; None without one."""
    structure = ((body.get("outputConfig") or {}).get("textFormat") or {}).get("structure") or {}
    return (structure.get("jsonSchema") or {}).get("schema")


def _check_tools(family: Family, config: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    require(family.tools or not config, "This model doesn't support tool use.")
    forced = {"any", "tool"} & (config.get("toolChoice") or {}).keys()
    if forced:
        require(not family.no_force, family.no_force)
        require((fields.get("thinking") or {}).get("type") != "enabled", _THINKS)
    for number, tool in enumerate(config.get("tools") or ()):
        spec = tool.get("toolSpec") or {}
        if spec.get("strict"):
            require(family.strict, f"{_FROM_MODEL}tools.{number}.custom.strict: {_EXTRA}")
            wrong = violation((spec.get("inputSchema") or {}).get("json"))
            require(not wrong, f"{_FROM_MODEL}tools.{number}.custom: {wrong}")


def _check_thinking(family: Family, body: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    thinking = fields.get("thinking") or {}
    kind, budget = thinking.get("type"), thinking.get("budget_tokens")
    unsupported = (
        f'{_FROM_MODEL}"thinking.type.{kind}" is not supported for this model. '
        'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
    )
    require(kind != "disabled" or family.thinks != "always", unsupported)
    if kind == "enabled":
        require(family.budget, unsupported)
        require(
            isinstance(budget, int) and budget >= 1_024,  # noqa: PLR2004 - the vendor's smallest budget
            f"{_FROM_MODEL}thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        )
        most = (body.get("inferenceConfig") or {}).get("maxTokens")
        require(
            most is None or most > budget,
            f"{_FROM_MODEL}`max_tokens` must be greater than `thinking.budget_tokens`.",
        )


def _check_effort(family: Family, effort: str | None, fields: Mapping[str, Any]) -> None:
    if effort is not None:
        require(
            family.efforts and family.effort_in == "outputConfig",
            "This model doesn't support the effort field. Remove effort and try again.",
        )
    given = [
        effort,
        (fields.get("output_config") or {}).get("effort"),
        fields.get("reasoning_effort"),
        (fields.get("reasoningConfig") or {}).get("maxReasoningEffort"),
    ]
    for value in filter(None, given):
        require(family.efforts, f"{_FROM_MODEL}output_config.effort: {_EXTRA}")
        *others, last = (f"'{each}'" for each in family.efforts)
        require(
            value in family.efforts,
            f"{_FROM_MODEL}output_config.effort: Input should be {', '.join(others)} or {last}",
        )
