"""What an attempt says about itself on the job's row: progress, spending, prompts and files."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

from analysis_jobs.authoring.files import Files
from analysis_jobs.authoring.spending import Spending
from analysis_jobs.jobs.ports import ArtifactStore
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.llm.prices import Prices

_NEARLY_DONE = 95  # percent: only the end of the job is 100


class AttemptReport:
    """Begins where the attempt before ended. Stages may update it from threads; the heartbeat reads it."""

    def __init__(self, record: JobRecord, artifacts: ArtifactStore, prices: Prices) -> None:
        self.percent = record.progress
        self.spending = Spending(record, prices)
        self.files = Files(record, artifacts)
        self._prompts = dict(record.prompts)
        self._stage_prompts: list[str] = []
        self._updating = Lock()

    def at_heartbeat(self) -> dict[str, Any]:
        """Return what a heartbeat writes. Files are left out: the stage may be writing them."""
        return {"progress": self.percent, **self.spending.changes(), **self._prompt_changes()}

    def at_checkpoint(self) -> dict[str, Any]:
        """Return what is written with a checkpoint."""
        return {**self.files.changes(), **self._prompt_changes()}

    def at_end(self) -> dict[str, Any]:
        """Return what the write that ends the attempt adds."""
        return {**self.spending.changes(), **self.files.changes(), **self._prompt_changes()}

    def set_progress(self, percent: int) -> None:
        """Set the progress, 0 to 100."""
        self.percent = max(0, min(100, int(percent)))

    def move_progress(self, begun_at: int, share: float) -> None:
        """Move the progress from `begun_at` towards 95 by `share` (0 to 1). It never moves back."""
        with self._updating:
            self.percent = max(self.percent, round(begun_at + (_NEARLY_DONE - begun_at) * min(1.0, share)))

    def begin_stage(self) -> None:
        """Begin to collect the prompts of a stage."""
        with self._updating:
            self._stage_prompts = []

    def used_prompt(self, stage: str, source: str) -> None:
        """Note that a stage used a prompt. Its first one replaces those of an earlier attempt at the stage."""
        with self._updating:
            if source not in self._stage_prompts:
                self._stage_prompts.append(source)
                self._prompts = {**self._prompts, stage: ", ".join(self._stage_prompts)}

    def _prompt_changes(self) -> Mapping[str, Any]:
        """Return the prompts of the stages, if there are any: every write pays for its size."""
        return {"prompts": self._prompts} if self._prompts else {}
