"""The model port against the stand-in's wire protocol: every way an answer can end, and one request for each."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import MagicMock

import boto3
import pytest
from botocore.config import Config

from analysis_jobs import Defer, Fail, Retry, wiring
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import JobError, Stopped
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.bedrock import BedrockModel
from analysis_jobs.llm.model import Question, Reply, Tool
from cloud.stand_in import StandIn

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


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


@pytest.fixture
def stand_in(server: StandIn) -> StandIn:
    server.reset()
    return server


def _model(url: str, read_timeout_s: float = 5) -> BedrockModel:
    """Return a model whose client is the worker's own, but for the address and the patience."""
    client = boto3.client(
        "bedrock-runtime",
        region_name="eu-west-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=wiring.MODEL_CONFIG.merge(Config(read_timeout=read_timeout_s)),
    )
    return BedrockModel(client)


@pytest.fixture
def model(stand_in: StandIn) -> BedrockModel:
    return _model(stand_in.url)


def _nothing(_piece: str) -> None:
    pass


def test_a_structured_answer_has_the_documents_values_in_the_schemas_shape(
    model: BedrockModel, stand_in: StandIn
) -> None:
    reply = model.ask(STRUCTURED, _nothing, CancellationToken())
    assert reply.data == {"title": "Harbour Lights Festival", "deadline": "2027-03-15"}
    assert (reply.stop_reason, reply.fault) == ("tool_use", None)
    assert len(stand_in.calls(operation="converse-stream")) == len(stand_in.calls()) == 1


def test_a_free_answer_is_text(model: BedrockModel) -> None:
    reply = model.ask(FREE, _nothing, CancellationToken())
    assert "Harbour Lights Festival" in reply.text
    assert (reply.data, reply.stop_reason, reply.fault) == (None, "end_turn", None)


@pytest.mark.parametrize("question", [FREE, STRUCTURED], ids=["free", "structured"])
def test_the_pieces_are_the_answer_in_its_order(model: BedrockModel, stand_in: StandIn, question: Question) -> None:
    stand_in.set(chunk_chars=5)
    pieces: list[str] = []
    reply = model.ask(question, pieces.append, CancellationToken())
    assert "".join(pieces) == reply.text
    assert len(pieces) > 5


def test_the_usage_is_what_the_model_counted(model: BedrockModel, stand_in: StandIn) -> None:
    usage = model.ask(STRUCTURED, _nothing, CancellationToken()).usage
    [call] = stand_in.calls()
    assert usage == Usage(1, call["input_tokens"], call["output_tokens"])
    assert usage.input_tokens > usage.output_tokens > 5


def test_the_request_carries_limits_system_prompt_and_metadata(model: BedrockModel, stand_in: StandIn) -> None:
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


_BEFORE = [
    ("ThrottlingException", Defer, "model_throttled"),
    ("ServiceUnavailableException", Defer, "model_unavailable"),
    ("InternalServerException", Defer, "model_unavailable"),
    ("ModelNotReadyException", Defer, "model_unavailable"),
    ("ServiceQuotaExceededException", Defer, "model_quota_exceeded"),
    ("ModelErrorException", Retry, "model_error"),
    ("ModelStreamErrorException", Retry, "model_error"),
    ("ModelTimeoutException", Retry, "model_timeout"),
    ("ExpiredTokenException", Retry, "model_error"),
    ("ValidationException", Fail, "model_refused_request"),
    ("ResourceNotFoundException", Fail, "model_not_found"),
    ("AccessDeniedException", Fail, "access_denied"),
    ("UnrecognizedClientException", Fail, "access_denied"),
]
_WITHIN = [
    ("throttlingException", Defer, "model_throttled"),
    ("serviceUnavailableException", Defer, "model_unavailable"),
    ("internalServerException", Defer, "model_unavailable"),
    ("modelStreamErrorException", Retry, "model_error"),
    ("validationException", Fail, "model_refused_request"),
]


def _refused(model: BedrockModel, question: Question = STRUCTURED) -> JobError:
    with pytest.raises(JobError) as refused:
        model.ask(question, _nothing, CancellationToken())
    return refused.value


@pytest.mark.parametrize(("name", "kind", "code"), _BEFORE, ids=[case[0] for case in _BEFORE])
def test_an_error_before_the_stream_is_one_request_and_one_decision(
    model: BedrockModel, stand_in: StandIn, name: str, kind: type[JobError], code: str
) -> None:
    stand_in.set(error=name, message="said the model")
    error = _refused(model)
    assert (type(error), error.code, error.message) == (kind, code, f"{name}: said the model")
    assert [call["outcome"] for call in stand_in.calls()] == [name]


@pytest.mark.parametrize(("name", "kind", "code"), _WITHIN, ids=[case[0] for case in _WITHIN])
def test_an_error_within_the_stream_is_decided_as_the_one_before_it(
    model: BedrockModel, stand_in: StandIn, name: str, kind: type[JobError], code: str
) -> None:
    stand_in.set(stream_error=name, message="said the model")
    error = _refused(model)
    spelt = name[0].upper() + name[1:]
    assert (type(error), error.code, error.message) == (kind, code, f"{spelt}: said the model")
    assert len(stand_in.calls()) == 1


@dataclass(frozen=True)
class Break:
    """One way in which an answer breaks off, and what is made of it."""

    scenario: dict[str, Any]
    code: str


