"""The port to models: `Model` answers one question. `bedrock.py` and `gemini/` implement it.

CONTRIBUTING.md lists the steps to add a model vendor.
"""

from collections.abc import Callable
from dataclasses import field
from typing import Any, Protocol

from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import JobError
from analysis_jobs.base.usage import Usage
from analysis_jobs.base.values import dataclass
from analysis_jobs.llm.families import Effort, Tier


@dataclass(frozen=True)
class Tool:
    """The JSON schema that the answer must fit. Bedrock gets it as a tool, Gemini as a response schema.

    `name` has up to 64 letters, digits, hyphens and underscores. `description` tells the model what the answer is.
    """

    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Question:
    """A question to a model.

    Args:
        model_id: The ID of the model, as the vendor spells it.
        prompt: The text of the question.
        max_tokens: The longest answer, in tokens. It is required: without it, Bedrock reserves the model's maximum of
            the token quota.
        system: The system prompt; None if there is none.
        tool: The shape of the answer. None: the answer is text.
        metadata: Labels for the vendor's request log, if it has one: the analysis, the stage and the job's ID.
        attachments: Pictures and documents. They go before the document and the prompt.
        document: A long text that other questions of the job have too. It goes before the prompt, as its own block.
        cache: The vendor shall cache the attachments and the document, and everything before them.
        cache_until: The vendor shall cache so many characters of the prompt, and everything before them. 0: none.
        is_shared: Questions with another system prompt or another schema have the same document. So the system prompt
            and the schema go after it: what is before it must be the same in all of them.
        effort: How much the model thinks, in the words of `families.Effort`. None: the model's default.
        tier: The service tier, in the words of `families.Tier`. None: the vendor's default.
        thinking_tokens: The most tokens of thought before the answer, beside `max_tokens`. None: the model's default.
    """

    model_id: str
    prompt: str
    max_tokens: int
    system: str | None = None
    tool: Tool | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    document: str = ""
    cache: bool = False
    cache_until: int = 0
    is_shared: bool = False
    effort: Effort | None = None
    tier: Tier | None = None
    thinking_tokens: int | None = None

    @property
    def most_output_tokens(self) -> int:
        """The most tokens that the model may write: the answer, and the thoughts that have a limit."""
        return self.max_tokens + (self.thinking_tokens or 0)


@dataclass(frozen=True)
class Reply:
    """A complete answer.

    Args:
        text: The answer as text. For a question with a tool, it is the JSON that the model wrote.
        data: The answer as JSON object, or as list if the schema is that of a list. None without a tool, or if the
            model did not write one. The caller validates it against the schema.
        stop_reason: Why the model ended the answer, in the vendor's word.
        usage: The tokens of the call. Set it for every answer, because the vendor charges for faulty answers too.
        fault: Why the answer is unusable, for example cut off at `max_tokens` or filtered. None: it is usable.
        others: More objects that may be the answer, if `data` does not fit the schema. The first that fits counts.
        problem: What is wrong with a structured answer as a whole, for example that the tool was called twice. A repair
            turn tells the model.
        model: The model that answered, in the vendor's words. "": the vendor does not say.
    """

    text: str
    data: Any
    stop_reason: str
    usage: Usage
    fault: JobError | None = None
    others: tuple[Any, ...] = ()
    problem: str = ""
    model: str = ""


class Model(Protocol):
    """Answers questions. Each vendor has one implementation.

    It streams, because it must notice a cancel and keep the connection alive. It sends one request per question and
    does not retry, because the job engine decides about retries. Threads may share an instance.
    """

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        """Ask the question, and return the complete answer.

        Args:
            question: The question.
            on_chunk: Call it with each piece of the answer as it arrives. It may raise to end the call.
            cancellation: While the call may block, register a callback with `on_cancel` that ends it from another
                thread: shut the socket down. The caller ignores the error that this causes.

        Raises:
            Fail: The same request would fail again: `model_refused_request`, `model_not_found`, `access_denied`,
                `attachment_not_supported`, `attachment_too_large`, `attachments_too_many`.
            Retry: `model_error`, `model_timeout`, `model_connection`; `model_stream_cut` if the stream ends before the
                vendor's end marker.
            Defer: The vendor asks us to wait: `model_throttled`, `model_unavailable`, `model_quota_exceeded`.
        """
