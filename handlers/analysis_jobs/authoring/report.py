"""What an attempt writes about itself to the job's row: progress, spending, prompts and files."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

from analysis_jobs.authoring.files import Files
from analysis_jobs.authoring.spending import Spending
from analysis_jobs.jobs.ports import ArtifactStore
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.llm.prices import Prices

_NEARLY_DONE = 95  # percent: the job reaches 100 only when it completes


class AttemptReport:
    """Continues the report of the previous attempt. Stages may update it from threads; the heartbeat reads it."""

    def __init__(self, record: JobRecord, artifacts: ArtifactStore, prices: Prices) -> None:
        self.percent = record.progress
        self.spending = Spending(record, prices)
        self.files = Files(record, artifacts)
        self._prompts = dict(record.prompts)
        self._stage_prompts: list[str] = []
        self._updating = Lock()

    def at_heartbeat(self) -> dict[str, Any]:
        """Return the changes for a heartbeat. Files are not among them, because the stage may be saving files now."""
        return {"progress": self.percent, **self.spending.changes(), **self._prompt_changes()}

    def at_checkpoint(self) -> dict[str, Any]:
        """Return the changes to write with a checkpoint."""
        return {**self.files.changes(), **self._prompt_changes()}

    def at_end(self) -> dict[str, Any]:
        """Return the changes to write when the attempt ends."""
        return {**self.spending.changes(), **self.files.changes(), **self._prompt_changes()}

    def set_progress(self, percent: int) -> None:
        """Set the progress, 0 to 100."""
        self.percent = max(0, min(100, int(percent)))

    def move_progress(self, begun_at: int, share: float) -> None:
        """Move the progress from `begun_at` towards 95 by `share` (0 to 1). It never moves back."""
        with self._updating:
            self.percent = max(self.percent, round(begun_at + (_NEARLY_DONE - begun_at) * min(1.0, share)))

    def begin_stage(self) -> None:
        """Start to collect the prompts of a stage."""
        with self._updating:
            self._stage_prompts = []

    def used_prompt(self, stage: str, source: str) -> None:
        """Record that a stage used a prompt. The first one replaces the prompts of an earlier attempt at the stage."""
        with self._updating:
            if source not in self._stage_prompts:
                self._stage_prompts.append(source)
                self._prompts = {**self._prompts, stage: ", ".join(self._stage_prompts)}

    def _prompt_changes(self) -> Mapping[str, Any]:
        """Return the prompts of all stages; nothing without prompts, because DynamoDB charges for the size of a row."""
        return {"prompts": self._prompts} if self._prompts else {}
