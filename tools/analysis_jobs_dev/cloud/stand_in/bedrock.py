"""Bedrock's Converse and ConverseStream."""

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Final, override

from analysis_jobs_dev.cloud.stand_in import eventstream
from analysis_jobs_dev.cloud.stand_in.answers import Conversation
from analysis_jobs_dev.cloud.stand_in.bedrock_requests import conversation_of
from analysis_jobs_dev.cloud.stand_in.endpoint import Endpoint, Reply
from analysis_jobs_dev.cloud.stand_in.model_policy import ModelPolicy, SignedRequest
from analysis_jobs_dev.cloud.stand_in.models import Model, check_offered, find
from analysis_jobs_dev.cloud.stand_in.refusals import AS_BEDROCK, BEDROCK_STATUS, IN_STREAM, RefusedError, require
from analysis_jobs_dev.cloud.stand_in.scenarios import Call, Control, Scenario
from analysis_jobs_dev.cloud.stand_in.upstream import Upstream
from analysis_jobs_dev.cloud.stand_in.wire import Wire

ACTIONS: Final = {
    "converse": "bedrock:InvokeModel",
    "converse-stream": "bedrock:InvokeModelWithResponseStream",
}
_SIGNATURE: Final = "c3RhbmQtaW4="
# The field in which Bedrock returns a model's own data.
_STAND_IN: Final = {"additionalModelResponseFields": {"stand_in": True}}


class Bedrock(Endpoint):
    """The runtime endpoint. Without a policy every caller may use every model."""

    streams: ClassVar = "converse-stream"
    content_type: ClassVar = eventstream.CONTENT_TYPE
    most_bytes: ClassVar = 25_000_000
    closing_events: ClassVar = 2  # messageStop, metadata

    def __init__(self, control: Control, policy: ModelPolicy | None = None, upstream: Upstream | None = None) -> None:
        super().__init__(control, upstream)
        self._policy = policy

    def forget_roles(self) -> None:
        """Ask for the rights of every role again."""
        if self._policy:
            self._policy.forget()

    @override
    def read(self, wire: Wire, call: Call) -> tuple[Model, Conversation]:
        raw = wire.body(self.most_bytes)
        request = SignedRequest(wire.path, wire.headers, raw)
        model = find(call.model, request.region)
        if self._policy:
            caller = self._policy.caller(request)
            call.caller = caller.arn
            self._policy.check(caller, model, ACTIONS[call.operation])
        check_offered(model, call.model)
        return model, conversation_of(raw, model)

    @override
    def check_length(self, conversation: Conversation, most_tokens: int) -> None:
        require(conversation.input_tokens <= most_tokens, "Input is too long for requested model.")

    @override
    def use_cache(self, model: Model, conversation: Conversation, call: Call) -> None:
        used = self._control.prompt_cache.use(model.name, conversation.blocks)
        call.cache_read_tokens, call.cache_write_tokens = used.read, used.written

    @override
    def error(self, name: str, scenario: Scenario) -> RefusedError:
        # What a stream calls modelStreamErrorException is a ModelErrorException outside of it.
        spelt = "ModelErrorException" if name == "modelStreamErrorException" else name[:1].upper() + name[1:]
        return RefusedError(_bedrocks(spelt, name, BEDROCK_STATUS), scenario.message)

    @override
    def refuse(self, wire: Wire, error: RefusedError) -> None:
        kind = f"{error.name}:http://internal.amazon.com/coral/com.amazon.bedrock/"
        wire.answer(error.status, {"message": error.message}, {"x-amzn-ErrorType": kind})

    @override
    def whole(self, reply: Reply) -> dict[str, Any]:
        found = reply.answer
        tool_use = {"toolUseId": _tool_use_id(), "name": found.tool, "input": found.tool_input}
        content: list[dict[str, Any]] = [{"toolUse": tool_use} if found.tool else {"text": found.text}]
        if reply.thinks:
            content.insert(0, {"reasoningContent": {"reasoningText": {"text": "", "signature": _SIGNATURE}}})
        return {"output": {"message": {"role": "assistant", "content": content}}, **_stop(reply), **_accounts(reply)}

    @override
    def events(self, reply: Reply) -> list[bytes]:
        tool, first = reply.answer.tool, 1 if reply.thinks else 0
        deltas: list[dict[str, Any]] = [
            {"toolUse": {"input": piece}} if tool else {"text": piece} for piece in reply.pieces
        ]
        blocks = [_block(first + number, tool, deltas) for number in range(reply.scenario.calls if tool else 1)]
        return [
            eventstream.event("messageStart", {"role": "assistant"}),
            *(_thoughts() if reply.thinks else ()),
            *(event for block in blocks for event in block),
            eventstream.event("messageStop", _stop(reply)),
            eventstream.event("metadata", _accounts(reply)),
        ]

    @override
    def opening(self, reply: Reply) -> list[bytes]:
        start = {"toolUse": {"toolUseId": _tool_use_id(), "name": reply.answer.tool}}
        at = {"contentBlockIndex": 1 if reply.thinks else 0}
        return [
            eventstream.event("messageStart", {"role": "assistant"}),
            *(_thoughts() if reply.thinks else ()),
            *([eventstream.event("contentBlockStart", {**at, "start": start})] if reply.answer.tool else []),
        ]

    @override
    def piece(self, reply: Reply, text: str) -> bytes:
        delta = {"toolUse": {"input": text}} if reply.answer.tool else {"text": text}
        return eventstream.event("contentBlockDelta", {"contentBlockIndex": 1 if reply.thinks else 0, "delta": delta})

    @override
    def closing(self, reply: Reply) -> list[bytes]:
        return [
            eventstream.event("contentBlockStop", {"contentBlockIndex": 1 if reply.thinks else 0}),
            eventstream.event("messageStop", _stop(reply)),
            eventstream.event("metadata", _accounts(reply)),
        ]

    @override
    def error_event(self, scenario: Scenario) -> tuple[str, bytes]:
        name = scenario.stream_error
        known = _bedrocks(name[:1].upper() + name[1:], name, IN_STREAM.values())
        spelt = known[:1].lower() + known[1:]
        error = RefusedError(known, scenario.message)
        body: dict[str, object] = {"message": error.message}
        if spelt == "modelStreamErrorException":
            body |= {"originalStatusCode": error.status, "originalMessage": error.message}
        return spelt, eventstream.exception(spelt, body)

    @override
    def corrupted(self, events: Sequence[bytes]) -> list[bytes]:
        return [eventstream.with_bad_checksum(events[0]), *events[1:]]


