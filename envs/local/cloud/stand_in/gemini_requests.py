"""Gemini's requests read as the conversations that the stand-in model answers, and its errors."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloud.stand_in.answers import Conversation
from cloud.stand_in.models import Model
from cloud.stand_in.refusals import AS_GEMINI, GEMINI_STATUS
from cloud.stand_in.scenarios import Scenario

ANSWER: Final = "answer"
_FORMATS: Final = {
    **{f"image/{name}": name for name in ("heic", "heif", "jpeg", "png", "webp")},
    "application/pdf": "pdf",
    **{f"text/{name}": name for name in ("css", "csv", "html", "javascript", "markdown", "md", "plain", "rtf", "xml")},
}
_MESSAGES: Final = {
    "INTERNAL": "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
    "RESOURCE_EXHAUSTED": "You exceeded your current quota, please check your plan and billing details.",
    "UNAVAILABLE": "The model is overloaded. Please try again later.",
}
_TYPE: Final = "type.googleapis.com/google.rpc."


class GeminiError(Exception):
    """An answer other than 200: Google's name of it, its message, and the details beside."""

    def __init__(self, name: str, message: str = "", *details: Mapping[str, Any]) -> None:
        self.name = name
        self.status = GEMINI_STATUS[name]
        self.message = message or _MESSAGES.get(name, "The stand-in was told to fail.")
        self.details = details
        super().__init__(f"{name}: {self.message}")

    @property
    def body(self) -> dict[str, Any]:
        """The body, as Google's servers write it."""
        error = {"code": self.status, "message": self.message, "status": self.name}
        return {"error": {**error, "details": list(self.details)} if self.details else error}


def told(name: str, scenario: Scenario) -> GeminiError:
    """Return the error that a scenario names, by either vendor's name of it; Bedrock spells some in small letters."""
    found = name if name in GEMINI_STATUS else AS_GEMINI.get(name[:1].upper() + name[1:], "INTERNAL")
    return exhausted(scenario) if found == "RESOURCE_EXHAUSTED" else GeminiError(found, scenario.message)


def exhausted(scenario: Scenario) -> GeminiError:
    """Return what a call beyond the quota gets: which quota it is, and how long to wait."""
    period = "Day" if scenario.per_day else "Minute"
    quota = f"GenerateContentInputTokensPer{period}PerProjectPerModel"
    details: list[dict[str, Any]] = [{"@type": f"{_TYPE}QuotaFailure", "violations": [{"quotaId": quota}]}]
    if scenario.retry_delay_s is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{scenario.retry_delay_s:g}s"})
    return GeminiError("RESOURCE_EXHAUSTED", scenario.message, *details)


def check_key(given: str | None, expected: str | None) -> None:
    """Refuse a call without a key, and with another key than the expected one; None expects any.

    Raises:
        GeminiError: as the real service answers.

    """
    if not given:
        raise GeminiError(
            "PERMISSION_DENIED",
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
            "other form of API consumer identity to call this API.",
        )
    if expected is not None and given != expected:
        reason = {"@type": f"{_TYPE}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
        raise GeminiError("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", reason)


@dataclass(frozen=True)
class Limits:
    """What a model can read and write."""

    model: Model

    def check(self, wanted: int | None, read: int, most: int) -> None:
        """Refuse what is more than the model's.

        Raises:
            GeminiError: INVALID_ARGUMENT.

        """
        if wanted is not None and not 0 < wanted <= self.model.max_output_tokens:
            allowed = f"from 1 (inclusive) to {self.model.max_output_tokens + 1} (exclusive)"
            raise invalid(
                f"Unable to submit request because it has a maxOutputTokens value of {wanted} but the supported range "
                f"is {allowed}. Update the value and try again."
            )
        if read > most:
            raise invalid(f"The input token count ({read}) exceeds the maximum number of tokens allowed ({most}).")


def conversation(body: bytes) -> Conversation:
    """Return the conversation of a request's body.

    Raises:
        GeminiError: INVALID_ARGUMENT.

    """
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise invalid("Invalid JSON payload received.")
    config = given.get("generationConfig") or {}
    messages = [_message(content) for content in given.get("contents") or ()]
    if not messages or not any(message["content"] for message in messages):
        raise invalid("* GenerateContentRequest.contents: contents is not specified\n")
    schema = config.get("responseJsonSchema") or _lower_types(config.get("responseSchema"))
    if schema and config.get("responseMimeType") != "application/json":
        raise invalid("Function calling with a response mime type: 'text/plain' is unsupported")
    system = _message(given.get("systemInstruction") or {"parts": []})["content"]
    return Conversation(
        messages=messages,
        system=system,
        tools={ANSWER: {"inputSchema": {"json": schema}}} if schema else {},
        tool_choice={"tool": {"name": ANSWER}} if schema else {},
        max_tokens=config.get("maxOutputTokens"),
        stop_sequences=config.get("stopSequences") or (),
    )


def invalid(message: str) -> GeminiError:
    """Return an INVALID_ARGUMENT, the most common refusal."""
    return GeminiError("INVALID_ARGUMENT", message)


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
            kind = found.get("mimeType") or found.get("mime_type") or ""
            if kind not in _FORMATS:
                raise invalid(f"Unsupported MIME type: {kind}")
            try:
                content = base64.b64decode(found.get("data", ""), altchars=b"-_" if _url_safe(found) else None)
            except binascii.Error as error:
                raise invalid("Invalid value at 'contents.parts.inline_data.data' (TYPE_BYTES)") from error
            if not content:
                raise invalid("Unable to process input image. Please retry or report.")
            name = "image" if kind.startswith("image/") else "document"
            yield {name: {"format": _FORMATS[kind], "name": "", "source": {"bytes": content}}}


def _url_safe(found: Mapping[str, Any]) -> bool:
    """Tell which of the two alphabets was used: JSON of protocol buffers takes both."""
    return any(mark in found.get("data", "") for mark in "-_")


def _lower_types(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Return an OpenAPI schema of Gemini's as a JSON schema: `STRING` is `string`, `nullable` is another type."""
    if isinstance(schema, list):
        return [_lower_types(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _lower_types(value) for name, value in schema.items() if name != "nullable"}
    if isinstance(found.get("type"), str):
        found["type"] = found["type"].lower()
        if schema.get("nullable"):
            found["type"] = [found["type"], "null"]
    return found
