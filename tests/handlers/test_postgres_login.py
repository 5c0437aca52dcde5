"""Parsing a database secret. Every refusal names the secret and the key."""

from pathlib import Path
from typing import Any

import pytest

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.postgres.login import parse_login

# The form that Secrets Manager writes for an RDS instance.
RDS = {
    "username": "analyst",
    "password": "p@ss:word/1",
    "engine": "postgres",
    "host": "books.c9akciq32.eu-west-1.rds.amazonaws.com",
    "port": 5432,
    "dbname": "books",
    "dbInstanceIdentifier": "books",
}


def _login(**changes: Any) -> Any:
    given = {key: value for key, value in (RDS | changes).items() if value is not None}
    return parse_login("DATABASE_SECRET", given, "")


def test_a_secret_of_rds_is_a_login_with_certificate_verification() -> None:
    found = _login()
    assert (found.host, found.port, found.username, found.password, found.database, found.sslmode) == (
        RDS["host"],
        5432,
        "analyst",
        "p@ss:word/1",
        "books",
        "verify-full",
    )
    assert Path(found.ca_bundle).is_file(), "the default are the public authorities"
    assert "p@ss" not in repr(found)


def test_the_port_is_a_number_a_string_or_the_default() -> None:
    assert [_login(port=given).port for given in (5433, "5433", None)] == [5433, 5433, 5432]


def test_a_secret_may_have_both_keys_for_the_database() -> None:
    assert _login(database="a", dbname="b").database == "a"


def test_the_ca_bundle_of_the_secret_takes_precedence_over_that_of_the_function(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    for bundle in (ours, theirs):
        bundle.touch()
    assert parse_login("S", RDS, str(ours)).ca_bundle == str(ours)
    assert parse_login("S", RDS | {"sslrootcert": str(theirs)}, str(ours)).ca_bundle == str(theirs)
    assert parse_login("S", RDS | {"sslrootcert": "system"}, str(ours)).ca_bundle not in (str(ours), str(theirs))
    assert parse_login("S", RDS | {"sslmode": "require"}, str(ours)).ca_bundle == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dbname": None}, "has no 'database' or 'dbname'"),
        ({"dbname": ""}, "has no 'database' or 'dbname'"),
        ({"host": None}, "has no 'host'"),
        ({"host": 5}, "has no 'host'"),
        ({"username": None}, "has no 'username'"),
        ({"password": None}, "has no 'password'"),
        ({"port": "many"}, "has port 'many': give a number"),
        ({"engine": "mysql"}, "engine 'mysql'"),
        ({"sslmode": "prefer"}, "sslmode 'prefer': give verify-full, verify-ca, require"),
        ({"sslmode": "disable"}, "`disable` is for a server on this machine"),
        ({"sslrootcert": "nowhere.pem"}, "certificates nowhere.pem does not exist"),
    ],
)
def test_a_refusal_names_the_secret_and_the_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        _login(**changes)
    assert message in str(raised.value)
    assert "DATABASE_SECRET" in str(raised.value)
    assert "p@ss" not in str(raised.value)


def test_aurora_counts_as_postgresql_and_plain_text_is_allowed_on_localhost() -> None:
    assert _login(engine="aurora-postgresql").host == RDS["host"]
    assert _login(sslmode="disable", host="localhost").ca_bundle == ""
