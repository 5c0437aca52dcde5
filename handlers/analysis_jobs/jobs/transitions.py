"""The one table of what can happen to a job: every edge, from where, and on what condition.

Both stores take their conditional writes from this table: `dynamo.py` renders a guard as a condition expression,
`memory.py` evaluates it. An edge that is not in the table cannot be taken.
"""

from dataclasses import dataclass, field
from enum import Enum, StrEnum


class Status(StrEnum):
    """The states of a job."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the job is over: no edge leads on from here by itself."""
        return self in _ENDED


_ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


class Guard(Enum):
    """A condition on the row as it is stored at the moment of the write."""

    TOKEN = "the writer's fencing token is the row's"  # noqa: S105 - a fencing token, not a password
    LEASE_EXPIRED = "the lease ran out, or there is none"
    ATTEMPTS_LEFT = "fewer attempts than allowed were made"
    ATTEMPTS_SPENT = "all attempts were made"
    WAITED = "the job was not told to wait, or the wait is over"
    IN_TIME = "the job's deadline lies ahead"
    PAST_DEADLINE = "the job's deadline has passed"
    UNCHANGED = "the row is the version that was read"
    CANCEL_ASKED = "a caller asked for the job to be cancelled"
    NOT_CANCELLED = "nobody asked for the job to be cancelled"


@dataclass(frozen=True)
class Transition:
    """One edge: allowed source states with their guards, the target, and the counters it moves."""

    name: str
    sources: dict[Status, frozenset[Guard]]
    target: Status
    counters: dict[str, int] = field(default_factory=dict)
    # Recorded in the job's history; a heartbeat and a second sending are not.
    recorded: bool = True


def _when(*guards: Guard) -> frozenset[Guard]:
    return frozenset(guards)


_HOLDER = {Status.PROCESSING: _when(Guard.TOKEN)}

# A worker takes the job: waiting, or left behind by a worker that gave no sign of life for a whole lease.
# Attempts are counted here and not on failure, because a killed worker reports nothing. A message that is too early (a
# second one, or a wait that is longer than the queue can hold a message back) does not shorten the wait.
CLAIM = Transition(
    "claim",
    {
        Status.QUEUED: _when(Guard.ATTEMPTS_LEFT, Guard.WAITED, Guard.IN_TIME),
        Status.PROCESSING: _when(Guard.LEASE_EXPIRED, Guard.ATTEMPTS_LEFT, Guard.IN_TIME, Guard.NOT_CANCELLED),
    },
    Status.PROCESSING,
    counters={"attempt": 1, "fence": 1},
)

# The holder lives: lease, progress and usage move on.
BEAT = Transition("beat", _HOLDER, Status.PROCESSING, recorded=False)

# The holder has the result. The one way to `completed`.
COMPLETE = Transition("complete", _HOLDER, Status.COMPLETED)

# The holder met an error that no retry mends, or the last attempt's error.
FAIL = Transition("fail", _HOLDER, Status.FAILED)

# The holder met an error that another attempt may mend. Without one left the job would wait for nothing.
RELEASE = Transition(
    "release", {Status.PROCESSING: _when(Guard.TOKEN, Guard.ATTEMPTS_LEFT, Guard.NOT_CANCELLED)}, Status.QUEUED
)

# The holder was told to wait: the attempt is given back. The fence is not, or a stale token could come alive again.
DEFER = Transition(
    "defer", {Status.PROCESSING: _when(Guard.TOKEN, Guard.NOT_CANCELLED)}, Status.QUEUED, counters={"attempt": -1}
)

# The holder ran out of time and gained a checkpoint: the job goes on in another invocation, and that was no attempt.
CONTINUE = Transition(
    "continue", {Status.PROCESSING: _when(Guard.TOKEN, Guard.NOT_CANCELLED)}, Status.QUEUED, counters={"attempt": -1}
)

# The sweeper found the lease run out: the next attempt may begin.
REQUEUE = Transition(
    "requeue",
    {Status.PROCESSING: _when(Guard.LEASE_EXPIRED, Guard.ATTEMPTS_LEFT, Guard.NOT_CANCELLED)},
    Status.QUEUED,
)

# No attempt is left, and nobody is at work: the worker of the last one died. (No edge leads to `queued` with all
# attempts spent; should a row get there, by a hand that edits it, the job must end all the same.)
ABANDON = Transition(
    "abandon",
    {
        Status.PROCESSING: _when(Guard.LEASE_EXPIRED, Guard.ATTEMPTS_SPENT),
        Status.QUEUED: _when(Guard.ATTEMPTS_SPENT),
    },
    Status.FAILED,
)

# The sweeper sends a message again that may be lost; the guard lets one of two sweepers do it.
RESEND = Transition(
    "resend",
    {Status.QUEUED: _when(Guard.UNCHANGED)},
    Status.QUEUED,
    counters={"sends": 1},
    recorded=False,
)

# A message that was held back has come: the wait is over, and the job stands in the order of its lane again.
JOIN = Transition("join", {Status.QUEUED: _when(Guard.WAITED)}, Status.QUEUED, recorded=False)

# The deadline has passed, and nobody is at work. (Whoever is may finish: a deadline ends the waiting.)
EXPIRE = Transition(
    "expire",
    {
        Status.QUEUED: _when(Guard.PAST_DEADLINE),
        Status.PROCESSING: _when(Guard.LEASE_EXPIRED, Guard.PAST_DEADLINE),
    },
    Status.FAILED,
)

# A caller gives up a job that waits.
CANCEL = Transition("cancel", {Status.QUEUED: _when()}, Status.CANCELLED)

# A caller gives up a job that is worked on: its holder learns of it with the next heartbeat.
REQUEST_CANCEL = Transition("request_cancel", {Status.PROCESSING: _when(Guard.NOT_CANCELLED)}, Status.PROCESSING)

# The holder stopped, as it was asked to.
STOP = Transition("stop", {Status.PROCESSING: _when(Guard.TOKEN, Guard.CANCEL_ASKED)}, Status.CANCELLED)

# The holder died before it could stop.
CANCEL_LOST = Transition(
    "cancel_lost", {Status.PROCESSING: _when(Guard.LEASE_EXPIRED, Guard.CANCEL_ASKED)}, Status.CANCELLED
)

# A caller runs an ended job again, with all its attempts and a new deadline; its checkpoints are kept.
RETRY = Transition(
    "retry", {Status.FAILED: _when(Guard.UNCHANGED), Status.CANCELLED: _when(Guard.UNCHANGED)}, Status.QUEUED
)

ALL = (
    CLAIM,
    BEAT,
    COMPLETE,
    FAIL,
    RELEASE,
    DEFER,
    CONTINUE,
    REQUEUE,
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
