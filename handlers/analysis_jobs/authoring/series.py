"""`job.each`: one function over many items, with a checkpoint for each item."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from threading import Lock
from typing import Any

from analysis_jobs.authoring.checkpoints import MISSING, restored
from analysis_jobs.authoring.context import AttemptContext
from analysis_jobs.authoring.fan_out import run_all
from analysis_jobs.base.errors import ConfigurationError, OutOfTime


class Series[Item, Output]:
    """The items of one call of `job.each`. Raises `ConfigurationError` within another series."""

    def __init__(self, context: AttemptContext, function: Callable[[Item], Output], total: int) -> None:
        if context.stage.in_series:
            raise ConfigurationError("job.each within job.each: its items would be mixed up in the next attempt")
        self._context = context
        self._function = function
        self._total = total
        self._name = _series_name(context, function)
        self._begun_at = context.report.percent
        self._finished = 0
        self._counting = Lock()

    def run(self, items: Sequence[Item], needs: timedelta, at_once: int) -> list[Output]:
        """Return the output of every item. See `Job.each`."""
        stage = self._context.stage
        stage.in_series = True
        try:
            return run_all(lambda number, item: self._one(number, item, needs), items, at_once)
        finally:
            stage.in_series = False

    def _one(self, number: int, item: Item, needs: timedelta) -> Any:
        checkpoints, survives = self._context.checkpoints, self._context.stage.survives_deploys
        saved = checkpoints.load_item(self._name, number, item, survives_deploys=survives)
        output = MISSING if saved is MISSING else restored(self._function, saved)
        if output is MISSING:
            output = self._make(number, item, needs)
        with self._counting:
            self._finished += 1
            self._context.report.move_progress(self._begun_at, self._finished / self._total)
        return output

    def _make(self, number: int, item: Item, needs: timedelta) -> Any:
        context = self._context
        context.check()
        if context.checkpoints.gained and context.control.time_left() < needs:
            raise OutOfTime(f"item {number} needs more time than is left")
        output = self._function(item)
        survives = context.stage.survives_deploys
        context.checkpoints.save_item(self._name, number, item, output, survives_deploys=survives)
        # The stage sees the output as the next attempt would see it.
        again = restored(self._function, output)
        return output if again is MISSING else again


def _series_name(context: AttemptContext, function: Callable[..., Any]) -> str:
    """Return the checkpoint name of a series: its stage, its function, and which call of that function it is."""
    called = getattr(function, "__name__", type(function).__name__)
    context.stage.series[called] += 1
    # The asterisk keeps it apart from the names that `job.checkpoint` accepts.
    return f"{context.stage.name}/*{called}.{context.stage.series[called]}"
