"""The model port on Bedrock's `ConverseStream`.

Streaming even where nobody reads along: it keeps connections alive that NAT gateways drop after 350 s of silence,
shows progress, and gives a place to break off. The client makes exactly one request: the job engine decides about
retries.
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
from analysis_jobs.llm.attachments import Kind, sort_out
from analysis_jobs.llm.errors import model_error
from analysis_jobs.llm.model import Question, Reply, json_object
from analysis_jobs.llm.sockets import CancellableSocket, make_cancellable

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


# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html for the limits,
# …/API_runtime_ImageBlock.html and …/API_runtime_DocumentBlock.html for the formats. What a megabyte is they do not
# say: the smaller one.
_PICTURES = Kind(
    "pictures",
    {f"image/{name}": name for name in ("gif", "jpeg", "png", "webp")} | {"image/jpg": "jpeg"},
    most=20,
    most_bytes=3_750_000,
)
_DOCUMENTS = Kind(
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
    most=5,
    most_bytes=4_500_000,
)
_LONGEST_NAME = 190  # of 200, with room for a number
# Models that answer a forced tool with an error, by what their vendor says of them; others are found out by asking.
# https://platform.claude.com/docs/en/models/opus-5-5/overview, …/sonnet-5-5/overview
_NEVER_FORCED = re.compile(r"anthropic\.claude-(opus-5-5|sonnet-5-5|fable-5-1)\b")
# "This model doesn't support the toolConfig.toolChoice.tool field. …", "… not be enabled when tool_choice forces …".
_ABOUT_FORCE = re.compile(r"tool_?choice|forced? tool", re.IGNORECASE)
_IN_A_FENCE = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)
_USE_THE_TOOL = (
    "Give your answer by calling the tool {name} exactly once, with the whole answer as its input. Write no other text."
)


class BedrockModel:
    """Asks models over a `bedrock-runtime` client, which must not retry by itself."""

    def __init__(self, client: BedrockRuntimeClient) -> None:
        make_cancellable(client)
        self._client = client
        self._unforced: set[str] = set()

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        """See `Model.ask`. One request; one more, once for each model that refuses a forced tool, which costs nothing.

        Such a model is told to use its tool. Where it answers in words all the same, these may be the JSON.
        """
        forced = question.tool is not None and self._takes_force(question.model_id)
        with cancellation.on_cancel(CancellableSocket().shut_down), _translated():
            try:
                return self._request(question, on_chunk, forced=forced)
            except ClientError as error:
                if not (forced and _refuses_force(error)):
                    raise
            self._unforced.add(question.model_id)
            log("model.tool_not_forced", "the model refuses a forced tool", model_id=question.model_id)
            return self._request(question, on_chunk, forced=False)

    def _takes_force(self, model_id: str) -> bool:
        return model_id not in self._unforced and not _NEVER_FORCED.search(model_id)

    def _request(self, question: Question, on_chunk: Callable[[str], None], *, forced: bool) -> Reply:
        response = self._client.converse_stream(**_arguments(question, forced=forced))
        return _read(response["stream"], question, on_chunk)


def _refuses_force(error: ClientError) -> bool:
    """Tell whether a request was refused, before the stream or as all there is of it, for its tool being forced."""
    given = error.response["Error"]
    return given["Code"].lower() == "validationexception" and bool(_ABOUT_FORCE.search(given.get("Message", "")))


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
        else:  # without a choice it is `auto`, which some models do not take by its name either
            told = {"text": _USE_THE_TOOL.format(name=question.tool.name)}
            arguments["system"] = [*arguments.get("system", ()), told]
    return arguments


def _content(question: Question) -> list[dict[str, Any]]:
    """Return the attachments, then the prompt: what is said of a picture comes after it."""
    blocks: list[dict[str, Any]] = []
    names: set[str] = set()
    for each in sort_out(question.attachments, (_PICTURES, _DOCUMENTS), "Bedrock"):
        source = {"bytes": each.attachment.content}
        if each.kind is _PICTURES:
            blocks.append({"image": {"format": each.format, "source": source}})
        else:
            name = _document_name(each.attachment.name, names)
            names.add(name)
            blocks.append({"document": {"format": each.format, "name": name, "source": source}})
    return [*blocks, {"text": question.prompt}]


def _document_name(name: str, taken: Collection[str]) -> str:
    """Return a name that Bedrock takes: letters, digits, single blanks, hyphens, brackets; each one once."""
    cleaned = re.sub(r"[^A-Za-z0-9()\[\]-]+", " ", name.rpartition(".")[0] or name).strip()[:_LONGEST_NAME].strip()
    wanted = cleaned or "document"
    others = (f"{wanted} ({number})" for number in count(2))
    return next(each for each in chain([wanted], others) if each not in taken)


def _read(stream: Any, question: Question, on_chunk: Callable[[str], None]) -> Reply:
    pieces: list[str] = []
    used: list[str] = []
    stop_reason = None
    usage = Usage(calls=1)
    try:
        for event in stream:
            delta = event.get("contentBlockDelta", {}).get("delta", {})
            if piece := delta.get("text", ""):
                pieces.append(piece)
            elif question.tool and (piece := delta.get("toolUse", {}).get("input", "")):
                used.append(piece)
            if piece:
                on_chunk(piece)
            if "messageStop" in event:
                stop_reason = event["messageStop"]["stopReason"]
            if "metadata" in event:
                usage = _usage(event["metadata"]["usage"])
    finally:
        stream.close()
    # A connection cut between two events looks like the end of the stream: only `messageStop` tells that it was whole.
    if stop_reason is None:
        raise Retry("model_stream_cut", "the model's answer broke off before its end")
    text = "".join(used or pieces)
    data = (json_object(text) if used else _json_in(text)) if question.tool else None
    return Reply(text, data, stop_reason, usage, _fault(stop_reason, question))


def _json_in(text: str) -> dict[str, Any] | None:
    """Return the JSON object that a model wrote instead of using its tool: the whole text, or what is fenced in it."""
    fenced = _IN_A_FENCE.search(text)
    return json_object(fenced[1] if fenced else text)


def _usage(counted: Mapping[str, int]) -> Usage:
    """Return a call's usage; Bedrock counts what went through a cache apart from the input."""
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
