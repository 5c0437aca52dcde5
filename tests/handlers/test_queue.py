"""The SQS queues of the lanes: message content, delays, visibility, and deduplication on FIFO queues."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from analysis_jobs.jobs.ports import JobMessage, JobQueue
from analysis_jobs.jobs.record import JobKey
from analysis_jobs.stores.memory import MemoryQueue
from analysis_jobs.stores.sqs import SqsJobQueue
from tests.handlers.aws import client
from tests.handlers.builders import MILLISECOND, MINUTE, SECOND

JOB = JobKey("acme", "01job")
OTHER = JobKey("globex", "02job")
_numbers = count(1)


class Recorder:
    """An SQS client that records and forwards the requests that send or change messages."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs
        self.requests: list[dict[str, Any]] = []

    def send_message(self, **request: Any) -> Any:
        self.requests.append(request)
        return self._sqs.send_message(**request)

    def send_message_batch(self, **request: Any) -> Any:
        self.requests.append(request)
        return self._sqs.send_message_batch(**request)

    def change_message_visibility(self, **request: Any) -> Any:
        self.requests.append(request)
        return self._sqs.change_message_visibility(**request)


@pytest.fixture(scope="module")
def sqs() -> Iterator[Any]:
    with mock_aws():
        yield client("sqs")


@pytest.fixture
def standard(sqs: Any) -> str:
    url: str = sqs.create_queue(QueueName=f"jobs-{next(_numbers)}")["QueueUrl"]
    return url


@pytest.fixture
def fifo(sqs: Any) -> str:
    name = f"jobs-{next(_numbers)}.fifo"
    url: str = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    return url


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"])
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def arn_of(sqs: Any, url: str) -> str:
    arn: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return arn


def test_a_message_names_the_job_and_contains_nothing_else(sqs: Any, standard: str) -> None:
    SqsJobQueue(sqs, {"medium": standard}).send("medium", JOB, dedupe="d")
    (message,) = received(sqs, standard)
    assert json.loads(message["Body"]) == {"job_id": "01job", "tenant": "acme"}


def test_a_message_goes_into_its_lane(sqs: Any, standard: str, fifo: str) -> None:
    SqsJobQueue(sqs, {"high": fifo, "low": standard}).send("low", JOB, dedupe="d")
    assert (len(received(sqs, standard)), len(received(sqs, fifo))) == (1, 0)


def test_on_a_standard_queue_each_tenant_is_a_message_group(sqs: Any, standard: str) -> None:
    queue = SqsJobQueue(sqs, {"medium": standard})
    for job in (JOB, OTHER):
        queue.send("medium", job, dedupe="same")
    messages = received(sqs, standard)
    # Both messages are received at once: on a standard queue, groups give fairness and no order.
    assert sorted(message["Attributes"]["MessageGroupId"] for message in messages) == ["acme", "globex"]


def test_on_a_fifo_queue_each_job_without_a_subject_is_a_message_group(sqs: Any, fifo: str) -> None:
    queue = SqsJobQueue(sqs, {"medium": fifo})
    queue.send("medium", JOB, dedupe="1")
    queue.send("medium", OTHER, dedupe="2")
    assert [message["Attributes"]["MessageGroupId"] for message in received(sqs, fifo)] == ["01job", "02job"]


def test_on_a_fifo_queue_the_jobs_of_a_subject_are_one_message_group(sqs: Any, fifo: str) -> None:
    queue, long = SqsJobQueue(sqs, {"medium": fifo}), "documents/\u6587" * 20
    sendings = [(JOB, long), (JobKey("acme", "03job"), long), (JobKey("acme", "04job"), "documents/2"), (OTHER, long)]
    for job, subject in sendings:
        queue.send("medium", job, dedupe=job.job_id, subject=subject)
    groups = [message["Attributes"]["MessageGroupId"] for message in received(sqs, fifo)]
    # Each subject of each tenant is one group.
    assert [groups.index(group) for group in groups] == [0, 0, 2, 3]


def test_on_a_fifo_queue_a_job_with_a_tier_is_its_own_message_group(sqs: Any, fifo: str) -> None:
    SqsJobQueue(sqs, {"medium": fifo}).send("medium", JOB, dedupe="1", subject="documents/1", tier_rank=0)
    assert [message["Attributes"]["MessageGroupId"] for message in received(sqs, fifo)] == ["01job"]


