"""What is special to each kind of older system: messages in flight, lost messages, locked rows, types of columns."""

import gc
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.client import Jobs
from analysis_jobs.moving import (
    Claim,
    DynamoTable,
    Item,
    Listed,
    NewJob,
    Phase,
    PostgresTable,
    Problem,
    SqsQueue,
    States,
    move,
    status_of,
)
from analysis_jobs_dev.cloud.postgres import PostgreSQL
from tests.handlers.aws import client
from tests.handlers.databases import a_database
from tests.handlers.moving.olders import LIFE, STATES, DynamoRows, Older, PostgresRows, greet, names
from tests.handlers.moving.test_move import Doing, apply

# SQS


def test_a_message_in_flight_is_left_to_its_worker(old_with_queue: Older, jobs: Jobs) -> None:
    old = old_with_queue
    old.add("a")
    receipt = old.receive()
    old.add("b")
    report = apply(old, jobs)
    assert list(report.moved) == ["b"]
    assert "1 are in flight" in report.notes[0]
    assert not report.complete
    old.table.set("a", "completed", old.clock.now())
    old.delete(receipt)
    assert apply(old, jobs).complete
    assert len(names(jobs)) == 1


def test_a_message_that_its_worker_gives_back_is_moved(old_with_queue: Older, jobs: Jobs) -> None:
    old = old_with_queue
    old.add("a")
    receipt = old.receive()
    old.table.set("a", "running", old.clock.now())
    assert apply(old, jobs).moved == {}
    old.show(receipt)
    assert list(apply(old, jobs).waiting) == ["a"], "the worker may be alive"
    old.clock.advance(LIFE)
    report = apply(old, jobs)
    assert list(report.moved) == ["a"]
    assert report.complete


def test_a_row_that_has_lost_its_message_is_moved_when_the_queue_is_empty(old_with_queue: Older, jobs: Jobs) -> None:
    old = old_with_queue
    old.add("lost", message=False)
    old.add("bad", name=None)
    assert apply(old, jobs).moved == {}, "the message could be of this row"
    old.delete(old.receive())
    assert list(apply(old, jobs).moved) == ["lost"]


def test_a_lost_row_can_wait_for_a_message_that_is_still_sent(jobs: Jobs, clock: ManualClock) -> None:
    assert jobs
    table = DynamoRows()
    states = States(queued=("pending",), running=(), since="updated_at", dead_after=LIFE, queued_after=LIFE)
    rows = DynamoTable(table.table, key={"PK": "JOB#{id}", "SK": "METADATA"}, status="status", states=states)
    url = client("sqs").create_queue(QueueName="older")["QueueUrl"]
    old = Older(table, lambda: SqsQueue(client("sqs"), url, rows), clock, url)
    old.add("a", message=False)
    assert list(apply(old, jobs).waiting) == ["a"]
    assert move(old.source(), jobs, greet, clock=clock).planned == ["a"]
    old.send({"job_id": "a"})
    assert list(apply(old, jobs).moved) == ["a"]


@pytest.mark.parametrize("body", ["no JSON", "[]", '"text"', "{}", '{"id": "a"}'])
def test_a_message_that_names_no_job_is_reported_and_stays(old_with_queue: Older, jobs: Jobs, body: str) -> None:
    old_with_queue.send(body)
    [(where, why)] = apply(old_with_queue, jobs).problems.items()
    assert where.startswith("message ")
    assert "'job_id'" in why
    assert old_with_queue.messages() == 1


def test_a_message_without_a_row_is_reported_and_stays(old_with_queue: Older, jobs: Jobs) -> None:
    old_with_queue.send({"job_id": "nobody"})
    assert "no row" in apply(old_with_queue, jobs).problems["nobody"]
    assert old_with_queue.messages() == 1


def test_a_message_of_ended_work_is_reported_and_stays(old_with_queue: Older, jobs: Jobs) -> None:
    old_with_queue.add("a", "failed")
    assert "it is failed" in apply(old_with_queue, jobs).left["a"]
    assert old_with_queue.messages() == 1
    assert names(jobs) == []


def test_a_second_message_of_the_same_work_is_deleted(old_with_queue: Older, jobs: Jobs) -> None:
    old_with_queue.add("a")
    old_with_queue.send({"job_id": "a", "again": True})
    assert apply(old_with_queue, jobs).complete
    assert old_with_queue.messages() == 0
    assert len(names(jobs)) == 1


