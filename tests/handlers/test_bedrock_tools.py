"""Structured answers of models that refuse a forced tool: the fallback request, and answers given as text."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock

import pytest
from botocore.exceptions import ClientError, EventStreamError
from pydantic import BaseModel

from analysis_jobs import Fail, Job
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.bedrock.model import BedrockModel
from analysis_jobs.llm.model import Question, Tool
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.builders import Shop, Value
from tests.handlers.events import logged
from tests.handlers.models import BEDROCK_ID, bedrock

LLAMA = "eu.meta.llama4-scout-17b-instruct-v1:0"  # never forced, according to the table
UNKNOWN = "writer.palmyra-x5-v1:0"  # not in the table; it refuses a native schema and a forced tool
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"  # forced, according to the table
THINKER = "eu.anthropic.claude-sonnet-5-5"
SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "deadline": {"type": "string", "format": "date"}},
    "required": ["title", "deadline"],
}
DOCUMENT = "Harbour Lights Festival\n\nRequest for Proposals\n\nDeadline: 15 March 2027"
QUESTION = Question(
    LLAMA, f"Summarise.\n<document>\n{DOCUMENT}\n</document>", 1_000, tool=Tool("Call", "A call for proposals.", SCHEMA)
)
ANSWER = {"title": "Harbour Lights Festival", "deadline": "2027-03-15"}
NO_FORCE = (
    "This model doesn't support the toolConfig.toolChoice.tool field. Remove toolConfig.toolChoice.tool and try again."
)
THINKS = "The model returned the following errors: Thinking may not be enabled when tool_choice forces tool use."
TEXT = {"contentBlockDelta": {"delta": {"text": '{"a": 1}'}}}
STOP = {"messageStop": {"stopReason": "end_turn"}}
USAGE = {"metadata": {"usage": {"inputTokens": 7, "outputTokens": 3}}}


@pytest.fixture
def model(stand_in: StandIn) -> BedrockModel:
    return bedrock(stand_in.url)


def _nothing(_piece: str) -> None:
    pass


def outcomes(stand_in: StandIn) -> list[str]:
    return [call["outcome"] for call in stand_in.calls()]


def test_a_model_that_refuses_a_forced_tool_is_asked_again_without_force(
    model: BedrockModel, stand_in: StandIn
) -> None:
    with logged() as lines:
        reply = model.ask(replace(QUESTION, model_id=UNKNOWN), _nothing, CancellationToken())
    assert (reply.data, reply.stop_reason, reply.fault) == (ANSWER, "tool_use", None)
    assert outcomes(stand_in) == ["ValidationException", "ValidationException", "ok"]
    paid = stand_in.calls(outcome="ok")[0]
    assert reply.usage == Usage(1, paid["input_tokens"], paid["output_tokens"]), "a refused request costs nothing"
    refused = [line for line in lines if line["event"] == "model.refused"]
    assert [(line["model_id"], line["feature"]) for line in refused] == [
        (UNKNOWN, "native schema"),
        (UNKNOWN, "forced tool"),
    ]


def test_a_refusal_is_remembered_for_its_model_only(model: BedrockModel, stand_in: StandIn) -> None:
    for model_id in (UNKNOWN, UNKNOWN, BEDROCK_ID, UNKNOWN):
        assert model.ask(replace(QUESTION, model_id=model_id), _nothing, CancellationToken()).data == ANSWER
    assert outcomes(stand_in) == ["ValidationException", "ValidationException", "ok", "ok", "ok", "ok"]


def test_a_model_known_to_refuse_is_never_forced(model: BedrockModel, stand_in: StandIn) -> None:
    for model_id in (THINKER, LLAMA):
        assert model.ask(replace(QUESTION, model_id=model_id), _nothing, CancellationToken()).data == ANSWER
    assert outcomes(stand_in) == ["ok", "ok"]


def test_an_answer_as_text_is_parsed_if_it_is_json(model: BedrockModel, stand_in: StandIn) -> None:
    stand_in.set(tool_as_text=True, chunk_chars=7)
    pieces: list[str] = []
    reply = model.ask(QUESTION, pieces.append, CancellationToken())
    assert (reply.data, reply.stop_reason) == (ANSWER, "end_turn")
    assert reply.text == "".join(pieces)
    assert reply.text.startswith("Here is the answer:")


def test_an_error_unrelated_to_the_tool_causes_no_second_request(model: BedrockModel, stand_in: StandIn) -> None:
    stand_in.set(error="ValidationException", message="Input is too long for requested model.")
    with pytest.raises(Fail, match="model_context_exceeded"):
        model.ask(replace(QUESTION, model_id=BEDROCK_ID), _nothing, CancellationToken())
    assert outcomes(stand_in) == ["ValidationException"]


def test_a_model_that_refuses_both_requests_is_asked_only_twice(model: BedrockModel, stand_in: StandIn) -> None:
    stand_in.set(error="ValidationException", message=NO_FORCE)
    for _ in range(2):
        with pytest.raises(Fail, match="model_refused_request"):
            model.ask(replace(QUESTION, model_id=HAIKU), _nothing, CancellationToken())
    assert len(stand_in.calls()) == 3, "the second question already skips the forced tool"


class Read(BaseModel):
    title: str
    deadline: str


def test_a_job_repairs_a_text_answer_in_its_repair_turn(model: BedrockModel, stand_in: StandIn) -> None:
    def read(job: Job[Any]) -> Value:
        stand_in.set(nonsense=True, tool_as_text=True, times=1)
        return Value(text=job.ask(QUESTION.prompt, answer=Read, model_id=LLAMA).title)

    shop = Shop([read], model)  # type: ignore[arg-type]
    job = shop.deliver(shop.keep())
    assert (job.failure, job.attempt) == (None, 1)
    assert outcomes(stand_in) == ["ok", "ok"]
    assert job.usage.calls == 2, "the answer and its repair"


class _Stream:
    def __init__(self, *events: dict[str, Any] | Exception) -> None:
        self._events = events

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for event in self._events:
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self) -> None:
        pass


def _asked(*answers: Any, question: Question = QUESTION) -> tuple[MagicMock, Callable[[], Any]]:
    client = MagicMock()
    client.converse_stream.side_effect = answers
    return client.converse_stream, lambda: BedrockModel(client).ask(question, _nothing, CancellationToken())


def _refusal(message: str, kind: type[ClientError] = ClientError, code: str = "ValidationException") -> ClientError:
    return kind({"Error": {"Code": code, "Message": message}}, "ConverseStream")


@pytest.mark.parametrize(
    "refusal",
    [
        _refusal(NO_FORCE),
        _refusal(THINKS),
        _refusal("tool_choice: this model does not support forced tool use"),
        {"stream": _Stream(_refusal(THINKS, EventStreamError, "validationException"))},
    ],
    ids=["no field", "thinking", "forced", "within the stream"],
)
def test_each_known_refusal_causes_one_more_request(refusal: Any) -> None:
    answer = {"stream": _Stream(TEXT, STOP, USAGE)}
    request, ask = _asked(refusal, answer, question=replace(QUESTION, model_id=HAIKU))
    assert ask().data == {"a": 1}
    first, second = (call.kwargs for call in request.call_args_list)
    assert first["toolConfig"]["toolChoice"] == {"tool": {"name": "Call"}}
    assert "system" not in first
    assert second["toolConfig"] == {"tools": first["toolConfig"]["tools"]}, "the second request does not force a tool"
    assert "calling the tool Call exactly once" in second["system"][0]["text"]
    assert {**second, "toolConfig": 0, "system": 0} == {**first, "toolConfig": 0, "system": 0}, (
        "the rest of the request is unchanged"
    )


def test_the_system_prompt_comes_before_the_tool_instruction() -> None:
    stream = {"stream": _Stream(TEXT, STOP, USAGE)}
    request, ask = _asked(stream, question=replace(QUESTION, system="Be brief."))
    ask()
    said = [block["text"] for block in request.call_args.kwargs["system"]]
    assert (len(said), said[0]) == (2, "Be brief.")


def test_a_question_without_a_tool_is_never_asked_again() -> None:
    request, ask = _asked(_refusal(NO_FORCE), question=replace(QUESTION, tool=None))
    with pytest.raises(Fail):
        ask()
    assert request.call_count == 1
    assert "system" not in request.call_args.kwargs


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Here:\n```json\n{"a": {"b": 1}}\n```\nDone.', {"a": {"b": 1}}),
        ('```\n{"a": 1}\n```', {"a": 1}),
        ('It is {"a": 1}, I think.', None),
        ("```json\n[1]\n```", None),
        ("I cannot say.", None),
        ("", None),
    ],
)
def test_text_that_is_not_json_is_left_to_the_repair_turn(text: str, data: Any) -> None:
    stream = _Stream({"contentBlockDelta": {"delta": {"text": text}}}, STOP, USAGE)
    _, ask = _asked({"stream": stream}, question=replace(QUESTION, model_id=THINKER))
    reply = ask()
    assert (reply.data, reply.text, reply.fault, reply.usage) == (data, text, None, Usage(1, 7, 3))
