"""Reads a Gemini request as the conversation that the stand-in model answers."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from analysis_jobs_dev.cloud.stand_in.answers import Conversation
from analysis_jobs_dev.cloud.stand_in.gemini_families import check as check_family
from analysis_jobs_dev.cloud.stand_in.prompt_cache import blocks_of
from analysis_jobs_dev.cloud.stand_in.refusals import RefusedError

# Gemini's structured answers have no tool: inside, the schema is the input of a forced tool of this name.
ANSWER: Final = "answer"
_FORMATS: Final = {
    **{f"image/{name}": name for name in ("heic", "heif", "jpeg", "png", "webp")},
    "application/pdf": "pdf",
    **{f"text/{name}": name for name in ("css", "csv", "html", "javascript", "markdown", "md", "plain", "rtf", "xml")},
}


def conversation_of(body: bytes, model: str, labels: str = "{}") -> Conversation:
    """Return the conversation in the body of a request to a model. `labels` is the JSON of a header of the library.

    Raises:
        RefusedError: INVALID_ARGUMENT.

    """
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise invalid("Invalid JSON payload received.")
    check_family(model, given)
    config = given.get("generationConfig") or {}
    messages = [_message(content) for content in given.get("contents") or ()]
    if not any(message["content"] for message in messages):
        raise invalid("* GenerateContentRequest.contents: contents is not specified\n")
    schema = config.get("responseJsonSchema") or _json_schema(config.get("responseSchema"))
    if schema and config.get("responseMimeType") != "application/json":
        raise invalid("Function calling with a response mime type: 'text/plain' is unsupported")
    system = _message(given.get("systemInstruction") or {})["content"]
    contents = [block for message in messages for block in message["content"]]
    return Conversation(
        messages=messages,
        system=system,
        tools={ANSWER: {"inputSchema": {"json": schema}}} if schema else {},
        tool_choice={"tool": {"name": ANSWER}} if schema else {},
        max_tokens=config.get("maxOutputTokens"),
        stop_sequences=config.get("stopSequences") or (),
        metadata=_labels(labels),
        blocks=blocks_of({"system": system}, contents),
        tier=given.get("serviceTier") or "",
    )


def invalid(message: str) -> RefusedError:
    """Return an INVALID_ARGUMENT."""
    return RefusedError("INVALID_ARGUMENT", message)


def _labels(text: str) -> dict[str, str]:
    """Return the labels of the library's header. Gemini itself has no such field, so a wrong header is no error."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _message(content: Mapping[str, Any]) -> dict[str, Any]:
    role = content.get("role", "user")
    if role not in ("user", "model"):
        raise invalid("Please use a valid role: user, model.")
    blocks = list(_blocks(content.get("parts") or ()))
    return {"role": "assistant" if role == "model" else "user", "content": blocks}


def _blocks(parts: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    for part in parts:
        if "text" in part:
            yield {"text": part["text"]}
        elif found := part.get("inlineData") or part.get("inline_data"):
            kind, data = found.get("mimeType") or found.get("mime_type") or "", found.get("data", "")
            if kind not in _FORMATS:
                raise invalid(f"Unsupported MIME type: {kind}")
            try:
                # JSON of protocol buffers takes both alphabets of base64.
                content = base64.b64decode(data.replace("-", "+").replace("_", "/"))
            except binascii.Error as error:
                raise invalid("Invalid value at 'contents.parts.inline_data.data' (TYPE_BYTES)") from error
            if not content:
                raise invalid("Unable to process input image. Please retry or report.")
            name = "image" if kind.startswith("image/") else "document"
            yield {name: {"format": _FORMATS[kind], "name": "", "source": {"bytes": content}}}


def _json_schema(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Return Gemini's own kind of schema as a JSON schema: `STRING` is `string`, `nullable` is a second type."""
    if isinstance(schema, list):
        return [_json_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _json_schema(value) for name, value in schema.items() if name != "nullable"}
    if isinstance(found.get("type"), str):
        kind = found["type"].lower()
        found["type"] = [kind, "null"] if schema.get("nullable") else kind
    return found
