"""The port to models, implemented with Bedrock's `ConverseStream`.

It streams every answer, for three reasons: NAT gateways drop a connection after 350 s of silence, callers see progress,
and a cancel can end the call between two pieces. The client sends exactly one request, because the job engine decides
about retries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.eventstream import EventStreamError, ParserError
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from urllib3.exceptions import HTTPError

from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import JobError, Retry
from analysis_jobs.base.observability import log
from analysis_jobs.llm.bedrock.answer import read_answer
from analysis_jobs.llm.bedrock.cache_points import refuses_cache_point, without_cache_point
from analysis_jobs.llm.bedrock.request import request_arguments
from analysis_jobs.llm.errors import model_error
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.llm.sockets import CancellableSocket, make_cancellable

if TYPE_CHECKING:
    from types_boto3_bedrock_runtime import BedrockRuntimeClient

# These models refuse a forced tool, according to their vendor's pages. Other such models are found by their error.
# https://platform.claude.com/docs/en/models/opus-5-5/overview, …/sonnet-5-5/overview
_NEVER_FORCED = re.compile(r"anthropic\.claude-(opus-5-5|sonnet-5-5|fable-5-1)\b")
# Matches "This model doesn't support the toolConfig.toolChoice.tool field. …" and "… not be enabled when tool_choice
# forces …".
_FORCE_REFUSED = re.compile(r"tool_?choice|forced? tool", re.IGNORECASE)


class BedrockModel:
    """Asks models through a `bedrock-runtime` client. The client must be configured without retries."""

    def __init__(self, client: BedrockRuntimeClient) -> None:
        make_cancellable(client)
        self._client = client
        self._models_refusing_force: set[str] = set()
        self._models_without_cache: set[str] = set()

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
        response = self._send(question, request_arguments(question, forced=forced))
        return read_answer(response["stream"], question, on_chunk)

    def _send(self, question: Question, arguments: dict[str, Any]) -> Any:
        """Send a request. A model that refuses its cache point gets it again without, now and from now on."""
        if question.model_id in self._models_without_cache:
            return self._client.converse_stream(**without_cache_point(arguments))
        try:
            return self._client.converse_stream(**arguments)
        except ClientError as error:
            if not (question.cache and refuses_cache_point(error)):
                raise
        self._models_without_cache.add(question.model_id)
        log("model.not_cached", "the model refuses a cache point", model_id=question.model_id)
        return self._client.converse_stream(**without_cache_point(arguments))


def _refuses_force(error: ClientError) -> bool:
    """Tell whether Bedrock refused a request because its tool was forced. The error may come within the stream too."""
    details = error.response["Error"]
    return details["Code"].lower() == "validationexception" and bool(_FORCE_REFUSED.search(details.get("Message", "")))


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
