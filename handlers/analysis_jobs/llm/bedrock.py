"""The port to models, implemented with Bedrock's `ConverseStream`.

It streams every answer, for three reasons: NAT gateways drop a connection after 350 s of silence, callers see progress,
and a cancel can end the call between two pieces. The client sends exactly one request, because the job engine decides
about retries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from botocore.eventstream import EventStreamError, ParserError
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from urllib3.exceptions import HTTPError

from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import Fail, JobError, Retry
from analysis_jobs.base.observability import log
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.attachments import AttachmentKind, accept_attachments
from analysis_jobs.llm.errors import model_error
from analysis_jobs.llm.model import Question, Reply, json_object
from analysis_jobs.llm.sockets import CancellableSocket, make_cancellable

if TYPE_CHECKING:
    from types_boto3_bedrock_runtime import BedrockRuntimeClient

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

# Limits: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html. It does not define a
# megabyte, so we take the smaller one. Formats: …/API_runtime_ImageBlock.html and …/API_runtime_DocumentBlock.html.
_PICTURES = AttachmentKind(
    "pictures",
    {f"image/{name}": name for name in ("gif", "jpeg", "png", "webp")} | {"image/jpg": "jpeg"},
    max_count=20,
    max_bytes=3_750_000,
)
_DOCUMENTS = AttachmentKind(
    "documents",
    {
        "application/msword": "doc",
        "application/pdf": "pdf",
        "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "text/csv": "csv",
        "text/html": "html",
        "text/markdown": "md",
        "text/plain": "txt",
    },
    max_count=5,
    max_bytes=4_500_000,
)
_LONGEST_NAME = 190  # Bedrock accepts 200; the rest is for a number
# These models refuse a forced tool, according to their vendor's pages. Other such models are found by their error.
# https://platform.claude.com/docs/en/models/opus-5-5/overview, …/sonnet-5-5/overview
_NEVER_FORCED = re.compile(r"anthropic\.claude-(opus-5-5|sonnet-5-5|fable-5-1)\b")
# Matches "This model doesn't support the toolConfig.toolChoice.tool field. …" and "… not be enabled when tool_choice
# forces …".
_FORCE_REFUSED = re.compile(r"tool_?choice|forced? tool", re.IGNORECASE)
_FENCED_JSON = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)
_USE_THE_TOOL = (
    "Give your answer by calling the tool {name} exactly once, with the whole answer as its input. Write no other text."
)


class BedrockModel:
    """Asks models through a `bedrock-runtime` client. The client must be configured without retries."""

    def __init__(self, client: BedrockRuntimeClient) -> None:
        make_cancellable(client)
        self._client = client
        self._models_refusing_force: set[str] = set()

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        """See `Model.ask`. It sends one request.

        A structured answer is a call of a forced tool. Some models refuse a forced tool. Then it sends a second request
        that only tells the model to use the tool; the refused request costs nothing. It remembers the model, so this
        happens once per model. If such a model answers in plain text, the text is parsed as JSON.
        """
        forced = question.tool is not None and self._can_force_tool(question.model_id)
        with cancellation.on_cancel(CancellableSocket().shut_down), _translated_errors():
            try:
                return self._request(question, on_chunk, forced=forced)
            except ClientError as error:
                if not (forced and _refuses_force(error)):
                    raise
            self._models_refusing_force.add(question.model_id)
            log("model.tool_not_forced", "the model refuses a forced tool", model_id=question.model_id)
            return self._request(question, on_chunk, forced=False)

    def _can_force_tool(self, model_id: str) -> bool:
        return model_id not in self._models_refusing_force and not _NEVER_FORCED.search(model_id)

    def _request(self, question: Question, on_chunk: Callable[[str], None], *, forced: bool) -> Reply:
        response = self._client.converse_stream(**_arguments(question, forced=forced))
        return _read(response["stream"], question, on_chunk)


def _refuses_force(error: ClientError) -> bool:
    """Tell whether Bedrock refused a request because its tool was forced. The error may come within the stream too."""
    details = error.response["Error"]
    return details["Code"].lower() == "validationexception" and bool(_FORCE_REFUSED.search(details.get("Message", "")))


def _arguments(question: Question, *, forced: bool) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "modelId": question.model_id,
        "messages": [{"role": "user", "content": _content(question)}],
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
        arguments["toolConfig"] = {"tools": [{"toolSpec": specification}]}
        if forced:
            arguments["toolConfig"]["toolChoice"] = {"tool": {"name": question.tool.name}}
        else:  # the default choice is `auto`; some models refuse the field even with that value
            instruction = {"text": _USE_THE_TOOL.format(name=question.tool.name)}
            arguments["system"] = [*arguments.get("system", ()), instruction]
    return arguments


def _content(question: Question) -> list[dict[str, Any]]:
    """Return the attachments and then the prompt, because a prompt should follow the picture that it is about."""
    blocks: list[dict[str, Any]] = []
    names: set[str] = set()
    for each in accept_attachments(question.attachments, (_PICTURES, _DOCUMENTS), "Bedrock"):
        source = {"bytes": each.attachment.content}
        if each.kind is _PICTURES:
            blocks.append({"image": {"format": each.format, "source": source}})
        else:
            name = _document_name(each.attachment.name, names)
            names.add(name)
            blocks.append({"document": {"format": each.format, "name": name, "source": source}})
    return [*blocks, {"text": question.prompt}]


def _document_name(name: str, taken: Collection[str]) -> str:
    """Return a unique name that Bedrock accepts: letters, digits, single blanks, hyphens and brackets."""
    cleaned = re.sub(r"[^A-Za-z0-9()\[\]-]+", " ", name.rpartition(".")[0] or name).strip()[:_LONGEST_NAME].strip()
    base = cleaned or "document"
    numbered = (f"{base} ({number})" for number in count(2))
    return next(candidate for candidate in chain([base], numbered) if candidate not in taken)


def _read(stream: Any, question: Question, on_chunk: Callable[[str], None]) -> Reply:
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


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn errors of botocore and urllib3 into errors of this library. They come before the stream or within it."""
    try:
        yield
    except (ClientError, EventStreamError) as error:
        raise _from_code(error) from error
    except (NoConnection, HTTPClientError, HTTPError, ParserError, OSError) as error:
        # Both libraries have a `ReadTimeoutError`: botocore raises its own before the stream, urllib3 within it.
        name = type(error).__name__
        code = "model_timeout" if name == "ReadTimeoutError" else "model_connection"
        raise Retry(code, f"the connection to the model failed: {name}") from error


def _from_code(error: ClientError | EventStreamError) -> JobError:
    details = error.response["Error"]
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return model_error(details["Code"], details.get("Message", ""), headers.get("retry-after"))
