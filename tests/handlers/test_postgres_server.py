"""The PostgreSQL server of the local cloud and of these tests."""

import os
from pathlib import Path

import psycopg
import pytest

from analysis_jobs.testing import postgres_server
from analysis_jobs_dev.cloud import postgres
from analysis_jobs_dev.cloud.certificates import Certificates, certificates
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.ports import free_ports, is_free
from analysis_jobs_dev.cloud.postgres import PostgreSQL


@pytest.fixture
def trusted(postgres_server: PostgreSQL, tmp_path: Path) -> Certificates:
    """Return certificates. Skipped without an installed server."""
    assert postgres_server.running
    return certificates(tmp_path / "certificates")


def test_committed_data_survives_a_restart_on_another_port(tmp_path: Path, trusted: Certificates) -> None:
    first, second = free_ports(2)
    before = PostgreSQL(tmp_path, trusted, first)
    with before:
        login = before.database("books", "CREATE TABLE notes AS SELECT 'kept' AS text")
        still_connected = login.connect()
    still_connected.close()
    assert not before.running
    assert is_free(first)
    after = PostgreSQL(tmp_path, trusted, second)
    try:
        with after, after.database("books").connect() as connection:
            assert connection.execute("SELECT text FROM notes").fetchone() == ("kept",)
    finally:
        after.forget()


def test_a_start_succeeds_after_an_interrupted_start(tmp_path: Path, trusted: Certificates) -> None:
    server = PostgreSQL(tmp_path, trusted, free_ports(1)[0])
    (server._home / "data.new").mkdir()  # noqa: SLF001 - as an initdb that was killed leaves it
    (server._home / "data").mkdir()  # noqa: SLF001
    try:
        with server, server.superuser.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.forget()


def test_it_refuses_plain_text_and_wrong_passwords(postgres_server: PostgreSQL) -> None:
    login = postgres_server.superuser
    where = {"host": login.host, "port": str(login.port), "user": login.username}
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(**where, password=login.password, sslmode="disable")  # type: ignore[arg-type]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**where, password="x", sslmode="require")  # type: ignore[arg-type]


def test_an_occupied_port_is_a_clear_error(postgres_server: PostgreSQL, tmp_path: Path, trusted: Certificates) -> None:
    second = PostgreSQL(tmp_path, trusted, postgres_server.port)
    try:
        with pytest.raises(CloudError, match="PostgreSQL did not start"):
            second.start()
    finally:
        second.forget()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps the data elsewhere")
def test_the_data_of_a_deleted_folder_are_removed(tmp_path: Path, trusted: Certificates) -> None:
    gone = PostgreSQL(tmp_path / "first", trusted, 1)._home  # noqa: SLF001 - where its data are
    assert gone.is_dir()
    assert not gone.is_relative_to(tmp_path), "other users cannot enter pytest's folders"
    (tmp_path / "first").rmdir()
    server = PostgreSQL(tmp_path / "second", trusted, 1)
    assert not gone.exists()
    server.forget()
    assert not list(gone.parent.glob(f"{server._home.name}*"))  # noqa: SLF001


def test_without_a_server_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BIN", str(tmp_path))
    with pytest.raises(CloudError, match=r"PG_BIN is .*: there are no postgres and initdb in it"):
        postgres.binaries()
    monkeypatch.delenv("PG_BIN")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres_server, "USUAL_PLACES", ())
    with pytest.raises(CloudError, match="apt-get install postgresql"):
        postgres.binaries()


def test_the_newest_of_several_versions_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("9", "16", "15"):
        folder = tmp_path / version / "bin"
        folder.mkdir(parents=True)
        for program in ("postgres", "initdb"):
            (folder / program).touch(mode=0o755)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(postgres_server, "USUAL_PLACES", (f"{tmp_path}/*/bin",))
    assert postgres.binaries() == tmp_path / "16" / "bin"
