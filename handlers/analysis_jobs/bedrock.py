"""The model port on Bedrock's `ConverseStream`.

Streaming even where nobody reads along: it keeps connections alive that NAT gateways drop after 350 s of silence,
shows progress, and gives a place to break off. The client makes exactly one request: the job engine decides about
retries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.eventstream import EventStreamError, ParserError
from botocore.exceptions import ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from analysis_jobs.errors import Defer, Fail, JobError, Retry
from analysis_jobs.model import Question, Reply
from analysis_jobs.record import Usage

if TYPE_CHECKING:
    from types_boto3_bedrock_runtime import BedrockRuntimeClient

# Error codes of Converse and ConverseStream, spelt as the HTTP answer spells them (the stream's begin in lower case).
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html#API_runtime_ConverseStream_Errors
_DECISIONS: dict[str, type[JobError]] = {
    "ThrottlingException": Defer,
    "ServiceUnavailableException": Defer,
    "InternalServerException": Defer,
    "ModelNotReadyException": Defer,
    "ServiceQuotaExceededException": Defer,
    "ModelStreamErrorException": Retry,
    "ModelErrorException": Retry,
    "ModelTimeoutException": Retry,
    "ValidationException": Fail,
    "ResourceNotFoundException": Fail,
    "AccessDeniedException": Fail,
    "UnrecognizedClientException": Fail,
}
_CODES = {
    "ThrottlingException": "model_throttled",
    "ServiceQuotaExceededException": "model_quota_exceeded",
    "ModelTimeoutException": "model_timeout",
    "ValidationException": "model_refused_request",
    "ResourceNotFoundException": "model_not_found",
    "AccessDeniedException": "access_denied",
    "UnrecognizedClientException": "access_denied",
}


class BedrockModel:
    """Asks models over a `bedrock-runtime` client, which must not retry by itself."""

    def __init__(self, client: BedrockRuntimeClient) -> None:
        self._client = client

    def ask(self, question: Question, on_chunk: Callable[[str], None]) -> Reply:
        """See `Model.ask`. One request."""
        with _translated():
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
    if stop_reason == "max_tokens":
        raise Fail("model_answer_too_long", f"the answer did not fit into max_tokens={question.max_tokens}")
    text = "".join(pieces)
    if question.tool is None:
        return Reply(text, None, stop_reason, usage)
    return Reply("", _tool_input(text), stop_reason, usage)


def _tool_input(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise Retry("model_answer_invalid", f"the model's structured answer is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise Retry("model_answer_invalid", "the model's structured answer is no object")
    return data


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what botocore and urllib3 raise, before the stream and within, into the library's errors."""
    try:
        yield
    except (ClientError, EventStreamError) as error:
        raise _from_code(error) from error
    except (HTTPClientError, HTTPError, ParserError, OSError) as error:
        # A read time-out comes as urllib3's own error within a stream, as botocore's before it.
        name = type(error).__name__
        code = "model_timeout" if "Timeout" in name else "model_connection"
        raise Retry(code, f"the connection to the model failed: {name}") from error


def _from_code(error: ClientError | EventStreamError) -> JobError:
    spelt = error.response["Error"]["Code"]
    name = spelt[:1].upper() + spelt[1:]
    decision = _DECISIONS.get(name, Retry)
    return decision(_CODES.get(name, "model_error"), f"{name}: {error.response['Error'].get('Message', '')}")
