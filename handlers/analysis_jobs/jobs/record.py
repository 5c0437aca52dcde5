"""The row of a job. The stores define how it is stored."""

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from analysis_jobs.base.usage import Usage
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.transitions import Guard, Status, Transition

_MAX_CODE_LENGTH = 100
_MAX_MESSAGE_LENGTH = 2_000
# A job that is deferred for hours is claimed and queued many times, and DynamoDB bills every write by the row's size.
MAX_HISTORY = 40


@dataclass(frozen=True)
class JobFailure:
    """Why a job or its last attempt failed. Programs read `code`, people read `message`.

    Both are cut at a maximum length: an exception may quote a whole document, and DynamoDB limits a row to 400 KB.
    """

    code: str
    message: str
    retryable: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", _storable_text(self.code, _MAX_CODE_LENGTH))
        object.__setattr__(self, "message", _storable_text(self.message, _MAX_MESSAGE_LENGTH))


@dataclass(frozen=True)
class Payload:
    """A JSON text. `text` is stored in the row; a larger text is stored in the bucket under `key`."""

    text: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class StoredFile:
    """A named file of a job: the fencing token of the writer (0 for a write-once file), size in bytes, and type."""

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
    """The key of a job. The tenant is part of it, so that a tenant cannot reach the jobs of another tenant."""

    tenant: str
    job_id: str


@dataclass(frozen=True)
class JobRecord:
    """One job. Times are aware and in UTC.

    `version` grows with every write, `fence` with every claim. `priority` names the lane: the queue of that priority.
    `due_at` is when the sweeper must look at the job (None: never again). `not_before` is the end of a wait.
    `claimant` is a random mark of the claim or sweep that took the job last. The worker's first write after its claim
    removes it.

    `documents` is a JSON object: the version of each document of the input, null for one that the submission did not
    find. It is None for a job without documents.

    Maps: `checkpoints` from a name to where the value is stored, `timeouts` from a stage to how often it timed out,
    `prompts` from a stage to the prompts it used, `models` from a model ID to its part of `usage`. `cost_usd` is None
    if a price is not known.

    `prompt_versions` has the versions of prompts that a canary uses instead of the active ones, by name. It is None for
    every other job.

    `trace` is the W3C context of the span that submitted the job, as `base/tracing.py` writes it. None: no trace.

    A job with a tier has a `tier_rank` (0 is the best), and a `lane_sort_key` while it may be claimed. `claimed_via` is
    the job whose message the worker received, if it claimed this job instead.

    `shared` tells whether the worker of the last claim could run other jobs beside this one. `alone` tells whether the
    job must run alone, because it was running when such a worker died. Both are True or None.
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
    documents: Payload | None = None
    prompt_versions: Mapping[str, int] | None = None
    trace: str | None = None
    shared: bool | None = None
    alone: bool | None = None

    @property
    def key(self) -> JobKey:
        """The key of the job."""
        return JobKey(self.tenant, self.job_id)

    def is_held(self, now: datetime) -> bool:
        """Tell whether a worker holds the job under a lease."""
        return self.status is Status.PROCESSING and self.lease_until is not None and self.lease_until > now

    @property
    def sort_key_in_lane(self) -> str | None:
        """The value of `lane_sort_key` while the job may be claimed, None without a tier."""
        return None if self.tier_rank is None else sort_key_in_lane(self.tier_rank, self.job_id)

    @property
    def log_fields(self) -> dict[str, Any]:
        """The fields of every log line about the job."""
        names = ("job_id", "tenant", "analysis", "attempt", "code_version")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class IdempotencyKey:
    """A caller's idempotency key. `digest` is part of its item's key.

    `body_digest` distinguishes a repeated request from a different request with the same key.
    """

    digest: str
    body_digest: str
    expires_at: datetime


@dataclass(frozen=True)
class Listing:
    """Which jobs of a tenant to list. At most one of status, client and subject filters them.

    `first_id` and `last_id` are inclusive. Raises `ValueError` for two filters and for a limit below 1.
    """

    tenant: str
    status: Status | None = None
    client: str | None = None
    subject: str | None = None
    first_id: str | None = None
    last_id: str | None = None
    limit: int = 50
    before_id: str | None = None  # the cursor: the last id of the previous page

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.status, self.client, self.subject)) > 1 or self.limit < 1:
            raise ValueError(f"list by at most one of status, client and subject, and at least one job: {self}")


@dataclass(frozen=True)
class Changes:
    """What a transition writes besides status and counters. Maps field names of `JobRecord` to new values.

    Raises `ValueError` for a field that a transition may not change.
    """

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


# A worker may finish a job after its deadline. The expiry need not be exact.
_POINTER_MARGIN = timedelta(days=1)


def pointer_until(deadline: datetime, retention: timedelta) -> datetime:
    """Return when the pointer to a job may expire. That is later than the expiry of the job's row."""
    return deadline + retention + _POINTER_MARGIN


def trimmed_history(
    transition: Transition, entry: HistoryEntry, read: JobRecord | None
) -> tuple[HistoryEntry, ...] | None:
    """Return the shortened history to write if `entry` would exceed `MAX_HISTORY`. None means: append the entry.

    A writer may replace the history only if it cannot have changed since `read`. That holds for a write on an unchanged
    version. It also holds for the holder of the token if no cancel was requested: nothing else adds an entry to a
    job under a lease. The first entry, which is the start of the work, and the newest entries are kept.
    """
    history_unchanged = all(
        Guard.UNCHANGED in guards or {Guard.TOKEN, Guard.NOT_CANCELLED} <= guards
        for guards in transition.sources.values()
    )
    if not history_unchanged or read is None or len(read.history) < MAX_HISTORY:
        return None
    return (read.history[0], *read.history[len(read.history) - MAX_HISTORY + 2 :], entry)


def written(
    stored: JobRecord, transition: Transition, changes: Changes, now: datetime, read: JobRecord | None
) -> JobRecord:
    """Return a row after a transition. `read` is the row that the writer has read."""
    history = stored.history
    if transition.recorded:
        entry = HistoryEntry(now, transition.name, transition.target)
        history = trimmed_history(transition, entry, read) or (*history, entry)
    counters = {name: getattr(stored, name) + step for name, step in {"version": 1, **transition.counters}.items()}
    return replace(stored, status=transition.target, history=history, **counters, **dict(changes.values))


def _storable_text(value: object, longest: int) -> str:
    """Return `value` as text without lone surrogates, cut at `longest` characters."""
    text = str(value).encode(errors="replace").decode()
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


_CHANGEABLE = {
    "alone",
    "shared",
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