def test_what_a_killed_run_has_received_comes_back(old_with_queue: Older, jobs: Jobs) -> None:
    old = old_with_queue
    old.add("a")
    killed = old.source(visibility_s=1).open_work(old.clock.now(), take=True)
    assert isinstance(next(killed), Item)
    deadline = time.monotonic() + 60
    while old.messages() == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(apply(old, jobs).moved) == ["a"]
    del killed
    gc.collect()


def test_the_message_is_there_for_the_translation(old_with_queue: Older, jobs: Jobs) -> None:
    old_with_queue.add("a", name=None, message=False)
    old_with_queue.send({"job_id": "a", "name": "Grace"})
    source = old_with_queue.source()
    report = move(source, jobs, lambda item: NewJob("greeting", {"name": item.message["name"]}), apply=True)
    assert list(report.moved) == ["a"]


# PostgreSQL


@pytest.fixture
def login(postgres_server: PostgreSQL) -> Any:
    return a_database(postgres_server)


def test_a_row_that_a_worker_has_locked_is_left(login: Any, jobs: Jobs, clock: ManualClock) -> None:
    with login.connect() as connection, login.connect() as worker:
        table = PostgresRows(connection)
        old = Older(table, lambda: PostgresTable(connection, "analysis_jobs", states=STATES), clock)
        old.add("a")
        with worker.transaction():
            worker.execute("SELECT * FROM analysis_jobs FOR UPDATE SKIP LOCKED")
            assert "locked" in apply(old, jobs).left["a"]
        assert list(apply(old, jobs).moved) == ["a"]


def test_a_worker_that_polls_does_not_see_a_moved_row(login: Any, jobs: Jobs, clock: ManualClock) -> None:
    with login.connect() as connection:
        old = Older(PostgresRows(connection), lambda: PostgresTable(connection, "analysis_jobs", states=STATES), clock)
        old.add("a")
        poll = "UPDATE analysis_jobs SET status = 'running' WHERE status = 'pending'"
        polled: list[int] = []
        watched = Doing(jobs, "submit", before=lambda: polled.append(connection.execute(poll).rowcount))
        assert list(move(old.source(), watched, greet, apply=True, clock=clock).moved) == ["a"]
        assert [*polled, connection.execute(poll).rowcount] == [0, 0]


def test_ids_and_states_of_any_type(login: Any, jobs: Jobs, clock: ManualClock) -> None:
    old_id = "0b0d6d8e-5f55-4d0b-9a57-2f2f6f0f0f01"
    with login.connect() as connection:
        connection.execute("CREATE SCHEMA app")
        connection.execute("CREATE TYPE app.state AS ENUM ('waiting', 'working', 'done', 'moving', 'moved')")
        connection.execute(
            'CREATE TABLE app."Jobs" ("jobId" uuid PRIMARY KEY, state app.state, "startedAt" timestamp,'
            ' "user" int, "moveIn" text, "moveIn_job" text)'
        )
        values = (old_id, "waiting", None, 7)
        connection.execute('INSERT INTO app."Jobs" VALUES (%s, %s, %s, %s)', values)
        states = States(queued=("waiting",), running=("working",), since="startedAt", dead_after=LIFE)
        rows = PostgresTable(connection, "app.Jobs", states=states, old_id="jobId", status="state", mark="moveIn")
        report = move(
            rows, jobs, lambda item: NewJob("greeting", {"name": str(item.row["user"])}), apply=True, clock=clock
        )
        assert list(report.moved) == [old_id]
        found = status_of(rows, jobs, old_id)
        assert found
        assert found.side == "new"
        assert status_of(rows, jobs, "no UUID") is None


def test_a_connection_without_autocommit_is_refused(login: Any) -> None:
    with login.connect() as connection:
        connection.autocommit = False
        with pytest.raises(ValueError, match="autocommit"):
            PostgresTable(connection, "analysis_jobs", states=STATES)


def test_quotes_in_names_are_names(login: Any, jobs: Jobs) -> None:
    with login.connect() as connection:
        PostgresRows(connection)
        rows = PostgresTable(connection, 'analysis_jobs"; DROP TABLE analysis_jobs; --', states=STATES)
        with pytest.raises(Exception, match="does not exist"):
            move(rows, jobs, greet)
        assert connection.execute("SELECT * FROM analysis_jobs").rowcount == 0