def _block(index: int, tool: str, deltas: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """Return the events of one content block: a call of the tool, or text."""
    at = {"contentBlockIndex": index}
    start = {"toolUse": {"toolUseId": _tool_use_id(), "name": tool}}
    return [
        *([eventstream.event("contentBlockStart", {**at, "start": start})] if tool else []),
        *(eventstream.event("contentBlockDelta", {**at, "delta": delta}) for delta in deltas),
        eventstream.event("contentBlockStop", at),
    ]


def _bedrocks(name: str, given: str, names: Collection[str]) -> str:
    """Return the name of an error at Bedrock; an internal error where Bedrock has no such error."""
    found = name if name in names else AS_BEDROCK.get(given, "")
    return found if found in names else "InternalServerException"


def _stop(reply: Reply) -> dict[str, Any]:
    return {"stopReason": reply.scenario.finish_reason or reply.answer.stop_reason, **_STAND_IN}


def _accounts(reply: Reply) -> dict[str, Any]:
    """Return usage and metrics."""
    call = reply.call
    total, cached = call.input_tokens, call.cache_read_tokens + call.cache_write_tokens
    usage = {
        "inputTokens": max(0, total - cached),
        "outputTokens": call.output_tokens,
        "totalTokens": total + call.output_tokens,
        "cacheReadInputTokens": call.cache_read_tokens,
        "cacheWriteInputTokens": call.cache_write_tokens,
    }
    if reply.scenario.no_usage:
        return {"metrics": {"latencyMs": 1}}
    return {"usage": usage, "metrics": {"latencyMs": round((time.time() - reply.call.started_at) * 1000)}}


def _thoughts() -> list[bytes]:
    """Return the block of a model that does not show its thoughts: a signature, and no text."""
    delta = {"reasoningContent": {"signature": _SIGNATURE}}
    at = {"contentBlockIndex": 0}
    return [
        eventstream.event("contentBlockDelta", {**at, "delta": delta}),
        eventstream.event("contentBlockStop", at),
    ]


def _tool_use_id() -> str:
    return f"tooluse_{uuid.uuid4().hex[:22]}"
