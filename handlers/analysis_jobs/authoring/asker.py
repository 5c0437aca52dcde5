"""Asks a model for a job: which model, in which shape, with one repair turn."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ValidationError

from analysis_jobs.authoring.context import AttemptControl
from analysis_jobs.authoring.spending import Spending
from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.errors import ConfigurationError, Retry
from analysis_jobs.llm.model import Model, Question, Reply, Tool
from analysis_jobs.prompts import RenderedPrompt

DEFAULT_MAX_TOKENS = 4_096
_EXPECTED_CHARACTERS = 3_000  # of an answer, to turn what has arrived into progress
_LONGEST_SUMMARY = 1_000


@dataclass(frozen=True)
class Asker:
    """Asks models for one job. `model_id` is asked if a question names no model.

    `follow` is called when a call begins. It returns a function that takes the share of the answer that has arrived,
    0 to 1.
    """

    model: Model
    model_id: str
    job_id: str
    spending: Spending
    control: AttemptControl
    follow: Callable[[], Callable[[float], None]]

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
            model_id=self._chosen(model_id),
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
            repaired = self._ask(_repair(question, reply, error))
        try:
            return answer.model_validate(repaired.data)
        except ValidationError as error:
            raise Retry(
                "model_answer_invalid",
                f"the model's answer does not fit its schema: {_summary(error)}",
            ) from error

    def _chosen(self, model_id: str | None) -> str:
        chosen = model_id or self.model_id
        if not chosen:
            raise ConfigurationError("no model: set model_id on the module, on the analysis, or in job.ask(model_id=…)")
        return chosen

    def _ask(self, question: Question) -> Reply:
        move = self.follow()
        arrived = 0

        def on_chunk(piece: str) -> None:
            nonlocal arrived
            self.control.check()
            arrived += len(piece)
            move(arrived / _EXPECTED_CHARACTERS)

        self.control.check()
        try:
            reply = self.model.ask(question, on_chunk, self.control.cancellation)
        except Exception:
            self.control.check()  # if we cancelled the call, its error is not the model's
            raise
        self.spending.add(question.model_id, reply.usage)  # a useless answer is paid for too
        if reply.fault:
            raise reply.fault
        return reply


def _tool(answer: type[BaseModel]) -> Tool:
    description = (answer.__doc__ or "").strip().splitlines()
    return Tool(
        re.sub(r"[^A-Za-z0-9_-]", "_", answer.__name__)[:64],  # as Bedrock wants it; `Page[int]` is a name in Python
        description[0] if description else "The answer.",
        answer.model_json_schema(),
    )


def _repair(question: Question, reply: Reply, error: ValidationError) -> Question:
    prompt = (
        f"{question.prompt}\n\nYour answer to this was:\n{reply.text}\n\n"
        f"It does not fit the schema: {_summary(error)}\nAnswer again, and mend exactly that."
    )
    return replace(question, prompt=prompt)


def _summary(error: ValidationError) -> str:
    found = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in error.errors())
    return found if len(found) <= _LONGEST_SUMMARY else f"{found[:_LONGEST_SUMMARY]}…"
