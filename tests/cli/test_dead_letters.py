"""A redrive deletes a dead letter once its job does not need it. It leaves all others visible in the queue."""

import json
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from analysis_jobs.base.audit import Actor, acting_as
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.cli.dead_letters import DeadLetters, region_of
from analysis_jobs.cli.ledger import Ledger
from analysis_jobs.cli.redrive import Filters, Outcome, Redrive, StoppedError
from analysis_jobs.cli.reports import QueueReport
from analysis_jobs.cli.tokens import tenant_of
from analysis_jobs.client import Client
from tests.cli.api_server import ApiServer, token_of

REGION = "eu-west-1"


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr("analysis_jobs.cli.dead_letters._LONG_POLL_S", 0)
    with mock_aws():
        yield boto3.client("sqs", region_name=REGION)


@pytest.fixture
def queue(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName="jobs-dlq")["QueueUrl"])


def a_redrive(
    client: Client, filters: Filters | None = None, *, apply: bool = True, limit: int | None = None
) -> Redrive:
    return Redrive(client, filters or Filters(), Ledger(None, client.url), ManualClock(), apply, limit)


def put(sqs: Any, queue: str, job_id: str, tenant: str = "acme") -> None:
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"job_id": job_id, "tenant": tenant}))


def accounts_of(sqs: Any, queue: str, redrive: Redrive, tenant: str | None = "acme") -> dict[str, int]:
    report = QueueReport(queue)
    DeadLetters(sqs, redrive, tenant).clean_up(report)
    return {str(fate): number for fate, number in report.fates.items()}


def bodies_in(sqs: Any, queue: str) -> list[str]:
    """Return the messages that are visible now, and leave them visible."""
    found: dict[str, str] = {}
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=60).get("Messages"):
        found |= {message["ReceiptHandle"]: message["Body"] for message in messages}
    for handle in found:
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
    return sorted(found.values())


def test_a_failed_job_is_run_again_before_its_message_goes(
    api: ApiServer, client: Client, sqs: Any, queue: str
) -> None:
    job_id = api.add()
    put(sqs, queue, job_id)
    put(sqs, queue, job_id)
    assert accounts_of(sqs, queue, a_redrive(client)) == {"run_again": 1, "under_way": 1}
    assert api.retried == {job_id: 1}
    assert bodies_in(sqs, queue) == []


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        ("completed", "completed"),
        ("cancelled", "cancelled"),
        ("queued", "under_way"),
        ("processing", "under_way"),
    ],
)
def test_the_message_of_a_job_that_needs_nothing_goes(
    api: ApiServer, client: Client, sqs: Any, queue: str, *, status: str, fate: str
) -> None:
    put(sqs, queue, api.add(status))
    assert accounts_of(sqs, queue, a_redrive(client)) == {fate: 1}
    assert bodies_in(sqs, queue) == []
    assert api.retried == {}


@pytest.mark.parametrize(
    "body",
    ["not a job", "{}", "[]", '{"job_id": "x", "tenant": "acme"}', '{"job_id": 5, "tenant": "acme"}', '"{}"'],
)
def test_what_is_no_job_message_stays(client: Client, sqs: Any, queue: str, body: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody=body)
    report = QueueReport(queue)
    DeadLetters(sqs, a_redrive(client), "acme").clean_up(report)
    [left] = report.left
    assert (left["why"], left["body"]) == ("not_a_job_message", body)
    assert bodies_in(sqs, queue) == [body]


def test_the_messages_of_unknown_jobs_and_of_other_tenants_stay(
    api: ApiServer, client: Client, sqs: Any, queue: str
) -> None:
    unknown, other = api.add(), api.add(tenant="globex")
    del api.jobs[unknown]
    put(sqs, queue, unknown)
    put(sqs, queue, other, "globex")
    assert accounts_of(sqs, queue, a_redrive(client)) == {"unknown_job": 1, "job_of_another_tenant": 1}
    assert len(bodies_in(sqs, queue)) == 2
    assert api.retried == {}


def test_a_token_that_names_no_tenant_cannot_tell_another_ones_job_from_none(
    api: ApiServer, client: Client, sqs: Any, queue: str
) -> None:
    put(sqs, queue, api.add(tenant="globex"), "globex")
    put(sqs, queue, api.add())
    assert accounts_of(sqs, queue, a_redrive(client), None) == {"unknown_job": 1, "run_again": 1}
    assert len(bodies_in(sqs, queue)) == 1


def test_the_message_of_a_failed_job_that_is_not_meant_stays(
    api: ApiServer, client: Client, sqs: Any, queue: str
) -> None:
    put(sqs, queue, api.add(code="access_denied"))
    redrive = a_redrive(client, Filters(codes=frozenset({"model_error"})))
    assert accounts_of(sqs, queue, redrive) == {"failed_but_not_meant": 1}
    assert len(bodies_in(sqs, queue)) == 1


def test_the_message_of_a_job_beyond_the_limit_stays(api: ApiServer, client: Client, sqs: Any, queue: str) -> None:
    for _ in range(3):
        put(sqs, queue, api.add())
    redrive = a_redrive(client, limit=2)
    redrive.run()
    assert accounts_of(sqs, queue, redrive) == {"under_way": 2, "failed_but_not_meant": 1}
    assert (redrive.count(Outcome.RUN_AGAIN), len(bodies_in(sqs, queue))) == (2, 1)


