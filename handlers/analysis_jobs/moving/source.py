"""The interface to the system that is left."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class State(StrEnum):
    """The state of an old job. MOVING: taken from the old system, perhaps not submitted yet."""

    QUEUED = "queued"
    RUNNING = "running"
    MOVING = "moving"
    MOVED = "moved"
    ENDED = "ended"


@dataclass(frozen=True)
class Work:
    """What to submit for an old job. `options` are those of `Client.submit`, such as `subject` and `priority`."""

    analysis: str
    job_input: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OldJob:
    """One job of the old system. `raw` is its row or its message. `new_id` is the job that replaces it.

    `changed_at` is when a worker last wrote to it, None if the old system does not record that.
    """

    old_id: str
    state: State
    raw: Mapping[str, Any]
    changed_at: datetime | None = None
    new_id: str | None = None


class Source(Protocol):
    """A queue or a table of the old system."""

    @property
    def name(self) -> str:
        """The name of the source, for idempotency keys. It must not change between two runs."""

    def unfinished(self) -> Iterator[OldJob]:
        """Yield every job that is queued, running, or taken by an earlier run that did not finish."""

    def take(self, old: OldJob) -> bool:
        """Keep the old workers from starting a job, if it is still in the state that was read.

        Return whether it was taken. A job that was taken is yielded by `unfinished` until it is `finish`ed.
        """

    def finish(self, old: OldJob, new_id: str) -> None:
        """Record which job replaces the old one."""

    def find(self, old_id: str) -> OldJob | None:
        """Return a job by its old id. None if the source does not know it."""
