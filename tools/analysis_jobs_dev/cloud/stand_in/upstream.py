"""Answers from a model that runs elsewhere: a server with OpenAI's chat completions, such as Ollama, llama.cpp or vLLM.

The stand-in forwards the questions that its scripted answers do not decide. A structured answer is requested with
`response_format`, which constrains the output to the schema. It is used for a single tool too: several servers ignore
`tool_choice`. A choice between tools is requested with `tools`.

https://platform.openai.com/docs/api-reference/chat
"""

import base64
import contextlib
import json
import os
import queue
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import urllib3

from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.stand_in.answers import Answer, Conversation, tokens
from analysis_jobs_dev.cloud.stand_in.attached import attached
from analysis_jobs_dev.cloud.stand_in.refusals import RefusedError

KEY_VARIABLE: Final = "OPENAI_API_KEY"
CONNECT_TIMEOUT_S: Final = 5.0
# A model on a laptop may read a long document for minutes before it writes its first token.
READ_TIMEOUT_S: Final = 1_800.0
_SUFFIXES: Final = re.compile(r"/+(chat/completions/*)?$")
_FENCE: Final = re.compile(r"^\s*```(?:json)?\s*\n(?P<inside>.*?)\n?```\s*$", re.DOTALL)
_DATA: Final = "data:"
_STOPS: Final = {
    "content_filter": "content_filtered",
    "function_call": "tool_use",
    "length": "max_tokens",
    "stop": "end_turn",
    "tool_calls": "tool_use",
}
_ERRORS: Final = {
    401: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


@dataclass
class Generation:
    """What a server has written so far. The token counts are None until the server reports them."""

    text: str = ""
    tool: str = ""
    tool_json: str = ""
    stop_reason: str = "end_turn"
    input_tokens: int | None = None
    output_tokens: int | None = None

    def take(self, chunk: Mapping[str, Any]) -> str:
        """Take in a chunk of a stream, or a whole answer. Return the text that it adds."""
        usage = chunk.get("usage") or {}
        self.input_tokens = usage.get("prompt_tokens", self.input_tokens)
        self.output_tokens = usage.get("completion_tokens", self.output_tokens)
        choice: Mapping[str, Any] = next(iter(chunk.get("choices") or ()), {})
        message = choice.get("delta") or choice.get("message") or {}
        if reason := choice.get("finish_reason"):
            self.stop_reason = _STOPS.get(reason, "end_turn")
        for call in (message.get("tool_calls") or ())[:1]:
            function = call.get("function") or {}
            self.tool = self.tool or function.get("name") or ""
            self.tool_json += function.get("arguments") or ""
        added = message.get("content") or ""
        self.text += added
        return added

    def answer(self, tool: str, *, structured: bool) -> Answer:
        """Return the answer. `structured`: the text is the JSON of the tool, or of the wanted schema."""
        if self.tool:
            stop = "tool_use" if self.stop_reason == "end_turn" else self.stop_reason
            return Answer(stop, tool=self.tool, tool_json=self.tool_json or "{}")
        text = self.text
        if structured and (fenced := _FENCE.match(text)):
            text = fenced["inside"]
        if structured and tool:
            return Answer("tool_use" if self.stop_reason == "end_turn" else self.stop_reason, tool=tool, tool_json=text)
        return Answer(self.stop_reason, text=text)


@dataclass(frozen=True)
class Upstream:
    """A server at `url`, which ends in `/v1`, and the name of its model."""

    url: str
    model: str
    key: str = ""
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False), compare=False)

    @classmethod
    def connect(cls, url: str, model: str | None = None, key: str | None = None) -> Self:
        """Return the server; check that it answers. Without a model's name it is the first that the server lists.

        The key is that of the variable OPENAI_API_KEY, if it is not given. Raises CloudError.
        """
        bare = _SUFFIXES.sub("", url.strip())
        base = bare if re.search(r"/v\d+$", bare) else f"{bare}/v1"
        found = cls(base, model or "", os.environ.get(KEY_VARIABLE, "") if key is None else key)
        try:
            answered = found.pool.request(
                "GET", f"{base}/models", headers=found.headers, timeout=urllib3.Timeout(total=CONNECT_TIMEOUT_S)
            )
            listed = [str(each["id"]) for each in answered.json()["data"]] if answered.status == 200 else []  # noqa: PLR2004
        except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError) as error:
            raise CloudError(
                f"No OpenAI-compatible server answers at {base}: {error}. Start it, or correct the URL of --model; for "
                "Ollama it is http://127.0.0.1:11434."
            ) from error
        if not (model or listed):
            raise CloudError(f"{base} lists no model: load one, or name it with --model-name.")
        return cls(base, model or listed[0], found.key)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of each request."""
        return {"Content-Type": "application/json", **({"Authorization": f"Bearer {self.key}"} if self.key else {})}

    def answer(self, conversation: Conversation, most_tokens: int) -> "tuple[Answer, Generation]":
        """Return the answer to a conversation, and the generation with its token counts. Raises RefusedError."""
        generation = Generation()
        with self.asked(conversation, most_tokens, stream=False) as response:
            generation.take(_json(response.read()))
        return _finished(conversation, generation), generation

    def stream(self, conversation: Conversation, most_tokens: int, pause_s: float) -> "Stream":
        """Start to stream an answer. Raises RefusedError if the server refuses the question."""
        return Stream(self, conversation, most_tokens, pause_s)

    @contextlib.contextmanager
    def asked(
        self, conversation: Conversation, most_tokens: int, *, stream: bool
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Send the question; the context is the open response. Raises RefusedError if the server refuses it."""
        body = {**request(conversation, self.model, most_tokens), "stream": stream}
        if stream:
            body["stream_options"] = {"include_usage": True}
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)
        try:
            response = self.pool.request(
                "POST",
                f"{self.url}/chat/completions",
                body=json.dumps(body).encode(),
                headers=self.headers,
                timeout=timeout,
                preload_content=False,
            )
            try:
                if response.status != 200:  # noqa: PLR2004 - OK
                    raise _refused(response.status, response.read())
                yield response
            finally:
                response.close()
        except urllib3.exceptions.TimeoutError as error:
            raise RefusedError("ModelTimeoutException", f"{self.url} did not answer in time: {error}") from error
        except urllib3.exceptions.HTTPError as error:
            raise RefusedError("ServiceUnavailableException", f"{self.url} cannot be reached: {error}") from error


