"""A received SQS message that points to a job."""

import json
from typing import Self

from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.record import JobKey
from analysis_jobs.jobs.tiers import TierPointer


class NotAJobMessage(ValueError):  # noqa: N818 - like `UnknownJob`, the name says what is wrong
    """The message is no pointer to a job. It stays in the queue, and ends in the dead-letter queue.

    The text does not quote the message, which may come from anywhere.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"not a job message: {why}")


@dataclass(frozen=True)
class Message:
    """A pointer to a job. With a `tier_pointer` the message may run a better job that waits in the lane.

    With `alone` the job needs an invocation of its own, because it was running when an earlier one died.
    """

    job: JobKey
    queue_arn: str
    receipt_handle: str
    tier_pointer: TierPointer | None = None
    alone: bool = False

    @classmethod
    def parse(cls, body: str, queue_arn: str, receipt_handle: str) -> Self:
        """Read a message's body. Raises `NotAJobMessage`."""
        try:
            pointer = json.loads(body)
            key, tier_pointer = (pointer["tenant"], pointer["job_id"]), TierPointer.parse(pointer)
        except (ValueError, KeyError, TypeError) as error:
            raise NotAJobMessage("give JSON with tenant and job_id") from error
        match key:
            case str(tenant), str(job_id):
                return cls(
                    JobKey(tenant, job_id), queue_arn, receipt_handle, tier_pointer, pointer.get("alone") is True
                )
        raise NotAJobMessage("tenant and job_id must be strings")
