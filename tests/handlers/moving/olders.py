"""Small models of older systems: a table with the state of each job, and for some of them a queue."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, cast

import boto3

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.client import Jobs
from analysis_jobs.moving import DynamoTable, Item, Listed, NewJob, PostgresTable, Source, SqsQueue, States
from tests.handlers.aws import REGION, client

KINDS = ("dynamodb", "postgresql", "sqs-dynamodb", "sqs-postgresql", "sqs-fifo", "listed")
LIFE = timedelta(minutes=15)
STATES = States(queued=("pending",), running=("running",), since="updated_at", dead_after=LIFE)
TABLE = """
CREATE TABLE analysis_jobs (
    id text PRIMARY KEY, status varchar(20) NOT NULL, updated_at timestamptz, name text,
    move_in text, move_in_job text
)
"""


class Table(Protocol):
    """The rows of an older system, as its own workers write them: without a condition."""

    def write(self, old_id: str, status: str, since: datetime | None, name: str | None) -> None:
        """Add a row, or replace it."""

    def set(self, old_id: str, status: str, since: datetime) -> None:
        """Write the state of a row."""

    def row(self, old_id: str) -> dict[str, Any]:
        """Return a row."""

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows."""


class DynamoRows:
    """A table with other kinds of items in it. Its times are text without an offset, as `utcnow().isoformat()`."""

    def __init__(self) -> None:
        keys = (("PK", "HASH"), ("SK", "RANGE"))
        boto3.client("dynamodb", region_name=REGION).create_table(
            TableName="older",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
            KeySchema=[{"AttributeName": name, "KeyType": cast("Any", kind)} for name, kind in keys],
        )
        self.table = boto3.resource("dynamodb", region_name=REGION).Table("older")
        self.table.put_item(Item={"PK": "PROMPT#1", "SK": "METADATA", "status": "pending"})

    def write(self, old_id: str, status: str, since: datetime | None, name: str | None) -> None:
        item: dict[str, Any] = {
            "status": status,
            "updated_at": since and since.replace(tzinfo=None).isoformat(),
            "name": name,
        }
        self.table.put_item(Item={**_key(old_id), **{key: value for key, value in item.items() if value is not None}})

    def set(self, old_id: str, status: str, since: datetime) -> None:
        self.table.update_item(
            Key=_key(old_id),
            UpdateExpression="SET #s = :s, updated_at = :t",
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues={":s": status, ":t": since.replace(tzinfo=None).isoformat()},
        )

    def row(self, old_id: str) -> dict[str, Any]:
        return dict(self.table.get_item(Key=_key(old_id))["Item"])

    def rows(self) -> list[dict[str, Any]]:
        return [dict(item) for item in self.table.scan()["Items"]]


class PostgresRows:
    """A table of jobs in PostgreSQL."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        connection.execute(TABLE)

    def write(self, old_id: str, status: str, since: datetime | None, name: str | None) -> None:
        values = (old_id, status, since, name)
        self.connection.execute("INSERT INTO analysis_jobs VALUES (%s, %s, %s, %s)", values)

    def set(self, old_id: str, status: str, since: datetime) -> None:
        statement = "UPDATE analysis_jobs SET status = %s, updated_at = %s WHERE id = %s"
        self.connection.execute(statement, (status, since, old_id))

    def row(self, old_id: str) -> dict[str, Any]:
        return next(row for row in self.rows() if row["id"] == old_id)

    def rows(self) -> list[dict[str, Any]]:
        cursor = self.connection.execute("SELECT * FROM analysis_jobs ORDER BY id")
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


class PlainRows:
    """Documents in a table that the move may only read."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}

    def write(self, old_id: str, status: str, since: datetime | None, name: str | None) -> None:
        self.documents[old_id] = {"id": old_id, "status": status, "updated_at": since, "name": name}

    def set(self, old_id: str, status: str, since: datetime) -> None:
        self.documents[old_id] |= {"status": status, "updated_at": since}

    def row(self, old_id: str) -> dict[str, Any]:
        return dict(self.documents[old_id])

    def rows(self) -> list[dict[str, Any]]:
        return [dict(row) for row in self.documents.values()]


