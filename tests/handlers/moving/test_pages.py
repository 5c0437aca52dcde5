"""The programs of the pages about moving in, with the analyses of the examples and the tables that each page names."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from analysis_jobs.authoring.analysis import Analysis
from analysis_jobs.client import Backend, Jobs
from analysis_jobs_dev.cloud.postgres import PostgreSQL
from book_valuation import book_valuation
from credential_extraction import credential_extraction
from drawing_schedule import drawing_schedule
from profile_interpretation import profile_interpretation
from rfp_analysis import rfp_analysis
from tests.client.environment import variables_of
from tests.docs.pages import blocks, executed
from tests.handlers.aws import REGION, client
from tests.handlers.databases import a_database
from tests.handlers.deployment import deployed
from tests.handlers.moving.olders import names

ANALYSES: tuple[Analysis[Any, Any], ...] = (
    book_valuation,
    credential_extraction,
    drawing_schedule,
    profile_interpretation,
    rfp_analysis,
)
LONG_AGO = datetime.now(UTC) - timedelta(hours=2)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Deploy all five examples, with lanes for three priorities."""
    monkeypatch.setattr("analysis_jobs.moving.sqs._WAIT_S", 0)
    with deployed() as found:
        lanes = {lane: client("sqs").create_queue(QueueName=f"aj-{lane}")["QueueUrl"] for lane in ("high", "low")}
        queues = {"ANALYSIS_JOBS_QUEUE_URLS": json.dumps({**found.queue_urls, **lanes})}
        yield Backend(variables_of(found) | queues, "acme", analyses=ANALYSES)


@pytest.fixture
def connection(postgres_server: PostgreSQL) -> Iterator[Any]:
    with a_database(postgres_server).connect() as found:
        yield found


def page(name: str) -> dict[str, Any]:
    return executed(f"docs/import/{name}.md")


def migrate(connection: Any, name: str) -> None:
    """Run the SQL of a page."""
    [statement] = blocks(f"docs/import/{name}.md", "sql")
    connection.execute(statement)


def twice(move: Callable[..., Any], jobs: Jobs, count: int) -> Any:
    """Run a move dry, for real, and once more. Return the report of the second run."""
    planned = move(apply=False)
    assert (len(planned.planned), names(jobs)) == (count, [])
    report = move(apply=True)
    assert sorted(report.moved.values()) == names(jobs)
    assert len(report.moved) == count
    assert move(apply=True).moved == {}
    assert len(names(jobs)) == count
    return report


@contextmanager
def a_bucket(**objects: bytes) -> Iterator[Any]:
    client("s3").create_bucket(Bucket="older-files", CreateBucketConfiguration={"LocationConstraint": REGION})
    bucket = boto3.resource("s3", region_name=REGION).Bucket("older-files")
    for key, content in objects.items():
        bucket.put_object(Key=key, Body=content, ContentType="application/pdf")
    yield bucket


def test_books_with_a_queue_and_rows_in_postgresql(jobs: Jobs, connection: Any) -> None:
    connection.execute("CREATE TABLE books (id int PRIMARY KEY, title text, author text)")
    connection.execute(
        "CREATE TABLE analysis_jobs (id uuid PRIMARY KEY, book_id int, status varchar(20), model varchar(50),"
        " created_at timestamptz, updated_at timestamptz)"
    )
    migrate(connection, "from-analysis-worker")
    url = client("sqs").create_queue(QueueName="books-staging-analysis-jobs")["QueueUrl"]
    states = {1: "pending", 2: "pending", 3: "running", 4: "completed", 5: "pending"}
    for number, state in states.items():
        job = str(uuid4())
        if number != 5:
            connection.execute("INSERT INTO books VALUES (%s, %s, 'A. Writer')", [number, f"Book {number}"])
        values = [job, number, state, LONG_AGO, LONG_AGO]
        connection.execute("INSERT INTO analysis_jobs VALUES (%s, %s, %s, 'sonnet', %s, %s)", values)
        if state == "pending":
            body = f'{{"job_id": "{job}", "book_id": {number}, "model": "sonnet"}}'
            client("sqs").send_message(QueueUrl=url, MessageBody=body)
    shown = page("from-analysis-worker")

    def move(*, apply: bool) -> Any:
        return shown["move_books"](client("sqs"), url, connection, jobs, apply=apply)

    planned = move(apply=False)
    assert (len(planned.planned), len(planned.problems)) == (3, 1)
    first = move(apply=True)
    assert len(first.moved) == 2
    assert "there is no book 5" in next(iter(first.problems.values()))
    client("sqs").purge_queue(QueueUrl=url)
    connection.execute("UPDATE analysis_jobs SET status = 'failed' WHERE book_id = 5")
    last = move(apply=True)
    assert (len(last.moved), last.complete) == (1, True)
    assert sorted(job.subject or "" for job in jobs.list()) == ["books/1", "books/2", "books/3"]


def test_drawings_with_a_queue_and_rows_in_dynamodb(jobs: Jobs) -> None:
    table = a_table("drawings", "company_client_job")
    url = client("sqs").create_queue(QueueName="drawings")["QueueUrl"]
    for number in range(2):
        key, drawing = f"7central#st marys#job_{number}", f"drawing{number}"
        table.put_item(
            Item={
                "company_client_job": key,
                "job_id": f"job_{number}",
                "status": "queued",
                "client_name": "st-marys",
                "project_name": "east-wing",
                "updated_at": int(LONG_AGO.timestamp()),
                "input_files": {"drawing": drawing, "context": None},
            }
        )
        body = f'{{"job_id": "job_{number}", "company_client_job": "{key}", "drawing_s3_key": "{drawing}"}}'
        client("sqs").send_message(QueueUrl=url, MessageBody=body)
    shown = page("from-stage-pipeline")
    with a_bucket(drawing0=b"%PDF-1", drawing1=b"%PDF-2") as bucket:
        report = twice(
            lambda apply: shown["move_drawings"](client("sqs"), url, table, bucket, jobs, apply=apply), jobs, 2
        )
    assert report.complete
    assert {(job.client, job.project) for job in jobs.list()} == {("st-marys", "east-wing")}


