"""The row of a job, as the logic sees it; `stores` know how it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.transitions import Guard, Status, Transition

_LONGEST_CODE = 100
_LONGEST_MESSAGE = 2_000
# A job that is told to wait for hours is claimed and put back again and again; every beat pays for the row's size.
MAX_HISTORY = 40


@dataclass(frozen=True)
class JobFailure:
    """Why a job failed, or why its last attempt did: `code` for programs, `message` for people.

    Both are cut where they are too long: an exception's text may quote a whole document, and a row holds 400 KB.
    """

    code: str
    message: str
    retryable: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", _text(self.code, _LONGEST_CODE))
        object.__setattr__(self, "message", _text(self.message, _LONGEST_MESSAGE))


@dataclass(frozen=True)
class Payload:
    """A JSON text, inline in the row, or in the bucket at `key` where it is too large for one."""

    text: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class StoredFile:
    """A named file of a job: the fencing token of who saved it (0: whoever was first), its bytes and its type."""

    fence: int
    size: int
    content_type: str


@dataclass(frozen=True)
class HistoryEntry:
    """One transition that a job went through."""

    at: datetime
    transition: str
    status: Status


@dataclass(frozen=True)
class JobKey:
    """What names a job: the tenant is part of it, so that no id of another tenant can be reached."""

    tenant: str
    job_id: str


@dataclass(frozen=True)
class JobRecord:
    """One job. Times are aware and in UTC.

    `version` grows with every write, `fence` with every claim. `priority` names the lane: the queue of that priority.
    `due_at` is when the sweeper must look at the job (None: never again). `not_before` is the end of a wait.
    `claimant` is a random mark of the claim or sweep that took the job last.

    Maps: `checkpoints` from a name to where the value is stored, `timeouts` from a stage to how often it timed out,
    `prompts` from a stage to the prompts it used, `models` from a model ID to its part of `usage`. `cost_usd` is None
    if a price is not known.

    A job with a tier has a `tier_rank` (0 is the best), and a `lane_sort_key` while it may be claimed. `claimed_via` is
    the job whose message the worker received, if it claimed this job instead.
    """

    tenant: str
    job_id: str
    analysis: str
    status: Status
    input: Payload
    priority: str
    created_at: datetime
    deadline: datetime
    max_attempts: int
    due_at: datetime | None
    subject: str | None = None
    client: str | None = None
    project: str | None = None
    tier: str | None = None
    tier_rank: int | None = None
    lane_sort_key: str | None = None
    claimed_via: JobKey | None = None
    version: int = 1
    attempt: int = 0
    fence: int = 0
    sends: int = 1
    not_before: datetime | None = None
    lease_until: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    stage: str | None = None
    stages_completed: tuple[str, ...] = ()
    progress: int = 0
    result: Payload | None = None
    failure: JobFailure | None = None
    usage: Usage = field(default_factory=Usage)
    models: Mapping[str, Usage] = field(default_factory=dict)
    cost_usd: Decimal | None = None
    code_version: str | None = None
    claimant: str | None = None
    cancel_asked_at: datetime | None = None
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    timeouts: Mapping[str, int] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, StoredFile] = field(default_factory=dict)
    history: tuple[HistoryEntry, ...] = ()

    @property
    def key(self) -> JobKey:
        """What names the job."""
        return JobKey(self.tenant, self.job_id)

    @property
    def sort_key_in_lane(self) -> str | None:
        """Where the job stands in its lane while it waits, None without a tier."""
        return None if self.tier_rank is None else sort_key_in_lane(self.tier_rank, self.job_id)

    @property
    def names(self) -> dict[str, Any]:
        """What a log line says of the job."""
        names = ("job_id", "tenant", "analysis", "attempt", "code_version")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class IdempotencyKey:
    """A caller's idempotency key: its digest names the row, the body's digest tells a reuse from a repeat."""

    digest: str
    body_digest: str
    expires_at: datetime


@dataclass(frozen=True)
class Listing:
    """Which of a tenant's jobs to list: at most one of status, client and subject; ids within `[first, last]`."""

    tenant: str
    status: Status | None = None
    client: str | None = None
    subject: str | None = None
    first_id: str | None = None
    last_id: str | None = None
    limit: int = 50
    before_id: str | None = None  # the cursor: the last id of the page before

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.status, self.client, self.subject)) > 1 or self.limit < 1:
            raise ValueError(f"list by at most one of status, client and subject, and at least one job: {self}")


@dataclass(frozen=True)
class Changes:
    """What a transition writes beside its status and counters: attribute names of `JobRecord` to new values."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := self.values.keys() - _CHANGEABLE:
            raise ValueError(f"a transition cannot change {', '.join(sorted(unknown))}")


def ending(now: datetime, retention: timedelta) -> dict[str, Any]:
    """Return the changes of every transition that ends a job. Clears due_at, lease_until and lane_sort_key."""
    ended = {"finished_at": now, "expires_at": now + retention}
    return ended | dict.fromkeys(("due_at", "lease_until", "lane_sort_key"), None)


def sort_key_in_lane(tier_rank: int, job_id: str) -> str:
    """Return the key that sorts the jobs of a lane: by rank, then by job ID, which sorts by time."""
    return f"{tier_rank:02}#{job_id}"


# A worker may finish what its deadline overtook; and an expiry need not be exact.
_POINTER_MARGIN = timedelta(days=1)


def pointer_until(deadline: datetime, retention: timedelta) -> datetime:
    """Return when the pointer to a job may expire: later than the row of the job itself."""
    return deadline + retention + _POINTER_MARGIN


def trimmed_history(
    transition: Transition, entry: HistoryEntry, read: JobRecord | None
) -> tuple[HistoryEntry, ...] | None:
    """Return the whole history to write where appending `entry` would make it too long, else None: append.

    Only who knows what is there may: whoever writes to the very version that was read, and the holder of the token
    where no cancel was asked for, which is all that others add to a job that is held. The first entry stays (when the
    work began), and the newest ones.
    """
    knows = all(
        Guard.UNCHANGED in guards or {Guard.TOKEN, Guard.NOT_CANCELLED} <= guards
        for guards in transition.sources.values()
    )
    if not knows or read is None or len(read.history) < MAX_HISTORY:
        return None
    return (read.history[0], *read.history[len(read.history) - MAX_HISTORY + 2 :], entry)


def _text(value: object, longest: int) -> str:
    """Return `value` as a text that a row can hold: not too long, and without halves of surrogate pairs."""
    text = str(value).encode(errors="replace").decode()
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


_CHANGEABLE = {
    "attempt",
    "cancel_asked_at",
    "checkpoints",
    "claimant",
    "deadline",
    "files",
    "max_attempts",
    "prompts",
    "sends",
    "timeouts",
    "claimed_via",
    "lane_sort_key",
    "due_at",
    "not_before",
    "lease_until",
    "finished_at",
    "expires_at",
    "stage",
    "stages_completed",
    "progress",
    "result",
    "failure",
    "cost_usd",
    "models",
    "usage",
    "code_version",
}
