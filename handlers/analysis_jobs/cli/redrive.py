"""Finds failed jobs, and has them run again through the API: each once, at a bounded rate, whatever happens to one."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice

from analysis_jobs.base.clock import Clock, rfc3339
from analysis_jobs.cli.ledger import Ledger
from analysis_jobs.client.http import ApiError, CallError, Client, Job

_PAGE = 100
# Each of them was tried several times, with pauses between: the next ones would meet the same.
_FAILURES_IN_A_ROW = 5
_TOKEN_REFUSED = {401, 403}
_GONE = 404


class StoppedError(Exception):
    """Going on makes no sense; the message says why. What was done until then counts."""


class Outcome(StrEnum):
    """What became of a job that was found. In a dry run every one is FOUND."""

    FOUND = "found"
    RUN_AGAIN = "run_again"
    ALREADY_RUNNING = "already_running"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class Filters:
    """Which failed jobs are meant; of analyses and codes none means all. Times are those of the submission."""

    analyses: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def query(self) -> dict[str, object]:
        """Return what of this the API can filter by."""
        return {
            "status": "failed",
            "from": rfc3339(self.since) if self.since else None,
            "to": rfc3339(self.until) if self.until else None,
        }

    def take(self, job: Job) -> bool:
        """Tell whether the job is meant."""
        created = datetime.fromisoformat(job["created_at"])
        return (
            job["status"] == "failed"
            and (not self.analyses or job["analysis"] in self.analyses)
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
    """One redrive: what was found, and what became of it. Without `apply` nothing is changed.

    `limit` is the most jobs to run again, those that the ledger knows of included.
    """

    api: Client
    filters: Filters
    ledger: Ledger
    clock: Clock
    apply: bool = False
    limit: int | None = None
    spacing: timedelta = timedelta()
    on_progress: Callable[[str], None] = lambda _: None
    found: dict[str, Job] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    done_before: int = 0

    def __post_init__(self) -> None:
        self._failures_in_a_row = 0
        self._not_before = self.clock.now()

    def run(self) -> None:
        """Find the failed jobs, and run them again. Raises StoppedError."""
        if self.apply:
            self._settle()
        self.done_before = self.ledger.done
        room = None if self.limit is None else max(0, self.limit - self.ledger.done)
        # All are found first: a job that fails again is not one of them.
        for job in list(islice(self._find(), room)):
            self.offer(job)

    def offer(self, job: Job) -> Outcome | None:
        """Have a failed job run again, once; returns what became of it, None where it is not meant, or one too many.

        Raises StoppedError.
        """
        job_id = job["job_id"]
        if self.ledger.has_done(job_id):
            return Outcome.RUN_AGAIN
        if job_id not in self.outcomes:
            if not self.filters.take(job) or not self._has_room():
                return None
            self.found[job_id] = job
            self.outcomes[job_id] = self._run_again(job) if self.apply else Outcome.FOUND
            self.on_progress(f"{len(self.outcomes)} jobs")
        return self.outcomes[job_id]

    def count(self, outcome: Outcome) -> int:
        """Return how many jobs ended like this."""
        return Counter(self.outcomes.values())[outcome]

    def job(self, job_id: str) -> Job | None:
        """Return a job, None where the token's tenant has none of this id. Raises StoppedError."""
        try:
            return self.api.job(job_id)
        except CallError as error:
            if isinstance(error, ApiError) and error.status == _GONE:
                return None
            raise StoppedError(str(error)) from error

    def _find(self) -> Iterator[Job]:
        """Yield the failed jobs that are meant, newest first. Raises StoppedError."""
        try:
            for seen, job in enumerate(self.api.jobs(**self.filters.query(), limit=_PAGE), 1):
                self.on_progress(f"{seen} failed jobs seen")
                if self.filters.take(job) and not self.ledger.has_done(job["job_id"]):
                    yield job
        except CallError as error:
            raise StoppedError(str(error)) from error

    def _has_room(self) -> bool:
        if self.limit is None:
            return True
        not_done = sum(not self.ledger.has_done(job_id) for job_id in self.outcomes)
        return self.ledger.done + not_done < self.limit

    def _settle(self) -> None:
        """Find out which jobs heard of it when a redrive broke off between asking and noting the answer."""
        for job_id in self.ledger.unsettled:
            job = self.job(job_id)
            if job is None:
                self.ledger.drop(job_id)
            elif self.ledger.was_run(job):
                self.ledger.finish(job_id)

    def _run_again(self, job: Job) -> Outcome:
        self._wait_for_its_turn()
        job_id = job["job_id"]
        self.ledger.ask(job)
        try:
            answer = self.api.retry(job_id)
        except CallError as error:
            return self._failed(job_id, error)
        self._failures_in_a_row = 0
        self.ledger.finish(job_id)
        # A job that was failed is queued again; one that is further was run again by somebody else.
        return Outcome.RUN_AGAIN if answer["status"] == "queued" else Outcome.ALREADY_RUNNING

    def _failed(self, job_id: str, error: CallError) -> Outcome:
        if isinstance(error, ApiError) and error.status in _TOKEN_REFUSED:
            raise StoppedError(f"{error}. Give a token that the API takes, and go on with the same --state.") from error
        outcome = Outcome.FAILED if error.passing else Outcome.REFUSED
        self.troubles.append(Trouble(job_id, outcome, str(error)))
        if outcome is Outcome.REFUSED:
            self.ledger.drop(job_id)
            return outcome
        # Whether it was heard nobody knows: the ledger finds out when the redrive is run again.
        self._failures_in_a_row += 1
        if self._failures_in_a_row == _FAILURES_IN_A_ROW:
            self.outcomes[job_id] = outcome
            raise StoppedError(f"{_FAILURES_IN_A_ROW} jobs in a row could not be run again, the last one: {error}")
        return outcome

    def _wait_for_its_turn(self) -> None:
        now = self.clock.now()
        if now < self._not_before:
            self.clock.sleep(self._not_before - now)
        self._not_before = self.clock.now() + self.spacing


def code_of(job: Job) -> str:
    """Return the error code of a job, empty where it has none."""
    return str((job.get("error") or {}).get("code") or "")
