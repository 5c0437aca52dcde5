"""The worker's handler with SQS event records."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import boto3
import pytest

import worker
from analysis_jobs import wiring
from analysis_jobs.base.ids import new_id
from analysis_jobs.base.settings import from_environment
from analysis_jobs.stores.sqs import SqsJobQueue
from analysis_jobs.worker import slots
from analysis_jobs.worker.claims import Claims
from analysis_jobs.worker.invocation import Invocation
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from tests.handlers.aws import client
from tests.handlers.builders import START, eventually
from tests.handlers.deployment import QUEUE, Deployment, deployed
from tests.handlers.events import Context, call, logged, sqs_record

DOCUMENT = f"{new_id(START)}/missing.pdf"
BAD_BODIES = [
    "",
    "nonsense",
    "null",
    "5",
    '"text"',
    "[]",
    "{}",
    '{"job_id": "01m80ep4519qqbn8af6shbwev8"}',
    '{"tenant": "acme"}',
    '{"job_id": "01m80ep4519qqbn8af6shbwev8", "tenant": "acme"}',
    '{"job_id": null, "tenant": null}',
    '{"job_id": "x#y", "tenant": "acme"}',
    '{"job_id": {"S": "x"}, "tenant": ["acme"]}',
    "[" * 100_000,
    "\ud800",
]


@pytest.fixture(scope="module")
def stack() -> Iterator[Deployment]:
    with deployed("http://127.0.0.1:9", "ordered") as stack:
        yield stack


def _submit() -> str:
    """Submit a job with a missing document, and return its id."""
    return str(call("POST", "/proposals/42/analyze-rfp", {"document": DOCUMENT}).json["job_id"])


def _status(job_id: str) -> Any:
    return call("GET", f"/jobs/{job_id}").json


def test_a_handled_message_reports_no_failure(stack: Deployment) -> None:
    job_id = _submit()
    assert stack.work() == []
    job = _status(job_id)
    assert (job["status"], job["error"]["code"], job["attempt"]) == ("failed", "document_not_found", 1)
    assert job["code_version"] == "v7"


def test_a_failed_job_is_not_a_failed_message(stack: Deployment) -> None:
    job_id = _submit()
    [record] = stack.messages()
    assert stack.work(record) == []
    assert stack.work(record) == [], "a second delivery does nothing"
    assert _status(job_id)["attempt"] == 1


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: ascii(body[:50]))
def test_an_invalid_message_is_reported_and_does_nothing(stack: Deployment, body: str) -> None:
    record = sqs_record(body, queue=QUEUE)
    before = json.dumps(record)
    with patch.object(SqsJobQueue, "extend") as extend, logged() as lines:
        assert stack.work(record) == [record["messageId"]]
    extend.assert_not_called()
    assert json.dumps(record) == before, "the message goes to the dead-letter queue unchanged"
    [line] = lines
    assert (line["event"], line["message_id"]) == ("message.failed", record["messageId"])
    assert " at " in line["exception"]
    assert len(body) < 50 or body[:50] not in str(line), "the log does not repeat the message's body"


def test_only_failed_messages_are_returned(stack: Deployment) -> None:
    first, second = _submit(), _submit()
    good = stack.messages()
    bad = [sqs_record(body, 100 + number, queue=QUEUE) for number, body in enumerate(("", "nonsense"))]
    assert stack.work(bad[0], good[0], bad[1], good[1]) == [bad[0]["messageId"], bad[1]["messageId"]]
    assert [_status(job_id)["status"] for job_id in (first, second)] == ["failed", "failed"]


def test_a_batch_of_failed_messages_is_reported_and_does_not_raise(stack: Deployment) -> None:
    records = [sqs_record("nonsense", number, queue=QUEUE) for number in range(3)]
    assert stack.work(*records) == [record["messageId"] for record in records]


@pytest.mark.usefixtures("stack")
def test_an_empty_batch_reports_no_failure() -> None:
    assert worker.handler({"Records": []}, Context()) == {"batchItemFailures": []}


def test_an_incomplete_record_is_reported_and_the_others_are_handled(stack: Deployment) -> None:
    job_id = _submit()
    [good] = stack.messages()
    bad = {name: value for name, value in sqs_record("{}", 7, queue=QUEUE).items() if name != "receiptHandle"}
    assert stack.work(bad, good) == [bad["messageId"]]
    assert _status(job_id)["status"] == "failed"


def test_an_error_of_the_store_returns_the_message(stack: Deployment) -> None:
    _submit()
    [record] = stack.messages()
    with patch.object(Claims, "claim_for_message", side_effect=OSError("no route to DynamoDB")):
        assert stack.work(record) == [record["messageId"]]
    assert stack.work(record) == []


def test_a_message_with_another_tenant_finds_no_job(stack: Deployment) -> None:
    job_id = _submit()
    [record] = stack.messages()
    forged = record | {"body": json.dumps({"job_id": job_id, "tenant": "other"})}
    assert stack.work(forged) == [record["messageId"]]
    assert _status(job_id)["status"] == "queued"
    assert stack.work(record) == []


def test_a_claimed_message_is_visible_again_right_after_the_lease(
    stack: Deployment,
) -> None:
    _submit()
    [record] = stack.messages()
    with patch.object(SqsJobQueue, "extend", autospec=True) as extend:
        stack.work(record)
    arn, receipt, visibility = extend.call_args.args[1:]
    assert (arn, receipt) == (record["eventSourceARN"], record["receiptHandle"])
    assert 60 <= visibility.total_seconds() <= 65


def test_each_end_is_counted_and_logged(stack: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    _submit()
    capsys.readouterr()
    stack.work()
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"JobsFailed"' in line]
    assert [(line["service"], line["JobsFailed"]) for line in metrics] == [("tests", [1.0])]


def test_in_a_fifo_queue_messages_after_a_failed_one_are_reported_and_not_handled(stack: Deployment) -> None:
    body = {"analysis": "rfp-analysis", "input": {"document": DOCUMENT}, "priority": "ordered"}
    jobs = [call("POST", "/jobs", body).json["job_id"] for _ in range(3)]
    received = {json.loads(record["body"])["job_id"]: record for record in stack.messages("ordered")}
    first, second, third = (received[job_id] for job_id in jobs)
    bad = sqs_record("nonsense", 99, queue=f"{QUEUE}-ordered.fifo")
    assert stack.work(first, bad, second, third) == [record["messageId"] for record in (bad, second, third)]
    assert [_status(job_id)["status"] for job_id in jobs] == ["failed", "queued", "queued"]
    assert stack.work(second, third) == []
    assert [_status(job_id)["status"] for job_id in jobs] == ["failed"] * 3


@pytest.mark.parametrize(
    ("time_left", "margin"),
    [(timedelta(minutes=15), timedelta(seconds=15)), (timedelta(seconds=20), timedelta(seconds=5))],
)
@pytest.mark.usefixtures("stack")
def test_work_stops_shortly_before_the_end_of_the_invocation(time_left: timedelta, margin: timedelta) -> None:
    stops: list[datetime | None] = []
    with patch.object(Worker, "handle", lambda _self, _message, stop_at, _invocation: stops.append(stop_at)):
        begun = datetime.now(UTC)
        worker.handler({"Records": [sqs_record('{"job_id": "x", "tenant": "acme"}')]}, Context(time_left))
    [stop_at] = stops
    assert stop_at is not None
    assert timedelta(seconds=-1) < stop_at - begun - (time_left - margin) < timedelta(seconds=1)


def test_a_message_received_too_late_is_returned_and_spends_no_attempt(stack: Deployment) -> None:
    body = {"analysis": "rfp-analysis", "input": {"document": f"{new_id(START)}/x.pdf"}}
    job_id = call("POST", "/jobs", body).json["job_id"]
    [record] = stack.messages()
    answer = worker.handler({"Records": [record]}, Context(timedelta()))
    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
    job = call("GET", f"/jobs/{job_id}").json
    assert (job["status"], job["attempt"]) == ("queued", 0)


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let an invocation run three jobs."""
    monkeypatch.setenv("JOBS_PER_INVOCATION", "3")
    monkeypatch.setattr(slots, "_INTERVAL", timedelta(milliseconds=1))
    worker._worker.cache_clear()  # noqa: SLF001 - the cache of an execution environment
    yield
    worker._worker.cache_clear()  # noqa: SLF001


