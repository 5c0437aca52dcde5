"""Decides by a model's stop reason whether its answer is complete."""

import re
from collections.abc import Mapping

from analysis_jobs.base.errors import Fail, JobError, Retry
from analysis_jobs.base.values import dataclass
from analysis_jobs.llm.model import Question

_MAX_WORDS = 500  # characters of the model's words in an error message


@dataclass(frozen=True)
class Fault:
    """The error for a stop reason. `message` may name `{max_tokens}` and `{reason}`."""

    kind: type[Fail | Retry]
    code: str
    message: str


@dataclass(frozen=True)
class StopReasons:
    """The stop reasons of one vendor.

    `complete` end a whole answer. `refused` mean that the model declined to answer. `faults` have errors of their own.
    Every other reason is unknown, and its answer may be incomplete.
    """

    complete: frozenset[str]
    refused: frozenset[str]
    faults: Mapping[str, Fault]

    def fault(self, reason: str, text: str, question: Question, explanation: str = "") -> JobError | None:
        """Return the error for a stop reason; None for a complete answer.

        `text` is the text of the answer, and `explanation` the vendor's explanation of the reason. Both explain a
        refusal. A complete answer without text is an error too, unless the question has a schema: then a repair turn
        tells the model.
        """
        if reason in self.refused:
            said = bounded(f"{text} {explanation}")
            return Fail(
                "model_refused", f"the model refused to answer: {said}" if said else "the model refused to answer"
            )
        if reason in self.faults:
            fault = self.faults[reason]
            return fault.kind(fault.code, fault.message.format(max_tokens=question.max_tokens, reason=reason))
        if reason not in self.complete:
            return Retry(
                "model_stop_unknown",
                f"the model stopped for a reason that this version does not know: {bounded(reason)}",
            )
        if question.tool is None and not text.strip():
            return Retry("model_answer_empty", "the model ended its answer without any text")
        return None


def bounded(words: str) -> str:
    """Return words of a model in one line of at most 500 characters."""
    line = re.sub(r"\s+", " ", words).strip()
    return line if len(line) <= _MAX_WORDS else f"{line[:_MAX_WORDS]}…"
