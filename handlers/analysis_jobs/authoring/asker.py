"""Asks a model a job's question, checks the answer against a schema, and lets the model repair it once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ValidationError

from analysis_jobs.authoring.answer_shape import AnswerShape
from analysis_jobs.authoring.context import AttemptControl
from analysis_jobs.authoring.spending import Spending
from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.error_facts import reason
from analysis_jobs.base.errors import ConfigurationError, Retry
from analysis_jobs.base.field_errors import describe, field_errors
from analysis_jobs.llm.families import Tier
from analysis_jobs.llm.model import Model, Question, Reply
from analysis_jobs.llm.options import AskOptions, with_options
from analysis_jobs.prompts import RenderedPrompt

DEFAULT_MAX_TOKENS = 4_096
# The length of a typical answer. It turns the characters that have arrived into progress.
_EXPECTED_CHARACTERS = 3_000
_LONGEST_SUMMARY = 1_000


@dataclass(frozen=True)
class Asker:
    """Asks models for one job.

    `model_id` is the default model. `track_answer` is called before each request. It returns a function that takes the
    share of the answer that has arrived, 0 to 1. `lane_tier` is the service tier of the job's lane.
    """

    model: Model
    model_id: str
    job_id: str
    spending: Spending
    control: AttemptControl
    track_answer: Callable[[], Callable[[float], None]]
    lane_tier: Tier | None = None

    def ask(
        self,
        prompt: RenderedPrompt | str,
        *,
        answer: type[BaseModel] | None,
        attachments: Sequence[Attachment],
        max_tokens: int,
        options: AskOptions,
    ) -> BaseModel | str:
        """See `Job.ask`."""
        rendered = RenderedPrompt(prompt, None, "inline") if isinstance(prompt, str) else prompt
        shape = AnswerShape.of(answer) if answer else None
        question = Question(
            model_id=self._choose_model(options.model_id),
            prompt=rendered.user,
            system=rendered.system,
            max_tokens=max_tokens,
            tool=shape.tool if shape else None,
            metadata={"job_id": self.job_id},
            attachments=tuple(attachments),
        )
        question = with_options(question, options, self.lane_tier)
        reply = self._ask(question)
        if shape is None:
            return reply.text
        try:
            return shape.read(reply.data)
        except ValidationError as error:
            repaired = self._ask(_repair_question(question, reply, error))
        try:
            return shape.read(repaired.data)
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
        except Exception:
            # If the attempt must stop, we broke the call off: raise `Stopped` and drop the error.
            self.control.check()
            raise
        self.spending.add(
            question.model_id, reply.usage, question.tier
        )  # AWS and Google charge for a faulty answer too
        if reply.fault:
            raise reply.fault
        return reply


def _repair_question(question: Question, reply: Reply, error: ValidationError) -> Question:
    prompt = (
        f"{question.prompt}\n\nYour answer to this was:\n{reply.text}\n\n"
        f"It does not fit the schema: {_summary(error)}\nAnswer again, and mend exactly that."
    )
    return replace(question, prompt=prompt)


def _summary(error: ValidationError) -> str:
    summary = describe(field_errors(error, whole="answer"))
    return summary if len(summary) <= _LONGEST_SUMMARY else f"{summary[:_LONGEST_SUMMARY]}…"