def test_only_a_lane_on_a_fifo_queue_is_fifo(sqs: Any, fifo: str, standard: str) -> None:
    queues: list[JobQueue] = [SqsJobQueue(sqs, {"medium": fifo}), SqsJobQueue(sqs, {"medium": standard}), MemoryQueue()]
    assert [queue.is_fifo("medium") for queue in queues] == [True, False, False]


def test_a_fifo_queue_drops_a_duplicate_and_keeps_a_second_send(sqs: Any, fifo: str) -> None:
    queue = SqsJobQueue(sqs, {"medium": fifo})
    for dedupe in ("first", "first", "second"):
        queue.send("medium", JOB, dedupe=dedupe)
    ids = [message["Attributes"]["MessageDeduplicationId"] for message in received(sqs, fifo)]
    assert ids == ["first", "second"]


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        (timedelta(), 0),
        (MILLISECOND, 1),
        (SECOND, 1),
        (SECOND + MILLISECOND, 2),
        (15 * MINUTE, 900),
        (timedelta(days=3), 900),
    ],
)
def test_a_delay_is_rounded_up_and_limited_to_the_maximum_of_sqs(
    sqs: Any, standard: str, delay: timedelta, seconds: int
) -> None:
    recorder = Recorder(sqs)
    SqsJobQueue(recorder, {"medium": standard}).send("medium", JOB, dedupe="d", delay=delay)  # type: ignore[arg-type]
    assert recorder.requests[0]["DelaySeconds"] == seconds
    assert len(received(sqs, standard)) == (0 if seconds else 1)


def test_a_message_of_a_fifo_queue_has_no_delay(sqs: Any, fifo: str) -> None:
    recorder = Recorder(sqs)
    SqsJobQueue(recorder, {"medium": fifo}).send("medium", JOB, dedupe="d", delay=MINUTE)  # type: ignore[arg-type]
    assert "DelaySeconds" not in recorder.requests[0]


@pytest.mark.parametrize(("delay", "held"), [(timedelta(), True), (15 * MINUTE, True), (15 * MINUTE + SECOND, False)])
def test_a_lane_reports_its_longest_delay(sqs: Any, standard: str, delay: timedelta, *, held: bool) -> None:
    queues: list[JobQueue] = [SqsJobQueue(sqs, {"medium": standard}), MemoryQueue()]
    assert [queue.can_delay("medium", delay) for queue in queues] == [held, held]


def test_a_fifo_lane_has_no_delay(sqs: Any, fifo: str) -> None:
    queue = SqsJobQueue(sqs, {"medium": fifo})
    assert queue.can_delay("medium", timedelta())
    assert not queue.can_delay("medium", MILLISECOND)


def test_a_message_is_visible_again_after_its_visibility_timeout(sqs: Any, standard: str) -> None:
    queue = SqsJobQueue(sqs, {"medium": standard})
    queue.send("medium", JOB, dedupe="d")
    (message,) = received(sqs, standard)
    assert received(sqs, standard) == []
    queue.extend(arn_of(sqs, standard), message["ReceiptHandle"], timedelta())
    assert [again["MessageId"] for again in received(sqs, standard)] == [message["MessageId"]]


def test_a_message_of_a_retired_queue_can_be_extended(sqs: Any, standard: str, fifo: str) -> None:
    """After a change to FIFO queues, the workers still receive messages of the old queue."""
    SqsJobQueue(sqs, {"medium": standard}).send("medium", JOB, dedupe="d")
    (message,) = received(sqs, standard)
    SqsJobQueue(sqs, {"medium": fifo}).extend(arn_of(sqs, standard), message["ReceiptHandle"], timedelta())
    assert [again["MessageId"] for again in received(sqs, standard)] == [message["MessageId"]]


def test_a_visibility_timeout_is_rounded_up_to_whole_seconds(sqs: Any, standard: str) -> None:
    recorder = Recorder(sqs)
    queue = SqsJobQueue(recorder, {"medium": standard})  # type: ignore[arg-type]
    queue.send("medium", JOB, dedupe="d")
    (message,) = received(sqs, standard)
    queue.extend(arn_of(sqs, standard), message["ReceiptHandle"], timedelta(seconds=61.2))
    assert recorder.requests[-1]["VisibilityTimeout"] == 62
    assert recorder.requests[-1]["QueueUrl"] == standard


