"""The job table of a test. It lets a worker die, or a caller cancel, at an exact place of a job."""

from collections.abc import Callable
from datetime import datetime

from analysis_jobs.jobs.ports import Applied, ConditionFailed
from analysis_jobs.jobs.record import Changes, JobKey, JobRecord
from analysis_jobs.jobs.transitions import BEAT, CLAIM, COMPLETE, Transition
from analysis_jobs.stores.memory import MemoryJobStore
from analysis_jobs.testing.errors import Crashed


class WatchedJobStore(MemoryJobStore):
    """A job table in memory. `crashes_after` and `cancels_in` are names of stages; each has an effect once.

    `cancel` is called when a stage of `cancels_in` begins.
    """

    def __init__(self, cancel: Callable[[JobKey], object]) -> None:
        super().__init__()
        self.crashes_after: set[str] = set()
        self.cancels_in: set[str] = set()
        self._cancel = cancel

    def transition(
        self,
        key: JobKey,
        transition: Transition,
        changes: Changes,
        *,
        now: datetime,
        read: JobRecord | None = None,
    ) -> Applied | ConditionFailed:
        """See `JobStore.transition`. Raises `Crashed` after a stage of `crashes_after`.

        The output of the last stage is part of the write that ends the job. The worker dies before that write.
        """
        finished = changes.values.get("stages_completed") or ("",)
        dies = finished[-1] in self.crashes_after
        if dies:
            self.crashes_after.discard(finished[-1])
        if dies and transition is COMPLETE:
            raise Crashed
        outcome = super().transition(key, transition, changes, now=now, read=read)
        if dies:
            raise Crashed
        if isinstance(outcome, Applied) and transition in (CLAIM, BEAT) and outcome.job.stage in self.cancels_in:
            self.cancels_in.discard(outcome.job.stage)
            self._cancel(key)
        return outcome
