"""Effects on a real server are done once: in sequence, concurrently, after a rollback, and never after a stop."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from analysis_jobs import Defer, Fail, Retry
from analysis_jobs.base.errors import CancelAsked, ConfigurationError, Stopped
from analysis_jobs.postgres import database as library
from analysis_jobs.postgres.connections import CONNECTIONS
from analysis_jobs.postgres.database import Cursor
from analysis_jobs_dev.cloud.postgres import Login, PostgreSQL
from tests.handlers.builders import SECOND, eventually
from tests.handlers.databases import SCHEMA, Attempt, Worker, a_database, a_worker, job_of

BOOKS = """
CREATE TABLE books (id bigint PRIMARY KEY, title text NOT NULL, value_mid numeric(12, 2) CHECK (value_mid >= 0));
INSERT INTO books VALUES (42, 'Dune', NULL);
"""
SLEEPS = "query LIKE 'SELECT pg_sleep%' AND state = 'active'"
SAVE = "UPDATE books SET value_mid = coalesce(value_mid, 0) + %s WHERE id = 42"


@dataclass(frozen=True)
class Named:
    tenant: str = "acme"
    job_id: str = "job-1"


JOB = Named()


@pytest.fixture
def login(postgres_server: PostgreSQL) -> Login:
    return a_database(postgres_server, SCHEMA, BOOKS)


@pytest.fixture
def worker(login: Login) -> Iterator[Worker]:
    with a_worker(login) as worker:
        yield worker


@pytest.fixture
def _own_connections() -> Iterator[None]:
    """Close the connections of the process. They are kept by the secret's name, and other tests use the same name."""
    CONNECTIONS.close()
    yield
    CONNECTIONS.close()


def _value(login: Login) -> Any:
    return _ask(login, "SELECT value_mid FROM books")


def _effects(login: Login) -> list[str]:
    with login.connect() as connection:
        return [row[0] for row in connection.execute("SELECT effect FROM analysis_jobs_effects ORDER BY effect")]


def _ask(login: Login, statement: str) -> Any:
    with login.connect() as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


def _sessions(login: Login, like: str) -> int:
    here = "datname = current_database()"
    return int(_ask(login, f"SELECT count(*) FROM pg_stat_activity WHERE {here} AND {like}"))  # noqa: S608 - our own


def _do(worker: Worker, block: Callable[[Cursor], object], attempt: Attempt | None = None, **options: Any) -> None:
    with worker.database(attempt, **options).once(JOB, effect="save") as cursor:
        assert cursor is not None
        block(cursor)


def _save(worker: Worker, amount: str = "10.50", job: Named = JOB, attempt: Attempt | None = None) -> bool:
    with worker.database(attempt).once(job, effect="save") as cursor:
        if cursor is not None:
            cursor.execute(SAVE, (Decimal(amount),))
        return cursor is not None


def test_an_effect_is_done_once_in_the_same_transaction_as_its_marker(worker: Worker, login: Login) -> None:
    assert [_save(worker), _save(worker), _save(worker)] == [True, False, False]
    assert (_value(login), _effects(login)) == (Decimal("10.50"), ["save"])


def test_effects_are_separate_for_each_job_tenant_and_name(worker: Worker, login: Login) -> None:
    assert all(_save(worker, "1", job) for job in (JOB, Named("other"), Named(job_id="job-2")))
    with worker.database().once(JOB, effect="index") as cursor:
        assert cursor is not None
    assert (_value(login), _effects(login)) == (Decimal(3), ["index", "save", "save", "save"])


def test_ten_concurrent_attempts_do_the_effect_once(login: Login) -> None:
    begin = threading.Barrier(10)

    def one(_: int) -> bool:
        with a_worker(login) as worker:
            worker.pid()
            begin.wait()
            return _save(worker)

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(one, range(10))) == [False] * 9 + [True]
    assert _value(login) == Decimal("10.50")


@pytest.mark.parametrize("first_fails", [False, True])
def test_the_second_of_two_concurrent_attempts_waits_for_the_first_to_commit_or_roll_back(
    worker: Worker, login: Login, first_fails: bool
) -> None:
    with a_worker(login) as other, ThreadPoolExecutor(1) as pool:

        def first() -> bool:
            with worker.database().once(JOB, effect="save") as cursor:
                assert cursor is not None
                second = pool.submit(_save, other, "2")
                eventually(lambda: _waits_for_a_lock(login))
                cursor.execute(SAVE, (Decimal(1),))
                seconds.append(second)
                if first_fails:
                    raise Retry("model_error", "no")
            return True

        seconds: list[object] = []
        if first_fails:
            with pytest.raises(Retry, match="model_error"):
                first()
        else:
            first()
        [second] = seconds
        assert second.result() is first_fails  # type: ignore[attr-defined]
    assert (_value(login), _effects(login)) == (Decimal(2 if first_fails else 1), ["save"])


