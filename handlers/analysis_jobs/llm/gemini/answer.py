"""Reads the chunks of Gemini's `streamGenerateContent` into a reply."""

from collections.abc import Callable, Iterator
from dataclasses import field, replace
from typing import Any

from analysis_jobs.base.errors import Fail, Retry
from analysis_jobs.base.observability import log
from analysis_jobs.base.usage import Usage
from analysis_jobs.base.values import dataclass
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.llm.stops import Fault, StopReasons, bounded
from analysis_jobs.llm.structured import from_text
from analysis_jobs.llm.usage_estimate import estimated_tokens, estimated_usage

_TOO_LONG = Fault(
    Fail, "model_answer_too_long", "the answer did not fit into max_tokens={max_tokens}; the model's thoughts count too"
)
_BLOCKED = Fault(Fail, "model_answer_blocked", "a filter of the model blocked its answer: {reason}")
_MALFORMED = Fault(Retry, "model_answer_invalid", "the model ended its answer early: {reason}")
# https://ai.google.dev/api/generate-content#FinishReason
_FINISH_REASONS = StopReasons(
    complete=frozenset({"STOP"}),
    refused=frozenset({"ESCALATION", "IMAGE_PROHIBITED_CONTENT", "IMAGE_SAFETY", "PROHIBITED_CONTENT", "SAFETY"}),
    faults={
        **dict.fromkeys(("CONTINUATION", "MAX_TOKENS"), _TOO_LONG),
        **dict.fromkeys(
            ("BLOCKLIST", "IMAGE_RECITATION", "LANGUAGE", "MODEL_ARMOR", "PUP_LIMITED_DISABLED", "RECITATION", "SPII"),
            _BLOCKED,
        ),
        **dict.fromkeys(
            (
                "FINISH_REASON_UNSPECIFIED",
                "IMAGE_OTHER",
                "MALFORMED_FUNCTION_CALL",
                "MALFORMED_RESPONSE",
                "MISSING_THOUGHT_SIGNATURE",
                "NO_IMAGE",
                "OTHER",
                "TOO_MANY_TOOL_CALLS",
                "UNEXPECTED_TOOL_CALL",
            ),
            _MALFORMED,
        ),
    },
)


def read_answer(
    stream: Iterator[Any],
    question: Question,
    on_chunk: Callable[[str], None],
    broken: tuple[type[Exception], ...] = (),
) -> Reply:
    """Read all chunks. Raises `Retry` with the code `model_stream_cut` if they end before a finish reason.

    `broken` are the errors of a connection. After the finish reason they are ignored: the answer is complete.
    """
    answer = _Answer()
    try:
        for chunk in stream:
            piece = answer.add(chunk)
            if piece is not None:
                on_chunk(piece)
    except broken as error:
        if not answer.finish_reason:
            raise
        log(
            "model.stream_broken",
            "the stream broke after the answer",
            model_id=question.model_id,
            error=error,
        )
    return replace(answer.reply(question), model=answer.model)


@dataclass
class _Answer:
    """The part of an answer that has arrived."""

    pieces: list[str] = field(default_factory=list)
    finish_reason: str = ""
    explanation: str = ""
    blocked: str = ""
    counted: Any = None
    model: str = ""

    def add(self, chunk: Any) -> str | None:
        """Add a chunk, and return its text. None if it brings nothing, and empty for a thought."""
        if chunk.usage_metadata:  # the total of the call so far
            self.counted = chunk.usage_metadata
        self.model = chunk.model_version or self.model
        feedback = chunk.prompt_feedback
        if feedback and feedback.block_reason:
            self.blocked = ": ".join(filter(None, (_name(feedback.block_reason), feedback.block_reason_message)))
        candidate = next((each for each in chunk.candidates or () if not each.index), None)
        if candidate is None:
            return None
        if candidate.finish_reason:
            self.finish_reason = _name(candidate.finish_reason)
            self.explanation = candidate.finish_message or self.explanation
        parts = (candidate.content and candidate.content.parts) or []
        text = "".join(part.text for part in parts if part.text and not part.thought)
        self.pieces.append(text)
        return text if text or parts else None

    def reply(self, question: Question) -> Reply:
        """Return the reply to the whole stream."""
        text = "".join(self.pieces)
        usage = self._usage(question, text)
        if self.blocked:
            blocked = Fail("model_answer_blocked", f"the model blocked the question: {bounded(self.blocked)}")
            return Reply(text, None, self.blocked.partition(":")[0], usage, blocked)
        if not self.finish_reason and self.counted and not self.pieces:
            empty = Retry("model_answer_empty", "the model answered without a candidate")
            return Reply("", None, "", usage, empty)
        # A connection that is cut between two chunks looks like the end. Only a finish reason marks the end.
        if not self.finish_reason:
            raise Retry("model_stream_cut", "the connection to the model ended before the answer was complete")
        fault = _FINISH_REASONS.fault(self.finish_reason, text, question, self.explanation)
        if question.tool is None:
            return Reply(text, None, self.finish_reason, usage, fault)
        found = from_text(text, question.tool)
        data, others = (found.candidates[0], found.candidates[1:]) if found.candidates else (None, ())
        return Reply(text, data, self.finish_reason, usage, fault, others, found.problem)

    def _usage(self, question: Question, text: str) -> Usage:
        """Return the usage of the call. Google charges thoughts as output. Its input includes the cached tokens."""
        counted = self.counted
        if counted is None or counted.prompt_token_count is None:
            log("model.usage_missing", "the model did not report its usage", model_id=question.model_id)
            return estimated_usage(question, text)
        cached = counted.cached_content_token_count or 0
        written = counted.candidates_token_count
        is_estimated = written is None and bool(text)
        return Usage(
            calls=1,
            input_tokens=max(0, counted.prompt_token_count - cached),
            output_tokens=(estimated_tokens(text) if is_estimated else written or 0)
            + (counted.thoughts_token_count or 0),
            cache_read_tokens=cached,
            estimated_calls=int(is_estimated),
        )


def _name(member: Any) -> str:
    return str(getattr(member, "value", member))