class Stream:
    """The pieces of an answer while the server writes it: `with upstream.stream(…) as pieces: for piece in pieces`.

    A piece is empty if the server has been silent for `pause_s`. The caller can then tell its own caller that the
    answer is still coming. A structured answer comes as one piece at its end. Leaving the block stops the server.
    """

    def __init__(self, upstream: Upstream, conversation: Conversation, most_tokens: int, pause_s: float) -> None:
        self.generation = Generation()
        self.answer = Answer("end_turn")
        self._upstream = upstream
        self._conversation = conversation
        self._most_tokens = most_tokens
        self._pause_s = pause_s
        self._arrived: queue.SimpleQueue[str | RefusedError | None] = queue.SimpleQueue()
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._read, name="upstream", daemon=True)

    def __enter__(self) -> Self:
        """Ask the server."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop reading: the reader closes the connection at the server's next chunk."""
        self._left.set()

    def __iter__(self) -> Iterator[str]:
        """Yield the pieces. Raises RefusedError, also in the middle of the answer."""
        structured = bool(self._conversation.schema)
        while True:
            try:
                piece = self._arrived.get(timeout=self._pause_s)
            except queue.Empty:
                yield ""
                continue
            if isinstance(piece, RefusedError):
                raise piece
            if piece is None:
                break
            if not structured and piece:
                yield piece
        self.answer = _finished(self._conversation, self.generation)
        if structured:
            yield self.answer.tool_json or self.answer.text

    def _read(self) -> None:
        try:
            with self._upstream.asked(self._conversation, self._most_tokens, stream=True) as response:
                for chunk in _chunks(response):
                    if self._left.is_set():
                        return
                    self._arrived.put(self.generation.take(chunk))
            self._arrived.put(None)
        except RefusedError as error:
            self._arrived.put(error)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            self._arrived.put(RefusedError("ModelStreamErrorException", f"The answer of the model broke off: {error}"))


