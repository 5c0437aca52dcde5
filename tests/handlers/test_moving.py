"""Work moves in from each kind of system. A move that dies and runs again loses nothing and does nothing twice."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs import Analysis
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.record import JobKey
from analysis_jobs.moving import (
    DualRead,
    DynamoSource,
    Move,
    MoveReport,
    OldJob,
    PostgresSource,
    Source,
    SqsSource,
    State,
    Work,
)
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.submission.service import Submission, SubmissionService
from tests.handlers.aws import client
from tests.handlers.builders import START, Book, Value, some_settings
from tests.handlers.databases import a_database

MINUTES_15 = timedelta(minutes=15)
LONG_AGO = START - timedelta(hours=1)
_numbers = count(1)


def stage(_: Any) -> Value:
    return Value(text="done")


@dataclass
class NewSystem:
    """The new stack: the real submission service in memory."""

    clock: ManualClock
    store: MemoryJobStore = field(default_factory=MemoryJobStore)
    queue: MemoryQueue = field(default_factory=MemoryQueue)

    def submit(self, work: Work, key: str) -> str:
        analysis = Analysis("valuation", request=Book, result=Value, stages=[stage])
        parts = (self.store, self.queue, MemoryArtifactStore(), Analyses([analysis]), some_settings(), self.clock)
        given = Submission(analysis=work.analysis, input=dict(work.job_input), **work.options)
        return SubmissionService(*parts).submit("acme", given, key).job_id

    def isbns(self) -> list[str]:
        """Return the numbers of the books of all jobs."""
        return sorted(json.loads(job.input.text or "")["isbn"] for job in self.store.jobs.values())

    def view(self, job_id: str) -> Mapping[str, Any] | None:
        job = self.store.get(JobKey("acme", job_id))
        return {"status": str(job.status), "by": "new"} if job else None


def work_of(old: OldJob) -> Work:
    isbn = old.raw.get("isbn")
    if not isinstance(isbn, str):
        raise ValueError("the job has no isbn")  # noqa: TRY004 - what `work_of` raises
    return Work("valuation", {"isbn": isbn})


@dataclass
class Model:
    """A small model of an old system. `add` stores a job; `left` returns the ids that still wait there."""

    source: Source
    add: Callable[..., None]
    left: Callable[[], list[str]]
    close: Callable[[], None] = lambda: None


def changed_at(item: Mapping[str, Any]) -> datetime | None:
    return datetime.fromisoformat(item["updated_at"]) if "updated_at" in item else None


def a_status_table() -> Model:
    """Return a table of a system whose function invokes itself: the table is all it has."""
    dynamodb, name = client("dynamodb"), f"proposals-{next(_numbers)}"
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "proposalId", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "proposalId", "KeyType": "HASH"}],
    )
    source = DynamoSource(
        dynamodb, name, "proposalId", "analysis_status", frozenset({"pending"}), frozenset({"processing"}), changed_at
    )

    def add(old_id: str, state: State = State.QUEUED, isbn: str | None = None) -> None:
        status = {State.QUEUED: "pending", State.RUNNING: "processing", State.ENDED: "completed"}[state]
        item = {"proposalId": old_id, "analysis_status": status, "updated_at": START.isoformat()}
        item |= {"isbn": isbn} if isbn else {}
        dynamodb.put_item(TableName=name, Item={key: {"S": value} for key, value in item.items()})

    return Model(source, add, lambda: [old.old_id for old in source.unfinished()])


def a_queue(*, fifo: bool = False) -> Model:
    """Return a queue whose messages hold the jobs."""
    sqs, name = client("sqs"), f"books-{next(_numbers)}{'.fifo' if fifo else ''}"
    url = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"} if fifo else {})["QueueUrl"]

    def read(body: str) -> tuple[str, Mapping[str, Any]]:
        message = json.loads(body)
        return message["job_id"], message

    source = SqsSource(sqs, url, read, wait_s=0)

    def add(old_id: str, state: State = State.QUEUED, isbn: str | None = None) -> None:
        if state is State.QUEUED:
            options = {"MessageGroupId": old_id, "MessageDeduplicationId": f"{next(_numbers)}"} if fifo else {}
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"job_id": old_id, "isbn": isbn}), **options)

    def left() -> list[str]:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "0"})
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return ["a message"] * sum(map(int, counts.values()))

    return Model(source, add, left)


def a_job_table(server: Any) -> Model:
    """Return a table of jobs in a real PostgreSQL database."""
    import psycopg  # noqa: PLC0415 - an extra

    login = a_database(
        server,
        "CREATE TABLE analysis_jobs_queue (id bigint PRIMARY KEY, state text NOT NULL, isbn text, "
        "touched_at timestamptz, moved_to text, moved_from text)",
    )
    connection = psycopg.connect(
        host=login.host,
        port=login.port,
        user=login.username,
        password=login.password,
        dbname=login.database,
        sslmode="require",
        autocommit=True,
    )
    source = PostgresSource(
        connection,
        "public.analysis_jobs_queue",
        "id",
        "state",
        frozenset({"pending"}),
        frozenset({"running"}),
        "touched_at",
    )

    def add(old_id: str, state: State = State.QUEUED, isbn: str | None = None) -> None:
        status = {State.QUEUED: "pending", State.RUNNING: "running", State.ENDED: "done"}[state]
        connection.execute("INSERT INTO analysis_jobs_queue VALUES (%s, %s, %s, %s)", (old_id, status, isbn, START))

    return Model(source, add, lambda: [old.old_id for old in source.unfinished()], connection.close)


@pytest.fixture(params=["status table", "queue", "fifo queue", "postgresql"])
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """Return a model of an old system. A test that uses it runs once with each kind."""
    if request.param == "postgresql":
        model = a_job_table(request.getfixturevalue("postgres_server"))
        yield model
        model.close()
        return
    with mock_aws():
        yield a_status_table() if request.param == "status table" else a_queue(fifo=request.param == "fifo queue")


def moved(model: Model, new: NewSystem) -> MoveReport:
    return Move(model.source, work_of, new.submit, new.clock, MINUTES_15).run()


def test_all_queued_work_moves_once(model: Model, clock: ManualClock) -> None:
    new = NewSystem(clock)
    for number in range(1, 13):
        model.add(str(number), isbn=f"isbn {number}")
    model.add("77", State.ENDED, "isbn 77")
    report = moved(model, new)
    assert report.drained
    assert sorted(report.moved) == sorted(str(number) for number in range(1, 13))
    assert new.isbns() == sorted(f"isbn {number}" for number in range(1, 13))
    assert model.left() == []
    assert moved(model, new).moved == {}
    assert len(new.queue.sent) == 12


class Dead(BaseException):
    """Stands for a killed process."""


def test_a_move_that_dies_at_any_step_is_finished_by_another_run(
    model: Model, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis_jobs.moving.sqs._VISIBILITY_S", 0)
    new, expected = NewSystem(clock), []
    for step in count():
        for number in (1, 2):
            expected.append(f"isbn {step}-{number}")
            model.add(f"{100 + 10 * step + number}", isbn=expected[-1])
        steps = iter([False] * step + [True])
        move = Move(_dying(model.source, steps), work_of, _dying_call(new.submit, steps), clock, MINUTES_15)
        died = False
        try:
            move.run()
        except Dead:
            died = True
        assert moved(model, new).drained
        assert new.isbns() == sorted(expected)
        assert model.left() == []
        if not died:
            break
    assert step >= 8


def _dying(source: Source, steps: Iterator[bool]) -> Any:
    class Dying:
        name = source.name

        def __getattr__(self, name: str) -> Any:
            return _dying_call(getattr(source, name), steps) if name in {"take", "finish"} else getattr(source, name)

    return Dying()


def _dying_call(call: Callable[..., Any], steps: Iterator[bool]) -> Callable[..., Any]:
    def dying(*given: Any) -> Any:
        if next(steps, False):
            raise Dead  # before the call
        done = call(*given)
        if next(steps, False):
            raise Dead  # after it
        return done

    return dying


@pytest.fixture(params=["status table", "postgresql"])
def table(request: pytest.FixtureRequest) -> Iterator[Model]:
    """Return a model of an old system that has a table."""
    if request.param == "postgresql":
        model = a_job_table(request.getfixturevalue("postgres_server"))
        yield model
        model.close()
        return
    with mock_aws():
        yield a_status_table()


def test_running_work_ends_in_the_old_system_unless_its_worker_is_dead(table: Model, clock: ManualClock) -> None:
    new = NewSystem(clock)
    table.add("1", State.RUNNING, "isbn 1")
    report = moved(table, new)
    assert (report.running, report.moved, report.drained) == (["1"], {}, False)
    clock.advance(MINUTES_15)
    assert list(moved(table, new).moved) == ["1"]


def test_a_job_that_starts_meanwhile_is_left_to_its_worker(clock: ManualClock) -> None:
    new = NewSystem(clock)
    with mock_aws():
        model = a_status_table()
        model.add("1", isbn="isbn 1")

        def work_while_an_old_worker_starts(old: OldJob) -> Work:
            model.add(old.old_id, State.RUNNING, "isbn 1")
            return work_of(old)

        report = Move(model.source, work_while_an_old_worker_starts, new.submit, clock, MINUTES_15).run()
        assert (report.started_meanwhile, report.moved, report.drained) == (["1"], {}, False)
        assert new.isbns() == []
        assert moved(model, new).running == ["1"]


def test_a_job_is_taken_once(table: Model) -> None:
    table.add("1", isbn="isbn 1")
    [read] = table.source.unfinished()
    assert [table.source.take(read), table.source.take(read)] == [True, False]
    assert [old.state for old in table.source.unfinished()] == [State.MOVING]


def test_work_that_cannot_be_translated_stays_and_is_reported(model: Model, clock: ManualClock) -> None:
    new = NewSystem(clock)
    model.add("1")
    report = moved(model, new)
    assert report.refused == {"1": "the job has no isbn"}
    assert not report.drained
    assert new.isbns() == []
    assert model.left() != []


def test_a_message_that_cannot_be_read_stays_in_its_queue(clock: ManualClock) -> None:
    with mock_aws():
        model = a_queue()
        assert isinstance(model.source, SqsSource)
        client("sqs").send_message(QueueUrl=model.source.url, MessageBody="not a job")
        assert moved(model, NewSystem(clock)).moved == {}
        assert len(model.source.unreadable) == 1
        assert model.left() == ["a message"]


def test_either_side_answers_an_old_id(table: Model, clock: ManualClock) -> None:
    new = NewSystem(clock)
    for number, state in enumerate((State.QUEUED, State.RUNNING, State.ENDED), 1):
        table.add(str(number), state, f"isbn {number}")
    read = DualRead(
        [table.source],
        old_view=lambda old: {"status": str(old.state), "by": "old"},
        new_view=new.view,
        waiting_view=lambda _: {"status": "queued", "by": "neither"},
    )
    assert [read.status(str(number)) for number in (1, 2, 3)] == [
        {"status": "queued", "by": "old"},
        {"status": "running", "by": "old"},
        {"status": "ended", "by": "old"},
    ]
    [queued] = [old for old in table.source.unfinished() if old.state is State.QUEUED]
    table.source.take(queued)
    assert read.status("1") == {"status": "queued", "by": "neither"}
    report = moved(table, new)
    assert read.status("1") == {"status": "queued", "by": "new"}
    assert read.status(report.moved["1"]) == {"status": "queued", "by": "new"}
    assert read.status("4") is None