def _waits_for_a_lock(login: Login) -> bool:
    return _sessions(login, "wait_event_type = 'Lock'") > 0


def test_a_failed_block_leaves_nothing_and_the_next_attempt_does_the_effect(worker: Worker, login: Login) -> None:
    def block(cursor: Cursor) -> None:
        cursor.execute(SAVE, (Decimal(1),))
        raise ValueError("the stage failed")

    with pytest.raises(ValueError, match="the stage failed"):
        _do(worker, block)
    assert (_value(login), _effects(login), worker.kept()) == (None, [], 1)
    assert _save(worker)


@pytest.mark.parametrize("why", [CancelAsked("a caller"), Stopped("the lease is lost")], ids=["cancelled", "stale"])
def test_a_stopped_attempt_does_not_commit(worker: Worker, login: Login, why: Stopped) -> None:
    attempt = Attempt()

    def block(cursor: Cursor) -> None:
        cursor.execute(SAVE, (Decimal(1),))
        attempt.stops = why

    with pytest.raises(type(why)):
        _do(worker, block, attempt)
    assert (_value(login), _effects(login), worker.kept()) == (None, [], 1)


def test_the_jobs_row_is_checked_once_before_a_commit_and_not_for_a_duplicate(worker: Worker) -> None:
    attempt = Attempt()
    _save(worker, attempt=attempt)
    _save(worker, attempt=attempt)
    assert attempt.held == 1


def test_a_stopped_attempt_does_not_start_a_transaction(worker: Worker) -> None:
    with pytest.raises(CancelAsked), worker.database(Attempt(CancelAsked("a caller"))).once(JOB, effect="save"):
        raise AssertionError("it began")
    assert worker.vault.reads == 0


def test_a_long_query_is_cancelled_and_nothing_keeps_running(worker: Worker, login: Login) -> None:
    attempt = Attempt()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(_do, worker, _sleep_long, attempt, statement_timeout=600 * SECOND)
        eventually(lambda: _sessions(login, SLEEPS) == 1)
        attempt.stop(CancelAsked("a caller"))
        with pytest.raises(CancelAsked):
            working.result(timeout=60)
    with login.connect() as looking:
        still = f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {SLEEPS}"  # noqa: S608
        eventually(lambda: looking.execute(still.encode()).fetchone() == (0,))
    assert (_effects(login), worker.kept()) == ([], 0)


def _sleep_long(cursor: Cursor) -> None:
    cursor.execute("SELECT pg_sleep(600)")


def test_a_swallowed_sql_error_does_not_count_as_success(worker: Worker, login: Login) -> None:
    def block(cursor: Cursor) -> None:
        with pytest.raises(psycopg.errors.UndefinedColumn):
            cursor.execute("SELECT nothing FROM books")

    with pytest.raises(Fail, match="so the transaction was rolled back") as raised:
        _do(worker, block)
    assert (raised.value.code, _effects(login)) == ("database_query_invalid", [])


def test_an_analysis_may_handle_an_error_within_a_savepoint(worker: Worker, login: Login) -> None:
    def block(cursor: Cursor) -> None:
        with pytest.raises(psycopg.errors.UndefinedColumn), cursor.connection.transaction():
            cursor.execute("SELECT nothing FROM books")
        cursor.execute(SAVE, (Decimal(7),))

    _do(worker, block)
    assert _value(login) == Decimal(7)


def _bad_constraint(cursor: Cursor) -> None:
    cursor.execute("INSERT INTO books VALUES (42, 'again', 1)")


def _bad_type(cursor: Cursor) -> None:
    cursor.execute("UPDATE books SET title = %s", ("a\0b",))


def _bad_table(cursor: Cursor) -> None:
    cursor.execute("SELECT * FROM magazines")


def _bad_parameters(cursor: Cursor) -> None:
    cursor.execute("SELECT %s", (1, 2))


