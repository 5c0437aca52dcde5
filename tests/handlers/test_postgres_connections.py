"""A worker's connection to a real server: TLS, both keys for the database name, rotation, and dead connections."""

import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs import Defer
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.postgres.connections import LoginSource
from analysis_jobs_dev.cloud.certificates import certificates
from analysis_jobs_dev.cloud.ports import free_ports
from analysis_jobs_dev.cloud.postgres import Login, PostgreSQL
from tests.handlers.builders import SECOND
from tests.handlers.databases import SCHEMA, SECRET, Worker, a_database, a_worker, job_of
from tests.handlers.events import logged

WRONG = "not-the-password"


@pytest.fixture
def login(postgres_server: PostgreSQL) -> Login:
    return a_database(postgres_server)


@pytest.fixture
def worker(login: Login) -> Iterator[Worker]:
    with a_worker(login) as worker:
        yield worker


def _refused(worker: Worker, code: str) -> str:
    with pytest.raises(Defer) as raised:
        worker.pid()
    assert raised.value.code == code
    assert worker.kept() == 0
    return raised.value.message


def _rotate(server: PostgreSQL, login: Login, password: str) -> None:
    with server.superuser.connect() as connection:
        connection.execute(f"ALTER ROLE {login.username} PASSWORD '{password}'".encode())


def _terminate(server: PostgreSQL, login: Login) -> None:
    with server.superuser.connect() as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", (login.username,)
        ).fetchall()
    assert ended == [(True,)]


@pytest.mark.parametrize("key", ["database", "dbname"])
def test_the_secret_may_name_the_database_by_either_key(login: Login, key: str) -> None:
    with a_worker(login, **{"dbname": None, key: login.database}) as worker:
        assert worker.database().query("SELECT current_database() AS name") == [{"name": login.database}]


def test_the_connection_is_encrypted_and_the_server_certificate_is_verified(worker: Worker) -> None:
    query = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert worker.database().query(query) == [{"ssl": True, "version": "TLSv1.3"}]
    with worker.database()._transaction() as cursor:  # noqa: SLF001 - as `once`, without its table
        assert cursor.connection.info.get_parameters()["sslmode"] == "verify-full"


def test_a_dead_peer_is_noticed_and_no_prepared_statement_would_pin_a_proxy_session(worker: Worker) -> None:
    with worker.database()._transaction() as cursor:  # noqa: SLF001 - as `once`, without its table
        given = cursor.connection.info.get_parameters()
    assert (given["tcp_user_timeout"], given["connect_timeout"]) == ("15000", "5")
    assert [given[f"keepalives_{name}"] for name in ("idle", "interval", "count")] == ["30", "10", "3"]
    for _ in range(10):
        worker.pid()
    assert worker.database().query("SELECT count(*) AS prepared FROM pg_prepared_statements") == [{"prepared": 0}]
    assert worker.database().query("SHOW statement_timeout") == [{"statement_timeout": "1min"}]
    source = LoginSource(SECRET, lambda: worker.secrets.json(SECRET), lambda: None)
    connection = worker.connections.acquire(source)
    assert connection.execute("SHOW statement_timeout").fetchall() == [{"statement_timeout": "0"}], "SET LOCAL"
    worker.connections.release(source, connection)


