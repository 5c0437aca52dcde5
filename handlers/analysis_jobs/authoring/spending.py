"""Tokens and cost of a job's model calls."""

from decimal import Decimal
from threading import Lock
from typing import Any

from analysis_jobs.base.observability import log, measure_amounts, measure_total
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.llm.prices import Prices


class Spending:
    """Tokens and dollars by model, over all attempts of a job. Any thread may add to it."""

    def __init__(self, record: JobRecord, prices: Prices) -> None:
        self._prices = prices
        self._counting = Lock()
        self.usage = record.usage
        self.models = dict(record.models)
        # A row of an older version has calls without a cost. Then the cost of the job stays unknown.
        self.cost_usd = record.cost_usd if record.usage.calls else Decimal()
        self._record = record
        self._attempt = Usage()
        self._attempt_cost_usd: Decimal | None = Decimal()

    def add(self, model_id: str, usage: Usage, tier: str | None = None) -> None:
        """Count one call. If the price of its model and tier is unknown, so is the cost of the job from now on."""
        cost = self._prices.cost_usd(model_id, usage, tier)
        with self._counting:
            self.usage += usage
            self.models = {**self.models, model_id: self.models.get(model_id, Usage()) + usage}
            self.cost_usd = _sum(self.cost_usd, cost)
            self._attempt += usage
            self._attempt_cost_usd = _sum(self._attempt_cost_usd, cost)

    def measure(self) -> None:
        """Emit the tokens and the cost of this attempt as metrics and as a log line, if it called a model."""
        with self._counting:
            usage, cost = self._attempt, self._attempt_cost_usd
        if usage.calls:
            input_tokens = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
            amounts: dict[str, float] = {"InputTokens": input_tokens, "OutputTokens": usage.output_tokens}
            measure_amounts(amounts if cost is None else amounts | {"CostUsd": float(cost)}, self._record.analysis)
            cost_usd = None if cost is None else float(cost)
            if cost_usd is not None:
                measure_total("CostUsd", cost_usd)
            log(
                "attempt.spent",
                "the attempt called models",
                cost_usd=cost_usd,
                input_tokens=input_tokens,
                output_tokens=usage.output_tokens,
                **self._record.log_fields,
            )

    def changes(self) -> dict[str, Any]:
        """Return the changes for the row. A job without calls writes its usage only."""
        with self._counting:
            changes: dict[str, Any] = {"usage": self.usage}
            return changes | {"models": self.models, "cost_usd": self.cost_usd} if self.usage.calls else changes


def _sum(amount: Decimal | None, more: Decimal | None) -> Decimal | None:
    return None if amount is None or more is None else amount + more
