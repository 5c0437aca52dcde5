"""A received SQS message that points to a job."""

import json
from dataclasses import dataclass
from typing import Self

from analysis_jobs.jobs.record import JobKey
from analysis_jobs.jobs.tiers import TierPointer


@dataclass(frozen=True)
class Message:
    """A pointer to a job. With a `tier_pointer` the message may run a better job that waits in the lane."""

    job: JobKey
    queue_arn: str
    receipt_handle: str
    tier_pointer: TierPointer | None = None

    @classmethod
    def parse(cls, body: str, queue_arn: str, receipt_handle: str) -> Self:
        """Read a message's body. Raises `ValueError` if it is not a pointer to a job."""
        try:
            pointer = json.loads(body)
            key, tier_pointer = (pointer["tenant"], pointer["job_id"]), TierPointer.parse(pointer)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError("not a job message: give JSON with tenant and job_id") from error
        match key:
            case str(tenant), str(job_id):
                return cls(JobKey(tenant, job_id), queue_arn, receipt_handle, tier_pointer)
        raise ValueError("not a job message: tenant and job_id must be strings")
