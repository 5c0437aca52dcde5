"""A process dies before and after every AWS call of submitting, working, sweeping, cancelling and retrying."""

from collections.abc import Iterator

import pytest

from analysis_jobs.jobs.record import JobRecord
from tests.faults import figures
from tests.faults.crash_site import Clients, Crash, Run, Scenario, aws, ends_of
from tests.handlers.builders import MINUTE, SECOND

pytestmark = pytest.mark.usefixtures("quiet")

# Each with the status of its end, and the number of model answers without a crash.
SCENARIOS = (
    Scenario("two stages", "completed", 3),
    Scenario("submitted with an idempotency key", "completed", 3, keyed=True),
    Scenario("throttled", "completed", 3, replies=("ThrottlingException",)),
    Scenario("an error of the model", "completed", 3, replies=("ModelStreamErrorException",)),
    Scenario("refused by the model", "failed", 0, replies=("ValidationException",) * 5),
    Scenario("too long for one invocation", "completed", 3, stop_after=45 * SECOND),
    Scenario("cancelled at work", "cancelled", 2, keyed=True, acts={"cancel": 30 * SECOND}, exact=False),
    Scenario("cancelled, and its worker dies", "cancelled", 2, acts={"cancel": 30 * SECOND}, die_asking=2, exact=False),
    Scenario("its message is lost", "completed", 3, lose_messages=1),
    Scenario("of a tier", "completed", 3, tiered=True),
    Scenario("of a tier, throttled", "completed", 3, replies=("ThrottlingException",), tiered=True),
    Scenario("of a tier, and its message is lost", "completed", 3, lose_messages=1, tiered=True),
    Scenario("its worker dies, and its message is lost", "completed", 4, die_asking=2),
    Scenario("the worker of its only attempt dies", "failed", 1, analysis="brief", die_asking=1, exact=False),
    Scenario("no message arrives until its deadline", "failed", 0, deadline=4 * MINUTE, lose_messages=99),
    Scenario("failed, and retried", "completed", 3, replies=("ValidationException",), acts={"retry": 90 * SECOND}),
)
QUICK = 11  # `make test` tries one crash point out of so many


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    with aws() as made:
        yield made


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_crash_at_any_aws_call_loses_no_job_and_repeats_only_unsaved_answers(
    clients: Clients, scenario: Scenario, long: bool
) -> None:
    clean = Run(clients, scenario)
    job = clean.go()
    assert job is not None
    assert clean.answers == scenario.calls
    check(clean, job)
    calls = range(len(clean.calls))
    crashes = [Crash(call, after) for call in calls for after in (False, True) if not after or call != clean.unanswered]
    asked_again = 0
    tried = crashes if long else crashes[::QUICK]
    for crash in tried:
        run = Run(clients, scenario, crash)
        job = run.go()
        assert run.crashed is not None, f"no process reached {crash}"
        try:
            asked_again += check_after(run, job)
        except AssertionError as error:
            raise AssertionError(f"crash {run.crashed} ({crash}): {error}") from error
    figures.record(
        f"Crash points: {scenario.name}",
        aws_calls=len(clean.calls),
        crash_points=len(tried),
        model_calls=scenario.calls,
        crashes_that_cost_one_more=asked_again,
    )


def check_after(run: Run, job: JobRecord | None) -> int:
    """Check a run with a crash; return the number of additional model answers."""
    if job is None:
        # The only allowed reason: the crash was before the job was accepted, so its caller got no confirmation.
        assert not run.scenario.keyed
        assert run.crashed in {"before api: s3 PutObject", "after api: s3 PutObject", "before api: dynamodb PutItem"}
        return 0
    check(run, job)
    more = run.answers - run.scenario.calls
    assert run.unkept_at_crash <= 1
    assert more == run.unkept_at_crash if run.scenario.exact else more <= run.unkept_at_crash, (
        f"the model answered {run.answers} times, expected {run.scenario.calls} + {run.unkept_at_crash} unsaved"
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
        assert run.artifact(job.result.key)["text"] == "<first> <second/item/0> <second/item/1>"


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
    return run.answers - scenario.calls
