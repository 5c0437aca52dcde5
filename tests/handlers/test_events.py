"""The records of the table's stream become one event for each transition of a job, in order."""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import boto3
import pytest
from moto import mock_aws

import events
from analysis_jobs.base import observability
from analysis_jobs.base.clock import ManualClock, rfc3339
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.settings import events_from_environment
from analysis_jobs.events.channels import EventBridgeBus, SnsTopic
from analysis_jobs.jobs.ports import Applied
from analysis_jobs.jobs.record import MAX_HISTORY, Changes, HistoryEntry, IdempotencyKey, JobFailure, JobRecord, Payload
from analysis_jobs.jobs.transitions import BEAT, CLAIM, DEFER, FAIL, RESEND, Status, Transition
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.items import job_item_key
from tests.handlers.aws import REGION, client, create_job_table
from tests.handlers.builders import MINUTE, NOTHING, SECOND, START, a_job
from tests.handlers.events import logged
from tests.handlers.streams import (
    TABLE,
    Recorded,
    a_publisher,
    event_ids,
    event_in,
    life,
    moved,
    read,
    stream_record,
    submitted,
)

# Which records become an event


def test_each_transition_of_a_job_becomes_one_event() -> None:
    records = life()
    found = [read(record) for record in records]
    assert [event and (event["transition"], event["status"], event["version"]) for event in found] == [
        ("submit", "queued", 1),
        ("claim", "processing", 2),
        None,  # a beat
        ("complete", "completed", 4),
    ]


def test_an_event_describes_the_job_without_its_content() -> None:
    job = a_job(subject="books/42", client="shop", project="spring", input=Payload(text='{"secret": 1}'))
    done = moved(
        replace(job, history=(HistoryEntry(START, "claim", Status.PROCESSING),)),
        "complete",
        Status.COMPLETED,
        attempt=1,
        code_version="v7",
        result=Payload(text='{"secret": 2}'),
    )
    assert read(stream_record(0, replace(job, history=done.history[:1]), done)) == {
        "id": f"{job.job_id}.2",
        "version": 2,
        "service": "tests",
        "tenant": "acme",
        "job_id": job.job_id,
        "analysis": "valuation",
        "transition": "complete",
        "status": "completed",
        "at": rfc3339(START),
        "attempt": 1,
        "subject": "books/42",
        "client": "shop",
        "project": "spring",
        "code_version": "v7",
        "error": None,
    }


def test_the_event_of_a_failure_has_its_code_and_not_its_message() -> None:
    job = a_job()
    failure = JobFailure("access_denied", "not allowed: arn:aws:iam::123456789012:role/worker may not", retryable=False)
    event = read(stream_record(0, job, moved(job, "fail", Status.FAILED, failure=failure)))
    assert event
    assert event["error"] == {"code": "access_denied", "retryable": False}


def test_the_error_of_the_last_attempt_is_not_in_the_events_of_the_next() -> None:
    job = a_job(failure=JobFailure("model_timeout", "too slow", retryable=True))
    event = read(stream_record(0, job, moved(job, "claim", Status.PROCESSING)))
    assert event
    assert event["error"] is None


def test_the_deletion_of_a_row_is_not_an_event() -> None:
    assert read(stream_record(0, a_job(status=Status.COMPLETED), None)) is None


def test_a_row_restored_with_its_history_is_not_an_event() -> None:
    assert read(stream_record(0, None, moved(a_job(), "complete", Status.COMPLETED))) is None


@pytest.mark.parametrize("item", ["key#abc", "subject#valuation#books/42"])
def test_other_rows_of_the_table_make_no_event(item: str) -> None:
    keys = {"tenant": {"S": "acme"}, "item": {"S": item}}
    record = {
        "eventName": "INSERT",
        "dynamodb": {"Keys": keys, "NewImage": keys | {"job_id": {"S": "x"}}, "SequenceNumber": "1"},
    }
    assert event_in(record) is None


def test_a_repeated_record_makes_the_same_event() -> None:
    for record in life():
        assert event_in(record) == event_in(json.loads(json.dumps(record)))


@pytest.mark.parametrize("retries", [0, 3])
def test_a_shortened_history_hides_no_transition(retries: int) -> None:
    full = tuple(
        HistoryEntry(START + number * SECOND, "defer" if number % 2 else "claim", Status.QUEUED)
        for number in range(MAX_HISTORY + retries)
    )
    job = a_job(history=full, version=90)
    entry = HistoryEntry(START + timedelta(hours=1), "complete", Status.COMPLETED)
    trimmed = (full[0], *full[-MAX_HISTORY + 2 :], entry)
    event = read(stream_record(0, job, replace(job, status=Status.COMPLETED, version=91, history=trimmed)))
    assert event
    assert (event["id"], event["transition"], event["at"]) == (
        f"{job.job_id}.91",
        "complete",
        rfc3339(entry.at),
    )


# The same with the rows that the store writes


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        yield client("dynamodb")


def row_of(dynamodb: Any, job: JobRecord) -> dict[str, Any] | None:
    """Return the stored row of a job."""
    found: dict[str, Any] | None = dynamodb.get_item(TableName=TABLE, Key=job_item_key(job.key)).get("Item")
    return found


