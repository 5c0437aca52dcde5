"""How a worker gets at its database, on a real server: TLS, both spellings, rotation, and connections that died."""

import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs import Defer
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.postgres.connections import LoginSource
from cloud.certificates import certificates
from cloud.ports import free_ports
from cloud.postgres import Login, PostgreSQL
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
def test_the_database_has_either_name_in_the_secret(login: Login, key: str) -> None:
    with a_worker(login, **{"dbname": None, key: login.database}) as worker:
        assert worker.database().query("SELECT current_database() AS name") == [{"name": login.database}]


def test_the_connection_is_encrypted_and_the_server_proves_who_it_is(worker: Worker) -> None:
    query = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert worker.database().query(query) == [{"ssl": True, "version": "TLSv1.3"}]
    with worker.database()._transaction() as cursor:  # noqa: SLF001 - as `once`, without its table
        assert cursor.connection.info.get_parameters()["sslmode"] == "verify-full"


def test_a_dead_peer_is_noticed_and_nothing_is_prepared_which_would_pin_a_proxys_session(worker: Worker) -> None:
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


def test_nothing_in_the_users_home_counts(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / ".postgresql"
    theirs.mkdir()
    for name in ("postgresql.crt", "postgresql.key"):
        (theirs / name).write_text("nothing that could be sent")
        (theirs / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert worker.pid() > 0


def test_a_server_of_another_authority_is_not_trusted(login: Login, tmp_path: Path) -> None:
    stranger = certificates(tmp_path).bundle
    with a_worker(login, sslrootcert=str(stranger)) as worker:
        message = _refused(worker, "database_untrusted")
        assert "DATABASE_CA_BUNDLE" in message
        assert worker.vault.reads == 1, "another login would not help"


def test_the_public_authorities_do_not_vouch_for_a_private_server(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    for none_of_the_system in (False, True):
        if none_of_the_system:
            nowhere = ssl.get_default_verify_paths()._replace(cafile="")
            monkeypatch.setattr(ssl, "get_default_verify_paths", lambda found=nowhere: found)
        with a_worker(login, sslrootcert=None) as worker:
            _refused(worker, "database_untrusted")


def test_encrypted_without_proof_only_where_the_secret_says_so(login: Login) -> None:
    with a_worker(login, sslrootcert=None, sslmode="require") as worker:
        assert worker.database().query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [{"ssl": True}]


def test_plain_text_is_refused_by_the_server_and_but_on_this_machine_by_us(login: Login) -> None:
    with a_worker(login, sslmode="disable") as worker:
        _refused(worker, "database_login_refused")
    with (
        a_worker(login, sslmode="disable", host="db.example") as worker,
        pytest.raises(ConfigurationError, match="`disable` is for a server on this machine"),
    ):
        worker.pid()


def test_one_connection_is_used_again_while_warm(worker: Worker) -> None:
    assert worker.pid() == worker.pid()
    assert (worker.kept(), worker.vault.reads) == (1, 1)


def test_who_needs_one_meanwhile_makes_one_of_its_own_and_closes_it(worker: Worker, login: Login) -> None:
    database = worker.database()
    with database._transaction() as outer:  # noqa: SLF001 - as `once`, without its table
        assert worker.pid() != outer.connection.info.backend_pid
    with login.connect() as connection:
        mine = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = current_user").fetchone()
    assert mine == (2,), "the kept one, and this one"


def test_a_session_that_was_ended_between_two_jobs_is_replaced(
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
def test_a_connection_is_not_kept_idle_nor_for_ever(worker: Worker, idle: timedelta, times: int, same: bool) -> None:
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
    assert worker.pid() == before, "who is logged in stays"
    _terminate(postgres_server, login)
    assert worker.pid() != before
    assert worker.vault.reads == 2


def test_a_wrong_password_is_a_clear_error_that_waits_and_is_asked_for_once_more(worker: Worker) -> None:
    worker.vault.holds["password"] = WRONG
    with logged() as lines:
        message = _refused(worker, "database_login_refused")
    assert message == "the database refuses the login of DATABASE_SECRET: correct the secret"
    assert worker.vault.reads == 2
    [line] = [line for line in lines if line["event"] == "database.not_connected"]
    assert (line["levelname"], line["code"], line["secret"]) == ("WARNING", "database_login_refused", "DATABASE_SECRET")
    assert WRONG not in str(line)


def test_a_wrong_password_that_is_mended_goes_on_at_once(worker: Worker, login: Login) -> None:
    worker.vault.holds["password"] = WRONG
    _refused(worker, "database_login_refused")
    worker.vault.holds["password"] = login.password
    assert worker.pid() > 0


@pytest.mark.parametrize("spoilt", [{"username": "nobody_here"}, {"dbname": "nothing_here"}], ids=["role", "database"])
def test_a_role_or_a_database_that_is_not_there_waits_too(login: Login, spoilt: dict[str, Any]) -> None:
    with a_worker(login, **spoilt) as worker:
        _refused(worker, "database_login_refused")


def test_a_server_that_is_away_is_waited_for(login: Login) -> None:
    with a_worker(login, port=free_ports(1)[0]) as worker:
        message = _refused(worker, "database_unavailable")
        assert "127.0.0.1" not in message
        assert worker.vault.reads == 1


def test_a_server_that_takes_no_more_connections_is_waited_for(
    postgres_server: PostgreSQL, worker: Worker, login: Login
) -> None:
    with postgres_server.superuser.connect() as connection:
        connection.execute(f"ALTER ROLE {login.username} CONNECTION LIMIT 0".encode())
    _refused(worker, "database_busy")


def test_a_server_that_only_reads_is_waited_for(postgres_server: PostgreSQL) -> None:
    login = a_database(postgres_server, SCHEMA)
    with postgres_server.superuser.connect() as connection:
        connection.execute(f"ALTER ROLE {login.username} SET default_transaction_read_only = on".encode())
    with a_worker(login) as worker:
        job = job_of(worker)
        with pytest.raises(Defer) as raised, worker.database().once(job, effect="save"):
            raise AssertionError("it began")
        assert raised.value.code == "database_unavailable"
