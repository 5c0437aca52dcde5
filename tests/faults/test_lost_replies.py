"""A write lands, its reply is lost, and the client retries it. The table refuses the retry: the write was executed."""

from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from analysis_jobs import Job
from analysis_jobs.base.errors import Defer, Fail, Retry
from analysis_jobs.jobs.ports import Applied, ConditionFailed
from analysis_jobs.jobs.record import Changes, JobKey, JobRecord
from analysis_jobs.jobs.transitions import Status, Transition
from analysis_jobs.stores.memory import MemoryJobStore
from analysis_jobs.worker.retry_policy import Action, decide
from tests.handlers.builders import START, Book, Shop, Value


class ReplyLosingStore(MemoryJobStore):
    """A store that always loses the reply to one transition: the client sends it twice, and sees the second outcome."""

    def __init__(self, lost_transition: str) -> None:
        super().__init__()
        self._lost_transition = lost_transition

    def transition(
        self,
        key: JobKey,
        transition: Transition,
        changes: Changes,
        *,
        now: datetime,
        read: JobRecord | None = None,
    ) -> Applied | ConditionFailed:
        """See `JobStore.transition`."""
        outcome = super().transition(key, transition, changes, now=now, read=read)
        if transition.name == self._lost_transition:
            outcome = super().transition(key, transition, changes, now=now, read=read)
        return outcome


def stage_that_raises(error: Exception | None) -> Any:
    def price(_job: Job[Book]) -> Value:
        if error:
            raise error
        return Value(text="x")

    return price


@pytest.fixture(params=["release", "defer"])
def put_back(request: pytest.FixtureRequest) -> tuple[str, Exception]:
    errors = {"release": Retry("again", "once more"), "defer": Defer("wait", "slow down")}
    return request.param, errors[request.param]


def test_a_job_that_is_queued_again_gets_its_message_if_the_reply_was_lost(put_back: tuple[str, Exception]) -> None:
    name, error = put_back
    shop = Shop([stage_that_raises(error)], store=ReplyLosingStore(name))
    key = shop.keep()
    assert shop.deliver(key).status is Status.QUEUED
    assert len(shop.queue.sent) == 1


@pytest.mark.parametrize(("name", "error"), [("complete", None), ("fail", Fail("no", "never"))])
def test_an_end_is_counted_once_if_the_reply_was_lost(
    name: str, error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    monkeypatch.setattr("analysis_jobs.worker.claimed_job.count", counted.append)
    shop = Shop([stage_that_raises(error)], store=ReplyLosingStore(name))
    assert shop.deliver(shop.keep()).status.ended
    assert counted == [{"complete": "JobsCompleted", "fail": "JobsFailed"}[name]]


@pytest.mark.parametrize(
    ("name", "fields"), [("requeue", {"status": Status.PROCESSING, "attempt": 1, "fence": 1}), ("resend", {})]
)
def test_a_job_that_the_sweeper_sends_again_gets_its_message_if_the_reply_was_lost(
    name: str, fields: dict[str, Any]
) -> None:
    shop = Shop([stage_that_raises(None)], store=ReplyLosingStore(name))
    shop.keep(due_at=START, lease_until=START if fields else None, **fields)
    assert shop.sweeper.sweep() == {name: 1}
    assert len(shop.queue.sent) == 1
    assert not shop.sweeper.sweep()


@pytest.mark.parametrize(("status", "action"), [(500, Action.DEFER), (503, Action.DEFER), (400, Action.RETRY)])
def test_an_error_without_a_code_is_classified_by_its_http_status(status: int, action: Action) -> None:
    error = ClientError(
        {"Error": {"Code": str(status), "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutObject",
    )
    assert decide(error).action is action
