"""What Gemini's chunks become: the answer, its usage, or an error."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.genai import types

from analysis_jobs import Fail, Retry
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.gemini import answer as gemini_answer
from analysis_jobs.llm.model import Question, Reply
from tests.handlers.questions import FREE, GOOD, STRUCTURED


def chunk(*parts: dict[str, Any], finish: str = "", usage: dict[str, int] | None = None, **fields: Any) -> Any:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish:
        candidate["finish_reason"] = finish
    content = {"candidates": [candidate], "usage_metadata": usage, **fields}
    return types.GenerateContentResponse.model_validate(content)


def read_gemini(question: Question, *chunks: Any) -> Reply:
    return gemini_answer.read_answer(iter(chunks), question, lambda _: None)


COUNTED = {
    "prompt_token_count": 9,
    "cached_content_token_count": 4,
    "candidates_token_count": 3,
    "thoughts_token_count": 2,
}


def test_gemini_thoughts_are_not_part_of_the_answer_and_cached_tokens_are_counted() -> None:
    reply = read_gemini(
        STRUCTURED,
        chunk({"text": "Hm.", "thought": True}),
        chunk({"text": GOOD[:5]}, {"text": GOOD[5:]}),
        chunk(finish="STOP", usage=COUNTED),
    )
    assert (reply.data, reply.fault, reply.usage) == (json.loads(GOOD), None, Usage(1, 5, 5, 4))


def test_the_model_that_answered_is_named() -> None:
    chunks = [chunk({"text": "Du"}, model_version="gemini-2.5-flash-001"), chunk({"text": "ne."}, finish="STOP")]
    assert read_gemini(FREE, *chunks).model == "gemini-2.5-flash-001"


@pytest.mark.parametrize("usage", [None, {}, {"total_token_count": 9}, {"prompt_token_count": 9}])
def test_a_gemini_answer_without_usage_is_kept_and_its_usage_is_an_estimate(usage: dict[str, int] | None) -> None:
    reply = read_gemini(FREE, chunk({"text": "It is Dune."}, finish="STOP", usage=usage))
    assert (reply.text, reply.fault) == ("It is Dune.", None)
    assert reply.usage.estimated_calls == 1
    assert reply.usage.input_tokens > 0 < reply.usage.output_tokens


@pytest.mark.parametrize("fields", [{"candidates": []}, {"candidates": None}])
def test_a_gemini_answer_without_candidates_is_empty(fields: dict[str, Any]) -> None:
    reply = read_gemini(FREE, chunk(usage={"prompt_token_count": 9}, **fields))
    assert isinstance(reply.fault, Retry)
    assert (reply.fault.code, reply.usage.input_tokens) == ("model_answer_empty", 9)


def test_a_candidate_without_content_is_an_empty_answer() -> None:
    empty = types.GenerateContentResponse.model_validate({"candidates": [{"finish_reason": "STOP"}]})
    fault = read_gemini(FREE, empty).fault
    assert fault
    assert fault.code == "model_answer_empty"


def test_only_the_first_candidate_is_the_answer() -> None:
    second = {"content": {"parts": [{"text": "no"}]}, "index": 1}
    first = {"content": {"parts": [{"text": "yes"}]}, "index": 0, "finish_reason": "STOP"}
    both = types.GenerateContentResponse.model_validate({"candidates": [second, first]})
    assert read_gemini(FREE, both).text == "yes"


def test_a_gemini_refusal_has_the_models_words() -> None:
    reply = read_gemini(FREE, chunk({"text": "I will not."}), chunk(finish="SAFETY", usage=COUNTED))
    assert isinstance(reply.fault, Fail)
    assert (reply.fault.code, reply.fault.message) == ("model_refused", "the model refused to answer: I will not.")


def test_a_blocked_question_shows_the_vendors_message() -> None:
    feedback = {"block_reason": "JAILBREAK", "block_reason_message": "It looks like an attack."}
    reply = read_gemini(FREE, chunk(candidates=None, prompt_feedback=feedback))
    assert reply.fault
    assert reply.fault.code == "model_answer_blocked"
    assert "JAILBREAK: It looks like an attack." in reply.fault.message


def test_a_gemini_connection_that_breaks_after_the_finish_reason_keeps_the_answer() -> None:
    def chunks() -> Iterator[Any]:
        yield chunk({"text": "It is Dune."}, finish="STOP")
        raise OSError("reset")

    reply = gemini_answer.read_answer(chunks(), FREE, lambda _: None, broken=(OSError,))
    assert (reply.text, reply.fault, reply.usage.estimated_calls) == ("It is Dune.", None, 1)
