"""The visibility of the messages of an invocation: one request renews all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.ports import ReceivedMessage
from analysis_jobs.stores.sqs import SqsJobQueue
from analysis_jobs.worker.visibility import Visibility
from tests.handlers.aws import client
from tests.handlers.builders import QUEUE_ARN, SECOND
from tests.handlers.events import logged

LEASE = timedelta(seconds=62)


@dataclass
class Extensions:
    """Records the requests. `refused` are error codes by receipt, `error` fails each request."""

    requests: list[list[str]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:
        self.extend_all(queue_arn, [receipt_handle], visibility)

    def extend_all(self, queue_arn: str, receipt_handles: Sequence[str], visibility: timedelta) -> Mapping[str, str]:
        assert (queue_arn, visibility) == (QUEUE_ARN, LEASE)
        self.requests.append(list(receipt_handles))
        if self.error:
            raise self.error
        return self.refused

    def receive(self, queue_arn: str, most: int, wait: timedelta) -> Sequence[ReceivedMessage]:
        raise NotImplementedError

    def delete(self, queue_arn: str, receipt_handle: str) -> None:
        raise NotImplementedError

    def put_back(self, queue_arn: str, body: str, tenant: str) -> None:
        raise NotImplementedError


@dataclass
class Invocation:
    queue: Extensions = field(default_factory=Extensions)
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.visibility = Visibility(self.queue, self.clock)

    def renew(self, *receipts: str) -> None:
        for receipt in receipts:
            self.visibility.renew(QUEUE_ARN, receipt, LEASE)

    def later(self) -> None:
        self.clock.advance(15 * SECOND)


@pytest.fixture
def three() -> Invocation:
    """Return an invocation with three messages that were hidden a while ago."""
    invocation = Invocation()
    invocation.renew("a", "b", "c")
    invocation.later()
    invocation.queue.requests.clear()
    return invocation


def test_one_request_renews_the_messages_of_all_jobs(three: Invocation) -> None:
    three.renew("b", "a", "c")
    assert three.queue.requests == [["a", "b", "c"]]
    three.later()
    three.renew("c")
    assert three.queue.requests[1:] == [["a", "b", "c"]]


def test_a_message_that_ended_is_not_renewed(three: Invocation) -> None:
    three.visibility.release("a")
    three.renew("b")
    assert three.queue.requests == [["b", "c"]]


def test_a_single_message_is_renewed_alone() -> None:
    invocation = Invocation()
    invocation.renew("a")
    assert invocation.queue.requests == [["a"]]


def test_a_new_message_is_hidden_at_once(three: Invocation) -> None:
    three.renew("a", "d")
    assert three.queue.requests == [["a", "b", "c"], ["a", "b", "c", "d"]]


def test_the_clock_may_be_set_back(three: Invocation) -> None:
    three.renew("a")
    three.clock.advance(-60 * SECOND)
    three.renew("a")
    assert len(three.queue.requests) == 2


def test_a_refused_message_is_tried_again_by_its_own_heartbeat_only(three: Invocation) -> None:
    three.queue.refused = {"b": "InternalError"}
    with logged() as lines:
        three.renew("a", "b", "c")
    assert three.queue.requests == [["a", "b", "c"]] * 2, "b did not believe that its message was renewed"
    assert [(line["event"], line["codes"]) for line in lines] == [("message.not_extended", "InternalError")] * 2


def test_a_lost_request_is_tried_again_by_the_next_heartbeat(three: Invocation) -> None:
    three.queue.error = ConnectionError("no route")
    with logged() as lines:
        three.renew("a")
    three.queue.error = None
    three.renew("b")
    assert three.queue.requests == [["a", "b", "c"]] * 2
    assert [line["event"] for line in lines] == ["message.not_extended"]


def test_a_message_that_ended_meanwhile_is_no_failure(three: Invocation) -> None:
    class Ending(Extensions):
        def extend_all(self, *given: Any) -> Mapping[str, str]:
            super().extend_all(*given)
            three.visibility.release("b")
            return {"b": "ReceiptHandleIsInvalid"}

    three.visibility._queue = Ending()  # noqa: SLF001 - replaced after the first requests
    with logged() as lines:
        three.renew("a")
    assert list(lines) == []


# SQS


def _sent(queue: Any, url: str, count: int) -> None:
    for number in range(count):
        queue.send_message(QueueUrl=url, MessageBody=f"{number}", MessageGroupId="acme")


class Limited:
    """An SQS client that refuses more messages than SQS does. moto refuses only some of them."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs

    def receive_message(self, **request: Any) -> Any:
        assert 1 <= request["MaxNumberOfMessages"] <= 10
        return self._sqs.receive_message(**request)

    def change_message_visibility_batch(self, **request: Any) -> Any:
        assert 1 <= len(request["Entries"]) <= 10
        return self._sqs.change_message_visibility_batch(**request)


@mock_aws()
def test_more_than_ten_messages_are_received_and_renewed_by_requests_of_ten() -> None:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="many")["QueueUrl"]
    arn = "arn:aws:sqs:eu-west-1:1:many"
    queue: Any = SqsJobQueue(Limited(sqs), {"medium": url})  # type: ignore[arg-type]
    _sent(sqs, url, 20)
    found = [*queue.receive(arn, 20, timedelta()), *queue.receive(arn, 10, timedelta())]
    assert len({message.body for message in found}) == 20
    assert queue.extend_all(arn, [message.receipt_handle for message in found], timedelta()) == {}
    assert len(queue.receive(arn, 19, timedelta())) == 10, "they are visible again"


@mock_aws()
def test_sqs_renews_receives_deletes_and_puts_back() -> None:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    arn = "arn:aws:sqs:eu-west-1:1:jobs"
    queue = SqsJobQueue(sqs, {"medium": url})
    _sent(sqs, url, 12)
    found = [*queue.receive(arn, 10, timedelta()), *queue.receive(arn, 10, timedelta())]
    assert len(found) == 12
    receipts = [message.receipt_handle for message in found]
    assert queue.extend_all(arn, [*receipts, "wrong"], timedelta()) == {"wrong": "ReceiptHandleIsInvalid"}
    again = [*queue.receive(arn, 10, timedelta()), *queue.receive(arn, 10, timedelta())]
    assert {message.body for message in again} == {str(number) for number in range(12)}, "all were visible again"
    for message in again:
        queue.delete(arn, message.receipt_handle)
    queue.put_back(arn, "x", "acme")
    assert [message.body for message in queue.receive(arn, 10, timedelta())] == ["x"]
