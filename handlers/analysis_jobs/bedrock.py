"""The model port on Bedrock's `ConverseStream`.

Streaming even where nobody reads along: it keeps connections alive that NAT gateways drop after 350 s of silence,
shows progress, and gives a place to break off. The client makes exactly one request: the job engine decides about
retries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.eventstream import EventStreamError, ParserError
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from pydantic_core import from_json
from urllib3.exceptions import HTTPError

from analysis_jobs.decisions import model_error
from analysis_jobs.errors import Fail, JobError, Retry
from analysis_jobs.interrupts import Breaker
from analysis_jobs.model import Question, Reply
from analysis_jobs.record import Usage
from analysis_jobs.sockets import Line, note_sockets

if TYPE_CHECKING:
    from types_boto3_bedrock_runtime import BedrockRuntimeClient

# Of the reasons to stop, those after which the answer is no use.
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_MessageStopEvent.html
_FAULTS: dict[str, tuple[type[JobError], str, str]] = {
    "max_tokens": (Fail, "model_answer_too_long", "the answer did not fit into max_tokens={max_tokens}"),
    "model_context_window_exceeded": (Fail, "model_context_exceeded", "question and answer are too long for the model"),
    "guardrail_intervened": (Fail, "model_answer_blocked", "a guardrail blocked the question or the answer"),
    "content_filtered": (Fail, "model_answer_blocked", "the model's content filter blocked the answer"),
    "malformed_model_output": (Retry, "model_answer_invalid", "the model's answer was malformed"),
    "malformed_tool_use": (Retry, "model_answer_invalid", "the model's structured answer was malformed"),
}


class BedrockModel:
    """Asks models over a `bedrock-runtime` client, which must not retry by itself."""

    def __init__(self, client: BedrockRuntimeClient) -> None:
        note_sockets(client)
        self._client = client

    def ask(self, question: Question, on_chunk: Callable[[str], None], breaker: Breaker) -> Reply:
        """See `Model.ask`. One request."""
        with breaker.armed(Line().cut), _translated():
            response = self._client.converse_stream(**_arguments(question))
            return _read(response["stream"], question, on_chunk)


def _arguments(question: Question) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "modelId": question.model_id,
        "messages": [{"role": "user", "content": [{"text": question.prompt}]}],
        "inferenceConfig": {"maxTokens": question.max_tokens},
    }
    if question.system:
        arguments["system"] = [{"text": question.system}]
    if question.metadata:
        arguments["requestMetadata"] = question.metadata
    if question.tool:
        specification = {
            "name": question.tool.name,
            "description": question.tool.description,
            "inputSchema": {"json": question.tool.schema},
        }
        arguments["toolConfig"] = {
            "tools": [{"toolSpec": specification}],
            "toolChoice": {"tool": {"name": question.tool.name}},
        }
    return arguments


def _read(stream: Any, question: Question, on_chunk: Callable[[str], None]) -> Reply:
    pieces: list[str] = []
    stop_reason = None
    usage = Usage(calls=1)
    try:
        for event in stream:
            delta = event.get("contentBlockDelta", {}).get("delta", {})
            piece = delta.get("toolUse", {}).get("input", "") if question.tool else delta.get("text", "")
            if piece:
                pieces.append(piece)
                on_chunk(piece)
            if "messageStop" in event:
                stop_reason = event["messageStop"]["stopReason"]
            if "metadata" in event:
                counted = event["metadata"]["usage"]
                usage = Usage(1, counted["inputTokens"], counted["outputTokens"])
    finally:
        stream.close()
    # A connection cut between two events looks like the end of the stream: only `messageStop` tells that it was whole.
    if stop_reason is None:
        raise Retry("model_stream_cut", "the model's answer broke off before its end")
    text = "".join(pieces)
    return Reply(text, _tool_input(text) if question.tool else None, stop_reason, usage, _fault(stop_reason, question))


def _tool_input(text: str) -> dict[str, Any] | None:
    try:
        data = from_json(text, allow_inf_nan=False)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _fault(stop_reason: str, question: Question) -> JobError | None:
    if stop_reason not in _FAULTS:
        return None
    kind, code, message = _FAULTS[stop_reason]
    return kind(code, message.format(max_tokens=question.max_tokens))


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what botocore and urllib3 raise, before the stream and within, into the library's errors."""
    try:
        yield
    except (ClientError, EventStreamError) as error:
        raise _from_code(error) from error
    except (NoConnection, HTTPClientError, HTTPError, ParserError, OSError) as error:
        # A read time-out comes as urllib3's own error within a stream, as botocore's before it.
        name = type(error).__name__
        code = "model_timeout" if name == "ReadTimeoutError" else "model_connection"
        raise Retry(code, f"the connection to the model failed: {name}") from error


def _from_code(error: ClientError | EventStreamError) -> JobError:
    given = error.response["Error"]
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return model_error(given["Code"], given.get("Message", ""), headers.get("retry-after"))
