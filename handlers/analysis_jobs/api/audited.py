"""Writes the audit line of a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from typing import Any

from analysis_jobs.api.callers import actor_of, canary_of
from analysis_jobs.base import audit
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.record import JobRecord

_NOT_MODIFIED = 304


@dataclass
class AuditLine:
    """What a request has done. The handler of its route fills it in."""

    action: str = "request.refused"
    tenant: str | None = None
    job_id: str | None = None
    status: int = 500
    fields: dict[str, Any] = field(default_factory=dict)

    def of_job(self, job: JobRecord) -> None:
        """Name the job that the request found."""
        self.job_id, self.fields["analysis"] = job.job_id, job.analysis


@contextmanager
def audited(request_context: Mapping[str, Any], sink: audit.Sink | None) -> Iterator[AuditLine]:
    """Write the line after the block, for the caller of the request. Its `status` tells whether it was allowed.

    An answer 304 has no line: the caller has that version of the job already, and polls.
    """
    line = AuditLine()
    canary = canary_of(request_context) is not None
    actor = audit.Actor("canary") if canary else actor_of(request_context.get("authorizer") or {})
    with audit.acting_as(actor, sink):
        yield line
        if line.status != _NOT_MODIFIED:
            audit.record(
                line.action,
                tenant=line.tenant,
                job_id=line.job_id,
                status=line.status,
                request_id=request_context.get("requestId"),
                source_ip=(request_context.get("http") or {}).get("sourceIp"),
                **line.fields,
            )
