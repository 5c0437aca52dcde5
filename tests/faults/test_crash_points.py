"""A process dies before and after every AWS call of submitting, working, sweeping, cancelling and retrying."""

from collections.abc import Iterator

import pytest

from analysis_jobs.jobs.record import JobRecord
from tests.faults import figures
from tests.faults.crash_aws import Clients, aws
from tests.faults.crash_scenarios import SCENARIOS, Crash, Scenario
from tests.faults.crash_site import RESULTS, Run, ends_of
from tests.faults.mutations import PAGE_MUTATIONS

pytestmark = pytest.mark.usefixtures("quiet")

BEFORE_THE_CONFIRMATION = {
    "before api: s3 HeadObject",  # of the document
    "after api: s3 HeadObject",
    "before api: s3 PutObject",
    "after api: s3 PutObject",
    "before api: dynamodb PutItem",
}
MODEL_CALL = "worker: bedrock-runtime ConverseStream"
QUICK = 11  # `make test` tries one crash point out of so many


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    with aws() as made:
        yield made


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_crash_at_any_aws_call_loses_no_job_and_repeats_only_unsaved_work(
    clients: Clients, scenario: Scenario, long: bool
) -> None:
    clean = Run(clients, scenario)
    job = clean.go()
    assert job is not None
    assert clean.work == scenario.work
    check(clean, job)
    calls = range(len(clean.calls))
    crashes = [Crash(call, after) for call in calls for after in (False, True) if not after or call != clean.unanswered]
    repeated = 0
    tried = crashes if long else crashes[::QUICK]
    for crash in tried:
        run = Run(clients, scenario, crash)
        job = run.go()
        assert run.crashed is not None, f"no process reached {crash}"
        try:
            repeated += check_after(run, job)
        except AssertionError as error:
            raise AssertionError(f"crash {run.crashed} ({crash}): {error}") from error
    figures.record(
        f"Crash points: {scenario.name}",
        aws_calls=len(clean.calls),
        crash_points=len(tried),
        model_calls=clean.answers,
        **({"pages_read_by_OCR": pages} if (pages := clean.reader.begun.total()) else {}),
        crashes_that_cost_one_more=repeated,
    )


def check_after(run: Run, job: JobRecord | None) -> int:
    """Check a run with a crash; return the additional work: model answers, and pages read by OCR."""
    if job is None:
        # The only allowed reason: the crash was before the job was accepted, so its caller got no confirmation.
        assert not run.scenario.keyed
        assert run.crashed in BEFORE_THE_CONFIRMATION
        return 0
    check(run, job)
    more = run.work - run.scenario.work
    assert run.unkept_at_crash <= 1
    assert more == run.unkept_at_crash if run.scenario.exact else more <= run.unkept_at_crash, (
        f"{run.work} answers and pages, expected {run.scenario.work} + {run.unkept_at_crash} unsaved"
    )
    return max(more, 0)


def check(run: Run, job: JobRecord) -> None:
    """Check that a job ended once, in the expected status, with its own result, and with no due_at or lease left."""
    assert job.status == run.scenario.ends, f"{job.status}: {job.failure}"
    assert ends_of(job).total() == 1 + sum(entry.transition == "retry" for entry in job.history)
    assert job.due_at is None
    assert job.lease_until is None
    assert job.attempt <= job.max_attempts
    if job.status == "completed":
        assert job.result is not None
        assert job.result.key is not None
        assert run.artifact(job.result.key)["text"] == RESULTS[run.scenario.analysis]


# For the scenario `two stages`: each AWS call of the worker, the additional answers that a crash before it costs, and
# those that a crash after it costs. It is one from the model call until its answer is saved: the paid answer is lost.
COSTS = (
    ("UpdateItem", 0, 0),  # the claim
    ("ChangeMessageVisibility", 0, 0),
    ("GetObject", 0, 0),  # the input
    ("ConverseStream", 0, 1),  # the first stage asks
    ("UpdateItem", 1, 1),  # a heartbeat
    ("ChangeMessageVisibility", 1, 1),
    ("PutObject", 1, 1),  # the stage's checkpoint
    ("UpdateItem", 1, 0),
    ("ConverseStream", 0, 1),  # the second stage asks about its first item
    ("UpdateItem", 1, 1),
    ("ChangeMessageVisibility", 1, 1),
    ("PutObject", 1, 1),
    ("UpdateItem", 1, 0),
    ("ConverseStream", 0, 1),  # and about its second item
    ("UpdateItem", 1, 1),
    ("ChangeMessageVisibility", 1, 1),
    ("UpdateItem", 1, 1),  # a heartbeat at the same time as the checkpoint
    ("PutObject", 1, 1),
    ("ChangeMessageVisibility", 1, 1),
    ("UpdateItem", 1, 0),
    ("PutObject", 0, 0),  # the result
    ("UpdateItem", 0, 0),  # the end
)


@pytest.mark.faults
def test_a_crash_of_the_worker_costs_only_the_answer_that_was_not_saved(clients: Clients) -> None:
    scenario = SCENARIOS[0]
    clean = Run(clients, scenario)
    clean.go()
    found = [
        (call.split(" ")[-1], *(_cost(clients, scenario, Crash(number, after)) for after in (False, True)))
        for number, call in enumerate(clean.calls)
        if call.startswith("worker")
    ]
    assert found == list(COSTS)


def _cost(clients: Clients, scenario: Scenario, crash: Crash) -> int:
    run = Run(clients, scenario, crash)
    run.go()
    return run.work - scenario.work


@pytest.mark.parametrize("name", PAGE_MUTATIONS)
def test_the_crash_points_notice_pages_that_are_read_again_without_need(clients: Clients, name: str) -> None:
    [scenario] = [known for known in SCENARIOS if known.name == "a scan"]
    with PAGE_MUTATIONS[name]():
        clean = Run(clients, scenario)
        clean.go()
        assert clean.work == scenario.work  # without a crash nothing is noticed
        pages = range(clean.calls.index("worker: s3 PutObject"), clean.calls.index(MODEL_CALL))
        assert any(_is_noticed(clients, scenario, Crash(call, after=False)) for call in reversed(pages))


def _is_noticed(clients: Clients, scenario: Scenario, crash: Crash) -> bool:
    run = Run(clients, scenario, crash)
    job = run.go()
    assert job is not None
    assert job.status == "completed"
    try:
        check_after(run, job)
    except AssertionError:
        return True
    return False
