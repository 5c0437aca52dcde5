"""Gemini's `generateContent` and `streamGenerateContent`."""

import json
import re
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar, Final, override

from analysis_jobs_dev.cloud.stand_in.answers import Conversation
from analysis_jobs_dev.cloud.stand_in.endpoint import Endpoint, Reply
from analysis_jobs_dev.cloud.stand_in.gemini_requests import conversation_of, invalid
from analysis_jobs_dev.cloud.stand_in.models import Model
from analysis_jobs_dev.cloud.stand_in.refusals import AS_GEMINI, GEMINI_STATUS, RefusedError
from analysis_jobs_dev.cloud.stand_in.scenarios import Call, Control, Scenario
from analysis_jobs_dev.cloud.stand_in.upstream import Upstream
from analysis_jobs_dev.cloud.stand_in.wire import Wire

PATH: Final = re.compile(r"/v1(?:beta)?/models/(?P<model>[^/:]+):(?P<operation>generateContent|streamGenerateContent)")
_MODEL = re.compile(r"gemini-[a-z0-9.-]+")
# The library sends it to every Gemini server but Google's.
_METADATA_HEADER: Final = "x-analysis-jobs-metadata"
_TYPE: Final = "type.googleapis.com/google.rpc."


class Gemini(Endpoint):
    """The endpoint. `key` is the only API key that it accepts; None accepts any."""

    streams: ClassVar = "streamGenerateContent"
    content_type: ClassVar = "text/event-stream"
    most_bytes: ClassVar = 110_000_000
    closing_events: ClassVar = 1  # the chunk with the finish reason

    def __init__(self, control: Control, upstream: Upstream | None = None) -> None:
        super().__init__(control, upstream)
        self.key: str | None = None

    @override
    def read(self, wire: Wire, call: Call) -> tuple[Model, Conversation]:
        raw = wire.body(self.most_bytes)
        self._check_key(wire.headers.get("x-goog-api-key"))
        if not _MODEL.fullmatch(call.model):
            raise RefusedError("NOT_FOUND", f"models/{call.model} is not found for API version v1beta.")
        model = Model(call.model, "")
        conversation = conversation_of(raw, call.model, wire.headers.get(_METADATA_HEADER, "{}"))
        wanted, most = conversation.max_tokens, model.max_output_tokens
        if wanted is not None and not 0 < wanted <= most:
            raise invalid(
                f"Unable to submit request because it has a maxOutputTokens value of {wanted} but the supported range "
                f"is from 1 (inclusive) to {most + 1} (exclusive). Update the value and try again."
            )
        return model, conversation

    @override
    def check_length(self, conversation: Conversation, most_tokens: int) -> None:
        read = conversation.input_tokens
        if read > most_tokens:
            raise invalid(
                f"The input token count ({read}) exceeds the maximum number of tokens allowed ({most_tokens})."
            )

    @override
    def use_cache(self, model: Model, conversation: Conversation, call: Call) -> None:
        call.cache_read_tokens = self._control.implicit_cache.use(model.name, conversation.blocks)

    @override
    def error(self, name: str, scenario: Scenario) -> RefusedError:
        found = name if name in GEMINI_STATUS else AS_GEMINI.get(name[:1].upper() + name[1:], "INTERNAL")
        details = _quota_details(scenario) if found == "RESOURCE_EXHAUSTED" else []
        return RefusedError(found, scenario.message, *details)

    @override
    def refuse(self, wire: Wire, error: RefusedError) -> None:
        wire.answer(error.status, _body(error))

    @override
    def whole(self, reply: Reply) -> dict[str, Any]:
        return _blocked(reply) if reply.scenario.block_reason else _chunk(reply, reply.text, last=True)

    @override
    def events(self, reply: Reply) -> list[bytes]:
        if reply.scenario.block_reason:
            return [_event(_blocked(reply))]
        return [*(_event(_chunk(reply, piece)) for piece in reply.pieces), _event(_chunk(reply, last=True))]

    @override
    def opening(self, reply: Reply) -> list[bytes]:
        del reply
        return []

    @override
    def piece(self, reply: Reply, text: str) -> bytes:
        return _event(_chunk(reply, text))

    @override
    def closing(self, reply: Reply) -> list[bytes]:
        return [_event(_chunk(reply, last=True))]

    @override
    def error_event(self, scenario: Scenario) -> tuple[str, bytes]:
        error = self.error(scenario.stream_error, scenario)
        return error.name, _event(_body(error))

    @override
    def corrupted(self, events: Sequence[bytes]) -> list[bytes]:
        return [events[0][: len(events[0]) // 2]]  # there are no checksums: half a chunk

    def _check_key(self, given: str | None) -> None:
        if not given:
            raise RefusedError(
                "PERMISSION_DENIED",
                "Method doesn't allow unregistered callers (callers without established identity). Please use API Key "
                "or other form of API consumer identity to call this API.",
            )
        if self.key is not None and given != self.key:
            reason = {"@type": f"{_TYPE}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
            raise RefusedError("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", reason)


def _quota_details(scenario: Scenario) -> list[dict[str, Any]]:
    """Return which quota is exhausted, and how long to wait."""
    quota = f"GenerateContentInputTokensPer{'Day' if scenario.per_day else 'Minute'}PerProjectPerModel"
    details: list[dict[str, Any]] = [{"@type": f"{_TYPE}QuotaFailure", "violations": [{"quotaId": quota}]}]
    if scenario.retry_delay_s is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{scenario.retry_delay_s:g}s"})
    return details


def _body(error: RefusedError) -> dict[str, Any]:
    """Return the body of an error."""
    said = {"code": error.status, "message": error.message, "status": error.name}
    return {"error": {**said, "details": list(error.details)} if error.details else said}


def _chunk(reply: Reply, text: str = "", *, last: bool = False) -> dict[str, Any]:
    """Return one chunk of the answer; each says how much was consumed so far."""
    thought, read = reply.scenario.thought_tokens, reply.call.input_tokens
    written = reply.call.output_tokens if last else 0
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    usage = {"promptTokenCount": read, "totalTokenCount": read + written + thought}
    if reply.call.cache_read_tokens:
        usage["cachedContentTokenCount"] = reply.call.cache_read_tokens
    if last:
        ended = "MAX_TOKENS" if reply.answer.stop_reason == "max_tokens" else "STOP"
        candidate["finishReason"] = reply.scenario.finish_reason or ended
        usage["candidatesTokenCount"] = written
    if thought:
        usage["thoughtsTokenCount"] = thought
    return {
        "candidates": [candidate],
        **({} if reply.scenario.no_usage else {"usageMetadata": usage}),
        "modelVersion": f"{reply.call.model} (stand-in)",
        "responseId": uuid.uuid4().hex[:22],
    }


def _blocked(reply: Reply) -> dict[str, Any]:
    """Return the answer to a question that Gemini blocks."""
    usage = {"promptTokenCount": reply.call.input_tokens, "totalTokenCount": reply.call.input_tokens}
    return {"promptFeedback": {"blockReason": reply.scenario.block_reason}, "usageMetadata": usage}


def _event(content: object) -> bytes:
    return b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\r\n\r\n"
