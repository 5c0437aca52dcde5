"""The state machine of a job: every transition with its source states, its conditions and its target.

Both stores derive their conditional writes from this table: `stores/updates.py` renders a guard as a DynamoDB
condition, `stores/memory.py` evaluates it. No other change of state is possible.
"""

from dataclasses import field, replace
from enum import Enum, StrEnum

from analysis_jobs.base.values import dataclass


class Status(StrEnum):
    """The states of a job."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the job has ended. Only a caller's retry can change an ended job."""
        return self in _ENDED


_ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


class Guard(Enum):
    """A condition on the stored row at the time of the write."""

    TOKEN = "the writer has the fencing token of the row"  # noqa: S105 - a fencing token, not a password
    LEASE_EXPIRED = "the lease has expired, or there is no lease"
    ATTEMPTS_LEFT = "the job has an attempt left"
    ATTEMPTS_SPENT = "the job has no attempt left"
    WAITED = "the job has no not_before, or that time has passed"
    IN_TIME = "the deadline of the job has not passed"
    PAST_DEADLINE = "the deadline of the job has passed"
    UNCHANGED = "the row has the version that was read"
    CANCEL_ASKED = "a caller asked for the job to be cancelled"
    NOT_CANCELLED = "no caller asked for the job to be cancelled"
    SHARED = "the worker of the last claim could run other jobs too"
    UNSHARED = "the worker of the last claim ran this job alone"
    MAY_SHARE = "the job need not run alone"


@dataclass(frozen=True)
class Transition:
    """One transition: its source states with their guards, its target state, and the counters it changes."""

    name: str
    sources: dict[Status, frozenset[Guard]]
    target: Status
    counters: dict[str, int] = field(default_factory=dict)
    # Whether the job's history records the transition. Heartbeats and resent messages are not recorded.
    recorded: bool = True


def _guards(*guards: Guard) -> frozenset[Guard]:
    return frozenset(guards)


_LEASE_HOLDER = {Status.PROCESSING: _guards(Guard.TOKEN)}

# A worker takes a queued job, or a job with an expired lease because its worker died. Attempts are counted here and not
# on failure, because a killed worker reports nothing. A message may arrive before `not_before`: it is a duplicate, or
# the queue could not delay it long enough. It must not shorten the wait.
CLAIM = Transition(
    "claim",
    {
        Status.QUEUED: _guards(Guard.ATTEMPTS_LEFT, Guard.WAITED, Guard.IN_TIME),
        Status.PROCESSING: _guards(
            Guard.LEASE_EXPIRED, Guard.ATTEMPTS_LEFT, Guard.IN_TIME, Guard.NOT_CANCELLED, Guard.UNSHARED
        ),
    },
    Status.PROCESSING,
    counters={"attempt": 1, "fence": 1},
)

# The same claim by a worker that runs several jobs. It takes no job that must run alone.
CLAIM_SHARED = replace(CLAIM, sources={status: guards | {Guard.MAY_SHARE} for status, guards in CLAIM.sources.items()})

# The worker renews its lease, and writes progress and usage.
BEAT = Transition("beat", _LEASE_HOLDER, Status.PROCESSING, recorded=False)

# The worker has the result. No other transition leads to `completed`.
COMPLETE = Transition("complete", _LEASE_HOLDER, Status.COMPLETED)

# The worker had an error that a retry cannot fix, or an error in the last attempt.
FAIL = Transition("fail", _LEASE_HOLDER, Status.FAILED)

# The worker had an error that another attempt may fix. Without an attempt left the job could never be claimed again.
RELEASE = Transition(
    "release", {Status.PROCESSING: _guards(Guard.TOKEN, Guard.ATTEMPTS_LEFT, Guard.NOT_CANCELLED)}, Status.QUEUED
)

# The worker must wait, so the attempt does not count. The fence is not reset, or a stale token would be valid again.
DEFER = Transition(
    "defer", {Status.PROCESSING: _guards(Guard.TOKEN, Guard.NOT_CANCELLED)}, Status.QUEUED, counters={"attempt": -1}
)