@dataclass
class Older:
    """An older system. `source` makes a new adapter, as the next process does."""

    table: Table
    source: Callable[..., Source]
    clock: ManualClock
    queue_url: str | None = None

    def add(self, old_id: str, status: str = "pending", name: str | None = "Ada", *, message: bool = True) -> None:
        """Submit a job to the older system, now. With a queue, a queued job has a message."""
        self.table.write(old_id, status, self.clock.now(), name)
        if message and self.queue_url:
            self.send({"job_id": old_id, "name": name})

    def send(self, body: Any) -> None:
        """Send a message."""
        text = body if isinstance(body, str) else json.dumps(body)
        group = {"MessageGroupId": text, "MessageDeduplicationId": text} if str(self.queue_url).endswith("fifo") else {}
        client("sqs").send_message(QueueUrl=self.queue_url, MessageBody=text, **group)

    def receive(self) -> str:
        """Receive a message, as the old worker does. Return its receipt."""
        found = client("sqs").receive_message(QueueUrl=self.queue_url, VisibilityTimeout=660)
        return str(found["Messages"][0]["ReceiptHandle"])

    def delete(self, receipt: str) -> None:
        """Delete a message, as the old worker does at its end."""
        client("sqs").delete_message(QueueUrl=self.queue_url, ReceiptHandle=receipt)

    def show(self, receipt: str) -> None:
        """Let a message become visible again, as SQS does after the visibility timeout."""
        client("sqs").change_message_visibility(QueueUrl=self.queue_url, ReceiptHandle=receipt, VisibilityTimeout=0)

    def state(self, old_id: str) -> str:
        """Return the state in the table."""
        return str(self.table.row(old_id)["status"])

    def messages(self) -> int:
        """Return the number of visible messages."""
        names = ["ApproximateNumberOfMessages"]
        answer = client("sqs").get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)
        return int(answer["Attributes"][names[0]])


def older(kind: str, clock: ManualClock, connection: Any, folder: Path) -> Older:
    """Return the model of a kind."""
    if kind == "listed":
        plain = PlainRows()
        return Older(plain, lambda: _listed(plain, folder / "moves.db"), clock)
    table = PostgresRows(connection) if connection else DynamoRows()

    def rows() -> Source:
        if isinstance(table, PostgresRows):
            return PostgresTable(table.connection, "analysis_jobs", states=STATES)
        return DynamoTable(table.table, key={"PK": "JOB#{id}", "SK": "METADATA"}, status="status", states=STATES)

    if not kind.startswith("sqs"):
        return Older(table, rows, clock)
    fifo = {"FifoQueue": "true"} if kind == "sqs-fifo" else {}
    name = "older.fifo" if fifo else "older"
    url = client("sqs").create_queue(QueueName=name, Attributes=fifo)["QueueUrl"]
    return Older(table, lambda **options: SqsQueue(client("sqs"), url, rows(), **options), clock, url)


def greet(item: Item) -> NewJob:
    """Return the submission for an item of these models."""
    if item.row["name"] is None:
        raise ValueError("it has no name")
    return NewJob("greeting", {"name": item.row["name"]})


def names(jobs: Jobs) -> list[str]:
    """Return the ids of all jobs in the deployment."""
    return sorted(job.job_id for job in jobs.list())


def _listed(plain: PlainRows, journal: Path) -> Source:
    def open_rows() -> list[dict[str, Any]]:
        return [row for row in plain.rows() if row["status"] == "pending"]

    def read(old_id: str) -> dict[str, Any] | None:
        return plain.documents.get(old_id)

    return Listed("documents", open_rows, read, journal)


def _key(old_id: str) -> dict[str, str]:
    return {"PK": f"JOB#{old_id}", "SK": "METADATA"}
