"""The part that Bedrock and Gemini share: from a request to an answer, with pace, quota and faults of its scenario."""

import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from analysis_jobs_dev.cloud.stand_in.answers import Answer, Conversation, answer, digest
from analysis_jobs_dev.cloud.stand_in.models import Model
from analysis_jobs_dev.cloud.stand_in.refusals import HungUpError, RefusedError
from analysis_jobs_dev.cloud.stand_in.scenarios import Asked, Call, Control, Scenario
from analysis_jobs_dev.cloud.stand_in.upstream import Generation, Upstream
from analysis_jobs_dev.cloud.stand_in.wire import Wire

# A stream of another server may be silent for minutes. The caller gets an empty piece this often.
_SIGN_OF_LIFE_S = 5.0


@dataclass(frozen=True)
class Reply:
    """An answer on its way."""

    answer: Answer
    call: Call
    scenario: Scenario
    thinks: bool = False

    @property
    def text(self) -> str:
        """The text, or the tool's input as JSON."""
        return self.answer.tool_json or self.answer.text

    @property
    def pieces(self) -> list[str]:
        """The text in the pieces in which it is streamed."""
        size = self.scenario.chunk_chars
        return [self.text[start : start + size] for start in range(0, len(self.text), size)]


class Endpoint(ABC):
    """One vendor's service. A subclass knows the wire format: requests, answers, streams and errors."""

    streams: ClassVar[str]  # the operation that streams
    content_type: ClassVar[str]
    most_bytes: ClassVar[int]
    # The events that end a good stream: a fault in mid-answer comes before them, however short the answer is.
    closing_events: ClassVar[int]

    def __init__(self, control: Control, upstream: Upstream | None = None) -> None:
        self._control = control
        self._upstream = upstream

    @abstractmethod
    def read(self, wire: Wire, call: Call) -> tuple[Model, Conversation]:
        """Return the model and the conversation of a request. Raises RefusedError."""

    @abstractmethod
    def check_length(self, conversation: Conversation, most_tokens: int) -> None:
        """Raise RefusedError for an input that the model cannot take."""

    @abstractmethod
    def use_cache(self, model: Model, conversation: Conversation, call: Call) -> None:
        """Set the tokens that the call reads from the prompt cache and writes to it. Raises RefusedError."""

    @abstractmethod
    def error(self, name: str, scenario: Scenario) -> RefusedError:
        """Return the error that a scenario names by either vendor's name."""

    @abstractmethod
    def refuse(self, wire: Wire, error: RefusedError) -> None:
        """Send an error answer."""

    @abstractmethod
    def whole(self, reply: Reply) -> dict[str, Any]:
        """Return the body of an answer that is not streamed."""

    @abstractmethod
    def events(self, reply: Reply) -> list[bytes]:
        """Return the messages of a stream."""

    @abstractmethod
    def opening(self, reply: Reply) -> list[bytes]:
        """Return the messages of a stream before the first piece of text."""

    @abstractmethod
    def piece(self, reply: Reply, text: str) -> bytes:
        """Return the message of a stream with a piece of the text; an empty one shows that the answer is coming."""

    @abstractmethod
    def closing(self, reply: Reply) -> list[bytes]:
        """Return the messages of a stream after the last piece of text."""

    @abstractmethod
    def error_event(self, scenario: Scenario) -> tuple[str, bytes]:
        """Return the name and the message of an error within a stream."""

    @abstractmethod
    def corrupted(self, events: Sequence[bytes]) -> list[bytes]:
        """Return the messages with one that its reader cannot decode."""

    def serve(self, wire: Wire, model_id: str, operation: str) -> None:
        """Answer one call, and log its outcome."""
        call = Call(model_id, operation)
        self._control.log(call)
        started = time.monotonic()
        outcome = "failed"
        try:
            outcome = self._answer(wire, call)
        except RefusedError as error:
            call.outcome = outcome = error.name  # before the answer: its reader may look at the log at once
            self.refuse(wire, error)
        except HungUpError:
            outcome = "caller hung up"
        except Exception as fault:  # noqa: BLE001 - the caller waits for an answer
            traceback.print_exc()
            said = Scenario(message=f"The stand-in cannot answer this: {fault!r}")
            self.refuse(wire, self.error("ValidationException", said))
        finally:
            call.duration_ms = round((time.monotonic() - started) * 1000)
            call.outcome = outcome

    def _answer(self, wire: Wire, call: Call) -> str:
        model, conversation = self.read(wire, call)
        scenario, quota = self._control.take(
            Asked(conversation.prompt, call.model, conversation.shapes, conversation.metadata)
        )
        call.prompt_sha256 = digest(conversation.prompt)
        call.document_sha256 = digest(conversation.source)
        call.metadata = conversation.metadata
        call.input_tokens = conversation.input_tokens
        call.max_tokens = conversation.max_tokens
        self.check_length(conversation, scenario.context_tokens or model.context_tokens)
        call.tier = conversation.tier
        schemas = conversation.compiled and digest(f"{model.name} {conversation.compiled}")
        if schemas and self._control.is_first_use(schemas):
            call.compiled = True
            wire.wait(scenario.compile_s)
        wire.wait(scenario.first_token_s)
        if scenario.error:
            raise self.error(scenario.error, scenario)
        self.use_cache(model, conversation, call)
        reservation = quota.reserve(model, call.input_tokens, conversation.max_tokens)
        if not reservation:
            raise self.error("ThrottlingException", scenario)
        most_tokens = conversation.max_tokens or model.max_output_tokens
        try:
            if self._upstream and scenario.answer is None and not scenario.nonsense:
                reply = Reply(Answer("end_turn"), call, scenario, conversation.thinks)
                return self._forward(wire, reply, conversation, most_tokens)
            found = answer(conversation, most_tokens, scenario)
            call.output_tokens = found.output_tokens
            send = self._send_stream if call.operation == self.streams else self._send_whole
            return send(wire, Reply(found, call, scenario, conversation.thinks))
        finally:
            quota.settle(reservation, model, call.input_tokens - call.cache_read_tokens, call.output_tokens)

    def _forward(self, wire: Wire, reply: Reply, conversation: Conversation, most_tokens: int) -> str:
        """Answer with what another server writes, while it writes it."""
        if self._upstream is None:
            raise TypeError("there is no server to forward to")
        streams = reply.call.operation == self.streams
        if not (streams and conversation.is_decided):
            found, generation = self._upstream.answer(conversation, most_tokens)
            counted = _counted(reply, found, generation)
            return self._send_stream(wire, counted) if streams else self._send_whole(wire, counted)
        with self._upstream.stream(conversation, most_tokens, _SIGN_OF_LIFE_S) as stream:
            pieces = iter(stream)
            piece: str | None = next(pieces, "")  # a refusal before the first piece is an ordinary error answer
            wire.start_stream(self.content_type)
            started = replace(reply, answer=replace(reply.answer, tool=conversation.tool_to_use))
            wire.send_events(self.opening(started))
            try:
                while piece is not None:
                    wire.send_events([self.piece(started, piece)])
                    piece = next(pieces, None)
            except RefusedError as error:
                broken = Scenario(stream_error="modelStreamErrorException", message=error.message)
                wire.send_events([self.error_event(broken)[1]])
                wire.end_stream()
                return f"stream: {error.name}"
            wire.send_events(self.closing(_counted(reply, stream.answer, stream.generation)))
            wire.end_stream()
        return "ok"

    def _send_stream(self, wire: Wire, reply: Reply) -> str:
        scenario, events = reply.scenario, self.events(reply)
        wire.start_stream(self.content_type, chunked=scenario.cut != "unchunked")
        until_fault = min(scenario.after_events, len(events) - self.closing_events)
        wire.send_events(events[:until_fault], scenario.chunk_s)
        wire.wait(scenario.stall_s)
        if scenario.stream_error:
            name, event = self.error_event(scenario)
            wire.send_events([event])
            wire.end_stream()
            return f"stream: {name}"
        if scenario.cut:
            wire.hang_up(reset=scenario.cut == "reset")
            return f"cut: {scenario.cut}"
        rest = events[until_fault:]
        wire.send_events(self.corrupted(rest) if scenario.bad_checksum else rest, scenario.chunk_s)
        wire.end_stream()
        return "bad checksum" if scenario.bad_checksum else "ok"

    def _send_whole(self, wire: Wire, reply: Reply) -> str:
        scenario = reply.scenario
        wire.wait(scenario.stall_s + scenario.chunk_s * len(reply.pieces))
        if scenario.stream_error:
            raise self.error(scenario.stream_error, scenario)
        content = self.whole(reply)
        if scenario.cut:
            wire.cut_answer(content, reset=scenario.cut == "reset")
            return f"cut: {scenario.cut}"
        wire.answer(200, content)
        return "ok"


def _counted(reply: Reply, found: Answer, generation: Generation) -> Reply:
    """Return the reply with an answer of another server, and its token counts in the log."""
    reply.call.input_tokens = generation.input_tokens or reply.call.input_tokens
    reply.call.output_tokens = generation.output_tokens or found.output_tokens
    return replace(reply, answer=found)
