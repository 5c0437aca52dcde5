"""Sends the message of a job. Every message of every job leaves from here."""

from datetime import timedelta

from analysis_jobs.base.observability import count, log
from analysis_jobs.jobs.ports import JobMessage, JobQueue
from analysis_jobs.jobs.record import JobRecord

# A message counts as lost this long after its first sending. The time doubles with every further sending, so that a
# backlog of hours does not fill with copies.
SEND_GRACE = timedelta(minutes=2)
_GRACE_DOUBLINGS = 6


def send_grace(sends: int) -> timedelta:
    """Return how long after its `sends`-th sending a message counts as lost."""
    doublings: int = min(max(sends - 1, 0), _GRACE_DOUBLINGS)
    return SEND_GRACE * (1 << doublings)


def send(queue: JobQueue, job: JobRecord, *, delay: timedelta = timedelta()) -> None:
    """Send a pointer to `job`, as its row was just written.

    A FIFO queue drops a second message of the same row version, and of no other.
    """
    queue.send(**vars(message_of(job, delay)))


def message_of(job: JobRecord, delay: timedelta = timedelta()) -> JobMessage:
    """Return the message of `job`. See `send`."""
    return JobMessage(
        job.priority,
        job.key,
        dedupe=f"{job.job_id}-{job.version}",
        delay=delay,
        tier_rank=job.tier_rank,
        subject=job.subject,
        alone=job.alone is True,
    )


def send_or_leave(queue: JobQueue, job: JobRecord) -> None:
    """Send the message of a job whose row is due. If that fails, the sweeper sends it later."""
    try:
        send(queue, job)
    except Exception as error:  # noqa: BLE001 - the row is written, so the job is accepted even without a message
        count("JobsNotSent")
        log("job.not_sent", "the sweeper will send the message", error=error, job_id=job.job_id, tenant=job.tenant)