def test_events_match_the_rows_that_the_store_writes(dynamodb: Any, clock: ManualClock) -> None:
    """A job with a subject, a key, more transitions than its history holds, beats and copies of its message."""
    create_job_table(dynamodb, TABLE)
    store = DynamoJobStore(dynamodb, TABLE, clock)
    job = a_job(subject="books/42")
    store.create(job, IdempotencyKey("digest", "body", START + MINUTE))
    rows = [None, row_of(dynamodb, job)]
    expected = [("submit", 1)]

    def take(transition: Transition, changes: Changes = NOTHING) -> None:
        nonlocal job
        clock.advance(SECOND)
        landed = store.transition(job.key, transition, changes, now=clock.now(), read=job)
        assert isinstance(landed, Applied)
        job = landed.job
        rows.append(row_of(dynamodb, job))
        if transition.recorded:
            expected.append((transition.name, job.version))

    for _ in range(MAX_HISTORY):
        take(RESEND)
        take(CLAIM)
        take(BEAT, Changes({"progress": random.randrange(100)}))
        take(DEFER)
    take(CLAIM)
    take(FAIL, Changes({"failure": JobFailure("x", "y", retryable=False)}))

    records = [stream_record(number, job, job) for number in range(len(rows) - 1)]
    for record, (old, new) in zip(records, pairwise(rows), strict=True):
        record["dynamodb"] |= {"OldImage": old, "NewImage": new}
    records[0]["dynamodb"].pop("OldImage")
    found = [event for record in records if (event := read(record))]
    assert [(event["transition"], event["version"]) for event in found] == expected
    assert len({event["id"] for event in found}) == len(expected) == 2 * MAX_HISTORY + 3
    assert len(job.history) <= MAX_HISTORY + 2


# The requests to EventBridge and SNS


class Wire:
    """An EventBridge client with a fake transport: it records the requests and returns planned answers."""

    def __init__(self, *answers: Mapping[str, Any]) -> None:
        self.client = boto3.client("events", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
        self.entries: list[dict[str, Any]] = []
        self._answers = list(answers)
        self.client.meta.events.register("before-call.events.PutEvents", self._answer)

    def _answer(self, params: Mapping[str, Any], **_: Any) -> tuple[Any, Any]:
        entries = json.loads(params["body"])["Entries"]
        self.entries += entries
        answer = self._answers.pop(0) if self._answers else {"Entries": [{"EventId": "e"} for _ in entries]}

        class Http:
            status_code = 200

        return Http(), answer


def test_an_event_arrives_on_the_bus_under_our_name_and_at_its_time() -> None:
    wire = Wire()
    [record] = submitted(1)
    event = event_in(record)
    assert event
    assert EventBridgeBus(wire.client, "orders").send([event]) == []
    assert wire.entries == [
        {
            "EventBusName": "orders",
            "Source": "analysis-jobs",
            "DetailType": "Job queued",
            "Time": (START - MINUTE).timestamp(),
            "Detail": event.body,
        }
    ]


def test_only_the_entries_that_the_bus_refuses_are_returned() -> None:
    wire = Wire(
        {"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, {"ErrorCode": "ThrottlingException"}, {"EventId": "3"}]}
    )
    found = [event for record in submitted(3) if (event := event_in(record))]
    with logged() as lines:
        assert EventBridgeBus(wire.client, "default").send(found) == [found[1]]
    assert [(line["event"], line["event_id"], line["code"]) for line in lines] == [
        ("event.refused", found[1].event_id, "ThrottlingException")
    ]


def test_a_notice_can_be_filtered_by_analysis_and_status() -> None:
    with mock_aws():
        queue = client("sqs").create_queue(QueueName="subscribed")["QueueUrl"]
        topic = client("sns").create_topic(Name="notices")["TopicArn"]
        policy = json.dumps({"analysis": ["valuation"], "status": ["completed"]})
        client("sns").subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:{REGION}:123456789012:subscribed",
            Attributes={"FilterPolicy": policy, "RawMessageDelivery": "true"},
        )
        found = [event for record in life() if (event := event_in(record))]
        assert SnsTopic(client("sns"), topic).send(found) == []
        messages = client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in messages] == [found[-1].body]


# The Lambda function


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Patch the function to use a fake bus, and return the bus."""
    bus = Recorded()
    monkeypatch.setattr(events, "_events", lambda: a_publisher(bus))
    return bus


def test_a_batch_that_was_sent_reports_no_failures(publisher: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    observability.flush()  # drop the lines of other tests
    capsys.readouterr()
    assert events.handler({"Records": life()}, None) == {"batchItemFailures": []}
    assert len(publisher.accepted) == 3
    [metrics] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert metrics["EventsPublished"] == [3.0]


def test_the_function_reports_the_record_to_resume_from(publisher: Recorded) -> None:
    records = life()
    publisher.refusals = {event_ids(records)[-1]: 9}
    assert events.handler({"Records": records}, None) == {
        "batchItemFailures": [{"itemIdentifier": records[3]["dynamodb"]["SequenceNumber"]}]
    }


def test_a_run_without_any_progress_is_an_error_of_the_function(publisher: Recorded) -> None:
    publisher.broken = True
    with pytest.raises(RuntimeError, match="none of 4 stream records"):
        events.handler({"Records": life()}, None)


@pytest.mark.usefixtures("publisher")
def test_an_empty_batch_reports_no_failure() -> None:
    assert events.handler({"Records": []}, None) == {"batchItemFailures": []}


# The settings of the function

LEAST = {
    "EVENT_BUS_NAME": "default",
    "EVENT_DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/aj-events-dlq",
    "POWERTOOLS_SERVICE_NAME": "aj",
}


def test_the_function_needs_no_analysis() -> None:
    settings = events_from_environment(LEAST)
    assert (settings.event_bus_name, settings.notice_topic_arn) == ("default", "")
    assert events_from_environment(LEAST | {"NOTICE_TOPIC_ARN": "arn:t"}).notice_topic_arn == "arn:t"


@pytest.mark.parametrize("missing", sorted(LEAST))
def test_the_error_names_a_missing_setting(missing: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{missing}: Field required"):
        events_from_environment({name: value for name, value in LEAST.items() if name != missing})
