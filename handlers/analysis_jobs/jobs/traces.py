"""The spans of a job: the sending of its message, and the attempts that process it.

The names and attributes are those of the conventions for messaging and SQS. A message is the pointer to a job, and the
context is in the job's row, so a message that is sent again needs none. Each attempt has the sender's span as parent
and as link: https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/#consumer-spans
"""

from contextlib import AbstractContextManager
from typing import Literal

from analysis_jobs.base.settings import Settings
from analysis_jobs.base.tracing import Ignored, Kind, Span, span
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.jobs.request_errors import RequestError


def sending(job: JobRecord, settings: Settings, *, again: bool = False) -> AbstractContextManager[Span]:
    """Return the span of a submission, or of a caller's retry (`again`).

    A retry is a request with a trace of its own. Its span has a link to the trace of the job.
    """
    queue = _queue_name(settings.queue_urls.get(job.priority) or settings.canary_queue_url)
    attributes = _messaging("send", queue) | job_attributes(job)
    link = job.trace if again else None
    return span(f"send {queue}", Kind.PRODUCER, attributes, link=link, ignoring=(RequestError,))


def processing(job: JobRecord, queue: str, ignoring: Ignored) -> AbstractContextManager[Span]:
    """Return the span of an attempt at a claimed job. `queue` is the queue's ARN.

    All attempts of a job are in one trace, also if its submission was not traced.
    """
    name = _queue_name(queue)
    attributes = _messaging("process", name) | job_attributes(job)
    return span(
        f"process {name}",
        Kind.CONSUMER,
        {**attributes, "analysis_jobs.attempt": job.attempt},
        parent=job.trace,
        link=job.trace,
        seed=f"{job.tenant}/{job.job_id}",
        ignoring=ignoring,
    )


def job_attributes(job: JobRecord) -> dict[str, str]:
    """Return the attributes that name a job."""
    return {
        "analysis_jobs.analysis": job.analysis,
        "analysis_jobs.job_id": job.job_id,
        "analysis_jobs.tenant": job.tenant,
    }


def _messaging(operation: Literal["send", "process"], queue: str) -> dict[str, str]:
    return {
        "messaging.destination.name": queue,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.system": "aws_sqs",
    }


def _queue_name(queue: str) -> str:
    """Return the name at the end of a URL or an ARN."""
    return queue.rpartition("/")[2].rpartition(":")[2]
