"""The port to models, implemented with Google's Gemini API and its client `google-genai` (the extra `gemini`).

It streams, sends one request per question, and switches the client's retries off, for the reasons in `bedrock.py`. The
import of the client takes as long as that of the rest of a worker. So `router.py` imports this module with the first
question.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import ConfigurationError, Fail, Retry
from analysis_jobs.base.extras import extra
from analysis_jobs.llm.attachments import AttachmentKind, accept_attachments
from analysis_jobs.llm.families import family_of
from analysis_jobs.llm.gemini.answer import read_answer
from analysis_jobs.llm.gemini.errors import KeyRefused, api_error
from analysis_jobs.llm.gemini.schema import response_schema
from analysis_jobs.llm.gemini.thinking import service_tier, thinking_config
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.llm.sending import Sending
from analysis_jobs.llm.silence import Silence
from analysis_jobs.llm.sockets import CancellableSocket

with extra("gemini"):
    import httpx2
    from google import genai
    from google.genai import errors, types

if TYPE_CHECKING:
    from analysis_jobs.base.secrets import Secrets

KEY_VARIABLE = "GEMINI_API_KEY"  # holds the ARN of the key; see the module's `worker.secrets`
METADATA_HEADER = "x-analysis-jobs-metadata"  # JSON; only with a base URL of ours

_CONNECT_S = 5.0
_SEND_S = 60.0

# https://ai.google.dev/gemini-api/docs/file-input-methods: 100 MB per request in base64, 50 MB per PDF.
_MAX_BYTES = 70_000_000
_TEXT_TYPES = ("css", "csv", "html", "javascript", "markdown", "md", "plain", "rtf", "xml")
_PICTURES = AttachmentKind(
    "pictures",
    {f"image/{name}": f"image/{name}" for name in ("heic", "heif", "jpeg", "png", "webp")}
    | {"image/jpg": "image/jpeg"},
    max_count=3_000,
    max_bytes=_MAX_BYTES,
)
_DOCUMENTS = AttachmentKind(
    "documents",
    {"application/pdf": "application/pdf"} | {f"text/{name}": f"text/{name}" for name in _TEXT_TYPES},
    max_count=1_000,
    max_bytes=50_000_000,
)


class GeminiModel:
    """Asks Gemini.

    The environment variable GEMINI_API_KEY holds the ARN of the API key. If Gemini refuses the key, the key is read
    again, because it may have been rotated. `sending` limits how much memory the questions take that are being sent.
    """

    def __init__(
        self,
        secrets: Secrets,
        base_url: str = "",
        silence: Silence | None = None,
        sending: Sending | None = None,
    ) -> None:
        self._sending = sending or Sending()
        self._secrets = secrets
        self._base_url = base_url or None
        self._silence = silence or Silence()

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        """See `Model.ask`. It sends one request, and a second one if the key was refused and has been rotated."""
        key = self._secrets.text(KEY_VARIABLE)
        try:
            return self._ask(key, question, on_chunk, cancellation)
        except KeyRefused:
            self._secrets.forget(KEY_VARIABLE)
            renewed = self._secrets.text(KEY_VARIABLE)
            if renewed == key:
                raise
            return self._ask(renewed, question, on_chunk, cancellation)

    def _ask(
        self, key: str, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken
    ) -> Reply:
        cancellable = CancellableSocket()
        contents, config = _contents(question), _config(question)
        with (
            cancellation.on_cancel(cancellable.shut_down),
            self._sending.turn(question, cancellation) as cancellable.on_sent,
            _translated_errors(),
            self._client(key, cancellable, question) as client,
        ):
            stream = client.models.generate_content_stream(model=question.model_id, contents=contents, config=config)
            return read_answer(stream, question, on_chunk, broken=(httpx2.TransportError, OSError))

    @contextmanager
    def _client(self, key: str, cancellable: CancellableSocket, question: Question) -> Iterator[Any]:
        """Open a client for one question. When it closes, its connection closes, even if the answer is incomplete."""
        silence = self._silence.limit(question, family_of(question.model_id))

        def prepare(request: httpx2.Request) -> None:
            request.stream = _SentOnce(request.content)
            vars(request).pop("_content", None)  # a second reference to the body
            request.extensions["trace"] = _trace(cancellable)
            # Do not set the timeout of `genai.Client`: the server also gets it, as the limit of the whole answer.
            request.extensions["timeout"] = {
                "connect": _CONNECT_S,
                "pool": _CONNECT_S,
                "read": silence.total_seconds(),
                "write": _SEND_S,
            }

        with httpx2.Client(verify=self._tls, event_hooks={"request": [prepare]}) as http:
            options = types.HttpOptions(
                base_url=self._base_url,
                headers=self._headers(question),
                httpx_client=http,
                # Without this argument the client makes a second TLS context.
                httpx_async_client=httpx2.AsyncClient(verify=self._tls),
                async_client_args={"ssl": self._tls},
            )
            client = genai.Client(api_key=key, vertexai=False, http_options=options)
            _release_sent(client, cancellable)
            yield client

    def _headers(self, question: Question) -> dict[str, str]:
        """Return the labels of the question for a server in front of Gemini. The Gemini API itself takes none."""
        return {METADATA_HEADER: json.dumps(question.metadata)} if self._base_url and question.metadata else {}

    @cached_property
    def _tls(self) -> Any:
        return httpx2.create_ssl_context()  # takes 0.1 s, so make it once


class _SentOnce(httpx2.SyncByteStream):
    """The body of a request. It is not kept after it was sent."""

    def __init__(self, content: bytes) -> None:
        self._content = [content]

    def __iter__(self) -> Iterator[bytes]:
        while self._content:
            yield self._content.pop()


def _release_sent(client: Any, cancellable: CancellableSocket) -> None:
    """Make a client forget the dictionary of its request once it was sent. Otherwise it keeps it during the answer."""
    api, on_sent = client._api_client, cancellable.on_sent  # noqa: SLF001 - google-genai has no interface for this
    send = api.request_streamed

    def request_streamed(method: str, path: str, request: dict[str, Any], options: Any = None) -> Any:
        def release() -> None:
            request.clear()
            on_sent()

        cancellable.on_sent = release
        return send(method, path, request, options)

    api.request_streamed = request_streamed


def _trace(cancellable: CancellableSocket) -> Callable[[str, Mapping[str, Any]], None]:
    """Return a trace function for httpx2. It passes each socket to `cancellable` as soon as it is connected.

    It also calls `on_sent`.
    """

    def trace(event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            cancellable.attach(info["return_value"].get_extra_info("socket"))
        elif event.endswith("send_request_body.complete"):
            cancellable.on_sent()

    return trace


def _contents(question: Question) -> list[Any]:
    """Return the attachments, the document and then the prompt."""
    accepted = accept_attachments(question.attachments, (_PICTURES, _DOCUMENTS), "Gemini")
    if sum(len(each.attachment.content) for each in accepted) > _MAX_BYTES:
        raise Fail("attachment_too_large", f"Gemini accepts at most {_MAX_BYTES} bytes of attachments per question")
    parts = [types.Part.from_bytes(data=each.attachment.content, mime_type=each.format) for each in accepted]
    texts = [types.Part.from_text(text=text) for text in (question.document, question.prompt) if text]
    return [types.Content(role="user", parts=[*parts, *texts])]


def _config(question: Question) -> Any:
    response_format: dict[str, Any] = {}
    if question.tool:
        response_format = {
            "response_mime_type": "application/json",
            "response_json_schema": response_schema(question.tool.schema, question.tool.description),
        }
    return types.GenerateContentConfig(
        max_output_tokens=question.most_output_tokens,
        thinking_config=thinking_config(question),
        service_tier=service_tier(question),
        system_instruction=question.system or None,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,  # it would send further requests, beyond max_tokens
        **response_format,
    )


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn errors of the client and of its transport into errors of this library."""
    try:
        yield
    except errors.APIError as error:
        raise api_error(error.code, error.status, error.message, error.details) from error
    except errors.UnknownApiResponseError as error:  # an incomplete chunk; the error's text quotes the answer
        raise Retry("model_stream_cut", "the connection to the model ended before the answer was complete") from error
    except httpx2.ReadTimeout as error:
        raise Retry("model_timeout", "the model sent nothing for too long") from error
    except httpx2.UnsupportedProtocol as error:
        raise ConfigurationError(f"GEMINI_BASE_URL: {error}") from error
    except (httpx2.TransportError, OSError) as error:
        raise Retry("model_connection", f"the connection to the model failed: {type(error).__name__}") from error
