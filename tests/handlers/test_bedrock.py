"""Features of Bedrock only: metadata, stop reasons, answers as tool calls. `test_model_contract.py` tests the rest."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock

import pytest

from analysis_jobs import Fail, Retry
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import JobError
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.bedrock.model import BedrockModel
from analysis_jobs.llm.model import Question, Reply, Tool
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.models import bedrock

MODEL_ID = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
DOCUMENT = (
    "Harbour Lights Festival\n\nRequest for Proposals\n\nDeadline: 15 March 2027\n\n"
    "The festival asks for proposals for light installations along the old harbour wall. "
    "Each installation must run for ten nights and must be safe in storms."
)
SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "deadline": {"type": "string", "format": "date"}},
    "required": ["title", "deadline"],
}
FREE = Question(MODEL_ID, f"Summarise.\n<document>\n{DOCUMENT}\n</document>", 1_000)
STRUCTURED = replace(FREE, tool=Tool("Call", "A call for proposals.", SCHEMA))


@pytest.fixture
def model(stand_in: StandIn) -> BedrockModel:
    return bedrock(stand_in.url)


def _nothing(_piece: str) -> None:
    pass


def test_the_pieces_of_a_structured_answer_arrive_in_order(model: BedrockModel, stand_in: StandIn) -> None:
    stand_in.set(chunk_chars=5)
    pieces: list[str] = []
    reply = model.ask(STRUCTURED, pieces.append, CancellationToken())
    assert "".join(pieces) == reply.text
    assert len(pieces) > 5


def test_the_request_has_limits_system_prompt_and_metadata(model: BedrockModel, stand_in: StandIn) -> None:
    model.ask(
        replace(FREE, system="Be brief.", metadata={"job_id": "01m80ep4519qqbn8af6shbwev8"}),
        _nothing,
        CancellationToken(),
    )
    model.ask(FREE, _nothing, CancellationToken())
    with_system, without = stand_in.calls()
    assert with_system["max_tokens"] == 1_000
    assert with_system["metadata"] == {"job_id": "01m80ep4519qqbn8af6shbwev8"}
    assert with_system["input_tokens"] > without["input_tokens"]


def test_labels_have_only_characters_that_bedrock_accepts(model: BedrockModel, stand_in: StandIn) -> None:
    labels = {"analysis": "letters", "stage": "prüfe" + "x" * 300}
    model.ask(replace(FREE, metadata=labels), _nothing, CancellationToken())
    [call] = stand_in.calls()
    assert call["metadata"] == {"analysis": "letters", "stage": "pr_fe" + "x" * 251}


class _Stream:
    """A stream of decoded events."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self._events = events
        self.closed = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from self._events

    def close(self) -> None:
        self.closed = True


def _answer(question: Question, stop_reason: str, *deltas: dict[str, Any]) -> Reply:
    stream = _Stream(
        *({"contentBlockDelta": {"delta": delta}} for delta in deltas),
        {"messageStop": {"stopReason": stop_reason}},
        {"metadata": {"usage": {"inputTokens": 7, "outputTokens": 3}}},
    )

    client = MagicMock()
    client.converse_stream.return_value = {"stream": stream}
    reply = BedrockModel(client).ask(question, _nothing, CancellationToken())
    assert stream.closed
    return reply


@pytest.mark.parametrize(
    ("stop_reason", "kind", "code"),
    [
        ("max_tokens", Fail, "model_answer_too_long"),
        ("model_context_window_exceeded", Fail, "model_context_exceeded"),
        ("guardrail_intervened", Fail, "model_answer_blocked"),
        ("content_filtered", Fail, "model_answer_blocked"),
        ("malformed_model_output", Retry, "model_answer_invalid"),
        ("malformed_tool_use", Retry, "model_answer_invalid"),
        ("refusal", Fail, "model_refused"),
        ("pause_turn", Retry, "model_stop_unknown"),
        ("a reason of next year", Retry, "model_stop_unknown"),
    ],
)
def test_an_answer_with_a_failing_stop_reason_is_an_error(stop_reason: str, kind: type[JobError], code: str) -> None:
    reply = _answer(FREE, stop_reason, {"text": "I am sor"})
    assert (type(reply.fault), reply.fault and reply.fault.code) == (kind, code)
    assert reply.usage == Usage(1, 7, 3)


@pytest.mark.parametrize("stop_reason", ["end_turn", "stop_sequence", "tool_use"])
def test_only_a_stop_reason_of_a_complete_answer_is_accepted(stop_reason: str) -> None:
    assert _answer(FREE, stop_reason, {"text": "Yes."}).fault is None


@pytest.mark.parametrize(
    "text",
    ["[1]", '"x"', "null", '{"a": NaN}', '{"a": "\\ud800"}', '{"a": 1}{"a": 2}', "[" * 100_000],
    ids=lambda text: text[:16],
)  # fmt: skip
def test_a_structured_answer_that_is_not_a_json_object_becomes_text_without_data(text: str) -> None:
    reply = _answer(STRUCTURED, "tool_use", {"toolUse": {"input": text}})
    assert (reply.data, reply.text, reply.fault) == (None, text, None)


def test_text_beside_a_structured_answer_is_dropped() -> None:
    said = {"text": "Let me see."}
    thought = {"reasoningContent": {"text": "Hm."}}
    used = {"toolUse": {"input": '{"a": 1}'}}
    assert _answer(STRUCTURED, "tool_use", said, thought, used).data == {"a": 1}
    assert _answer(FREE, "end_turn", said, thought, used).text == "Let me see."