def test_a_job_of_a_removed_lane_continues_in_another_lane(sqs: Any, standard: str) -> None:
    queue = SqsJobQueue(sqs, {"medium": standard})
    assert queue.can_delay("low", MINUTE)
    queue.send("low", JOB, dedupe="d")
    assert len(received(sqs, standard)) == 1


# Several messages at once


def messages_of(count: int, priority: str = "medium", **fields: Any) -> list[JobMessage]:
    return [JobMessage(priority, JobKey("acme", f"{number:02}job"), f"d{number}", **fields) for number in range(count)]


def all_received(sqs: Any, *urls: str) -> list[str]:
    """Return the job ids of all messages, queue by queue."""
    found = [message for url in urls for _ in range(5) for message in received(sqs, url)]
    return [json.loads(message["Body"])["job_id"] for message in found]


def test_messages_are_sent_ten_in_a_request_each_into_its_lane(sqs: Any, standard: str, fifo: str) -> None:
    recorder = Recorder(sqs)
    queue = SqsJobQueue(recorder, {"medium": standard, "high": fifo})  # type: ignore[arg-type]
    asked = [message for pair in zip(messages_of(12), messages_of(12, "high"), strict=True) for message in pair]
    assert queue.send_all(asked) == []
    assert [(each["QueueUrl"], len(each["Entries"])) for each in recorder.requests] == [
        (standard, 10),
        (standard, 2),
        (fifo, 10),
        (fifo, 2),
    ]
    numbers = [f"{number:02}job" for number in range(12)]
    assert sorted(all_received(sqs, standard)) == numbers
    assert all_received(sqs, fifo) == numbers


@pytest.mark.parametrize("tier_rank", [None, 1])
@pytest.mark.parametrize("kind", ["standard", "fifo"])
def test_a_message_is_the_same_alone_and_with_others(
    request: pytest.FixtureRequest, sqs: Any, kind: str, tier_rank: int | None
) -> None:
    recorder = Recorder(sqs)
    queue = SqsJobQueue(recorder, {"medium": request.getfixturevalue(kind)})  # type: ignore[arg-type]
    [message] = messages_of(1, subject="documents/1", alone=True, delay=SECOND, tier_rank=tier_rank)
    queue.send(**vars(message))
    queue.send_all([message])
    alone, together = recorder.requests
    assert {**alone, "Id": "0"} == {**together["Entries"][0], "QueueUrl": together["QueueUrl"]}


def test_the_messages_of_a_subject_stay_in_order_in_one_request(sqs: Any, fifo: str) -> None:
    queue = SqsJobQueue(sqs, {"medium": fifo})
    assert queue.send_all(messages_of(7, subject="documents/1")) == []
    assert all_received(sqs, fifo) == [f"{number:02}job" for number in range(7)]


def test_the_messages_that_sqs_refuses_are_returned(sqs: Any, standard: str) -> None:
    class Failing(Recorder):
        def send_message_batch(self, **request: Any) -> Any:
            *entries, last = request["Entries"]
            response = super().send_message_batch(**request | {"Entries": entries})
            return response | {"Failed": [{"Id": last["Id"], "Code": "InternalError", "SenderFault": False}]}

    messages = messages_of(13)
    queue = SqsJobQueue(Failing(sqs), {"medium": standard})  # type: ignore[arg-type]
    assert queue.send_all(messages) == [messages[9], messages[12]]
    assert len(all_received(sqs, standard)) == 11


@pytest.mark.parametrize(
    ("error", "requests"),
    [
        (ClientError({"Error": {"Code": "InvalidParameterValue", "Message": ""}}, "SendMessageBatch"), 2),
        (EndpointConnectionError(endpoint_url="https://sqs"), 1),
        (ConnectionResetError(), 1),
    ],
    ids=["refused", "no endpoint", "no connection"],
)
def test_a_request_that_fails_returns_its_messages(sqs: Any, standard: str, error: Exception, requests: int) -> None:
    """If the queue cannot be reached, the later messages are not tried: each request would take its full timeout."""

    class Broken(Recorder):
        def send_message_batch(self, **request: Any) -> Any:
            self.requests.append(request)
            raise error

    recorder, messages = Broken(sqs), messages_of(13)
    assert SqsJobQueue(recorder, {"medium": standard}).send_all(messages) == messages  # type: ignore[arg-type]
    assert len(recorder.requests) == requests