@pytest.mark.usefixtures("packed")
def test_a_packed_worker_receives_further_messages_and_deletes_them(stack: Deployment) -> None:
    """The second message is not delivered. The worker receives it while its first job runs."""
    client("sqs").purge_queue(QueueUrl=stack.queue_urls["medium"])  # messages of other tests are in flight
    first = sqs_record(json.dumps({"job_id": "1", "tenant": "acme"}), queue=QUEUE)
    client("sqs").send_message(QueueUrl=stack.queue_urls["medium"], MessageBody='{"job_id": "2", "tenant": "acme"}')
    seen: dict[str, Invocation] = {}

    def handle(_self: Worker, message: Message, _stop_at: datetime, invocation: Invocation) -> None:
        seen[message.job.job_id] = invocation
        if message.job.job_id == "1":
            eventually(lambda: "2" in seen)

    with patch.object(Worker, "handle", handle):
        assert worker.handler({"Records": [first]}, Context(timedelta(minutes=15))) == {"batchItemFailures": []}
    assert [(seen[job].shared, seen[job].late) for job in ("1", "2")] == [(True, False), (True, True)]
    assert seen["1"].visibility is seen["2"].visibility
    counts = client("sqs").get_queue_attributes(QueueUrl=stack.queue_urls["medium"], AttributeNames=["All"])[
        "Attributes"
    ]
    assert counts["ApproximateNumberOfMessagesNotVisible"] == counts["ApproximateNumberOfMessages"] == "0"


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(("jobs", "connections"), [(1, 10), (20, 40)])
def test_each_client_of_a_worker_keeps_connections_for_all_its_jobs(
    monkeypatch: pytest.MonkeyPatch, jobs: int, connections: int
) -> None:
    made: list[Any] = []
    original = boto3.client

    def make(*given: Any, **options: Any) -> Any:
        made.append(original(*given, **options))
        return made[-1]

    monkeypatch.setattr(boto3, "client", make)
    wiring.worker(from_environment({**os.environ, "JOBS_PER_INVOCATION": str(jobs)}))
    services = {each.meta.service_model.service_name: each.meta.config.max_pool_connections for each in made}
    assert services == dict.fromkeys(("bedrock-runtime", "dynamodb", "sqs"), connections)


@pytest.mark.usefixtures("packed")
def test_a_packed_worker_marks_its_claims(stack: Deployment) -> None:
    job_ids = [_submit(), _submit()]
    assert stack.work() == []
    for job_id in job_ids:
        key = {"tenant": {"S": "acme"}, "item": {"S": f"job#{job_id}"}}
        assert client("dynamodb").get_item(TableName="aj-jobs", Key=key)["Item"]["shared"] == {"BOOL": True}