# DynamoDB


def test_a_key_without_the_id_is_refused() -> None:
    with pytest.raises(ValueError, match="must contain"):
        DynamoTable(None, key={"PK": "PROPOSAL"}, status="status", states=STATES)


def test_two_analyses_of_one_item_move_on_their_own(jobs: Jobs, clock: ManualClock) -> None:
    assert jobs
    table = DynamoRows().table
    table.put_item(Item={"PK": "JOB#a", "SK": "METADATA", "rfp": "processing", "concept": "processing", "name": "Ada"})

    def source(status: str) -> DynamoTable:
        states = States(queued=("processing",), running=(), since=f"{status}_started_at", dead_after=LIFE)
        key = {"PK": "JOB#{id}", "SK": "METADATA"}
        return DynamoTable(table, key=key, status=status, states=states, mark=f"{status}_move")

    moved = [move(source(name), jobs, greet, apply=True, clock=clock).moved["a"] for name in ("rfp", "concept")]
    assert sorted(moved) == names(jobs)
    row = table.get_item(Key={"PK": "JOB#a", "SK": "METADATA"})["Item"]
    assert [row["rfp_move_job"], row["concept_move_job"]] == moved


@pytest.mark.parametrize(
    ("stored", "age"),
    [
        (Decimal(1767225600), timedelta(minutes=15)),
        (Decimal("1767225600.5"), timedelta(minutes=14, seconds=59.5)),
        ("2026-01-01T00:00:00", timedelta(minutes=15)),
        ("2026-01-01T00:00:00Z", timedelta(minutes=15)),
        ("2026-01-01T02:00:00+02:00", timedelta(minutes=15)),
    ],
)
def test_times_of_any_kind(stored: Any, age: timedelta) -> None:
    now = datetime(2026, 1, 1, 0, 15, tzinfo=UTC)
    item = STATES.item("a", "running", {"updated_at": stored}, None, None, now)
    assert isinstance(item, Item)
    assert item.since == now - age
    assert bool(item.wait) == (age < LIFE)


@pytest.mark.parametrize("stored", ["yesterday", {"at": 1}, ["x"]])
def test_a_time_that_is_none_is_a_problem(stored: Any) -> None:
    assert isinstance(STATES.item("a", "running", {"updated_at": stored}, None, None, datetime.now(UTC)), Problem)


@pytest.mark.parametrize("mark", [None, "", "no JSON", "{}", "[]", '{"at": "x", "was": "pending", "request": {}}'])
def test_a_moving_row_without_a_readable_claim_is_a_problem(mark: Any) -> None:
    assert isinstance(STATES.item("a", "moving", {}, mark, None, datetime.now(UTC)), Problem)


def test_large_tables_are_read_to_their_end(jobs: Jobs, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert jobs
    table = DynamoRows()
    for number in range(5):
        table.write(str(number), "pending", clock.now(), "Ada")
    scan = table.table.scan
    monkeypatch.setattr(table.table, "scan", lambda **options: scan(**options, Limit=1))
    source = DynamoTable(table.table, key={"PK": "JOB#{id}", "SK": "METADATA"}, status="status", states=STATES)
    assert sorted(move(source, jobs, greet, clock=clock).planned) == ["0", "1", "2", "3", "4"]


# A list


def test_a_move_of_a_row_that_is_not_listed_any_more_is_continued(
    made: Callable[[str], Older], jobs: Jobs, clock: ManualClock
) -> None:
    old = made("listed")
    old.add("a")
    item = next(old.source().open_work(clock.now(), take=True))
    assert isinstance(item, Item)
    assert old.source().claim(item, Claim(clock.now(), "pending", greet(item)))
    old.table.set("a", "archived", clock.now())
    assert list(apply(old, jobs).moved) == ["a"]


def test_a_listed_row_without_an_id_is_reported(tmp_path: Path, jobs: Jobs) -> None:
    source = Listed("documents", lambda: [{"name": "Ada"}], lambda _: None, tmp_path / "moves.db")
    assert list(move(source, jobs, greet).problems) == ["row 0"]


def test_a_moved_item_is_known_after_the_older_system_is_gone(made: Callable[[str], Older], jobs: Jobs) -> None:
    old = made("listed")
    old.add("a")
    apply(old, jobs)
    found = old.source().look("a", old.clock.now())
    assert isinstance(found, Item)
    assert found.phase is Phase.MOVED