def test_files_in_the_home_directory_are_ignored(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / ".postgresql"
    theirs.mkdir()
    for name in ("postgresql.crt", "postgresql.key"):
        (theirs / name).write_text("nothing that could be sent")
        (theirs / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert worker.pid() > 0


def test_a_server_certificate_of_another_authority_is_not_trusted(login: Login, tmp_path: Path) -> None:
    stranger = certificates(tmp_path).bundle
    with a_worker(login, sslrootcert=str(stranger)) as worker:
        message = _refused(worker, "database_untrusted")
        assert "DATABASE_CA_BUNDLE" in message
        assert worker.vault.reads == 1, "no second login was tried, because it would not help"


def test_the_public_authorities_are_not_enough_for_a_private_certificate(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    for none_of_the_system in (False, True):
        if none_of_the_system:
            nowhere = ssl.get_default_verify_paths()._replace(cafile="")
            monkeypatch.setattr(ssl, "get_default_verify_paths", lambda found=nowhere: found)
        with a_worker(login, sslrootcert=None) as worker:
            _refused(worker, "database_untrusted")


def test_only_the_secret_can_turn_off_verification_of_the_certificate(login: Login) -> None:
    with a_worker(login, sslrootcert=None, sslmode="require") as worker:
        assert worker.database().query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [{"ssl": True}]


def test_plain_text_is_refused_by_the_server_and_by_the_library_except_on_localhost(login: Login) -> None:
    with a_worker(login, sslmode="disable") as worker:
        _refused(worker, "database_login_refused")
    with (
        a_worker(login, sslmode="disable", host="db.example") as worker,
        pytest.raises(ConfigurationError, match="`disable` is for a server on this machine"),
    ):
        worker.pid()


def test_a_warm_worker_reuses_one_connection(worker: Worker) -> None:
    assert worker.pid() == worker.pid()
    assert (worker.kept(), worker.vault.reads) == (1, 1)


def test_a_concurrent_user_gets_a_second_connection_that_is_closed_afterwards(worker: Worker, login: Login) -> None:
    database = worker.database()
    with database._transaction() as outer:  # noqa: SLF001 - as `once`, without its table
        assert worker.pid() != outer.connection.info.backend_pid
    with login.connect() as connection:
        mine = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = current_user").fetchone()
    assert mine == (2,), "the kept connection and the second one"


def test_a_session_that_ended_between_two_jobs_is_replaced(
    postgres_server: PostgreSQL, worker: Worker, login: Login
) -> None:
    before = worker.pid()
    _terminate(postgres_server, login)
    assert worker.pid() != before
    assert worker.kept() == 1


@pytest.mark.parametrize(
    ("idle", "times", "same"),
    [(240 * SECOND, 1, True), (241 * SECOND, 1, False), (200 * SECOND, 8, True), (200 * SECOND, 10, False)],
)
def test_a_connection_is_closed_when_idle_too_long_or_too_old(
    worker: Worker, idle: timedelta, times: int, same: bool
) -> None:
    pids = {worker.pid()}
    for _ in range(times):
        worker.clock.advance(idle)
        pids.add(worker.pid())
    assert (len(pids) == 1) is same


def test_a_rotated_password_is_picked_up_without_a_deploy(
    postgres_server: PostgreSQL, worker: Worker, login: Login
) -> None:
    before = worker.pid()
    _rotate(postgres_server, login, "rotated")
    worker.vault.holds["password"] = "rotated"
    assert worker.pid() == before, "an open session continues"
    _terminate(postgres_server, login)
    assert worker.pid() != before
    assert worker.vault.reads == 2


def test_a_wrong_password_is_read_again_once_and_then_the_job_waits_with_a_clear_error(worker: Worker) -> None:
    worker.vault.holds["password"] = WRONG
    with logged() as lines:
        message = _refused(worker, "database_login_refused")
    assert message == "the database refuses the login of DATABASE_SECRET: correct the secret"
    assert worker.vault.reads == 2
    [line] = [line for line in lines if line["event"] == "database.not_connected"]
    assert (line["levelname"], line["code"], line["secret"]) == ("WARNING", "database_login_refused", "DATABASE_SECRET")
    assert WRONG not in str(line)


def test_work_continues_at_once_after_a_wrong_password_is_corrected(worker: Worker, login: Login) -> None:
    worker.vault.holds["password"] = WRONG
    _refused(worker, "database_login_refused")
    worker.vault.holds["password"] = login.password
    assert worker.pid() > 0


@pytest.mark.parametrize("spoilt", [{"username": "nobody_here"}, {"dbname": "nothing_here"}], ids=["role", "database"])
def test_a_missing_role_or_database_makes_the_job_wait(login: Login, spoilt: dict[str, Any]) -> None:
    with a_worker(login, **spoilt) as worker:
        _refused(worker, "database_login_refused")


def test_an_unreachable_server_makes_the_job_wait(login: Login) -> None:
    with a_worker(login, port=free_ports(1)[0]) as worker:
        message = _refused(worker, "database_unavailable")
        assert "127.0.0.1" not in message
        assert worker.vault.reads == 1


def test_a_server_without_free_connections_makes_the_job_wait(
    postgres_server: PostgreSQL, worker: Worker, login: Login
) -> None:
    with postgres_server.superuser.connect() as connection:
        connection.execute(f"ALTER ROLE {login.username} CONNECTION LIMIT 0".encode())
    _refused(worker, "database_busy")


def test_a_read_only_server_makes_the_job_wait(postgres_server: PostgreSQL) -> None:
    login = a_database(postgres_server, SCHEMA)
    with postgres_server.superuser.connect() as connection:
        connection.execute(f"ALTER ROLE {login.username} SET default_transaction_read_only = on".encode())
    with a_worker(login) as worker:
        job = job_of(worker)
        with pytest.raises(Defer) as raised, worker.database().once(job, effect="save"):
            raise AssertionError("it began")
        assert raised.value.code == "database_unavailable"
