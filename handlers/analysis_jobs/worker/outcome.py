"""How an attempt at a job ends."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.record import Payload
from analysis_jobs.worker.retry_policy import Decision


@dataclass(frozen=True)
class Completed:
    """All stages are done, or the analysis finished early."""

    result: Payload
    stages: tuple[str, ...]


@dataclass(frozen=True)
class Cancelled:
    """A caller asked for a cancel. The lease still holds."""


@dataclass(frozen=True)
class TimeIsUp:
    """The invocation's time is over. The lease still holds."""

    why: str


@dataclass(frozen=True)
class LeaseLost:
    """Another worker has the job. Nothing more can be written."""


Outcome: TypeAlias = Completed | Decision | Cancelled | TimeIsUp | LeaseLost


@dataclass(frozen=True)
class Ending:
    """The outcome of an attempt, with the values for the write that ends it.

    `stage` is the stage that ran last. `gained` is true if the attempt made a checkpoint, from which the next attempt
    continues. `changes` is the attempt's report for the row.
    """

    outcome: Outcome
    stage: str
    gained: bool
    changes: Mapping[str, Any]
