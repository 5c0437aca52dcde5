"""Jobs in a FIFO lane: a deferred job keeps its place, and later jobs of its subject wait behind it."""

from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs import Defer, Fail, Job, Retry
from analysis_jobs.base.errors import OutOfTime
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.stores.memory import MemoryQueue
from analysis_jobs.worker.batch import handle_batch
from analysis_jobs.worker.slots import KeepMessage
from tests.handlers.builders import MINUTE, SECOND, START, Book, Shop, Value, heartbeat_lives

EARLY = SECOND  # the tolerated clock difference between two machines


def shop_that(error: BaseException) -> Shop:
    """Return a shop with a FIFO lane. Its work raises an error once."""
    errors = [error]

    def work(job: Job[Book]) -> Value:
        job.checkpoint("part", 1)
        if errors:
            raise errors.pop()
        return Value(text="done")

    return Shop([work], queue=MemoryQueue(fifo=True))


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (Retry("model_error", "again", after=MINUTE), 1),
        (Defer("model_throttled", "later", after=MINUTE), 0),
    ],
    ids=["an error", "told to wait"],
)
def test_a_deferred_job_keeps_its_message_hidden_until_the_wait_ends(error: Exception, attempts: int) -> None:
    shop = shop_that(error)
    key = shop.keep(subject="documents/1")
    with pytest.raises(KeepMessage):
        shop.deliver(key)
    job = shop.job(key)
    assert (job.status, job.attempt, job.not_before) == (Status.QUEUED, attempts, START + MINUTE - EARLY)
    assert shop.queue.sent == [], "a new message would come after later ones of the subject"
    assert shop.queue.extended[-1] == ("receipt", MINUTE)
    assert job.due_at == START + MINUTE + shop.settings.lease, "if the message is lost, the sweeper sends another"
    assert not heartbeat_lives()


def test_the_same_message_runs_the_job_after_the_wait() -> None:
    shop = shop_that(Defer("model_throttled", "later", after=MINUTE))
    key = shop.keep(subject="documents/1")
    with pytest.raises(KeepMessage):
        shop.deliver(key)
    shop.clock.advance(MINUTE)
    assert shop.deliver(key).status is Status.COMPLETED


def test_a_continued_job_runs_before_later_jobs_of_its_subject() -> None:
    shop = shop_that(OutOfTime("the invocation ends"))
    key = shop.keep(subject="documents/1")
    with pytest.raises(KeepMessage):
        shop.deliver(key)
    assert (shop.job(key).status, shop.queue.extended[-1]) == (Status.QUEUED, ("receipt", timedelta()))


def test_a_failed_job_does_not_block_the_next_job() -> None:
    shop = shop_that(Fail("document_corrupt", "never"))
    key = shop.keep(subject="documents/1")
    assert shop.deliver(key).status is Status.FAILED


def test_a_lost_message_is_resent_to_the_message_group_of_its_subject() -> None:
    shop = shop_that(Defer("model_throttled", "later", after=MINUTE))
    key = shop.keep(subject="documents/1")
    with pytest.raises(KeepMessage):
        shop.deliver(key)
    shop.clock.advance(MINUTE + shop.settings.lease)
    assert shop.sweeper.sweep() == {"resend": 1}
    assert shop.queue.subjects == ["documents/1"]


def test_a_waiting_message_and_the_following_ones_are_returned_without_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def handle(record: dict[str, Any], _place: object) -> None:
        if record["messageId"] == "2":
            raise KeepMessage

    records = [
        {"messageId": str(number), "eventSourceARN": "arn:aws:sqs:eu-west-1:1:jobs.fifo"} for number in (1, 2, 3)
    ]
    answer = handle_batch(records, handle)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "3"}]}
    assert caplog.records == []
