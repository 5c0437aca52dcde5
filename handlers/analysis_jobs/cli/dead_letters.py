"""Checks every message of a dead-letter queue, and deletes it once its job no longer needs it.

The worker deletes the message of every job that it ends. So this queue holds messages of jobs that crashed their
workers or never started, and messages that are not ours. The job's state decides what happens to its message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, Field, ValidationError

from analysis_jobs import wiring
from analysis_jobs.base import audit
from analysis_jobs.base.ids import ID_PATTERN
from analysis_jobs.cli.redrive import Outcome, Redrive, StoppedError
from analysis_jobs.cli.reports import Fate, QueueReport
from analysis_jobs.client import JobInfo

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

_LONG_POLL_S = 1  # a long poll asks all of SQS's servers, so an empty answer means an empty queue


class Pointer(BaseModel):
    """The body of a job's message."""

    job_id: str = Field(pattern=f"^{ID_PATTERN}$")
    tenant: str


class DeadLetters:
    """Reads dead-letter queues with the operator's AWS credentials.

    `tenant` is the tenant of the API token, or None if the token does not name it.
    """

    def __init__(self, sqs: SQSClient, redrive: Redrive, tenant: str | None) -> None:
        self._sqs = sqs
        self._redrive = redrive
        self._tenant = tenant

    def clean_up(self, report: QueueReport) -> None:
        """Check all messages of a queue. Messages that stay become visible again at the end, also after an error.

        Raises `StoppedError`.
        """
        try:
            report.hidden = self._hidden(report.queue_url)
            with wiring.every_message(self._sqs, report.queue_url, _LONG_POLL_S) as messages:
                for message in messages:
                    fate = self._fate(message["Body"])
                    if fate.accounted_for and self._redrive.apply:
                        messages.delete(message)
                        self._record(report.queue_url, message["Body"], fate)
                    report.note(message, fate)
                    self._redrive.on_progress(f"{report.fates.total()} dead letters")
        except (BotoCoreError, ClientError) as error:
            raise StoppedError(f"{report.queue_url}: {error}") from error

    def _record(self, queue_url: str, body: str, fate: Fate) -> None:
        """Write the deletion of a message into the audit trail."""
        pointer = Pointer.model_validate_json(body)
        queue = queue_url.rsplit("/", 1)[-1]
        audit.record(
            "dead_letter.deleted", tenant=pointer.tenant, job_id=pointer.job_id, queue=queue, outcome=str(fate)
        )

    def _hidden(self, url: str) -> int:
        """Return how many messages are in flight. Raises `StoppedError` if this is a work queue."""
        names: Any = ["ApproximateNumberOfMessagesNotVisible", "RedrivePolicy"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        if "RedrivePolicy" in attributes:
            raise StoppedError(f"{url} has its own dead-letter queue, so it holds work: give the URL of that queue.")
        return int(attributes["ApproximateNumberOfMessagesNotVisible"])

    def _fate(self, body: str) -> Fate:
        try:
            pointer = Pointer.model_validate_json(body)
        except ValidationError:
            return Fate.NOT_A_JOB
        if self._tenant is not None and pointer.tenant != self._tenant:
            return Fate.OTHER_TENANT
        job = self._redrive.job(pointer.job_id)
        return Fate.UNKNOWN_JOB if job is None else self._fate_of(job)

    def _fate_of(self, job: JobInfo) -> Fate:
        match job.status:
            case "failed":
                outcome = self._redrive.run_again(job)
                if outcome is None:
                    return Fate.NOT_MEANT
                return Fate.NOT_RUN_AGAIN if outcome in {Outcome.FAILED, Outcome.REFUSED} else Fate.RUN_AGAIN
            case "queued" | "processing":
                return Fate.UNDER_WAY
            case ended:
                return Fate(ended)


def clean_up(reports: Sequence[QueueReport], redrive: Redrive, tenant: str | None) -> None:
    """Check all messages of the queues, with the environment's AWS credentials. Raises `StoppedError`."""
    try:
        for report in reports:
            sqs = boto3.client("sqs", region_name=region_of(report.queue_url))
            DeadLetters(sqs, redrive, tenant).clean_up(report)
    except BotoCoreError as error:
        raise StoppedError(str(error)) from error


def region_of(queue_url: str) -> str | None:
    """Return the Region in a queue's URL. None if the URL has no Region: boto3 then takes it from the environment."""
    found = re.match(r"https://sqs\.([a-z0-9-]+)\.", queue_url)
    return found[1] if found else None
