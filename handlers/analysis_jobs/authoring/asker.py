"""Asks a model a job's question, checks the answer against a schema, and lets the model repair it once."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Event

from pydantic import BaseModel, ValidationError

from analysis_jobs.authoring.answer_shape import AnswerShape
from analysis_jobs.authoring.caching import Arranged, CachePlan
from analysis_jobs.authoring.context import AttemptControl
from analysis_jobs.authoring.fitting import cause, fit
from analysis_jobs.authoring.spending import Spending
from analysis_jobs.base import tracing
from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.error_facts import reason
from analysis_jobs.base.errors import ConfigurationError, JobError, Retry
from analysis_jobs.base.field_errors import describe, field_errors
from analysis_jobs.base.values import dataclass
from analysis_jobs.llm.families import Tier
from analysis_jobs.llm.model import Model, Question, Reply
from analysis_jobs.llm.options import AskOptions, with_options
from analysis_jobs.llm.quotes import hide_quotes
from analysis_jobs.prompts import RenderedPrompt
from analysis_jobs.prompts.documents import split_document

# The length of a typical answer. It turns the characters that have arrived into progress.
_EXPECTED_CHARACTERS = 3_000
_LOOK_AGAIN_S = 0.5  # how often a question that waits for the cache looks whether the attempt must stop


@dataclass(frozen=True)
class Asker:
    """Asks models for one job.

    `model_id` is the default model. `metadata` returns the labels that name the job and its stage in the vendor's
    request log. It is called for each question, because a job asks in several stages. `cache_plan` decides which
    questions use the prompt cache. `track_answer` is called before each request. It returns a function that takes the
    share of the answer that has arrived, 0 to 1. `lane_tier` is the service tier of the job's lane. `trace` returns the
    context of the stage's span.
    """

    model: Model
    model_id: str
    metadata: Callable[[], dict[str, str]]
    spending: Spending
    control: AttemptControl
    cache_plan: CachePlan
    track_answer: Callable[[], Callable[[float], None]]
    lane_tier: Tier | None = None
    trace: Callable[[], str | None] = lambda: None

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
            metadata=self.metadata(),
            attachments=tuple(attachments),
        )
        question = with_options(question, options, self.lane_tier)
        document, rest = split_document(prompt) if isinstance(prompt, str) else (rendered.document, rendered.rest)
        arranged = self.cache_plan.arrange(question, document, rest, wanted=options.cache)
        question = arranged.question
        reply = self._ask_in_turn(arranged)
        if shape is None:
            return reply.text
        try:
            return fit(shape, reply)
        except ValidationError as error:
            repeated = question if options.cache is False else self.cache_plan.repeated(question)
            repaired = self._ask(_repair_question(repeated, reply, error))
        try:
            return fit(shape, repaired)
        except ValidationError as error:
            raise Retry(
                "model_answer_invalid" if repaired.text.strip() or repaired.data is not None else "model_answer_empty",
                f"the model's answer does not fit its schema: {cause(repaired, reason(error, answer))}",
            ) from error

    def _choose_model(self, model_id: str | None) -> str:
        chosen = model_id or self.model_id
        if not chosen:
            raise ConfigurationError("no model: set model_id on the module, on the analysis, or in job.ask(model_id=…)")
        return chosen

    def _ask_in_turn(self, arranged: Arranged) -> Reply:
        """Ask. A question whose document is just being written to the cache waits until the cache has it."""
        while arranged.waits_for and not arranged.waits_for.wait(_LOOK_AGAIN_S):
            self.control.check()
        try:
            return self._ask(arranged.question, arranged.announces)
        finally:
            if arranged.announces:
                arranged.announces.set()

    def _ask(self, question: Question, begins: Event | None = None) -> Reply:
        """Ask, and set the event when the answer begins."""
        report_share = self.track_answer()
        arrived = 0

        def on_chunk(piece: str) -> None:
            nonlocal arrived
            if begins:
                begins.set()
            self.control.check()
            arrived += len(piece)
            report_share(arrived / _EXPECTED_CHARACTERS)

        self.control.check()
        try:
            with tracing.within(self.trace()):
                reply = self.model.ask(question, on_chunk, self.control.cancellation)
        except Exception as error:
            # If the attempt must stop, we broke the call off: raise `Stopped` and drop the error.
            self.control.check()
            if isinstance(error, JobError):
                hide_quotes(error, question.prompt, question.system)
            raise
        # AWS and Google charge for a faulty answer too.
        self.spending.add(question.model_id, reply.usage, question.tier)
        if reply.fault:
            raise reply.fault
        return reply


def _repair_question(question: Question, reply: Reply, error: ValidationError) -> Question:
    """Return the question with the answer and its faults after it. The question itself stays, for the prompt cache."""
    said = f"Your answer to this was:\n{reply.text}" if reply.text.strip() else "Your answer to this was empty."
    prompt = (
        f"{question.prompt}\n\n{said}\n\n"
        f"It does not fit the schema: {cause(reply, _fields(error))}\nAnswer again, and mend exactly that."
    )
    return replace(question, prompt=prompt)


def _fields(error: ValidationError) -> str:
    return describe(field_errors(error, whole="answer"))
