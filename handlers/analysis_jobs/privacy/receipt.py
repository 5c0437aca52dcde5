"""The receipt of an erasure: what was found, removed and kept, by kind, with counts and ids and without content."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from analysis_jobs.base.clock import rfc3339
from analysis_jobs.jobs.erasing import Scope

# What no erasure of this stack can reach. The receipt names each, so that its reader can act on them.
OUT_OF_REACH = (
    {
        "where": "log groups of the functions",
        "holds": "ids of jobs, the tenant, error codes and places in the code; no text of an input, a document or an "
        "answer",
        "until": "the log retention of the stack (retention.logs_days)",
    },
    {
        "where": "backups of the job table (point-in-time recovery)",
        "holds": "the rows as they were",
        "until": "35 days. Erase again after a restore from a time before this erasure",
    },
    {
        "where": "the stream of the job table",
        "holds": "the latest images of the rows. Only the events function reads it",
        "until": "24 hours",
    },
    {
        "where": "receivers of events and notices",
        "holds": "ids, subject, client, project and status of the jobs; no input and no result",
        "until": "their own retention",
    },
    {
        "where": "the vendor of the model",
        "holds": "what its terms say about questions and answers",
        "until": "its terms",
    },
    {
        "where": "databases that an analysis writes to, with the table analysis_jobs_effects",
        "holds": "what the analysis wrote, and the ids of its jobs",
        "until": "you delete the rows of the jobs listed here",
    },
)


@dataclass
class Receipt:
    """What one run of an erasure did. `left` is what the second pass still found."""

    scope: Scope
    by: str
    dry_run: bool
    started_at: datetime
    finished_at: datetime | None = None
    reason: str = ""
    removed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    kept: list[dict[str, str]] = field(default_factory=list)
    left: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    again_at: datetime | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing is left, and nobody can write again."""
        return not self.dry_run and not self.left and self.again_at is None

    def keep(self, kind: str, name: str, why: str) -> None:
        """Record something that stays although it is related, and why."""
        self.kept.append({"kind": kind, "id": name, "why": why})

    def as_json(self) -> dict[str, Any]:
        """Return the receipt as JSON. Its lists are sorted."""
        scope = {"tenant": self.scope.tenant, "job_id": self.scope.job_id, "subject": self.scope.subject}
        return {
            "document": "analysis-jobs erasure receipt",
            "version": 1,
            "scope": {name: value for name, value in scope.items() if value is not None},
            "by": self.by,
            "reason": self.reason,
            "dry_run": self.dry_run,
            "started_at": rfc3339(self.started_at),
            "finished_at": rfc3339(self.finished_at) if self.finished_at else None,
            "complete": self.complete,
            "run_again_at": rfc3339(self.again_at) if self.again_at else None,
            "found" if self.dry_run else "removed": _counted(self.removed),
            "kept": sorted(self.kept, key=lambda each: (each["kind"], each["id"])),
            "left": _counted(self.left),
            "out_of_reach": [dict(each) for each in OUT_OF_REACH],
        }


def _counted(found: dict[str, list[str]]) -> dict[str, Any]:
    return {kind: {"count": len(ids), "ids": sorted(set(ids))} for kind, ids in sorted(found.items()) if ids}
