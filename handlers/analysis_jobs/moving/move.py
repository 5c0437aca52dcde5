"""Takes each job from the old system, submits it, and records its new id. It may stop anywhere and run again."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from analysis_jobs.base.clock import Clock
from analysis_jobs.moving.source import OldJob, Source, State, Work


@dataclass
class MoveReport:
    """What one run did. The lists have old ids."""

    moved: dict[str, str] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    started_meanwhile: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def drained(self) -> bool:
        """Whether the old system has no work left."""
        return not (self.running or self.started_meanwhile or self.refused)


@dataclass(frozen=True)
class Move:
    """Moves the work of a source.

    Args:
        source: The old system.
        work_of: Returns what to submit for an old job. A `ValueError` leaves the job where it is, and is reported.
        submit: Submits work with an idempotency key, and returns the job's id. It calls `Client.submit` or
            `Backend.submit` with `idempotency_key`.
        clock: The clock.
        longest_run: After this time without a sign of life, a running job has no worker any more, and is moved too.
            Give the time-out of the old worker and a margin.
    """

    source: Source
    work_of: Callable[[OldJob], Work]
    submit: Callable[[Work, str], str]
    clock: Clock
    longest_run: timedelta

    def run(self) -> MoveReport:
        """Move everything that is queued. Running jobs end in the old system, unless their workers are dead.

        Run it until the report is `drained`. A stack keeps an idempotency key for 24 hours: continue an interrupted
        move within that time.
        """
        report = MoveReport()
        for old in self.source.unfinished():
            if old.state is State.RUNNING and self._may_live(old.changed_at):
                report.running.append(old.old_id)
                continue
            try:
                work = self.work_of(old)
            except ValueError as error:
                report.refused[old.old_id] = str(error)
                continue
            if old.state is not State.MOVING and not self.source.take(old):
                report.started_meanwhile.append(old.old_id)
                continue
            new_id = self.submit(work, self.key_of(old.old_id))
            self.source.finish(old, new_id)
            report.moved[old.old_id] = new_id
        return report

    def key_of(self, old_id: str) -> str:
        """Return the idempotency key of an old job. The same job always has the same key."""
        digest = hashlib.sha256(f"{self.source.name}\n{old_id}".encode()).hexdigest()
        return f"move-in-{digest}"

    def _may_live(self, changed_at: datetime | None) -> bool:
        return changed_at is None or changed_at + self.longest_run > self.clock.now()
