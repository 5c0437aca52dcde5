"""A worker handles one message: the outcome of a job for every behaviour of its analysis."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs import Defer, Fail, Job, Retry
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES
from analysis_jobs.jobs.record import HistoryEntry, JobFailure, JobKey, JobRecord, Payload
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.worker.claims import UnknownJob
from analysis_jobs.worker.message import Message
from tests.handlers.builders import (
    MILLISECOND,
    MINUTE,
    QUEUE_ARN,
    SECOND,
    START,
    Book,
    ScriptedModel,
    Shop,
    Value,
    a_job,
    says,
)

LEASE = MINUTE


def asking(job: Job[Book]) -> Value:
    return Value(text=job.ask(f"What is {job.request.isbn} worth?"))


def raising(error: Exception) -> Callable[[Job[Book]], Value]:
    def stage(_job: Job[Book]) -> Value:
        raise error.with_traceback(None)  # otherwise the traceback would grow with each attempt

    return stage


def returning(output: Any) -> Callable[[Job[Book]], Any]:
    def stage(_job: Job[Book]) -> Any:
        return output

    return stage


def never(_job: Job[Book]) -> Value:
    raise AssertionError("no work should be done")


# The end


def test_a_job_completes_with_its_result() -> None:
    shop = Shop([asking], ScriptedModel(says("gold", input_tokens=12, output_tokens=3)))
    key = shop.keep(failure=JobFailure("earlier", "m", retryable=True))
    before = shop.job(key)
    after = shop.deliver(key)
    assert after == replace(
        before,
        status=Status.COMPLETED,
        version=3,
        attempt=1,
        fence=1,
        due_at=None,
        lease_until=None,
        finished_at=START,
        expires_at=START + timedelta(days=30),
        stage=None,
        stages_completed=("asking",),
        progress=100,
        result=Payload(text='{"text":"gold","pounds":0.0}'),
        failure=None,
        usage=Usage(1, 12, 3),
        models={"some.model": Usage(1, 12, 3)},
        code_version="v7",
        claimant=after.claimant,
        history=(
            HistoryEntry(START, "claim", Status.PROCESSING),
            HistoryEntry(START, "complete", Status.COMPLETED),
        ),
    )
    assert shop.queue.sent == []
    assert [(q.prompt, q.model_id) for q in shop.model.questions] == [("What is 42 worth?", "some.model")]


def test_a_job_completes_with_its_result_on_dynamodb(dynamo_store: DynamoJobStore) -> None:
    shop = Shop([asking], ScriptedModel(says("gold")))
    job = a_job(subject="books/42", client="web")
    dynamo_store.create(job, None)
    replace(shop.worker, store=dynamo_store).handle(Message(job.key, QUEUE_ARN, "receipt"))
    after = dynamo_store.latest("acme", "valuation", "books/42")
    assert after is not None
    assert (after.status, after.result) == (Status.COMPLETED, Payload(text='{"text":"gold","pounds":0.0}'))
    assert [entry.transition for entry in after.history] == ["claim", "complete"]


@pytest.mark.parametrize("output", [{"text": "x", "pounds": "2.5"}, Value(text="x", pounds=2.5)])
def test_the_result_is_the_last_output_validated_by_the_result_model(output: Any) -> None:
    shop = Shop([returning(output)])
    result = shop.deliver(shop.keep()).result
    assert result == Payload(text='{"text":"x","pounds":2.5}')


def test_a_large_result_goes_to_the_bucket() -> None:
    shop = Shop([returning(Value(text="x" * 40_000))])
    key = shop.keep(fence=4)
    after = shop.deliver(key)
    assert after.result == Payload(key=f"jobs/acme/{key.job_id}/5-result.json")
    assert json.loads(shop.artifacts.objects[str(after.result.key)])["text"] == "x" * 40_000


def test_an_input_in_the_bucket_is_loaded() -> None:
    shop = Shop([asking], ScriptedModel(says("gold")))
    shop.artifacts.write("jobs/acme/1/0-input.json", b'{"isbn": "from the bucket"}', "application/json")
    assert shop.deliver(shop.keep(input=Payload(key="jobs/acme/1/0-input.json"))).status is Status.COMPLETED
    assert shop.model.questions[0].prompt == "What is from the bucket worth?"


@pytest.mark.parametrize(
    ("stage", "code", "message"),
    [
        (raising(Fail("document_empty", "no bytes")), "document_empty", "no bytes"),
        (returning({"pounds": 1}), "result_invalid", "text: Field required"),
        (returning(None), "result_invalid", "should be a valid dictionary or instance of Value"),
        (returning(Value(text="x", pounds=float("nan"))), "result_invalid", "not JSON compliant"),
        (returning(Value.model_construct(text="\ud83d", pounds=1)), "result_invalid", "the result is invalid"),
        (returning(Value(text="x" * MAX_PAYLOAD_BYTES)), "result_too_large", "the limit is 5000000"),
    ],
)
def test_an_error_that_a_retry_cannot_fix_fails_the_job_at_once(stage: Any, code: str, message: str) -> None:
    shop = Shop([stage])
    after = shop.deliver(shop.keep(max_attempts=3))
    assert after.failure is not None
    assert (after.status, after.failure.code, after.failure.retryable) == (Status.FAILED, code, False)
    assert message in after.failure.message
    assert (after.due_at, after.lease_until, after.finished_at) == (None, None, START)
    assert after.expires_at == START + timedelta(days=30)
    assert shop.queue.sent == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"analysis": "gone"}, "analysis_unknown"),
        ({"input": Payload(text='{"title": "no isbn"}')}, "input_invalid"),
    ],
)
def test_a_job_of_an_analysis_that_is_not_deployed_fails(fields: dict[str, Any], code: str) -> None:
    shop = Shop([never])
    after = shop.deliver(shop.keep(**fields, usage=Usage(1, 2, 3)))
    assert after.failure is not None
    assert (after.status, after.failure.code, after.usage) == (Status.FAILED, code, Usage(1, 2, 3))


def test_a_very_long_error_message_does_not_break_the_row() -> None:
    shop = Shop([raising(Fail("too_long", "x" * 1_000_000))])
    after = shop.deliver(shop.keep(max_attempts=1))
    assert after.failure is not None
    assert (after.status, len(after.failure.message)) == (Status.FAILED, 2_000)


# Another attempt


@pytest.mark.parametrize(
    ("error", "code"),
    [(Retry("model_timeout", "silence", after=30 * SECOND), "model_timeout"), (OSError("disk"), "unexpected_error")],
)
def test_an_error_that_a_retry_may_fix_returns_the_job_to_the_queue(error: Exception, code: str) -> None:
    shop = Shop([raising(error)])
    key = shop.keep(max_attempts=2)
    after = shop.deliver(key)
    assert (after.status, after.attempt, after.fence, after.lease_until) == (Status.QUEUED, 1, 1, None)
    assert after.failure is not None
    assert (after.failure.code, after.failure.retryable) == (code, True)
    ((priority, sent, delay),) = shop.queue.sent
    assert (priority, sent) == ("medium", key)
    assert shop.queue.dedupes == [f"{key.job_id}-{after.version}"]
    assert after.due_at == START + delay + LEASE  # if the message is lost, the sweeper sends another
    assert after.not_before == START + delay - SECOND
    assert delay == 30 * SECOND if isinstance(error, Retry) else timedelta() <= delay <= 4 * SECOND


def test_an_error_in_the_last_attempt_fails_the_job() -> None:
    shop = Shop([raising(Retry("model_timeout", "silence"))])
    after = shop.deliver(shop.keep(attempt=2, max_attempts=3))
    assert (after.status, after.attempt) == (Status.FAILED, 3)
    assert after.failure == JobFailure("model_timeout", "silence", retryable=True)
    assert shop.queue.sent == []


def test_a_job_that_always_fails_uses_all_attempts_and_ends() -> None:
    shop = Shop([raising(Retry("model_connection", "reset", after=SECOND))])
    key = shop.keep(max_attempts=4)
    shop.queue.send("medium", key, dedupe="submit")
    while shop.queue.sent:
        _, _, delay = shop.queue.sent.pop()
        shop.clock.advance(delay)
        shop.deliver(key)
    assert (shop.job(key).status, shop.job(key).attempt) == (Status.FAILED, 4)
    assert [entry.transition for entry in shop.job(key).history] == [*["claim", "release"] * 3, "claim", "fail"]


def test_usage_is_summed_over_attempts() -> None:
    first, third, fourth = (says("gold", input_tokens=10**n, output_tokens=n) for n in range(1, 4))
    script = ScriptedModel(first, Retry("model_timeout", "silence"), third, fourth)

    def ask_twice(job: Job[Book]) -> Value:
        job.ask("first")
        return Value(text=job.ask("second"))

    shop = Shop([ask_twice], script)
    key = shop.keep()
    assert shop.deliver(key).usage == Usage(1, 10, 1)
    shop.clock.advance(MINUTE)
    assert shop.deliver(key).usage == Usage(3, 1_110, 6)


# Waiting


def test_a_deferral_spends_no_attempt() -> None:
    shop = Shop([raising(Defer("model_throttled", "slow down", after=MINUTE))])
    key = shop.keep(max_attempts=1)
    after = shop.deliver(key)
    assert (after.status, after.attempt, after.fence) == (Status.QUEUED, 0, 1)
    assert after.failure == JobFailure("model_throttled", "slow down", retryable=True)
    assert shop.queue.sent == [("medium", key, MINUTE)]
    assert (after.not_before, after.due_at) == (START + MINUTE - SECOND, START + MINUTE + LEASE)


def test_an_early_message_does_not_shorten_the_wait() -> None:
    shop = Shop([raising(Defer("model_throttled", "slow down", after=MINUTE))])
    key = shop.keep()
    waiting = shop.deliver(key)
    shop.clock.advance(MINUTE - SECOND - MILLISECOND)
    assert shop.deliver(key) == waiting
    shop.clock.advance(MILLISECOND)  # one second of clock difference is tolerated
    assert shop.deliver(key).fence == 2


@pytest.mark.parametrize("longest_delay", [timedelta(), 15 * MINUTE])  # FIFO queue, standard queue
def test_the_sweeper_ends_a_wait_longer_than_the_queues_maximum_delay(longest_delay: timedelta) -> None:
    wait = longest_delay + SECOND
    shop = Shop([raising(Defer("model_throttled", "slow down", after=wait))])
    shop.queue.longest_delay = longest_delay
    key = shop.keep()
    after = shop.deliver(key)
    assert shop.queue.sent == []
    assert after.due_at == START + wait
    shop.clock.advance(wait - MILLISECOND)
    assert shop.sweeper.sweep() == {}
    shop.clock.advance(MILLISECOND)
    assert shop.sweeper.sweep() == {"resend": 1}
    assert shop.deliver(key).fence == 2


@pytest.mark.parametrize(
    ("after", "delay"),
    [
        (timedelta(seconds=-5), timedelta()),
        (timedelta(), timedelta()),
        (timedelta(minutes=15), timedelta(minutes=15)),
        (timedelta.max, None),
    ],
)
@pytest.mark.parametrize("kind", [Retry, Defer])
def test_a_wait_is_limited_to_possible_delays(
    kind: type[Retry | Defer], after: timedelta, delay: timedelta | None
) -> None:
    shop = Shop([raising(kind("code", "message", after=after))])
    key = shop.keep()
    job = shop.deliver(key)
    assert shop.queue.sent == ([] if delay is None else [("medium", key, delay)])
    assert job.due_at == (job.deadline if delay is None else START + delay + LEASE)


@pytest.mark.parametrize("kind", [Retry, Defer])
def test_a_waiting_job_is_due_at_its_deadline_at_the_latest(kind: type[Retry | Defer]) -> None:
    shop = Shop([raising(kind("code", "message", after=10 * SECOND))])
    job = shop.deliver(shop.keep(deadline=START + 30 * SECOND))
    assert job.due_at == START + 30 * SECOND  # not one lease after the message


def test_a_wait_that_is_over_is_cleared_from_the_row() -> None:
    shop = Shop([raising(Fail("code", "message"))])
    assert shop.deliver(shop.keep(not_before=START)).not_before is None


def test_repeated_deferrals_wait_longer_each_time_until_the_deadline() -> None:
    shop = Shop([raising(Defer("model_throttled", "slow down"))])
    key = shop.keep(deadline=START + timedelta(hours=6))
    shop.queue.send("medium", key, dedupe="submit")
    while not shop.job(key).status.ended:
        if shop.queue.sent:
            shop.clock.advance(shop.queue.sent.pop()[2])
            shop.deliver(key)
        else:
            shop.clock.advance(MINUTE)
            shop.sweeper.sweep()
    job = shop.job(key)
    assert (job.status, job.attempt) == (Status.FAILED, 0)
    assert job.failure == JobFailure(
        "deadline_passed", "the job was not done by its deadline; its last error: slow down", retryable=True
    )
    assert job.finished_at is not None
    assert job.deadline <= job.finished_at <= job.deadline + MINUTE
    assert 50 < job.fence < 400  # some 2.5 minutes each, on average
    assert len(job.history) <= 42


# Messages


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELLED])
def test_a_message_for_an_ended_job_does_nothing(status: Status) -> None:
    shop = Shop([never])
    key = shop.keep(status=status)
    before = shop.job(key)
    assert shop.deliver(key) == before
    assert (shop.queue.sent, shop.queue.extended) == ([], [])


@pytest.mark.parametrize(
    "fields",
    [
        {"status": Status.PROCESSING, "attempt": 1, "lease_until": START + MILLISECOND},
        {"attempt": 3, "max_attempts": 3},
        {"deadline": START},
        {"not_before": START + MILLISECOND},
    ],
)
def test_a_message_for_a_job_that_cannot_be_claimed_does_nothing(fields: dict[str, Any]) -> None:
    shop = Shop([never])
    key = shop.keep(**fields)
    before = shop.job(key)
    assert shop.deliver(key) == before


def test_a_message_redelivered_while_the_job_runs_does_nothing() -> None:
    seen: list[JobRecord] = []

    def deliver_again(job: Job[Book]) -> Value:
        before = shop.job(key)
        shop.deliver(key)
        seen.extend((before, shop.job(key)))
        return Value(text=job.job_id)

    shop = Shop([deliver_again])
    key = shop.keep()
    assert shop.deliver(key).attempt == 1
    assert seen[0] == seen[1]


@pytest.mark.parametrize("key", [JobKey("acme", "01unknown"), JobKey("evil", "01mine")])
def test_a_message_for_an_unknown_job_is_returned_to_the_queue(key: JobKey) -> None:
    shop = Shop([never])
    shop.keep(job_id="01mine")
    with pytest.raises(UnknownJob, match=key.job_id):
        shop.deliver(key)


def test_a_message_is_parsed() -> None:
    message = Message.parse('{"job_id": "01", "tenant": "acme", "more": 1}', QUEUE_ARN, "r")
    assert message == Message(JobKey("acme", "01"), QUEUE_ARN, "r")


@pytest.mark.parametrize(
    "body", ["", "nonsense", "[]", "7", "null", "{}", '{"job_id": "01"}', '{"job_id": 1, "tenant": "a"}', '["job_id"]']
)
def test_an_invalid_message_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="not a job message"):
        Message.parse(body, QUEUE_ARN, "r")