def request(conversation: Conversation, model: str, most_tokens: int) -> dict[str, Any]:
    """Return the body of a chat completion for a conversation."""
    body: dict[str, Any] = {"model": model, "max_tokens": min(conversation.max_tokens or most_tokens, most_tokens)}
    if conversation.stop_sequences:
        body["stop"] = list(conversation.stop_sequences)
    system = [str(block["text"]) for block in conversation.system if "text" in block]
    if conversation.schema and conversation.is_decided:
        name = conversation.tool_to_use or (conversation.wanted.name if conversation.wanted else "") or "answer"
        schema = {"name": re.sub(r"[^\w-]", "_", name)[:64], "schema": conversation.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
        # The server constrains the output, but not every server shows the schema to the model.
        system.append(f"Answer with JSON alone, by this JSON schema: {json.dumps(conversation.schema)}")
    elif conversation.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": name,
                    "description": str(tool.get("description", "")),
                    "parameters": tool["inputSchema"]["json"],
                },
            }
            for name, tool in conversation.tools.items()
        ]
        body["tool_choice"] = "required" if "any" in conversation.tool_choice else "auto"
    messages = [{"role": "system", "content": "\n\n".join(system)}] if system else []
    for message in conversation.messages:
        messages += _messages(message)
    body["messages"] = messages
    return body


def _messages(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield OpenAI's messages for one of Converse: results of tools are messages of their own."""
    blocks = message["content"]
    for block in blocks:
        if result := block.get("toolResult"):
            said = [str(each.get("text") or json.dumps(each.get("json"))) for each in result.get("content") or ()]
            yield {"role": "tool", "tool_call_id": result["toolUseId"], "content": "\n".join(said)}
    calls = [
        {
            "id": block["toolUse"]["toolUseId"],
            "type": "function",
            "function": {"name": block["toolUse"]["name"], "arguments": json.dumps(block["toolUse"]["input"])},
        }
        for block in blocks
        if "toolUse" in block
    ]
    parts = [part for block in blocks if (part := _part(block))]
    if not (parts or calls):
        return
    plain = all(part["type"] == "text" for part in parts)
    content: Any = "\n\n".join(part["text"] for part in parts) if plain else parts
    yield {"role": message["role"], "content": content, **({"tool_calls": calls} if calls else {})}


def _part(block: Mapping[str, Any]) -> dict[str, Any] | None:
    if "text" in block:
        return {"type": "text", "text": str(block["text"])}
    found = attached(block)
    if found is None:
        return None
    if found.is_picture:
        data = base64.b64encode(found.content).decode()
        return {"type": "image_url", "image_url": {"url": f"data:image/{found.format};base64,{data}"}}
    return {"type": "text", "text": f"<document>\n{found.text}\n</document>"}


def _finished(conversation: Conversation, generation: Generation) -> Answer:
    structured = bool(conversation.schema) and conversation.is_decided
    answer = generation.answer(conversation.tool_to_use, structured=structured)
    if generation.output_tokens is None:
        generation.output_tokens = tokens(answer.text or answer.tool_json)
    return answer


def _chunks(response: urllib3.BaseHTTPResponse) -> Iterator[Mapping[str, Any]]:
    """Yield the JSON of a stream's events. A server that does not stream sends its whole answer instead."""
    if "json" in response.headers.get("Content-Type", ""):
        yield _json(response.read())
        return
    for line in _lines(response):
        data = line.removeprefix(_DATA).strip() if line.startswith(_DATA) else ""
        if data == "[DONE]":
            return
        if data:
            chunk = json.loads(data)
            if error := chunk.get("error"):
                raise RefusedError("ModelStreamErrorException", _said(error))
            yield chunk
    raise ValueError("it ended without [DONE]")


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[str]:
    rest = b""
    for raw in response.stream(65_536):
        *lines, rest = (rest + raw).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in lines)
    yield rest.decode("utf-8", "replace")


def _json(raw: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(raw)
    except ValueError as error:
        raise RefusedError("ModelErrorException", f"The server of the model did not answer JSON: {error}") from error
    if not isinstance(content, dict):
        raise RefusedError("ModelErrorException", "The server of the model did not answer a JSON object.")
    return content


def _refused(status: int, raw: bytes) -> RefusedError:
    try:
        content = json.loads(raw)
        said = _said(content.get("error") or content)
    except (ValueError, AttributeError):
        said = raw.decode("utf-8", "replace")[:500]
    if name := _ERRORS.get(status):
        return RefusedError(name, said)
    return RefusedError("ValidationException" if status < 500 else "InternalServerException", said)  # noqa: PLR2004


def _said(error: Any) -> str:  # noqa: ANN401 - JSON
    return str(error.get("message") or error) if isinstance(error, dict) else str(error)