# The invocation ends after a new checkpoint. Another invocation continues the job, so the attempt does not count.
CONTINUE = Transition(
    "continue", {Status.PROCESSING: _guards(Guard.TOKEN, Guard.NOT_CANCELLED)}, Status.QUEUED, counters={"attempt": -1}
)

# The sweeper found an expired lease. The next attempt may start.
REQUEUE = Transition(
    "requeue",
    {Status.PROCESSING: _guards(Guard.LEASE_EXPIRED, Guard.ATTEMPTS_LEFT, Guard.NOT_CANCELLED, Guard.UNSHARED)},
    Status.QUEUED,
)

# The worker of a job died, and it could run other jobs too. Any of them may have killed it, so the attempt does not
# count. From now on the job runs alone: `CLAIM_SHARED` refuses it, so this transition happens once. The sweeper makes
# it, or a worker that receives the message.
REQUEUE_SHARED = Transition(
    "requeue_shared",
    {Status.PROCESSING: _guards(Guard.LEASE_EXPIRED, Guard.IN_TIME, Guard.NOT_CANCELLED, Guard.SHARED)},
    Status.QUEUED,
    counters={"attempt": -1},
)

# The worker of the last attempt died. (No transition leads to `queued` without an attempt left. If somebody edits a row
# to this state by hand, the job must end too.)
ABANDON = Transition(
    "abandon",
    {
        Status.PROCESSING: _guards(Guard.LEASE_EXPIRED, Guard.ATTEMPTS_SPENT, Guard.UNSHARED),
        Status.QUEUED: _guards(Guard.ATTEMPTS_SPENT),
    },
    Status.FAILED,
)

# The sweeper resends a message that may be lost. The guard allows only one of two concurrent sweepers to do so.
RESEND = Transition(
    "resend",
    {Status.QUEUED: _guards(Guard.UNCHANGED)},
    Status.QUEUED,
    counters={"sends": 1},
    recorded=False,
)

# The delayed message of a job with a tier arrived. The wait is over, and the job may be claimed in tier order again.
JOIN = Transition("join", {Status.QUEUED: _guards(Guard.WAITED)}, Status.QUEUED, recorded=False)

# The deadline has passed, and no worker holds the job. (A worker that holds it may finish after the deadline.)
EXPIRE = Transition(
    "expire",
    {
        Status.QUEUED: _guards(Guard.PAST_DEADLINE),
        Status.PROCESSING: _guards(Guard.LEASE_EXPIRED, Guard.PAST_DEADLINE),
    },
    Status.FAILED,
)

# A caller cancels a queued job.
CANCEL = Transition("cancel", {Status.QUEUED: _guards()}, Status.CANCELLED)

# A caller cancels a running job. The worker sees the request at its next heartbeat.
REQUEST_CANCEL = Transition("request_cancel", {Status.PROCESSING: _guards(Guard.NOT_CANCELLED)}, Status.PROCESSING)

# The worker stopped after a cancel request.
STOP = Transition("stop", {Status.PROCESSING: _guards(Guard.TOKEN, Guard.CANCEL_ASKED)}, Status.CANCELLED)

# The worker died before it could stop after a cancel request.
CANCEL_LOST = Transition(
    "cancel_lost", {Status.PROCESSING: _guards(Guard.LEASE_EXPIRED, Guard.CANCEL_ASKED)}, Status.CANCELLED
)

# A caller runs an ended job again, with all attempts and a new deadline. Its checkpoints are kept.
RETRY = Transition(
    "retry", {Status.FAILED: _guards(Guard.UNCHANGED), Status.CANCELLED: _guards(Guard.UNCHANGED)}, Status.QUEUED
)

ALL = (
    CLAIM,
    CLAIM_SHARED,
    BEAT,
    COMPLETE,
    FAIL,
    RELEASE,
    DEFER,
    CONTINUE,
    REQUEUE,
    REQUEUE_SHARED,
    ABANDON,
    RESEND,
    JOIN,
    EXPIRE,
    CANCEL,
    REQUEST_CANCEL,
    STOP,
    CANCEL_LOST,
    RETRY,
)
