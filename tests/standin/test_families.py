"""The stand-in plays each family of models: what it takes, and the refusals that the vendors document."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.standin.asking import BRIEF, Ask, document, input_of, names_of, streamed, text_of, tool

OPUS_5_5 = "eu.anthropic.claude-opus-5-5"
HAIKU_5_5 = "eu.anthropic.claude-haiku-5-5"
SONNET_4_5 = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
SONNET_4_6 = "eu.anthropic.claude-sonnet-4-6"
OPUS_4_8 = "eu.anthropic.claude-opus-4-8"
NOVA = "amazon.nova-pro-v1:0"
DEEPSEEK_R1 = "deepseek.r1-v1:0"
CLOSED = {**BRIEF, "additionalProperties": False}


def native(schema: Any) -> dict[str, Any]:
    definition = {"schema": schema if isinstance(schema, str) else json.dumps(schema), "name": "Brief"}
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    config = tool(schema, forced=False)
    config["tools"][0]["toolSpec"]["strict"] = True
    return config


def thinking(tokens: int) -> dict[str, Any]:
    return {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": tokens}}}


def effort(value: str) -> dict[str, Any]:
    return {"outputConfig": {"effort": value}}


TAKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "a native schema": (OPUS_5_5, {"outputConfig": native(CLOSED)}),
    "a strict tool": (SONNET_4_5, {"toolConfig": strict(CLOSED)}),
    "an effort": (HAIKU_5_5, effort("xhigh")),
    "an effort as the model's field": (
        OPUS_4_8, {"additionalModelRequestFields": {"output_config": {"effort": "max"}}}),
    "a budget": (SONNET_4_5, {**thinking(1_024), "inferenceConfig": {"maxTokens": 2_000}}),
    "a tier": (NOVA, {"serviceTier": {"type": "flex"}}),
}  # fmt: skip

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a native schema of a model without it": (HAIKU_5_5, {"outputConfig": native(CLOSED)}, "output_config.format"),
    "a strict tool of a model without it": (OPUS_4_8, {"toolConfig": strict(CLOSED)}, "custom.strict: Extra inputs"),
    "an open object": (OPUS_5_5, {"outputConfig": native(BRIEF)}, "must be explicitly set to false"),
    "an open object of a strict tool": (OPUS_5_5, {"toolConfig": strict(BRIEF)}, "must be explicitly set to false"),
    "no JSON": (OPUS_5_5, {"outputConfig": native("{")}, "not valid JSON"),
    "a forced tool": (OPUS_5_5, {"toolConfig": tool(BRIEF)}, "when tool_choice forces tool use"),
    "a forced tool while it thinks": (
        SONNET_4_5, {**thinking(1_024), "toolConfig": tool(BRIEF)}, "when tool_choice forces tool use"),
    "any tool": (DEEPSEEK_R1, {"toolConfig": tool(BRIEF, forced=False)}, "doesn't support tool use"),
    "a budget of a model that takes none": (OPUS_5_5, thinking(2_000), '"thinking.type.enabled" is not supported'),
    "thinking switched off": (
        OPUS_5_5,
        {"additionalModelRequestFields": {"thinking": {"type": "disabled"}}},
        '"thinking.type.disabled" is not supported',
    ),
    "too small a budget": (SONNET_4_5, thinking(100), "greater than or equal to 1024"),
    "a budget of all tokens": (
        SONNET_4_5, {**thinking(2_000), "inferenceConfig": {"maxTokens": 2_000}}, "must be greater than"),
    "an effort where it is no field": (OPUS_4_8, effort("low"), "doesn't support the effort field"),
    "an effort of a model without it": (SONNET_4_5, effort("low"), "doesn't support the effort field"),
    "an unknown effort": (
        SONNET_4_6,
        {"additionalModelRequestFields": {"output_config": {"effort": "xhigh"}}},
        "Input should be 'low', 'medium', 'high' or 'max'",
    ),
    "a tier of a model without it": (OPUS_5_5, {"serviceTier": {"type": "flex"}}, "tier flex is not supported"),
}  # fmt: skip


def _asks(ask: Ask, model: str) -> Ask:
    return Ask(ask.bedrock, model)


@pytest.mark.parametrize("case", TAKEN)
def test_a_family_takes_what_its_vendor_documents(ask: Ask, case: str) -> None:
    model, request = TAKEN[case]
    assert _asks(ask, model).whole(document("museum"), **request)["stopReason"] in ("end_turn", "tool_use")


@pytest.mark.parametrize("case", REFUSED)
def test_a_family_refuses_what_its_vendor_documents(ask: Ask, case: str) -> None:
    model, request, words = REFUSED[case]
    with pytest.raises(ClientError) as refused:
        _asks(ask, model).whole(document("museum"), **request)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert words in refused.value.response["Error"].get("Message", "")


@pytest.mark.parametrize(
    "field",
    [
        {"type": "string", "maxLength": 5},
        {"type": "string", "pattern": "^a"},
        {"type": "integer", "minimum": 1},
        {"type": "array", "items": {"type": "string"}, "minItems": 2},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        {"type": "string", "format": "binary"},
        {"oneOf": [{"type": "string"}, {"type": "null"}]},
        {"enum": [{"a": 1}]},
        {"$ref": "#/$defs/Missing"},
        {"title": "Anything"},
        True,
    ],
    ids=str,
)
def test_a_keyword_outside_of_the_subset_is_refused(ask: Ask, field: Any) -> None:
    schema = {**CLOSED, "properties": {"summary": field}}
    with pytest.raises(ClientError, match="ValidationException"):
        _asks(ask, OPUS_5_5).whole(outputConfig=native(schema))


def test_a_schema_that_refers_to_itself_is_refused(ask: Ask) -> None:
    node = {**CLOSED, "properties": {"summary": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}}
    with pytest.raises(ClientError, match="Circular reference"):
        _asks(ask, OPUS_5_5).whole(outputConfig=native({**node, "$defs": {"Node": node}}))


def test_both_operations_answer_a_native_schema_with_the_same_text(ask: Ask) -> None:
    asks = _asks(ask, OPUS_5_5)
    whole = asks.whole(document("museum"), outputConfig=native(CLOSED))
    events = asks.events(document("museum"), outputConfig=native(CLOSED))
    assert whole["stopReason"] == "end_turn"
    assert json.loads(text_of(whole))["summary"].startswith("Digital Archive for the Harbour Museum.")
    assert input_of(events) == json.loads(text_of(whole))


def test_a_model_that_always_thinks_sends_a_block_without_text_first(ask: Ask) -> None:
    events = _asks(ask, OPUS_5_5).events(document("museum"))
    deltas = [event["contentBlockDelta"] for event in events if "contentBlockDelta" in event]
    assert [*deltas[0]["delta"]] == ["reasoningContent"]
    assert {delta["contentBlockIndex"] for delta in deltas[1:]} == {1}
    assert names_of(events)[-2:] == ["messageStop", "metadata"]
    assert "Harbour Museum" in streamed(events)


def test_a_schema_in_the_system_prompt_is_answered_with_json(ask: Ask) -> None:
    said = [{"text": f"Answer in JSON. It must fit this JSON schema:\n{json.dumps(BRIEF)}"}]
    answer = _asks(ask, DEEPSEEK_R1).whole(document("museum"), system=said)
    assert json.loads(text_of(answer)).keys() == {"summary"}


def test_a_scenario_finds_a_native_schema_by_its_name(ask: Ask, stand_in: StandIn) -> None:
    stand_in.set(tool="Brief", answer={"summary": "Scripted."})
    answer = _asks(ask, OPUS_5_5).whole(document("museum"), outputConfig=native({**CLOSED, "title": "Other"}))
    assert json.loads(text_of(answer)) == {"summary": "Scripted."}


def test_a_schema_is_compiled_at_its_first_use_only(ask: Ask, stand_in: StandIn) -> None:
    stand_in.set(compile_s=0.05)
    for schema in (CLOSED, CLOSED, {**CLOSED, "description": "Another schema."}):
        _asks(ask, OPUS_5_5).whole(document("museum"), outputConfig=native(schema))
    assert [call["compiled"] for call in stand_in.calls()] == [True, False, True]


def test_the_log_has_the_service_tier(ask: Ask, stand_in: StandIn) -> None:
    _asks(ask, NOVA).whole(serviceTier={"type": "flex"})
    assert [call["tier"] for call in stand_in.calls()] == ["flex"]
