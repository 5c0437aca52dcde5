"""Steps on a job store that the contract tests share."""

from datetime import timedelta

from analysis_jobs.jobs.ports import Applied, JobStore
from analysis_jobs.jobs.record import Changes, IdempotencyKey, JobRecord
from analysis_jobs.jobs.transitions import CLAIM
from tests.handlers.builders import MINUTE, START


def the_key(digest: str = "d1", body: str = "b1", life: timedelta = timedelta(hours=24)) -> IdempotencyKey:
    return IdempotencyKey(digest, body, START + life)


def claim(store: JobStore, job: JobRecord, *, at: timedelta = timedelta()) -> JobRecord:
    """Claim `job` with a lease of one minute. Fail if the claim is not applied."""
    until = START + at + MINUTE
    changes = Changes({"lease_until": until, "due_at": until, "not_before": None})
    outcome = store.transition(job.key, CLAIM, changes, now=START + at)
    assert isinstance(outcome, Applied)
    return outcome.job


def read_of(store: JobStore, job: JobRecord) -> JobRecord:
    found = store.get(job.key)
    assert found is not None
    return found
