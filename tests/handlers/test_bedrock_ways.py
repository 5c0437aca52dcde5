"""The ways to a structured answer on Bedrock: their order, what a refusal teaches, and what each family is sent."""

import json
from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock

import pytest
from botocore.exceptions import ClientError
from pydantic import BaseModel

from analysis_jobs import Fail
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.llm.bedrock.model import BedrockModel
from analysis_jobs.llm.model import Question, Reply, Tool
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.models import bedrock

OPUS_5_5 = "eu.anthropic.claude-opus-5-5"
SONNET_5_5 = "eu.anthropic.claude-sonnet-5-5"
HAIKU_5_5 = "eu.anthropic.claude-haiku-5-5"
OPUS_4_8 = "eu.anthropic.claude-opus-4-8"
SONNET_4_6 = "eu.anthropic.claude-sonnet-4-6"
SONNET_4_5 = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU_3 = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA = "amazon.nova-pro-v1:0"
DEEPSEEK_R1 = "deepseek.r1-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"
QWEN = "qwen.qwen3-32b-v1:0"
LLAMA = "eu.meta.llama4-scout-17b-instruct-v1:0"
PALMYRA = "writer.palmyra-x5-v1:0"
DOCUMENT = "Harbour Lights Festival\n\nRequest for Proposals\n\nDeadline: 15 March 2027"
SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string", "maxLength": 80}, "deadline": {"type": "string", "format": "date"}},
    "required": ["title", "deadline"],
}
ANSWER = {"title": "Harbour Lights Festival", "deadline": "2027-03-15"}
QUESTION = Question(
    OPUS_5_5, f"Summarise.\n<document>\n{DOCUMENT}\n</document>", 2_000, tool=Tool("Call", "A call.", SCHEMA)
)
STOP = {"messageStop": {"stopReason": "end_turn"}}
USAGE = {"metadata": {"usage": {"inputTokens": 7, "outputTokens": 3}}}
MODEL_SAYS = "The model returned the following errors: "


class Node(BaseModel):
    name: str
    children: list["Node"] = []


RECURSIVE = {**Node.model_json_schema()["$defs"]["Node"], **Node.model_json_schema()}
RECURSIVE.pop("$ref")


@pytest.fixture
def model(stand_in: StandIn) -> BedrockModel:
    return bedrock(stand_in.url)


def ask(model: BedrockModel, question: Question) -> Reply:
    return model.ask(question, lambda _piece: None, CancellationToken())


def outcomes(stand_in: StandIn) -> list[str]:
    return [call["outcome"] for call in stand_in.calls()]


class Client:
    """A client that answers in order, and keeps what it was sent."""

    def __init__(self, *answers: str | None, text: str = '{"a": 1}') -> None:
        self.sent: list[dict[str, Any]] = []
        self._text = {"contentBlockDelta": {"delta": {"text": text}}}
        self._answers = list(answers)
        self.port = MagicMock()
        self.port.converse_stream.side_effect = self._answer

    def _answer(self, **arguments: Any) -> dict[str, Any]:
        self.sent.append(arguments)
        refusal = self._answers.pop(0) if self._answers else None
        if refusal:
            raise ClientError({"Error": {"Code": "ValidationException", "Message": refusal}}, "ConverseStream")
        stream = MagicMock()
        stream.__iter__.return_value = iter([self._text, STOP, USAGE])
        return {"stream": stream}

    def ask(self, question: Question) -> Reply:
        return ask(self.model, question)

    @property
    def model(self) -> BedrockModel:
        if not hasattr(self, "_model"):
            self._model = BedrockModel(self.port)
        return self._model

    @property
    def ways(self) -> list[str]:
        return [way_of(arguments) for arguments in self.sent]


def way_of(arguments: dict[str, Any]) -> str:
    """Return how a request asks for its answer."""
    if "textFormat" in arguments.get("outputConfig", {}):
        return "native"
    if "toolConfig" in arguments:
        strict = arguments["toolConfig"]["tools"][0]["toolSpec"].get("strict", False)
        forced = "toolChoice" in arguments["toolConfig"]
        return f"{'strict ' if strict else ''}{'forced' if forced else 'offered'} tool"
    system = "".join(block["text"] for block in arguments.get("system", ()))
    return "words" if "JSON schema" in system else "text"


FIRST_WAYS = {
    OPUS_5_5: "native",
    SONNET_5_5: "native",
    HAIKU_5_5: "forced tool",
    "eu.anthropic.claude-opus-5": "native",
    OPUS_4_8: "forced tool",
    SONNET_4_5: "native",
    HAIKU_3: "forced tool",
    NOVA: "forced tool",
    LLAMA: "offered tool",
    QWEN: "native",
    GPT_OSS: "native",
    DEEPSEEK_R1: "words",
}
RECURSIVE_WAYS = {OPUS_5_5: "offered tool", SONNET_4_5: "forced tool", HAIKU_5_5: "forced tool", DEEPSEEK_R1: "words"}