@pytest.mark.parametrize("status", [409, 500])
def test_the_message_of_a_job_that_could_not_be_run_again_stays(
    api: ApiServer, client: Client, sqs: Any, queue: str, status: int
) -> None:
    job_id = api.add()
    put(sqs, queue, job_id)
    api.trouble("POST", f"/jobs/{job_id}/retry", *[status] * 6)
    redrive = a_redrive(client)
    redrive.run()
    assert accounts_of(sqs, queue, redrive) == {"could_not_be_run_again": 1}
    assert len(redrive.troubles) == 1  # and it is not asked twice
    assert len(bodies_in(sqs, queue)) == 1


def test_the_message_of_a_job_that_failed_again_since_goes(
    api: ApiServer, client: Client, sqs: Any, queue: str
) -> None:
    job_id = api.add()
    put(sqs, queue, job_id)
    redrive = a_redrive(client)
    redrive.run()
    api.fail(job_id)
    assert accounts_of(sqs, queue, redrive) == {"run_again": 1}
    assert (api.retried, bodies_in(sqs, queue)) == ({job_id: 1}, [])


def test_a_dry_run_says_the_same_and_changes_nothing(api: ApiServer, client: Client, sqs: Any, queue: str) -> None:
    for status in ("failed", "completed", "queued"):
        put(sqs, queue, api.add(status))
    sqs.send_message(QueueUrl=queue, MessageBody="nonsense")
    before = bodies_in(sqs, queue)
    redrive = a_redrive(client, apply=False)
    redrive.run()
    expected = {"run_again": 1, "completed": 1, "under_way": 1, "not_a_job_message": 1}
    assert accounts_of(sqs, queue, redrive) == expected
    assert bodies_in(sqs, queue) == before
    assert (redrive.count(Outcome.FOUND), api.retried) == (1, {})


def test_a_long_queue_is_gone_through_to_its_end(api: ApiServer, client: Client, sqs: Any, queue: str) -> None:
    for number in range(35):
        put(sqs, queue, api.add("completed")) if number % 2 else sqs.send_message(QueueUrl=queue, MessageBody="?")
    assert accounts_of(sqs, queue, a_redrive(client)) == {"completed": 17, "not_a_job_message": 18}
    assert bodies_in(sqs, queue) == ["?"] * 18


def test_a_message_that_is_seen_twice_is_counted_once(
    client: Client, sqs: Any, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="?")
    answers = [sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0) for _ in range(3)]
    monkeypatch.setattr(sqs, "receive_message", lambda **_: answers.pop() if answers else {})
    assert accounts_of(sqs, queue, a_redrive(client)) == {"not_a_job_message": 1}


def test_where_it_stops_nothing_stays_hidden(api: ApiServer, client: Client, sqs: Any, queue: str) -> None:
    job_id = api.add()
    put(sqs, queue, job_id)
    sqs.send_message(QueueUrl=queue, MessageBody="?")
    api.trouble("GET", f"/jobs/{job_id}", 403)
    with pytest.raises(StoppedError, match="answered 403"):
        accounts_of(sqs, queue, a_redrive(client))
    assert len(bodies_in(sqs, queue)) == 2


def test_messages_in_other_hands_are_counted(client: Client, sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="?")
    sqs.receive_message(QueueUrl=queue, VisibilityTimeout=60)
    report = QueueReport(queue)
    DeadLetters(sqs, a_redrive(client), "acme").clean_up(report)
    assert (report.hidden, report.fates.total()) == (1, 0)


def test_a_queue_of_work_is_refused(client: Client, sqs: Any, queue: str) -> None:
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
    work = sqs.create_queue(QueueName="jobs", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    sqs.send_message(QueueUrl=work, MessageBody="?")
    with pytest.raises(StoppedError, match="it holds work"):
        accounts_of(sqs, work, a_redrive(client))
    assert bodies_in(sqs, work) == ["?"]


def test_a_queue_that_is_not_there_is_named(client: Client, sqs: Any) -> None:
    url = f"https://sqs.{REGION}.amazonaws.com/123456789012/nope"
    with pytest.raises(StoppedError, match=url):
        accounts_of(sqs, url, a_redrive(client))


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/1/q", "eu-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1"),
        ("https://127.0.0.1:4566/000000000000/q", None),
    ],
)
def test_a_queue_url_names_its_region(url: str, region: str | None) -> None:
    assert region_of(url) == region


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "e30.W10.x", "e30.eyJ0ZW5hbnQiOjV9.x", ""])
def test_a_token_without_a_tenant_names_none(token: str) -> None:
    assert tenant_of(token, "tenant") is None
    assert tenant_of(token_of("acme"), "tenant") == "acme"


def test_each_deleted_message_is_recorded(api: ApiServer, client: Client, sqs: Any, queue: str) -> None:
    done, unknown = api.add("completed"), api.add()
    del api.jobs[unknown]
    put(sqs, queue, done)
    put(sqs, queue, unknown)
    lines: list[Mapping[str, Any]] = []
    with acting_as(Actor("iam", "arn:ops"), SimpleNamespace(write=lines.append)):
        accounts_of(sqs, queue, a_redrive(client, apply=False))
        accounts_of(sqs, queue, a_redrive(client))
    [line] = lines
    assert (line["event"], line["tenant"], line["job_id"]) == ("audit.dead_letter.deleted", "acme", done)
    assert (line["queue"], line["outcome"], line["actor"]) == ("jobs-dlq", "completed", "arn:ops")
