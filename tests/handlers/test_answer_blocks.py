"""Bedrock's event stream: content blocks in any order, refusals, and missing usage. Gemini's chunks likewise."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from analysis_jobs import Fail, Job, Retry
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.bedrock.answer import read_answer
from analysis_jobs.llm.errors import model_error
from analysis_jobs.llm.model import Question, Reply
from tests.handlers.builders import ScriptedModel, Shop, Value
from tests.handlers.questions import FREE, GOOD, STRUCTURED, Brief

USAGE = {"metadata": {"usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}}}


class Stream:
    """Decoded events. An exception among them is raised."""

    def __init__(self, *events: dict[str, Any] | Exception) -> None:
        self._events = events
        self.closed = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for event in self._events:
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self) -> None:
        self.closed = True


def text(index: int, *pieces: str) -> list[dict[str, Any]]:
    deltas = [{"contentBlockDelta": {"contentBlockIndex": index, "delta": {"text": piece}}} for piece in pieces]
    return [*deltas, {"contentBlockStop": {"contentBlockIndex": index}}]


def thought(index: int, *pieces: str) -> list[dict[str, Any]]:
    deltas = [
        {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"reasoningContent": {"text": piece}}}}
        for piece in pieces
    ]
    return [*deltas, {"contentBlockStop": {"contentBlockIndex": index}}]


def call(index: int, *pieces: str, name: str = "Brief") -> list[dict[str, Any]]:
    start = {"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": f"tooluse_{index}", "name": name}}}
    deltas = [
        {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}}} for piece in pieces
    ]
    return [{"contentBlockStart": start}, *deltas, {"contentBlockStop": {"contentBlockIndex": index}}]


def stop(reason: str = "end_turn", **fields: Any) -> dict[str, Any]:
    return {"messageStop": {"stopReason": reason, **fields}}


def read(question: Question, *events: dict[str, Any] | Exception) -> Reply:
    stream = Stream({"messageStart": {"role": "assistant"}}, *events)
    reply = read_answer(stream, question, lambda _: None)
    assert stream.closed
    return reply


def read_structured(*events: dict[str, Any]) -> Reply:
    return read(STRUCTURED, *events, stop("tool_use"), USAGE)


def test_two_calls_of_the_tool_are_two_objects() -> None:
    reply = read_structured(*call(0, GOOD[:9], GOOD[9:]), *call(1, '{"title": ', '"Emma", "pages": 1}'))
    assert reply.data == {"title": "Dune", "pages": 412}
    assert reply.others == ({"title": "Emma", "pages": 1},)
    assert reply.problem == "Brief was called 2 times, not once"


def test_reasoning_and_text_beside_a_call_are_not_part_of_the_answer() -> None:
    reply = read_structured(*thought(0, '{"title": "no"}'), *text(1, "Let me see."), *call(2, GOOD))
    assert (reply.data, reply.text, reply.others, reply.problem) == (json.loads(GOOD), GOOD, (), "")
    assert read(FREE, *thought(0, "Hm."), *text(1, "It is ", "Dune."), stop(), USAGE).text == "It is Dune."


def test_a_call_of_another_name_counts_only_without_a_call_of_the_tool() -> None:
    other = call(0, '{"title": "Emma", "pages": 1}', name="Summary")
    assert read_structured(*other, *call(1, GOOD)).data == json.loads(GOOD)
    assert read_structured(*other).data == {"title": "Emma", "pages": 1}


def test_a_second_start_of_an_index_is_a_second_call() -> None:
    reply = read_structured(*call(0, '{"title": "Emma"}')[:-1], *call(0, GOOD))
    assert (reply.data, reply.others) == ({"title": "Emma"}, (json.loads(GOOD),))


def test_events_without_an_index_or_a_start_are_read() -> None:
    delta = {"contentBlockDelta": {"delta": {"toolUse": {"input": GOOD}}}}
    assert read(STRUCTURED, delta, stop("tool_use"), USAGE).data == json.loads(GOOD)


@given(data=st.data())
def test_blocks_are_read_by_index_however_their_pieces_interleave(data: st.DataObject) -> None:
    first, second = '{"title": "Dune", "pages": 412}', '{"title": "Emma", "pages": 1}'
    blocks = [thought(0, *"Hm."), text(1, *"See: "), call(2, *first), call(3, *second), text(4, *"Done.")]
    waiting = [list(block) for block in blocks]
    events: list[dict[str, Any]] = []
    while any(waiting):
        chosen = data.draw(st.sampled_from([block for block in waiting if block]))
        events.append(chosen.pop(0))
    reply = read_structured(*events)
    assert (reply.data, reply.others) == (json.loads(first), (json.loads(second),))
    assert read(FREE, *events, stop(), USAGE).text == "See: Done."


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (text(0, "I will not ", "help\nwith that."), "the model refused to answer: I will not help with that."),
        ([], "the model refused to answer"),
        (text(0, "x" * 10_000), "the model refused to answer: " + "x" * 500 + "…"),
    ],
)
@pytest.mark.parametrize("question", [FREE, STRUCTURED], ids=["free", "structured"])
def test_a_refusal_fails_the_job_with_the_models_words(
    question: Question, events: list[dict[str, Any]], message: str
) -> None:
    reply = read(question, *events, stop("refusal"), USAGE)
    assert isinstance(reply.fault, Fail)
    assert (reply.fault.code, reply.fault.message) == ("model_refused", message)
    assert reply.usage == Usage(1, 7, 3)


def test_a_refusal_shows_the_vendors_explanation() -> None:
    details = {"stop_details": {"type": "refusal", "category": "cyber", "explanation": "It could do harm."}}
    reply = read(FREE, stop("refusal", additionalModelResponseFields=details), USAGE)
    assert reply.fault
    assert reply.fault.message == "the model refused to answer: It could do harm."


@pytest.mark.parametrize("events", [[], text(0, ""), text(0, " \n"), thought(0, "Hm.")])
def test_a_complete_answer_without_text_is_an_error(events: list[dict[str, Any]]) -> None:
    fault = read(FREE, *events, stop(), USAGE).fault
    assert isinstance(fault, Retry)
    assert fault.code == "model_answer_empty"


def test_an_unknown_stop_reason_after_half_a_text_is_an_error() -> None:
    fault = read(FREE, *text(0, "The grant is at most "), stop("budget_spent"), USAGE).fault
    assert isinstance(fault, Retry)
    assert fault.code == "model_stop_unknown"
    assert "budget_spent" in fault.message


# Usage


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [{"metadata": {}}],
        [{"metadata": {"metrics": {"latencyMs": 5}}}],
        [{"metadata": {"usage": None}}],
        [{"metadata": {"usage": {}}}],
        [{"metadata": {"usage": {"inputTokens": 7}}}],
        [{"metadata": {"usage": {"inputTokens": None, "outputTokens": None}}}],
        [ProtocolError("Connection broken")],
    ],
    ids=str,
)
def test_an_answer_without_usage_is_kept_and_its_usage_is_an_estimate(metadata: list[Any]) -> None:
    reply = read(STRUCTURED, *call(0, GOOD), stop("tool_use"), *metadata)
    assert (reply.data, reply.fault) == (json.loads(GOOD), None)
    assert (reply.usage.calls, reply.usage.estimated_calls) == (1, 1)
    assert reply.usage.input_tokens > len(FREE.prompt) / 4
    assert reply.usage.output_tokens == len(GOOD) // 4 + 1


def test_the_counts_of_the_cache_may_be_null() -> None:
    usage = {"inputTokens": 7, "outputTokens": 3, "cacheReadInputTokens": None, "cacheWriteInputTokens": 5}
    assert read(FREE, *text(0, "Yes."), stop(), {"metadata": {"usage": usage}}).usage == Usage(1, 7, 3, 0, 5)


def test_a_connection_that_breaks_before_the_stop_is_an_error() -> None:
    with pytest.raises(ProtocolError):
        read(FREE, *text(0, "Yes."), ProtocolError("Connection broken"))


# Repair turns


def _asked(*replies: Reply) -> tuple[ScriptedModel, Shop]:
    def work(job: Job[Any]) -> Value:
        return Value(text=job.ask("Which book?", answer=Brief).title)

    model = ScriptedModel(*replies)
    return model, Shop([work], model)


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        (call(0), "Brief was called without input; title: Field required; pages: Field required"),
        ([*call(0, "{}"), *call(1, "{}")], "Brief was called 2 times, not once; title: Field required"),
        (call(0, "[]"), "the answer is a list of 0 values, not one object\n"),
        (call(0, '{"title": "Du'), "the answer is not valid JSON: EOF"),
        (text(0, "I cannot say."), "the answer is text without a JSON object\n"),
        (call(0, '{"title": "Dune", "pages": 0}'), "It does not fit the schema: pages: Input should be greater"),
    ],
)
def test_a_repair_turn_names_the_real_cause_after_the_unchanged_question(
    events: list[dict[str, Any]], cause: str
) -> None:
    model, shop = _asked(read_structured(*events), read_structured(*call(0, GOOD)))
    assert shop.deliver(shop.keep()).failure is None
    first, second = model.questions
    assert second.prompt.startswith(first.prompt)
    assert cause in second.prompt


def test_the_first_call_that_fits_is_the_answer() -> None:
    model, shop = _asked(read_structured(*call(0, '{"title": "Emma", "pages": 0}'), *call(1, GOOD)))
    job = shop.deliver(shop.keep())
    assert job.result is not None
    assert "Dune" in str(job.result.text)
    assert len(model.questions) == 1


def test_a_list_that_a_field_has_as_json_text_is_parsed() -> None:
    written = json.dumps({"title": "Dune", "pages": 412, "tags": '["sand", "spice"]'})

    def work(job: Job[Any]) -> Value:
        return Value(text=",".join(job.ask("Which book?", answer=Brief).tags))

    shop = Shop([work], ScriptedModel(read_structured(*call(0, written))))
    job = shop.deliver(shop.keep())
    assert job.result is not None
    assert "sand,spice" in str(job.result.text)


def test_two_empty_answers_end_the_attempt_with_their_own_code() -> None:
    _, shop = _asked(*[read_structured()] * 6)
    key = shop.keep(max_attempts=1)
    failure = shop.deliver(key).failure
    assert failure is not None
    assert failure.code == "model_answer_empty"


# Questions that are too long, in the words of real services


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ValidationException", "Input is too long for requested model."),
        ("validationException", "The model returned the following errors: Input is too long for requested model."),
        (
            "ValidationException",
            "The model returned the following errors: prompt is too long: 903884 tokens > 200000 maximum",
        ),
        ("ValidationException", "input length and `max_tokens` exceed context limit: 199000 + 8000 > 200000"),
        ("ValidationException", "too many total text bytes: 12000000 > 9000000"),
        ("ValidationException", "Too many input tokens. Max input tokens: 8192, request input token count: 9279 "),
        ("ValidationException", "Malformed input request: expected maxLength: 50000, actual: 52611, please reformat."),
        (
            "ValidationException",
            "This model's maximum context length is 8192 tokens. Please reduce the length of the prompt",
        ),
        (
            "ValidationException",
            "Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input.",
        ),
        ("ModelErrorException", "Input is too long for requested model."),
        ("INVALID_ARGUMENT", "The input token count (134123) exceeds the maximum number of tokens allowed (131072)."),
        ("INVALID_ARGUMENT", "The input token count exceeds the maximum number of tokens allowed 1048576."),
    ],
)
def test_a_question_that_is_too_long_has_its_own_code(name: str, message: str) -> None:
    error = model_error(name, message)
    assert isinstance(error, Fail)
    assert error.code == "model_context_exceeded"
    assert message in error.message


@pytest.mark.parametrize(
    ("name", "message", "code"),
    [
        ("ThrottlingException", "Too many tokens, please wait before trying again.", "model_throttled"),
        ("ThrottlingException", "Too many input tokens per minute.", "model_throttled"),
        ("RESOURCE_EXHAUSTED", "Quota exceeded: the input token count exceeds your quota.", "model_throttled"),
        (
            "ValidationException",
            "The maximum tokens you requested exceeds the model limit of 64000.",
            "model_refused_request",
        ),
        ("ValidationException", "The document exceeds the maximum size of 4.5 MB.", "model_refused_request"),
        (
            "INVALID_ARGUMENT",
            "Unable to submit request because it has a maxOutputTokens value of 70000 but the range is 1 to 65537.",
            "model_refused_request",
        ),
    ],
)
def test_other_limits_keep_their_codes(name: str, message: str, code: str) -> None:
    assert model_error(name, message).code == code