@pytest.mark.parametrize(("model_id", "way"), FIRST_WAYS.items())
def test_a_known_family_is_asked_in_its_best_way_at_once(
    model: BedrockModel, stand_in: StandIn, model_id: str, way: str
) -> None:
    client = Client()
    client.ask(replace(QUESTION, model_id=model_id))
    assert client.ways == [way]
    assert ask(model, replace(QUESTION, model_id=model_id)).data == ANSWER
    assert outcomes(stand_in) == ["ok"], "the stand-in takes it too"


@pytest.mark.parametrize(("model_id", "way"), RECURSIVE_WAYS.items())
def test_a_schema_that_does_not_fit_the_subset_takes_the_next_way(
    model: BedrockModel, stand_in: StandIn, model_id: str, way: str
) -> None:
    question = replace(QUESTION, model_id=model_id, tool=Tool("Node", "A node.", RECURSIVE))
    client = Client()
    client.ask(question)
    assert client.ways == [way]
    assert Node.model_validate(ask(model, question).data)
    assert outcomes(stand_in) == ["ok"]


def test_a_native_schema_is_a_json_text_in_the_subset_with_the_rules_in_words() -> None:
    client = Client()
    client.ask(QUESTION)
    definition = client.sent[0]["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert (definition["name"], definition["description"]) == ("Call", "A call.")
    schema = json.loads(definition["schema"])
    assert schema["additionalProperties"] is False
    assert schema["properties"]["title"] == {"type": "string", "description": "maxLength: 80"}
    assert "toolConfig" not in client.sent[0]
    assert "system" not in client.sent[0]


def test_words_contain_the_whole_schema_after_the_system_prompt() -> None:
    client = Client()
    client.ask(replace(QUESTION, model_id=DEEPSEEK_R1, system="Be brief."))
    first, second = (block["text"] for block in client.sent[0]["system"])
    assert first == "Be brief."
    assert json.loads(second.partition("JSON schema:\n")[2]) == SCHEMA


def test_a_refused_native_schema_falls_to_the_strict_tool_and_then_to_a_plain_one() -> None:
    client = Client(
        f"{MODEL_SAYS}output_config.format: Extra inputs are not permitted",
        f"{MODEL_SAYS}tools.0.custom.strict: Extra inputs are not permitted",
    )
    assert client.ask(replace(QUESTION, model_id=SONNET_4_5)).data == {"a": 1}
    client.ask(replace(QUESTION, model_id=SONNET_4_5, tool=Tool("Other", "Another.", {**SCHEMA, "title": "Other"})))
    assert client.ways == ["native", "strict forced tool", "forced tool", "forced tool"]


def test_an_unknown_model_is_tried_in_every_way_until_one_is_taken(model: BedrockModel, stand_in: StandIn) -> None:
    client = Client(
        "This model doesn't support the outputConfig.textFormat field. Remove it and try again.",
        "This model doesn't support the toolConfig.toolChoice.tool field. Remove toolConfig.toolChoice.tool.",
        "This model doesn't support tool use.",
    )
    client.ask(replace(QUESTION, model_id="new.model-v1:0"))
    client.ask(replace(QUESTION, model_id="new.model-v1:0"))
    assert client.ways == ["native", "forced tool", "offered tool", "words", "words"]
    assert ask(model, replace(QUESTION, model_id=PALMYRA)).data == ANSWER
    assert outcomes(stand_in)[-1] == "ok"


@pytest.mark.parametrize(("model_id", "second"), [("new.model-v1:0", "forced tool"), (OPUS_5_5, "native")])
def test_an_unknown_model_that_ignores_the_schema_is_asked_in_the_next_way(model_id: str, second: str) -> None:
    client = Client(text="I think it is a call for proposals.")
    for _ in range(2):
        assert client.ask(replace(QUESTION, model_id=model_id)).data is None
    assert client.ways == ["native", second]


@pytest.mark.parametrize(
    "refusal",
    [
        "output_config.format.schema: Circular reference detected in schema definitions: Node",
        "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
        "Schema is too complex for compilation.",
        "The compiled grammar is too large.",
    ],
)
def test_a_refused_schema_is_remembered_for_this_schema_only(refusal: str) -> None:
    client = Client(f"{MODEL_SAYS}{refusal}")
    other = replace(QUESTION, tool=Tool("Other", "Another.", {**SCHEMA, "title": "Other"}))
    for question in (QUESTION, QUESTION, other):
        client.ask(question)
    assert client.ways == ["native", "strict offered tool", "strict offered tool", "native"]


def test_a_refusal_of_one_model_teaches_nothing_about_another() -> None:
    client = Client(f"{MODEL_SAYS}output_config.format: Extra inputs are not permitted")
    client.ask(QUESTION)
    client.ask(replace(QUESTION, model_id=SONNET_5_5))
    assert client.ways == ["native", "strict offered tool", "native"]


@pytest.mark.parametrize(
    "message",
    [
        "Input is too long for requested model.",
        "The tool Call at toolConfig.tools.0 has a name that is too long",
        "messages.0.content.1.document: The document is encrypted",
        "max_tokens: 200000 > 128000, which is the maximum allowed number of output tokens",
    ],
)
def test_a_refusal_of_something_else_is_raised_after_one_request(message: str) -> None:
    for model_id in (OPUS_5_5, SONNET_4_5, HAIKU_3, LLAMA, DEEPSEEK_R1):
        client = Client(message)
        with pytest.raises(Fail):
            client.ask(replace(QUESTION, model_id=model_id))
        assert len(client.sent) == 1
        client.ask(replace(QUESTION, model_id=model_id))
        assert client.ways[0] == client.ways[1], "nothing was learned"


def test_a_model_that_refuses_everything_is_asked_a_limited_number_of_times() -> None:
    every = "output_config, strict, tool_choice, this model doesn't support tool use, schema"
    client = Client(*[every] * 20)
    with pytest.raises(Fail, match="model_refused_request"):
        client.ask(replace(QUESTION, model_id=SONNET_4_5))
    assert len(client.sent) == len(set(map(str, client.sent))) == 5
    assert client.ways[-1] == "words"


# Effort, thinking, tier


@pytest.mark.parametrize(
    ("model_id", "effort", "where"),
    [
        (OPUS_5_5, "xhigh", {"outputConfig": {"effort": "xhigh"}}),
        (HAIKU_5_5, "low", {"outputConfig": {"effort": "low"}}),
        (SONNET_4_6, "max", {"additionalModelRequestFields": {"output_config": {"effort": "max"}}}),
        (OPUS_4_8, "high", {"additionalModelRequestFields": {"output_config": {"effort": "high"}}}),
        (GPT_OSS, "low", {"additionalModelRequestFields": {"reasoning_effort": "low"}}),
        (
            "eu.amazon.nova-2-lite-v1:0",
            "medium",
            {"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}},
        ),
        ("new.model-v1:0", "high", {"outputConfig": {"effort": "high"}}),
    ],
)
def test_the_effort_goes_where_the_family_takes_it(model_id: str, effort: Any, where: dict[str, Any]) -> None:
    client = Client()
    client.ask(replace(QUESTION, model_id=model_id, effort=effort, tool=None))
    sent = client.sent[0]
    assert {name: sent[name] for name in ("outputConfig", "additionalModelRequestFields") if name in sent} == where


@pytest.mark.parametrize("model_id", [OPUS_5_5, HAIKU_5_5, OPUS_4_8, SONNET_4_6, GPT_OSS])
def test_the_stand_in_takes_the_effort_in_each_familys_field(
    model: BedrockModel, stand_in: StandIn, model_id: str
) -> None:
    assert ask(model, replace(QUESTION, model_id=model_id, effort="low")).data == ANSWER
    assert outcomes(stand_in) == ["ok"]


def test_a_refused_effort_field_is_sent_as_a_field_of_the_model() -> None:
    client = Client("This model doesn't support the effort field. Remove effort and try again.")
    for _ in range(2):
        client.ask(replace(QUESTION, effort="high"))
    assert ["effort" in sent["outputConfig"] for sent in client.sent] == [True, False, False]
    fields = [sent.get("additionalModelRequestFields") for sent in client.sent]
    assert fields == [None, *[{"output_config": {"effort": "high"}}] * 2]
    assert client.ways == ["native"] * 3, "the refusal is not about the schema"


def test_a_thinking_budget_is_reserved_beside_the_answer_and_forces_no_tool(
    model: BedrockModel, stand_in: StandIn
) -> None:
    client = Client()
    question = replace(QUESTION, model_id="eu.anthropic.claude-sonnet-4-20250514-v1:0", thinking_tokens=3_000)
    client.ask(question)
    assert client.sent[0]["inferenceConfig"] == {"maxTokens": 5_000}
    assert client.sent[0]["additionalModelRequestFields"] == {"thinking": {"type": "enabled", "budget_tokens": 3_000}}
    assert client.ways == ["offered tool"]
    assert ask(model, question).data == ANSWER
    assert [call["max_tokens"] for call in stand_in.calls()] == [5_000]


def test_the_tier_is_sent_and_a_question_without_options_is_sent_without_fields(
    model: BedrockModel, stand_in: StandIn
) -> None:
    client = Client()
    client.ask(replace(QUESTION, model_id=NOVA, tier="flex"))
    client.ask(replace(QUESTION, model_id=NOVA))
    assert [sent.get("serviceTier") for sent in client.sent] == [{"type": "flex"}, None]
    assert client.sent[1].keys() == {"modelId", "messages", "inferenceConfig", "toolConfig"}
    ask(model, replace(QUESTION, model_id=NOVA, tier="flex"))
    assert [call["tier"] for call in stand_in.calls()] == ["flex"]
