"""Reads the event stream of Bedrock's `ConverseStream` into a reply."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from analysis_jobs.base.errors import Fail, JobError, Retry
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.model import Question, Reply, json_object

# By stop reason: the fault that makes the answer unusable. Other stop reasons are not faults.
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_MessageStopEvent.html
_FAULTS: dict[str, tuple[type[JobError], str, str]] = {
    "max_tokens": (Fail, "model_answer_too_long", "the answer did not fit into max_tokens={max_tokens}"),
    "model_context_window_exceeded": (
        Fail,
        "model_context_exceeded",
        "the question and the answer together exceed the model's context window",
    ),
    "guardrail_intervened": (Fail, "model_answer_blocked", "a guardrail blocked the question or the answer"),
    "content_filtered": (Fail, "model_answer_blocked", "the model's content filter blocked the answer"),
    "malformed_model_output": (Retry, "model_answer_invalid", "the model's answer was malformed"),
    "malformed_tool_use": (Retry, "model_answer_invalid", "the model's structured answer was malformed"),
}
_FENCED_JSON = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)


def read_answer(stream: Any, question: Question, on_chunk: Callable[[str], None]) -> Reply:
    """Read the whole stream. Raises `Retry` with the code `model_stream_cut` if it ends before `messageStop`."""
    pieces: list[str] = []
    tool_input: list[str] = []
    stop_reason = None
    usage = Usage(calls=1)
    try:
        for event in stream:
            delta = event.get("contentBlockDelta", {}).get("delta", {})
            if piece := delta.get("text", ""):
                pieces.append(piece)
            elif question.tool and (piece := delta.get("toolUse", {}).get("input", "")):
                tool_input.append(piece)
            if piece:
                on_chunk(piece)
            if "messageStop" in event:
                stop_reason = event["messageStop"]["stopReason"]
            if "metadata" in event:
                usage = _usage(event["metadata"]["usage"])
    finally:
        stream.close()
    # A connection that is cut between two events looks like the end of the stream. Only `messageStop` marks the end.
    if stop_reason is None:
        raise Retry("model_stream_cut", "the connection to the model ended before the answer was complete")
    text = "".join(tool_input or pieces)
    data = (json_object(text) if tool_input else _json_in(text)) if question.tool else None
    return Reply(text, data, stop_reason, usage, _fault(stop_reason, question))


def _json_in(text: str) -> dict[str, Any] | None:
    """Return the JSON object in an answer without a tool call: the whole text, or a fenced code block in it."""
    fenced = _FENCED_JSON.search(text)
    return json_object(fenced[1] if fenced else text)


def _usage(counted: Mapping[str, int]) -> Usage:
    """Return the usage of a call. Bedrock's input tokens exclude the tokens of a cache, as `Usage` does."""
    return Usage(
        1,
        counted["inputTokens"],
        counted["outputTokens"],
        counted.get("cacheReadInputTokens", 0),
        counted.get("cacheWriteInputTokens", 0),
    )


def _fault(stop_reason: str, question: Question) -> JobError | None:
    if stop_reason not in _FAULTS:
        return None
    error_type, code, message = _FAULTS[stop_reason]
    return error_type(code, message.format(max_tokens=question.max_tokens))
