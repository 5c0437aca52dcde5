"""How an attempt at a job ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis_jobs.jobs.record import Payload
from analysis_jobs.worker.retry_policy import Decision


@dataclass(frozen=True)
class Completed:
    """All stages are done, or the analysis finished early."""

    result: Payload
    stages: tuple[str, ...]


@dataclass(frozen=True)
class Cancelled:
    """A caller asked for it. The lease still holds."""


@dataclass(frozen=True)
class TimeIsUp:
    """The invocation's time is over. The lease still holds."""

    why: str


@dataclass(frozen=True)
class LeaseLost:
    """Another worker has the job. Nothing more can be written."""


type Outcome = Completed | Decision | Cancelled | TimeIsUp | LeaseLost


@dataclass(frozen=True)
class Ending:
    """The outcome of an attempt, and what the write that ends it needs to know.

    `stage` is the stage that ran last. `gained` tells whether the attempt made a checkpoint, so that the next one
    begins further on. `changes` is what the attempt reports on the row.
    """

    outcome: Outcome
    stage: str
    gained: bool
    changes: Mapping[str, Any]
