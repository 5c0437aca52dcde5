"""Bedrock's Converse and ConverseStream, answered by the stand-in model as its scenarios say."""

import time
import traceback
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from cloud.stand_in import eventstream
from cloud.stand_in.answers import Answer, Conversation, answer, digest
from cloud.stand_in.model_policy import ModelPolicy, SignedRequest
from cloud.stand_in.models import check_offered, find
from cloud.stand_in.pacing import pieces, send_paced
from cloud.stand_in.refusals import AS_BEDROCK, IN_STREAM, STATUS, BedrockError, HungUpError, invalid
from cloud.stand_in.scenarios import Call, Control, Scenario
from cloud.stand_in.validation import check, check_length, parse
from cloud.stand_in.wire import Wire

ACTIONS: Final = {
    "converse": "bedrock:InvokeModel",
    "converse-stream": "bedrock:InvokeModelWithResponseStream",
}
# What a caller finds that asks for the fields which are the model's own.
_OTHER_FIELDS: Final = {"stand_in": True}


class Bedrock:
    """The runtime endpoint. Without a policy every caller may use every model."""

    def __init__(self, control: Control, policy: ModelPolicy | None = None) -> None:
        self._control = control
        self._policy = policy

    def serve(self, wire: Wire, model_id: str, operation: str) -> None:
        """Answer one call of `converse` or `converse-stream`, and log what became of it."""
        call = Call(model_id, operation)
        self._control.log(call)
        started = time.monotonic()
        outcome = "failed"
        try:
            outcome = self._answer(wire, call)
        except BedrockError as error:
            call.outcome = outcome = error.code  # before the answer: its reader may look at the log at once
            wire.refuse(error)
        except HungUpError:
            outcome = "caller hung up"
        except Exception as fault:  # noqa: BLE001 - whoever waits for an answer gets one
            traceback.print_exc()
            wire.refuse(invalid(f"The stand-in cannot answer this: {fault!r}"))
        finally:
            call.duration_ms = round((time.monotonic() - started) * 1000)
            call.outcome = outcome

    def forget_roles(self) -> None:
        """Look at every role again, now."""
        if self._policy:
            self._policy.forget()

    def _answer(self, wire: Wire, call: Call) -> str:
        raw = wire.body()
        request = SignedRequest(wire.command, wire.path, dict(wire.headers.items()), raw)
        model = find(call.model, request.region)
        if self._policy:
            caller = self._policy.caller(request)
            call.caller = caller.arn
            self._policy.check(caller, model, ACTIONS[call.operation])
        check_offered(model, call.model)
        conversation = check(parse(raw), model)
        scenario, quota = self._control.take(conversation.prompt)
        _describe(call, conversation)
        check_length(conversation, scenario.context_tokens or model.context_tokens)
        wire.wait(scenario.first_token_s)
        if scenario.error:
            raise BedrockError(_known(scenario.error, STATUS), scenario.message)
        reservation = quota.reserve(model, call.input_tokens, conversation.max_tokens)
        if not reservation:
            raise BedrockError("ThrottlingException")
        try:
            most_tokens = conversation.max_tokens or model.max_output_tokens
            reply = answer(conversation, most_tokens, nonsense=scenario.nonsense, tool_as_text=scenario.tool_as_text)
            call.output_tokens = reply.output_tokens
            send = _send_stream if call.operation == "converse-stream" else _send_whole
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
    def accounts(self) -> dict[str, Any]:
        """Usage and metrics, as both operations report them."""
        read, written = self.call.input_tokens, self.call.output_tokens
        usage = {"inputTokens": read, "outputTokens": written, "totalTokens": read + written}
        return {"usage": usage, "metrics": {"latencyMs": round((time.time() - self.call.started_at) * 1000)}}

    @property
    def pieces(self) -> list[str]:
        """The text or the tool's input, in the pieces it is streamed in."""
        return pieces(self.answer.tool_json or self.answer.text, self.scenario.chunk_chars)

    @property
    def stop_reason(self) -> str:
        """Why the answer ends."""
        return self.scenario.finish_reason or self.answer.stop_reason

    def events(self) -> Iterator[bytes]:
        """Yield the messages of the stream."""
        yield eventstream.event("messageStart", {"role": "assistant"})
        if self.answer.tool:
            start = {"toolUse": {"toolUseId": _tool_use_id(), "name": self.answer.tool}}
            yield eventstream.event("contentBlockStart", {"contentBlockIndex": 0, "start": start})
        for piece in self.pieces:
            delta = {"toolUse": {"input": piece}} if self.answer.tool else {"text": piece}
            yield eventstream.event("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta})
        yield eventstream.event("contentBlockStop", {"contentBlockIndex": 0})
        stop = {"stopReason": self.stop_reason, "additionalModelResponseFields": _OTHER_FIELDS}
        yield eventstream.event("messageStop", stop)
        yield eventstream.event("metadata", self.accounts)


def _send_stream(wire: Wire, reply: _Reply) -> str:
    scenario = reply.scenario
    events = list(reply.events())
    wire.start_stream(chunked=scenario.cut != "unchunked")
    # What goes wrong in mid-answer goes wrong before `messageStop`, the last but one, however short the answer is.
    until_fault = min(scenario.after_events, len(events) - 2)
    send_paced(wire, events[:until_fault], scenario.chunk_s)
    wire.wait(scenario.stall_s)
    if scenario.stream_error:
        wire.send_events(_stream_error(scenario))
        wire.end_stream()
        return f"stream: {scenario.stream_error}"
    if scenario.cut:
        wire.hang_up(reset=scenario.cut == "reset")
        return f"cut: {scenario.cut}"
    rest = events[until_fault:]
    if scenario.bad_checksum:
        rest[0] = eventstream.spoiled(rest[0])
    send_paced(wire, rest, scenario.chunk_s)
    wire.end_stream()
    return "bad checksum" if scenario.bad_checksum else "ok"


def _known(name: str, names: Collection[str]) -> str:
    """Return an error's name at Bedrock, of either vendor's name."""
    return name if name in names else AS_BEDROCK.get(name, "InternalServerException")


def _in_stream(scenario: Scenario) -> str:
    """Return how Bedrock spells a scenario's error within a stream."""
    name = _known(scenario.stream_error, IN_STREAM)
    spelt = name[:1].lower() + name[1:]
    return spelt if spelt in IN_STREAM else "internalServerException"


def _stream_error(scenario: Scenario) -> bytes:
    name = _in_stream(scenario)
    error = BedrockError(IN_STREAM[name], scenario.message)
    body: dict[str, object] = {"message": error.message}
    if name == "modelStreamErrorException":
        body |= {"originalStatusCode": error.status, "originalMessage": error.message}
    return eventstream.exception(name, body)


def _send_whole(wire: Wire, reply: _Reply) -> str:
    scenario = reply.scenario
    wire.wait(scenario.stall_s + scenario.chunk_s * len(reply.pieces))
    if scenario.stream_error:
        code = IN_STREAM[_in_stream(scenario)].replace("ModelStreamError", "ModelError")
        raise BedrockError(code, scenario.message)
    tool_use = {"toolUseId": _tool_use_id(), "name": reply.answer.tool, "input": reply.answer.tool_input}
    content = {
        "output": {
            "message": {
                "role": "assistant",
                "content": [{"toolUse": tool_use} if reply.answer.tool else {"text": reply.answer.text}],
            },
        },
        "stopReason": reply.stop_reason,
        "additionalModelResponseFields": _OTHER_FIELDS,
        **reply.accounts,
    }
    if scenario.cut:
        wire.cut_answer(content, reset=scenario.cut == "reset")
        return f"cut: {scenario.cut}"
    wire.answer(200, content)
    return "ok"


def _describe(call: Call, conversation: Conversation) -> None:
    call.prompt_sha256 = digest(conversation.prompt)
    call.document_sha256 = digest(conversation.source)
    call.metadata = conversation.metadata
    call.input_tokens = conversation.input_tokens
    call.max_tokens = conversation.max_tokens


def _tool_use_id() -> str:
    return f"tooluse_{uuid.uuid4().hex[:22]}"
