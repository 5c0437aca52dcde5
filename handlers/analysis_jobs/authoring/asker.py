"""Asking a model for a job: which one, in which shape, with one repair turn, and what it consumed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from analysis_jobs.base.errors import ConfigurationError, Retry
from analysis_jobs.base.observability import measure_amounts
from analysis_jobs.jobs.record import JobRecord, Usage
from analysis_jobs.llm.attachments import Attachment
from analysis_jobs.llm.model import Question, Reply, Tool
from analysis_jobs.llm.prices import Prices
from analysis_jobs.prompts import RenderedPrompt

if TYPE_CHECKING:
    from analysis_jobs.authoring.job import Workbench

DEFAULT_MAX_TOKENS = 4_096
_EXPECTED_CHARACTERS = 3_000  # of an answer, to turn what has arrived into progress
_LONGEST_SUMMARY = 1_000


class Spent:
    """What a job's calls consumed and cost, by model; it goes on from the attempt before. Any thread may add to it."""

    def __init__(self, record: JobRecord, prices: Prices) -> None:
        self._prices = prices
        self._counting = Lock()
        self.usage = record.usage
        self.models = dict(record.models)
        # Rows of before were not priced: what their calls cost is not known.
        self.cost_usd = record.cost_usd if record.usage.calls else Decimal()
        self._analysis = record.analysis
        self._attempt = Usage()
        self._attempt_cost_usd: Decimal | None = Decimal()

    def add(self, model_id: str, usage: Usage) -> None:
        """Count one call."""
        cost = self._prices.cost_usd(model_id, usage)
        with self._counting:
            self.usage += usage
            self.models = {**self.models, model_id: self.models.get(model_id, Usage()) + usage}
            self.cost_usd = _sum(self.cost_usd, cost)
            self._attempt += usage
            self._attempt_cost_usd = _sum(self._attempt_cost_usd, cost)

    def measure(self) -> None:
        """Count what this attempt consumed, if it asked anything; whatever became of it, it is paid for."""
        with self._counting:
            usage, cost = self._attempt, self._attempt_cost_usd
        if usage.calls:
            read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
            amounts: dict[str, float] = {"InputTokens": read, "OutputTokens": usage.output_tokens}
            measure_amounts(amounts if cost is None else amounts | {"CostUsd": float(cost)}, self._analysis)

    def changes(self) -> dict[str, Any]:
        """Return what a write about the job says of it; nothing more than before where nothing was asked."""
        with self._counting:
            found: dict[str, Any] = {"usage": self.usage}
            return found | {"models": self.models, "cost_usd": self.cost_usd} if self.usage.calls else found


class Asker:
    """Asks for one job. `follow` begins a call, and returns what is told which share of the answer is there, 0 to 1."""

    def __init__(self, record: JobRecord, bench: Workbench, follow: Callable[[], Callable[[float], None]]) -> None:
        self._bench = bench
        self._follow = follow
        self._job_id = record.job_id
        self.spent = Spent(record, bench.prices)

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
            model_id=self._model_id(model_id),
            prompt=rendered.user,
            system=rendered.system,
            max_tokens=max_tokens,
            tool=_tool(answer) if answer else None,
            metadata={"job_id": self._job_id},
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

    def _model_id(self, model_id: str | None) -> str:
        chosen = model_id or self._bench.model_id
        if not chosen:
            raise ConfigurationError("no model: set model_id on the module, on the analysis, or in job.ask(model_id=…)")
        return chosen

    def _ask(self, question: Question) -> Reply:
        move = self._follow()
        arrived = 0

        def on_chunk(piece: str) -> None:
            nonlocal arrived
            self._bench.check()
            arrived += len(piece)
            move(arrived / _EXPECTED_CHARACTERS)

        self._bench.check()
        try:
            reply = self._bench.model.ask(question, on_chunk, self._bench.breaker)
        except Exception:
            self._bench.check()  # where we broke the call off ourselves, its error is none of the model's
            raise
        self.spent.add(question.model_id, reply.usage)  # a useless answer is paid for too
        if reply.fault:
            raise reply.fault
        return reply


def _sum(amount: Decimal | None, more: Decimal | None) -> Decimal | None:
    return None if amount is None or more is None else amount + more


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
