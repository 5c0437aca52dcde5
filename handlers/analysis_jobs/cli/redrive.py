"""Finds failed jobs, and retries each once through the API, at a bounded rate. One refusal does not stop the rest."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice

from analysis_jobs.base.clock import Clock
from analysis_jobs.cli.ledger import Ledger
from analysis_jobs.client import Client, ClientError, Forbidden, JobInfo, ListOptions, NotFound, Unauthorized

# The client already retried each of these jobs several times. After so many failures, the API is down.
_MAX_CONSECUTIVE_FAILURES = 5


class StoppedError(Exception):
    """The redrive cannot continue; the message says why. What was done before is kept."""


class Outcome(StrEnum):
    """The result for one selected job. In a dry run it is always FOUND."""

    FOUND = "found"
    RUN_AGAIN = "run_again"
    ALREADY_RUNNING = "already_running"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class Filters:
    """Selects failed jobs. An empty set selects all. Times are times of submission."""

    analyses: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def query(self) -> ListOptions:
        """Return the filters that the API applies itself."""
        return {"status": "failed", "since": self.since, "until": self.until}

    def match(self, job: JobInfo) -> bool:
        """Tell whether the job is selected."""
        created = job.created_at or datetime.min.replace(tzinfo=UTC)
        return (
            job.status == "failed"
            and (not self.analyses or job.analysis in self.analyses)
            and (not self.codes or code_of(job) in self.codes)
            and (self.since or datetime.min.replace(tzinfo=UTC)) <= created
            and created < (self.until or datetime.max.replace(tzinfo=UTC))
        )


@dataclass(frozen=True)
class Trouble:
    """A job that could not be run again, and why."""

    job_id: str
    outcome: Outcome
    why: str


@dataclass
class Redrive:
    """One redrive: the jobs found, and the outcome of each. Without `apply` nothing is changed.

    `limit` is the largest number of jobs to run again, including those in the ledger.
    """

    api: Client
    filters: Filters
    ledger: Ledger
    clock: Clock
    apply: bool = False
    limit: int | None = None
    spacing: timedelta = timedelta()
    on_progress: Callable[[str], None] = lambda _: None
    found: dict[str, JobInfo] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    done_before: int = 0

    def __post_init__(self) -> None:
        self._consecutive_failures = 0
        self._not_before = self.clock.now()

    def run(self) -> None:
        """Find the failed jobs, and run them again. Raises `StoppedError`."""
        if self.apply:
            self._resolve_unconfirmed()
        self.done_before = self.ledger.done
        room = None if self.limit is None else max(0, self.limit - self.ledger.done)
        # List all jobs before the first retry: a job that fails again meanwhile must not be found twice.
        for job in list(islice(self._find(), room)):
            self.run_again(job)

    def run_again(self, job: JobInfo) -> Outcome | None:
        """Run a failed job again, at most once. Return None if the filters exclude it or the limit is reached.

        Raises `StoppedError`.
        """
        job_id = job.job_id
        if self.ledger.has_done(job_id):
            return Outcome.RUN_AGAIN
        if job_id not in self.outcomes:
            if not self.filters.match(job) or not self._is_below_limit():
                return None
            self.found[job_id] = job
            self.outcomes[job_id] = self._retry(job) if self.apply else Outcome.FOUND
            self.on_progress(f"{len(self.outcomes)} jobs")
        return self.outcomes[job_id]

    def count(self, outcome: Outcome) -> int:
        """Return how many jobs have this outcome."""
        return Counter(self.outcomes.values())[outcome]

    def job(self, job_id: str) -> JobInfo | None:
        """Return a job, or None if the token's tenant has no job of this id. Raises `StoppedError`."""
        try:
            return self.api.status(job_id)
        except NotFound:
            return None
        except ClientError as error:
            raise StoppedError(str(error)) from error

    def _find(self) -> Iterator[JobInfo]:
        """Yield the selected failed jobs, newest first. Raises `StoppedError`."""
        try:
            for seen, job in enumerate(self.api.list(**self.filters.query()), 1):
                self.on_progress(f"{seen} failed jobs seen")
                if self.filters.match(job) and not self.ledger.has_done(job.job_id):
                    yield job
        except ClientError as error:
            raise StoppedError(str(error)) from error

    def _is_below_limit(self) -> bool:
        if self.limit is None:
            return True
        not_done = sum(not self.ledger.has_done(job_id) for job_id in self.outcomes)
        return self.ledger.done + not_done < self.limit

    def _resolve_unconfirmed(self) -> None:
        """Find out which requests arrived, if an earlier redrive stopped before it recorded the answers."""
        for job_id in self.ledger.unconfirmed:
            job = self.job(job_id)
            if job is None:
                self.ledger.record_refusal(job_id)
            elif self.ledger.was_run(job):
                self.ledger.record_success(job_id)

    def _retry(self, job: JobInfo) -> Outcome:
        self._wait_for_rate()
        job_id = job.job_id
        self.ledger.record_request(job)
        try:
            answer = self.api.retry(job_id)
        except ClientError as error:
            return self._failed(job_id, error)
        self._consecutive_failures = 0
        self.ledger.record_success(job_id)
        # A retried job is queued. In another state, somebody else had already retried it.
        return Outcome.RUN_AGAIN if answer.status == "queued" else Outcome.ALREADY_RUNNING

    def _failed(self, job_id: str, error: ClientError) -> Outcome:
        if isinstance(error, Unauthorized | Forbidden):
            raise StoppedError(f"{error}. Give a valid token, and continue with the same --state.") from error
        outcome = Outcome.FAILED if error.retryable else Outcome.REFUSED
        self.troubles.append(Trouble(job_id, outcome, str(error)))
        if outcome is Outcome.REFUSED:
            self.ledger.record_refusal(job_id)
            return outcome
        # The request may have arrived. The next redrive with this ledger finds out.
        self._consecutive_failures += 1
        if self._consecutive_failures == _MAX_CONSECUTIVE_FAILURES:
            self.outcomes[job_id] = outcome
            raise StoppedError(
                f"{_MAX_CONSECUTIVE_FAILURES} jobs in a row could not be run again; the last error: {error}."
                " Run this again with the same --state when the API answers"
            )
        return outcome

    def _wait_for_rate(self) -> None:
        now = self.clock.now()
        if now < self._not_before:
            self.clock.sleep(self._not_before - now)
        self._not_before = self.clock.now() + self.spacing


def code_of(job: JobInfo) -> str:
    """Return the error code of a job, or "" if it has none."""
    return job.error.code if job.error else ""
