"""Gemini's `generateContent` and `streamGenerateContent`, answered by the stand-in model as its scenarios say."""

import json
import re
import time
import traceback
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from cloud.stand_in.answers import Answer, Conversation, answer, digest
from cloud.stand_in.gemini_requests import GeminiError, Limits, check_key, conversation, exhausted, told
from cloud.stand_in.models import Model
from cloud.stand_in.pacing import pieces, send_paced
from cloud.stand_in.refusals import HungUpError
from cloud.stand_in.scenarios import Call, Control, Scenario
from cloud.stand_in.wire import Wire

PATH: Final = re.compile(r"/v1(?:beta)?/models/(?P<model>[^/:]+):(?P<operation>generateContent|streamGenerateContent)")
_MOST_BODY_BYTES: Final = 110_000_000
_MODEL = re.compile(r"gemini-[a-z0-9.-]+")
_STOP_REASONS: Final = {"max_tokens": "MAX_TOKENS"}


class Gemini:
    """The endpoint. `key` is the one key it takes; None: any."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self.key: str | None = None

    def serve(self, wire: Wire, model_id: str, operation: str) -> None:
        """Answer one call, and log what became of it."""
        call = Call(model_id, operation)
        self._control.log(call)
        started = time.monotonic()
        outcome = "failed"
        try:
            outcome = self._answer(wire, call)
        except GeminiError as error:
            call.outcome = outcome = error.name  # before the answer: its reader may look at the log at once
            wire.answer(error.status, error.body)
        except HungUpError:
            outcome = "caller hung up"
        except Exception as fault:  # noqa: BLE001 - whoever waits for an answer gets one
            traceback.print_exc()
            wire.answer(500, GeminiError("INTERNAL", f"The stand-in cannot answer this: {fault!r}").body)
        finally:
            call.duration_ms = round((time.monotonic() - started) * 1000)
            call.outcome = outcome

    def _answer(self, wire: Wire, call: Call) -> str:
        raw = wire.body(_MOST_BODY_BYTES)
        check_key(wire.headers.get("x-goog-api-key"), self.key)
        if not _MODEL.fullmatch(call.model):
            raise GeminiError("NOT_FOUND", f"models/{call.model} is not found for API version v1beta.")
        model = Model(call.model, "")
        asked = conversation(raw)
        scenario, quota = self._control.take(asked.prompt)
        _describe(call, asked)
        Limits(model).check(asked.max_tokens, call.input_tokens, scenario.context_tokens or model.context_tokens)
        wire.wait(scenario.first_token_s)
        if scenario.error:
            raise told(scenario.error, scenario)
        reservation = quota.reserve(model, call.input_tokens, asked.max_tokens)
        if not reservation:
            raise exhausted(scenario)
        try:
            reply = answer(asked, asked.max_tokens or model.max_output_tokens, nonsense=scenario.nonsense)
            call.output_tokens = reply.output_tokens
            send = _send_stream if call.operation == "streamGenerateContent" else _send_whole
            return send(wire, _Reply(reply, call, scenario))
        finally:
            quota.settle(reservation, model, call.input_tokens, call.output_tokens)


@dataclass(frozen=True)
class _Reply:
    """An answer on its way."""

    answer: Answer
    call: Call
    scenario: Scenario

    @property
    def text(self) -> str:
        """The answer's text; a structured answer is text too."""
        return self.answer.tool_json or self.answer.text

    @property
    def finish_reason(self) -> str:
        """Why the answer ends."""
        return self.scenario.finish_reason or _STOP_REASONS.get(self.answer.stop_reason, "STOP")

    def chunk(self, text: str = "", *, last: bool = False) -> dict[str, Any]:
        """Return one chunk of the answer; every one says what was consumed so far."""
        candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
        if last:
            candidate["finishReason"] = self.finish_reason
        thought = self.scenario.thought_tokens
        read, written = self.call.input_tokens, self.call.output_tokens if last else 0
        usage = {"promptTokenCount": read, "totalTokenCount": read + written + thought}
        if last:
            usage["candidatesTokenCount"] = written
        if thought:
            usage["thoughtsTokenCount"] = thought
        found = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": f"{self.call.model} (stand-in)"}
        return {**found, "responseId": uuid.uuid4().hex[:22]}

    def chunks(self) -> Iterator[dict[str, Any]]:
        """Yield the chunks of the stream."""
        if self.scenario.block_reason:
            yield self.blocked()
            return
        for piece in pieces(self.text, self.scenario.chunk_chars):
            yield self.chunk(piece)
        yield self.chunk(last=True)

    def blocked(self) -> dict[str, Any]:
        """Return the answer to a question that is refused."""
        usage = {"promptTokenCount": self.call.input_tokens, "totalTokenCount": self.call.input_tokens}
        return {"promptFeedback": {"blockReason": self.scenario.block_reason}, "usageMetadata": usage}


def _send_stream(wire: Wire, reply: _Reply) -> str:
    scenario = reply.scenario
    events = [_event(chunk) for chunk in reply.chunks()]
    wire.start_stream(chunked=scenario.cut != "unchunked", content_type="text/event-stream")
    # What goes wrong in mid-answer goes wrong before the last chunk, however short the answer is.
    until_fault = min(scenario.after_events, len(events) - 1)
    send_paced(wire, events[:until_fault], scenario.chunk_s)
    wire.wait(scenario.stall_s)
    if scenario.stream_error:
        error = told(scenario.stream_error, scenario)
        wire.send_events(_event(error.body))
        wire.end_stream()
        return f"stream: {error.name}"
    if scenario.cut:
        wire.hang_up(reset=scenario.cut == "reset")
        return f"cut: {scenario.cut}"
    rest = events[until_fault:]
    if scenario.bad_checksum:  # there is none here: half a chunk
        rest = [rest[0][: len(rest[0]) // 2]]
    send_paced(wire, rest, scenario.chunk_s)
    wire.end_stream()
    return "bad checksum" if scenario.bad_checksum else "ok"


def _send_whole(wire: Wire, reply: _Reply) -> str:
    scenario = reply.scenario
    wire.wait(scenario.stall_s + scenario.chunk_s * len(reply.text) / scenario.chunk_chars)
    if scenario.stream_error:
        raise told(scenario.stream_error, scenario)
    content = reply.blocked() if scenario.block_reason else reply.chunk(reply.text, last=True)
    if scenario.cut:
        wire.cut_answer(content, reset=scenario.cut == "reset")
        return f"cut: {scenario.cut}"
    wire.answer(200, content)
    return "ok"


def _event(content: object) -> bytes:
    return b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\r\n\r\n"


def _describe(call: Call, asked: Conversation) -> None:
    call.prompt_sha256 = digest(asked.prompt)
    call.document_sha256 = digest(asked.source)
    call.input_tokens = asked.input_tokens
    call.max_tokens = asked.max_tokens