def test_proposals_in_a_status_table(jobs: Jobs) -> None:
    table = a_table("proposals", "PK", "SK")
    table.put_item(Item={"PK": "PROMPT#1", "SK": "METADATA", "is_active": True})
    started = {"dead": LONG_AGO, "alive": datetime.now(UTC)}
    for name, since in started.items():
        table.put_item(
            Item={
                "PK": f"PROPOSAL#{name}",
                "SK": "METADATA",
                "analysis_status_rfp": "processing",
                "rfp_analysis_started_at": since.replace(tzinfo=None).isoformat(),
                "uploaded_files": {"rfp_document": "rfp"},
            }
        )
    shown = page("from-status-table")
    with a_bucket(rfp=b"%PDF-1") as bucket:
        report = twice(lambda apply: shown["move_proposals"](table, bucket, jobs, apply=apply), jobs, 1)
    assert list(report.moved) == ["dead"]
    assert list(report.waiting) == ["alive"]
    read = page("moving-in")["read_status"]
    source = shown["proposals"](table)
    assert read(source, jobs, "dead") == {"status": "queued", "progress": 0}
    assert read(source, jobs, "alive") == {"status": "processing", "progress": None}
    assert read(source, jobs, "nobody") is None


def test_profiles_in_a_job_table(jobs: Jobs, connection: Any) -> None:
    connection.execute(
        "CREATE TABLE messages (user_id int, context text, text text, sent_at timestamptz, off_the_record boolean)"
    )
    connection.execute(
        "CREATE TABLE profile_jobs (id bigserial PRIMARY KEY, user_id int, context text, priority text,"
        " status text, updated_at timestamptz)"
    )
    migrate(connection, "from-job-table")
    for user, priority in enumerate(("low", "medium", "high")):
        for number in range(12):
            values = [user, f"secret {number}" if number > 9 else f"message {number}", LONG_AGO, number > 9]
            connection.execute("INSERT INTO messages VALUES (%s, 'work', %s, %s, %s)", values)
        connection.execute(
            "INSERT INTO profile_jobs (user_id, context, priority, status, updated_at)"
            " VALUES (%s, 'work', %s, 'pending', %s)",
            [user, priority, LONG_AGO],
        )
    shown = page("from-job-table")
    report = twice(lambda apply: shown["move_profiles"](connection, jobs, apply=apply), jobs, 3)
    assert report.complete
    assert sorted((job.subject, job.priority) for job in jobs.list()) == [
        ("users/0/work", "low"),
        ("users/1/work", "medium"),
        ("users/2/work", "high"),
    ]


def test_stuck_documents_without_a_queue(jobs: Jobs, connection: Any, tmp_path: Path) -> None:
    connection.execute("CREATE TABLE documents (id serial PRIMARY KEY, status text, s3_key text)")
    states = ["uploaded"] * 5 + ["review_pending", "uploaded"]
    for number, state in enumerate(states, start=1):
        key = "lost.pdf" if number == 7 else "scan.pdf"
        connection.execute("INSERT INTO documents (status, s3_key) VALUES (%s, %s)", [state, key])
    shown = page("without-a-queue")
    with a_bucket(**{"scan.pdf": b"%PDF-1"}) as bucket:
        report = twice(
            lambda apply: shown["move_documents"](connection, bucket, tmp_path / "moves.db", jobs, apply=apply), jobs, 5
        )
    assert list(report.problems) == ["7"]
    assert "NoSuchKey" in report.problems["7"]
    assert sorted(job.subject or "" for job in jobs.list()) == [f"documents/{number}" for number in range(1, 6)]
    assert [state for (state,) in connection.execute("SELECT status FROM documents ORDER BY id")] == states


def test_certificates_with_a_fifo_queue_and_rows_in_postgresql(jobs: Jobs, connection: Any) -> None:
    connection.execute(
        "CREATE TABLE documents (id serial PRIMARY KEY, status text, s3_key text, updated_at timestamptz)"
    )
    migrate(connection, "from-fifo-queue")
    url = client("sqs").create_queue(QueueName="certificates.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    for number, state in enumerate(["uploaded", "uploaded", "uploaded", "review_pending"], start=1):
        values = [state, "scan.pdf", LONG_AGO]
        connection.execute("INSERT INTO documents (status, s3_key, updated_at) VALUES (%s, %s, %s)", values)
        if number < 3:  # the third document is stuck: it has no message
            group = {"MessageGroupId": "certificates", "MessageDeduplicationId": str(number)}
            client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"document_id": number}), **group)
    shown = page("from-fifo-queue")
    with a_bucket(**{"scan.pdf": b"%PDF-1"}) as bucket:
        report = twice(
            lambda apply: shown["move_certificates"](client("sqs"), url, connection, bucket, jobs, apply=apply), jobs, 3
        )
    assert report.complete
    assert sorted(job.subject or "" for job in jobs.list()) == [f"documents/{number}" for number in range(1, 4)]


def a_table(name: str, *key: str) -> Any:
    kinds: tuple[Any, ...] = ("HASH", "RANGE")
    client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in key],
        KeySchema=[{"AttributeName": each, "KeyType": kind} for each, kind in zip(key, kinds, strict=False)],
    )
    return boto3.resource("dynamodb", region_name=REGION).Table(name)
