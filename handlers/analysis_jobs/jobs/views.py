"""The JSON form of a job for callers."""

import re
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from analysis_jobs.base.clock import rfc3339
from analysis_jobs.jobs.payloads import load_json
from analysis_jobs.jobs.ports import ArtifactStore
from analysis_jobs.jobs.record import HistoryEntry, JobRecord
from analysis_jobs.jobs.timing import processing_time, wait_time

# AWS errors contain ARNs of roles, accounts and resources. Callers must not see them. Operators find them in the log.
_INTERNAL = re.compile(r"\barn:aws[a-z-]*:\S+")


def summary(job: JobRecord) -> dict[str, Any]:
    """Return a job without input, result and history, as a list shows it."""
    return {
        "job_id": job.job_id,
        "analysis": job.analysis,
        "status": str(job.status),
        "subject": job.subject,
        "client": job.client,
        "project": job.project,
        "priority": job.priority,
        "tier": job.tier,
        "stage": job.stage,
        "stages_completed": list(job.stages_completed),
        "progress": job.progress,
        "attempt": job.attempt,
        "error": _error(job),
        "usage": asdict(job.usage),
        "cost_usd": _cost_usd(job),
        "cancel_asked_at": rfc3339(job.cancel_asked_at) if job.cancel_asked_at else None,
        "code_version": job.code_version,
        "created_at": rfc3339(job.created_at),
        "started_at": _first_time_of(job.history, "claim"),
        "finished_at": rfc3339(job.finished_at) if job.finished_at else None,
        "wait_seconds": _seconds(wait_time(job)),
        "processing_seconds": _seconds(processing_time(job)),
    }


def detail(job: JobRecord, artifacts: ArtifactStore) -> dict[str, Any]:
    """Return a job with its result, files and history. Reads the result from the bucket if it is stored there."""
    result = load_json(artifacts, job.result) if job.result else None
    return summary(job) | {
        "models": _models(job),
        "prompts": dict(job.prompts),
        "result": result,
        "result_url": None,
        "result_url_expires_at": None,
        "files": _files(job),
        "history": _history(job),
    }


def etag(job: JobRecord) -> str:
    """Return the entity tag of a job. It contains the id and the version, so every write changes it."""
    return f'"{job.job_id}.{job.version}"'


def _models(job: JobRecord) -> dict[str, Any]:
    return {model: asdict(usage) for model, usage in sorted(job.models.items())}


def _cost_usd(job: JobRecord) -> float | None:
    """Return the cost of the job's model calls in USD, rounded to 0.000001. None if a price is unknown."""
    if not job.usage.calls:
        return 0.0
    return None if job.cost_usd is None else float(job.cost_usd)


def _error(job: JobRecord) -> dict[str, Any] | None:
    if job.failure is None:
        return None
    return {
        "code": job.failure.code,
        "message": _INTERNAL.sub("(an internal name)", job.failure.message),
        "retryable": job.failure.retryable,
    }


def _files(job: JobRecord) -> dict[str, Any]:
    return {
        name: {"size": file.size, "content_type": file.content_type, "url": f"/jobs/{job.job_id}/files/{name}"}
        for name, file in sorted(job.files.items())
    }


def _history(job: JobRecord) -> list[dict[str, str]]:
    submitted = {"at": rfc3339(job.created_at), "transition": "submit", "status": "queued"}
    return [submitted] + [
        {"at": rfc3339(entry.at), "transition": entry.transition, "status": str(entry.status)} for entry in job.history
    ]


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else round(duration.total_seconds(), 3)


def _first_time_of(history: tuple[HistoryEntry, ...], transition: str) -> str | None:
    return next((rfc3339(entry.at) for entry in history if entry.transition == transition), None)
