"""The model port: one question, one answer. `bedrock.py` and `gemini.py` are the real ones."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic_core import from_json

from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import JobError
from analysis_jobs.base.usage import Usage


@dataclass(frozen=True)
class Tool:
    """The shape that the answer must have: a name and a JSON schema."""

    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Question:
    """What a model is asked. `max_tokens` is always set: unset, Bedrock reserves the model's maximum of the quota."""

    model_id: str
    prompt: str
    max_tokens: int
    system: str | None = None
    tool: Tool | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class Reply:
    """A whole answer, which is paid for: `data` where a tool was asked for and used in valid JSON, and always `text`.

    `fault` is what makes the answer useless: it was cut at `max_tokens`, or filtered.
    """

    text: str
    data: dict[str, Any] | None
    stop_reason: str
    usage: Usage
    fault: JobError | None = None


def json_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that a structured answer is, None where it is none."""
    try:
        data = from_json(text, allow_inf_nan=False)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


class Model(Protocol):
    """Whatever can answer a question."""

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        """Return the whole answer. `on_chunk` gets each piece as it arrives, and may raise to break the call off.

        Cancelling `cancellation` from another thread ends a blocked call. Raises `Fail`, `Retry` or `Defer`. Ignore
        errors raised after cancellation.
        """
