"""The decision for each error of PostgreSQL, as a complete table."""

import pytest

from analysis_jobs import Defer, Fail, Retry
from analysis_jobs.base.errors import JobError
from analysis_jobs.postgres.errors import connection_error, is_login_refusal, statement_error

HOST = 'connection failed: connection to server at "10.0.3.7", port 5432 failed: '

STATEMENTS = [
    ("08006", Retry, "database_connection"),
    ("0A000", Fail, "database_query_invalid"),
    ("21000", Retry, "database_error"),
    ("22001", Fail, "database_value_refused"),
    ("22P02", Fail, "database_value_refused"),
    ("23502", Fail, "database_value_refused"),
    ("23505", Fail, "database_value_refused"),
    ("25006", Defer, "database_unavailable"),
    ("25P02", Fail, "database_query_invalid"),
    ("25P03", Retry, "database_connection"),
    ("26000", Fail, "database_query_invalid"),
    ("28000", Defer, "database_login_refused"),
    ("28P01", Defer, "database_login_refused"),
    ("3D000", Fail, "database_query_invalid"),
    ("3F000", Fail, "database_query_invalid"),
    ("40001", Defer, "database_conflict"),
    ("40P01", Defer, "database_conflict"),
    ("40003", Retry, "database_error"),
    ("42501", Fail, "database_denied"),
    ("42601", Fail, "database_query_invalid"),
    ("42P01", Fail, "database_query_invalid"),
    ("44000", Fail, "database_value_refused"),
    ("53100", Defer, "database_busy"),
    ("53300", Defer, "database_busy"),
    ("54000", Fail, "database_query_invalid"),
    ("55P03", Defer, "database_busy"),
    ("57014", Retry, "database_timeout"),
    ("57P01", Defer, "database_unavailable"),
    ("57P02", Retry, "database_connection"),
    ("57P03", Defer, "database_unavailable"),
    ("P0001", Fail, "database_value_refused"),
    ("XX000", Retry, "database_error"),
]


@pytest.mark.parametrize(("sqlstate", "kind", "code"), STATEMENTS)
def test_a_failed_statement_has_the_decision_of_its_sqlstate(sqlstate: str, kind: type[JobError], code: str) -> None:
    found = statement_error(sqlstate, "the server's words", "DatabaseError")
    words = "a function or a trigger of the database raised this error" if sqlstate[0] == "P" else "the server's words"
    assert (type(found), found.code, found.message) == (kind, code, f"PostgreSQL {sqlstate}: {words}")


@pytest.mark.parametrize(
    ("sqlstate", "message", "shown"),
    [
        ("22P02", 'invalid input syntax for type integer: "a secret"', "invalid input syntax for type integer…"),
        ("22P02", "ung\u00fcltige Eingabe f\u00fcr \u201ea secret\u201c", "ung\u00fcltige Eingabe f\u00fcr …"),
        ("22003", 'value "a secret" is out of range for type integer', "value …"),
        ("42601", 'syntax error at or near "a secret"', "syntax error at or near …"),
        ("23505", 'duplicate key value violates "books_key"', 'duplicate key value violates "books_key"'),
        ("P0001", "a secret", "a function or a trigger of the database raised this error"),
        ("AB123", "a secret", "a function or a trigger of the database raised this error"),
    ],
)
def test_the_message_quotes_no_value_of_the_statement(sqlstate: str, message: str, shown: str) -> None:
    assert statement_error(sqlstate, message, "DataError").message == f"PostgreSQL {sqlstate}: {shown}"


@pytest.mark.parametrize(
    ("name", "kind", "code", "message"),
    [
        ("OperationalError", Retry, "database_connection", "the connection to the database was lost"),
        ("DataError", Fail, "database_value_refused", "connection failed…"),
        ("ProgrammingError", Fail, "database_query_invalid", HOST),
        ("InterfaceError", Fail, "database_query_invalid", HOST),
    ],
)
def test_an_error_of_psycopg_itself_has_its_decision(name: str, kind: type[JobError], code: str, message: str) -> None:
    found = statement_error(None, HOST, name)
    assert (type(found), found.code, found.message) == (kind, code, message)


CONNECTING = [
    ('FATAL:  password authentication failed for user "books"', "database_login_refused"),
    ('FATAL:  PAM authentication failed for user "books"', "database_login_refused"),
    ('FATAL:  role "books" does not exist', "database_login_refused"),
    ('FATAL:  role "books" is not permitted to log in', "database_login_refused"),
    ('FATAL:  database "books" does not exist', "database_login_refused"),
    ('FATAL:  permission denied for database "books"', "database_login_refused"),
    ("fe_sendauth: no password supplied", "database_login_refused"),
    ('FATAL:  no pg_hba.conf entry for host "10.0.3.9", user "books", no encryption', "database_login_refused"),
    ("SSL error: certificate verify failed", "database_untrusted"),
    ('server certificate for "a" does not match host name "b"', "database_untrusted"),
    ("server does not support SSL, but SSL was required", "database_untrusted"),
    ("FATAL:  sorry, too many clients already", "database_busy"),
    ('FATAL:  too many connections for role "books"', "database_busy"),
    ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "database_busy"),
    ("FATAL:  the database system is starting up", "database_unavailable"),
    ("Connection refused", "database_unavailable"),
    ("connection timeout expired", "database_unavailable"),
    ('could not translate host name "books.rds" to address: Name or service not known', "database_unavailable"),
    ("FATAL:  was auch immer", "database_unavailable"),
]


@pytest.mark.parametrize(("message", "code"), CONNECTING)
def test_a_failed_connection_makes_the_job_wait_and_the_message_names_no_host(message: str, code: str) -> None:
    found = connection_error(f"{HOST}{message}", "DATABASE_SECRET")
    assert (type(found), found.code) == (Defer, code)
    assert "10.0.3.7" not in found.message
    assert is_login_refusal(found) is (code == "database_login_refused")
