"""Reads the event stream of Bedrock's `ConverseStream` into a reply."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any

from analysis_jobs.base.errors import Fail, Retry
from analysis_jobs.base.observability import log
from analysis_jobs.base.usage import Usage
from analysis_jobs.base.values import dataclass
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.llm.stops import Fault, StopReasons
from analysis_jobs.llm.structured import from_calls, from_text
from analysis_jobs.llm.usage_estimate import estimated_usage

# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_MessageStopEvent.html. Claude's `refusal`:
# https://platform.claude.com/docs/en/test-and-evaluate/strengthen-guardrails/handle-streaming-refusals
_STOP_REASONS = StopReasons(
    complete=frozenset({"end_turn", "stop_sequence", "tool_use"}),
    refused=frozenset({"refusal"}),
    faults={
        "max_tokens": Fault(Fail, "model_answer_too_long", "the answer did not fit into max_tokens={max_tokens}"),
        "model_context_window_exceeded": Fault(
            Fail,
            "model_context_exceeded",
            "the question and the answer together exceed the model's context window",
        ),
        "guardrail_intervened": Fault(Fail, "model_answer_blocked", "a guardrail blocked the question or the answer"),
        "content_filtered": Fault(Fail, "model_answer_blocked", "the model's content filter blocked the answer"),
        "malformed_model_output": Fault(Retry, "model_answer_invalid", "the model's answer was malformed"),
        "malformed_tool_use": Fault(Retry, "model_answer_invalid", "the model's structured answer was malformed"),
    },
)


def read_answer(stream: Any, question: Question, on_chunk: Callable[[str], None]) -> Reply:
    """Read the whole stream. Raises `Retry` with the code `model_stream_cut` if it ends before `messageStop`."""
    answer = _Answer()
    try:
        for event in stream:
            piece = answer.add(event, with_calls=question.tool is not None)
            if piece is not None:
                on_chunk(piece)
    except Exception as error:
        # After `messageStop` only the usage is missing. The answer is complete, and it was paid for.
        if answer.stop_reason is None:
            raise
        log(
            "model.usage_missing",
            "the stream broke after the answer",
            model_id=question.model_id,
            error=error,
        )
    finally:
        stream.close()
    # A connection that is cut between two events looks like the end of the stream. Only `messageStop` marks the end.
    if answer.stop_reason is None:
        raise Retry("model_stream_cut", "the connection to the model ended before the answer was complete")
    return answer.reply(question)


@dataclass
class _Block:
    """A content block: `text`, or `call` for a call of a tool. Other blocks, such as reasoning, are not kept."""

    index: int
    kind: str
    name: str = ""
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass
class _Answer:
    """The part of an answer that has arrived."""

    blocks: list[_Block] = field(default_factory=list)
    stop_reason: str | None = None
    explanation: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    _open: dict[tuple[int, str], _Block] = field(default_factory=dict)

    def add(self, event: Mapping[str, Any], *, with_calls: bool) -> str | None:
        """Add an event. Return the piece of the answer in it; None if it brings nothing."""
        if start := event.get("contentBlockStart"):
            if "toolUse" in (start.get("start") or {}):
                self._begin(_index(start), "call").name = str(start["start"]["toolUse"].get("name", ""))
        elif delta := event.get("contentBlockDelta"):
            return self._extend(_index(delta), delta.get("delta") or {}, with_calls=with_calls)
        elif stop := event.get("contentBlockStop"):
            for kind in ("text", "call"):
                self._open.pop((_index(stop), kind), None)
        elif end := event.get("messageStop"):
            self.stop_reason = str(end.get("stopReason"))
            self.explanation = _explanation(end)
        elif metadata := event.get("metadata"):
            self.usage = metadata.get("usage") or {}
        return None

    def _begin(self, index: int, kind: str) -> _Block:
        block = _Block(index, kind)
        self.blocks.append(block)
        self._open[index, kind] = block
        return block

    def _extend(self, index: int, delta: Mapping[str, Any], *, with_calls: bool) -> str | None:
        kind = "call" if "toolUse" in delta else "text"
        if kind == "text" and "text" not in delta:
            return ""  # for example reasoning: it is no part of the answer, but the model is alive
        piece = str((delta["toolUse"].get("input") if kind == "call" else delta["text"]) or "")
        block = self._open.get((index, kind)) or self._begin(index, kind)
        block.pieces.append(piece)
        return piece if piece and (kind == "text" or with_calls) else None

    def reply(self, question: Question) -> Reply:
        """Return the reply. The answer must be complete."""
        ordered = sorted(self.blocks, key=lambda block: block.index)
        said = "".join(block.text for block in ordered if block.kind == "text")
        reason = self.stop_reason or ""
        usage = self._usage(question, "".join(block.text for block in ordered))
        fault = _STOP_REASONS.fault(reason, said, question, self.explanation)
        if question.tool is None:
            return Reply(said, None, reason, usage, fault)
        inputs = list(_calls(ordered, question.tool.name))
        found = from_calls(inputs, said, question.tool) if inputs else from_text(said, question.tool)
        data, others = (found.candidates[0], found.candidates[1:]) if found.candidates else (None, ())
        return Reply("\n".join(inputs) if inputs else said, data, reason, usage, fault, others, found.problem)

    def _usage(self, question: Question, answer: str) -> Usage:
        """Return the usage of the call. Bedrock's input tokens exclude the tokens of a cache, as `Usage` does."""
        if not {"inputTokens", "outputTokens"} <= {
            name for name, count in self.usage.items() if isinstance(count, int)
        }:
            log("model.usage_missing", "the model did not report its usage", model_id=question.model_id)
            return estimated_usage(question, answer)
        return Usage(
            1,
            self.usage["inputTokens"],
            self.usage["outputTokens"],
            self.usage.get("cacheReadInputTokens") or 0,
            self.usage.get("cacheWriteInputTokens") or 0,
        )


def _index(place: Mapping[str, Any]) -> int:
    return int(place.get("contentBlockIndex") or 0)


def _calls(blocks: list[_Block], name: str) -> Iterator[str]:
    """Yield the inputs of the calls of the tool. A call of an unknown name counts if there is no other."""
    calls = [block for block in blocks if block.kind == "call"]
    wanted = [block for block in calls if block.name in {name, ""}] or calls
    return (block.text for block in wanted)


def _explanation(stop: Mapping[str, Any]) -> str:
    """Return why Claude refused, if the stop event says so."""
    match stop.get("additionalModelResponseFields"):
        case {"stop_details": {"explanation": str(explanation)}} | {"stop_details": {"category": str(explanation)}}:
            return explanation
    return ""