@pytest.mark.parametrize(
    ("statement", "code", "message"),
    [
        (_bad_constraint, "database_value_refused", "violates unique constraint"),
        (_bad_type, "database_value_refused", "NUL"),
        (_bad_table, "database_query_invalid", 'relation "magazines" does not exist'),
        (_bad_parameters, "database_query_invalid", "1 placeholder"),
    ],
)
def test_an_error_of_the_statement_fails_with_the_servers_message_but_without_row_values(
    worker: Worker, statement: Callable[[Cursor], None], code: str, message: str
) -> None:
    with pytest.raises(Fail, match=message) as raised:
        _do(worker, statement)
    assert raised.value.code == code
    assert "42" not in raised.value.message.replace("42P01", "")


def test_a_statement_over_its_timeout_is_retried(worker: Worker) -> None:
    with pytest.raises(Retry, match="statement timeout") as raised:
        _do(worker, lambda cursor: cursor.execute("SELECT pg_sleep(5)"), statement_timeout=SECOND / 20)
    assert raised.value.code == "database_timeout"


def test_a_job_that_needs_a_locked_row_is_retried_later(
    worker: Worker, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "_LOCK_TIMEOUT", SECOND / 20)
    with login.connect() as other, other.transaction():
        other.execute("SELECT * FROM books FOR UPDATE")
        with pytest.raises(Defer) as raised:
            _save(worker)
    assert raised.value.code == "database_busy"


def test_an_idle_transaction_is_ended_by_the_server_and_retried(
    worker: Worker, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "_IDLE_TIMEOUT", SECOND / 20)

    def block(cursor: Cursor) -> None:
        eventually(lambda: _in_transaction(login) == 0)
        cursor.execute(SAVE, (Decimal(1),))

    with pytest.raises(Retry) as raised:
        _do(worker, block)
    assert (raised.value.code, worker.kept()) == ("database_connection", 0)
    monkeypatch.undo()
    assert _save(worker), "the marker is not locked any more"


def _in_transaction(login: Login) -> int:
    return _sessions(login, "state = 'idle in transaction'")


def test_a_session_that_is_ended_within_a_transaction_is_retried(worker: Worker, login: Login) -> None:
    def block(cursor: Cursor) -> None:
        assert _ask(login, f"SELECT pg_terminate_backend({cursor.connection.info.backend_pid}, 5000)")
        cursor.execute(SAVE, (Decimal(1),))

    with pytest.raises(Defer) as raised:
        _do(worker, block)
    assert (raised.value.code, worker.kept()) == ("database_unavailable", 0)
    assert _save(worker)


def test_a_missing_table_of_effects_is_a_clear_error_with_its_ddl(postgres_server: PostgreSQL) -> None:
    with a_worker(a_database(postgres_server, BOOKS)) as worker:
        with pytest.raises(ConfigurationError, match="run this migration") as raised:
            _save(worker)
        assert SCHEMA in str(raised.value)
        assert worker.kept() == 1


@pytest.mark.parametrize("effect", ["", " save", "a" * 101, "a;b"])
def test_the_name_of_an_effect_has_a_restricted_form(worker: Worker, effect: str) -> None:
    with pytest.raises(ConfigurationError, match="give up to 100 letters"), worker.database().once(JOB, effect=effect):
        raise AssertionError("it began")


def test_a_query_returns_rows_by_column_name_and_is_read_only(worker: Worker) -> None:
    database = worker.database()
    assert database.query("SELECT id, title FROM books WHERE id = %s", (42,)) == [{"id": 42, "title": "Dune"}]
    with pytest.raises(Fail, match="only reads") as raised:
        database.query("UPDATE books SET title = 'x' RETURNING id")
    assert raised.value.code == "database_query_invalid"


@pytest.mark.usefixtures("_own_connections")
def test_a_job_has_its_database(worker: Worker, login: Login) -> None:
    job = job_of(worker)
    database = job.database("DATABASE_SECRET", statement_timeout=5 * SECOND)
    assert database.query("SHOW statement_timeout") == [{"statement_timeout": "5s"}]
    with database.once(job, effect="save") as cursor:
        assert cursor is not None
    with login.connect() as connection:
        marks = connection.execute("SELECT tenant, job_id, effect FROM analysis_jobs_effects").fetchall()
    assert marks == [(job.tenant, job.job_id, "save")]


@pytest.mark.usefixtures("_own_connections")
def test_a_jobs_database_drops_a_refused_password_from_the_cache(worker: Worker, login: Login) -> None:
    database = job_of(worker).database("DATABASE_SECRET")
    worker.vault.holds["password"] = "wrong"
    with pytest.raises(Defer, match="database_login_refused"):
        database.query("SELECT 1 AS one")
    worker.vault.holds["password"] = login.password
    assert database.query("SELECT 1 AS one") == [{"one": 1}]
