"""Asks a model a job's question, checks the answer against a schema, and lets the model repair it once."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ValidationError

from analysis_jobs.authoring.context import AttemptControl
from analysis_jobs.authoring.spending import Spending
from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.error_facts import reason
from analysis_jobs.base.errors import ConfigurationError, JobError, Retry
from analysis_jobs.base.field_errors import describe, field_errors
from analysis_jobs.llm.model import Model, Question, Reply, Tool
from analysis_jobs.llm.quotes import hide_quotes
from analysis_jobs.prompts import RenderedPrompt

DEFAULT_MAX_TOKENS = 4_096
# The length of a typical answer. It turns the characters that have arrived into progress.
_EXPECTED_CHARACTERS = 3_000
_LONGEST_SUMMARY = 1_000
_LONGEST_TOOL_NAME = 64


@dataclass(frozen=True)
class Asker:
    """Asks models for one job.

    `model_id` is the default model. `track_answer` is called before each request. It returns a function that takes the
    share of the answer that has arrived, 0 to 1.
    """

    model: Model
    model_id: str
    job_id: str
    spending: Spending
    control: AttemptControl
    track_answer: Callable[[], Callable[[float], None]]

    def ask(
        self,
        prompt: RenderedPrompt | str,
        *,
        answer: type[BaseModel] | None,
        attachments: Sequence[Attachment],
        max_tokens: int,
        model_id: str | None,
    ) -> BaseModel | str:
        """See `Job.ask`."""
        rendered = RenderedPrompt(prompt, None, "inline") if isinstance(prompt, str) else prompt
        question = Question(
            model_id=self._choose_model(model_id),
            prompt=rendered.user,
            system=rendered.system,
            max_tokens=max_tokens,
            tool=_tool(answer) if answer else None,
            metadata={"job_id": self.job_id},
            attachments=tuple(attachments),
        )
        reply = self._ask(question)
        if answer is None:
            return reply.text
        try:
            return answer.model_validate(reply.data)
        except ValidationError as error:
            repaired = self._ask(_repair_question(question, reply, error))
        try:
            return answer.model_validate(repaired.data)
        except ValidationError as error:
            raise Retry(
                "model_answer_invalid",
                f"the model's answer does not fit its schema: {reason(error, answer)[:_LONGEST_SUMMARY]}",
            ) from error

    def _choose_model(self, model_id: str | None) -> str:
        chosen = model_id or self.model_id
        if not chosen:
            raise ConfigurationError("no model: set model_id on the module, on the analysis, or in job.ask(model_id=…)")
        return chosen

    def _ask(self, question: Question) -> Reply:
        report_share = self.track_answer()
        arrived = 0

        def on_chunk(piece: str) -> None:
            nonlocal arrived
            self.control.check()
            arrived += len(piece)
            report_share(arrived / _EXPECTED_CHARACTERS)

        self.control.check()
        try:
            reply = self.model.ask(question, on_chunk, self.control.cancellation)
        except Exception as error:
            # If the attempt must stop, we broke the call off: raise `Stopped` and drop the error.
            self.control.check()
            if isinstance(error, JobError):
                hide_quotes(error, question.prompt, question.system)
            raise
        self.spending.add(question.model_id, reply.usage)  # AWS and Google charge for a faulty answer too
        if reply.fault:
            raise reply.fault
        return reply


def _tool(answer: type[BaseModel]) -> Tool:
    description = (answer.__doc__ or "").strip().splitlines()
    return Tool(
        # Bedrock accepts these characters only. A generic model is named like `Page[int]`.
        re.sub(r"[^A-Za-z0-9_-]", "_", answer.__name__)[:_LONGEST_TOOL_NAME],
        description[0] if description else "The answer.",
        answer.model_json_schema(),
    )


def _repair_question(question: Question, reply: Reply, error: ValidationError) -> Question:
    prompt = (
        f"{question.prompt}\n\nYour answer to this was:\n{reply.text}\n\n"
        f"It does not fit the schema: {_summary(error)}\nAnswer again, and mend exactly that."
    )
    return replace(question, prompt=prompt)


def _summary(error: ValidationError) -> str:
    summary = describe(field_errors(error, whole="answer"))
    return summary if len(summary) <= _LONGEST_SUMMARY else f"{summary[:_LONGEST_SUMMARY]}…"
