"""`job.each`: one function over many items, with a checkpoint for each item."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from threading import Lock
from typing import Any, Generic, TypeVar

from analysis_jobs.authoring.checkpoints import ItemKey
from analysis_jobs.authoring.context import AttemptContext
from analysis_jobs.authoring.fan_out import map_items
from analysis_jobs.authoring.outputs import MISSING, output_as, restore_as, return_type
from analysis_jobs.base.errors import ConfigurationError, OutOfTime

Item = TypeVar("Item")
Output = TypeVar("Output")


class Series(Generic[Item, Output]):
    """One call of `job.each`. Raises `ConfigurationError` within another call of `job.each`."""

    def __init__(self, context: AttemptContext, function: Callable[[Item], Output], total: int) -> None:
        if context.stage.in_series:
            raise ConfigurationError("job.each within job.each: call it in the stage, not in the function of an item")
        self._context = context
        self._function = function
        self._kind = return_type(function)
        self._total = total
        self._name = _series_name(context, function)
        self._progress_before = context.report.percent
        self._finished_items = 0
        self._counting = Lock()

    def run(self, items: Sequence[Item], needs: timedelta, at_once: int) -> list[Output]:
        """Return the output of every item. See `Job.each`."""
        stage = self._context.stage
        stage.in_series = True
        try:
            return map_items(lambda number, item: self._output(number, item, needs), items, at_once)
        finally:
            stage.in_series = False

    def _output(self, number: int, item: Item, needs: timedelta) -> Any:
        """Return the output of one item: from its checkpoint, or by calling the function."""
        checkpoints, survives = self._context.checkpoints, self._context.stage.survives_deploys
        # First of all: an item that is not JSON must fail before the work on it is paid for.
        key = checkpoints.item_key(self._name, number, item, survives_deploys=survives)
        saved = checkpoints.load_by_key(key)
        output = MISSING if saved is MISSING else restore_as(self._kind, saved)
        if output is MISSING:
            output = self._call(key, item, needs)
        with self._counting:
            self._finished_items += 1
            self._context.report.move_progress(self._progress_before, self._finished_items / self._total)
        return output

    def _call(self, key: ItemKey, item: Item, needs: timedelta) -> Any:
        context = self._context
        context.check()
        if context.checkpoints.gained and context.control.time_left() < needs:
            raise OutOfTime(f"item {key.number} needs more time than the invocation has left")
        output = output_as(f"{self._name} of item {key.number}", self._kind, self._function(item))
        context.checkpoints.save_by_key(key, output)
        return output.value  # the same now as in a later attempt that restores the checkpoint


def _series_name(context: AttemptContext, function: Callable[..., Any]) -> str:
    """Return the checkpoint name of a series: stage, function, and the number of the call within the stage."""
    name = getattr(function, "__name__", type(function).__name__)
    context.stage.series[name] += 1
    # `job.checkpoint` does not accept an asterisk, so its names cannot collide with this one.
    return f"{context.stage.name}/*{name}.{context.stage.series[name]}"
