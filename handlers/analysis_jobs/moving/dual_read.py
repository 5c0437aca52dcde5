"""Answers the status of an old id while the old and the new system both live."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis_jobs.moving.source import OldJob, Source, State


@dataclass(frozen=True)
class DualRead:
    """Reads the old system first, and the new one if the job has moved.

    Args:
        sources: The sources that were moved, in the order in which they are asked.
        old_view: Returns the answer for a job that is still in the old system.
        new_view: Returns the answer for a job of the new system, by its id. None if there is no such job.
        waiting_view: Returns the answer for a job between the two systems: it waits.
    """

    sources: Sequence[Source]
    old_view: Callable[[OldJob], Mapping[str, Any]]
    new_view: Callable[[str], Mapping[str, Any] | None]
    waiting_view: Callable[[OldJob], Mapping[str, Any]]

    def status(self, any_id: str) -> Mapping[str, Any] | None:
        """Return the status of an old or a new id, None if neither system knows it."""
        for source in self.sources:
            old = source.find(any_id)
            if old is None:
                continue
            if old.new_id is not None:
                return self.new_view(old.new_id)
            return self.waiting_view(old) if old.state is State.MOVING else self.old_view(old)
        return self.new_view(any_id)
