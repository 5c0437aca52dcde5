"""The answers of a test: what a scripted answer may be, and the event stream in which the worker gets it.

The stream has the form of Bedrock's `ConverseStream`. The library's own reader reads it, so a scripted answer is
unwrapped, checked, repaired, refused or cut off exactly as a model's answer is.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from analysis_jobs.llm.model import Question
from analysis_jobs.llm.usage_estimate import estimated_input_tokens, estimated_tokens

_PIECES = 4  # in how many pieces an answer arrives


@dataclass(frozen=True)
class Answer:
    """A scripted answer with its circumstances.

    Args:
        value: A pydantic model, a mapping or a list for a question with `answer=`; a text for a question without. An
            exception (`Fail`, `Retry`, `Defer`) is raised by `job.ask`. A function gets the question (`Asked`), and
            returns one of these.
        takes: How long the model needs for it. The clock moves by so much.
        input_tokens: The tokens that the question costs. None: an estimate.
        output_tokens: The tokens that the answer costs. None: an estimate.
        stop_reason: Why the model ended the answer, in Bedrock's word, for example `max_tokens`. None: it is complete.
    """

    value: Any
    takes: timedelta = timedelta()
    input_tokens: int | None = None
    output_tokens: int | None = None
    stop_reason: str | None = None
    cut: bool = field(default=False, kw_only=True)

    @classmethod
    def of(cls, value: Any) -> "Answer":
        """Return a value as an answer. An answer stays as it is."""
        return value if isinstance(value, cls) else cls(value)

    def with_value(self, value: Any) -> "Answer":
        """Return the answer with another value; the value's own circumstances if it is an answer itself."""
        return value if isinstance(value, Answer) else replace(self, value=value)


class AnswerStream:
    """The events of one answer, as `ConverseStream` sends them."""

    def __init__(self, answer: Answer, question: Question) -> None:
        self._answer = answer
        self._question = question

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        answer, question = self._answer, self._question
        text, in_tool = _written(answer.value, question)
        yield {"messageStart": {"role": "assistant"}}
        if in_tool and question.tool:
            yield {"contentBlockStart": {"contentBlockIndex": 0, "start": {"toolUse": {"name": question.tool.name}}}}
        pieces = _pieces(text)
        for piece in pieces[: _PIECES // 2] if answer.cut else pieces:
            delta = {"toolUse": {"input": piece}} if in_tool else {"text": piece}
            yield {"contentBlockDelta": {"contentBlockIndex": 0, "delta": delta}}
        if answer.cut:
            return
        yield {"contentBlockStop": {"contentBlockIndex": 0}}
        yield {"messageStop": {"stopReason": answer.stop_reason or ("tool_use" if in_tool else "end_turn")}}
        yield {"metadata": {"usage": self._usage(text)}}

    def close(self) -> None:
        """Close the stream, as the library closes that of Bedrock."""

    def _usage(self, text: str) -> dict[str, int]:
        given, answer = self._question, self._answer
        asked = estimated_input_tokens(given) if answer.input_tokens is None else answer.input_tokens
        said = estimated_tokens(text) if answer.output_tokens is None else answer.output_tokens
        return {"inputTokens": asked, "outputTokens": said}


def _written(value: Any, question: Question) -> tuple[str, bool]:
    """Return a value as the model writes it, and whether it is the input of the tool."""
    if isinstance(value, str):
        return value, False
    if isinstance(value, BaseModel):
        text = json.dumps(value.model_dump(mode="json", by_alias=True), ensure_ascii=False)
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text, question.tool is not None


def _pieces(text: str) -> list[str]:
    size = max(1, -(-len(text) // _PIECES))
    return [text[start : start + size] for start in range(0, len(text), size)]