_BREAKS = {
    "cut": Break({"cut": "chunked"}, "model_connection"),
    "cut where nothing tells that more was to come": Break({"cut": "unchunked"}, "model_stream_cut"),
    "reset": Break({"cut": "reset"}, "model_connection"),
    "silence within": Break({"stall_s": 30}, "model_timeout"),
    "silence before": Break({"first_token_s": 30}, "model_timeout"),
    "bad checksum": Break({"bad_checksum": True}, "model_connection"),
}


@pytest.mark.parametrize("question", [FREE, STRUCTURED], ids=["free", "structured"])
@pytest.mark.parametrize("case", _BREAKS.values(), ids=_BREAKS)
def test_an_answer_that_breaks_off_is_tried_again_by_the_engine_and_by_nobody_else(
    stand_in: StandIn, case: Break, question: Question
) -> None:
    stand_in.set(**case.scenario)
    # A call whose silence is not cut is answered in the end, and then raises nothing.
    silence_s = 0.5 if case.code == "model_timeout" else 60
    error = _refused(_model(stand_in.url, read_timeout_s=silence_s), question)
    assert (type(error), error.code) == (Retry, case.code)
    assert len(stand_in.calls()) == 1


@pytest.mark.parametrize("after_events", [0, 1, 2, 5])
def test_an_unmarked_cut_is_noticed_anywhere(stand_in: StandIn, model: BedrockModel, after_events: int) -> None:
    stand_in.set(cut="unchunked", after_events=after_events, chunk_chars=5)
    assert _refused(model).code == "model_stream_cut"


def test_a_model_that_cannot_be_reached_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = _refused(_model(f"http://127.0.0.1:{port}"))
    assert (type(error), error.code) == (Retry, "model_connection")
    assert str(port) not in error.message, "addresses are nobody's business"


def test_an_answer_cut_at_max_tokens_is_useless_but_counted(model: BedrockModel) -> None:
    reply = model.ask(replace(STRUCTURED, max_tokens=5), _nothing, CancellationToken())
    assert isinstance(reply.fault, Fail)
    assert (reply.fault.code, reply.data) == ("model_answer_too_long", None)
    assert "max_tokens=5" in reply.fault.message
    assert reply.usage.input_tokens > 0 < reply.usage.output_tokens


def test_an_answer_that_does_not_fit_the_schema_is_handed_on_as_it_is(model: BedrockModel, stand_in: StandIn) -> None:
    stand_in.set(nonsense=True)
    reply = model.ask(STRUCTURED, _nothing, CancellationToken())
    assert reply.fault is None
    assert reply.data is not None
    assert "title" not in reply.data


def test_what_on_chunk_raises_breaks_the_call_off_at_once(model: BedrockModel, stand_in: StandIn) -> None:
    stand_in.set(chunk_s=1, chunk_chars=1)
    pieces: list[str] = []

    def stop(piece: str) -> None:
        pieces.append(piece)
        raise Stopped("the lease is lost")

    with pytest.raises(Stopped):
        model.ask(FREE, stop, CancellationToken())
    assert (len(pieces), len(stand_in.calls())) == (1, 1)
    _until(lambda: stand_in.calls(outcome="caller hung up") != [])  # it did not wait for the rest


def test_the_client_can_ask_again_after_every_kind_of_break(model: BedrockModel, stand_in: StandIn) -> None:
    for scenario in (
        {"cut": "chunked"},
        {"cut": "unchunked"},
        {"bad_checksum": True},
        {"error": "ThrottlingException"},
    ):
        stand_in.set(scenario)
        _refused(model)
        stand_in.set()
        assert model.ask(STRUCTURED, _nothing, CancellationToken()).data is not None


class _Stream:
    """A stream of events that somebody else decoded."""

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
    ],
)
def test_an_answer_that_stopped_for_a_bad_reason_is_no_answer(
    stop_reason: str, kind: type[JobError], code: str
) -> None:
    reply = _answer(FREE, stop_reason, {"text": "I am sor"})
    assert (type(reply.fault), reply.fault and reply.fault.code) == (kind, code)
    assert reply.usage == Usage(1, 7, 3)


@pytest.mark.parametrize("stop_reason", ["end_turn", "stop_sequence", "tool_use", "a reason of next year"])
def test_every_other_reason_to_stop_is_a_good_one(stop_reason: str) -> None:
    assert _answer(FREE, stop_reason, {"text": "Yes."}).fault is None


@pytest.mark.parametrize(
    "text",
    ["", "[1]", '"x"', "null", '{"a": NaN}', '{"a": "\\ud800"}', '{"a": 1}{"a": 2}', "[" * 100_000],
    ids=lambda text: text[:16] or "nothing",
)  # fmt: skip
def test_a_structured_answer_that_is_no_json_object_is_text_without_data(text: str) -> None:
    reply = _answer(STRUCTURED, "tool_use", {"toolUse": {"input": text}})
    assert (reply.data, reply.text, reply.fault) == (None, text, None)


def test_what_the_model_says_beside_its_structured_answer_is_left_out() -> None:
    said = {"text": "Let me see."}
    thought = {"reasoningContent": {"text": "Hm."}}
    used = {"toolUse": {"input": '{"a": 1}'}}
    assert _answer(STRUCTURED, "tool_use", said, thought, used).data == {"a": 1}
    assert _answer(FREE, "end_turn", said, thought, used).text == "Let me see."


def _until(holds: Callable[[], bool], timeout_s: float = 60) -> None:
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.02)
