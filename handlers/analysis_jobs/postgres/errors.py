"""Turns PostgreSQL's errors into `Fail`, `Retry` or `Defer`. The functions are pure, and tested as tables.

`Defer` is for temporary states, and for errors that an operator must fix. `Fail` is for errors that the statement or
its values cause. `Retry` is for errors that may not come again. The message is the server's primary message, up to the
first value in it. Its details are left out, because they quote rows.
"""

import re
from datetime import timedelta

from analysis_jobs.base.errors import Defer, Fail, JobError, Retry

# By SQLSTATE, then by the class of the SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
_STATES: dict[str, tuple[type[JobError], str]] = {
    "25006": (Defer, "database_unavailable"),  # read-only: after a failover, this is the old primary
    "25P03": (Retry, "database_connection"),  # idle in a transaction for too long, because Lambda froze us
    "28000": (Defer, "database_login_refused"),
    "28P01": (Defer, "database_login_refused"),
    "40001": (Defer, "database_conflict"),  # serialization failure
    "40P01": (Defer, "database_conflict"),  # deadlock
    "42501": (Fail, "database_denied"),
    "55P03": (Defer, "database_busy"),  # another transaction holds a lock for too long
    "57014": (Retry, "database_timeout"),  # statement_timeout
    "57P01": (Defer, "database_unavailable"),  # the server shuts down, or an administrator ended the session
    "57P02": (Retry, "database_connection"),  # the server crashed, perhaps because of this statement
    "57P03": (Defer, "database_unavailable"),  # the server starts
}
_CLASSES: dict[str, tuple[type[JobError], str]] = {
    "08": (Retry, "database_connection"),
    "0A": (Fail, "database_query_invalid"),
    "22": (Fail, "database_value_refused"),
    "23": (Fail, "database_value_refused"),
    "25": (Fail, "database_query_invalid"),
    "26": (Fail, "database_query_invalid"),
    "3D": (Fail, "database_query_invalid"),
    "3F": (Fail, "database_query_invalid"),
    "42": (Fail, "database_query_invalid"),
    "44": (Fail, "database_value_refused"),  # WITH CHECK OPTION
    "53": (Defer, "database_busy"),  # connections, memory, disk
    "54": (Fail, "database_query_invalid"),
    "P0": (Fail, "database_value_refused"),  # RAISE in a trigger or a function
}
_OTHER = (Retry, "database_error")
# Errors without a SQLSTATE are psycopg's own. By the name of their class.
_CLIENT_ERRORS: dict[str, tuple[type[JobError], str]] = {
    "OperationalError": (Retry, "database_connection"),
    "DataError": (Fail, "database_value_refused"),  # a NUL character in a text
}
_OTHER_CLIENT_ERROR = (Fail, "database_query_invalid")

# The server's messages of these classes and states quote values after a colon or in quotation marks.
_QUOTE_VALUES = ("22", "42601")
# The server writes the messages of these classes. Functions and triggers write those of other states and of `P0`.
_SERVER_CLASSES = _CLASSES.keys() - {"P0"} | {"20", "21", "24", "28", "34", "40", "55", "57", "58", "F0", "XX"}
_VALUE = re.compile('[:"\u00ab\u201e\u201c\u300c].*', re.DOTALL)

# libpq does not report the SQLSTATE of a refused connection, so we match the server's message. It is in the server's
# language. If that is not English, a refusal counts as an outage. Both are deferred.
# https://github.com/psycopg/psycopg/issues/1188
_REFUSED = re.compile(
    r"(password|PAM|LDAP|certificate) authentication failed|role .* does not exist|no password supplied"
    r"|no pg_hba\.conf entry|pg_hba\.conf rejects|not permitted to log in|permission denied for database"
)
_UNTRUSTED = re.compile(
    r"certificate verify failed|does not match host name|does not support SSL|SSL error|certificate authentication"
)
_NO_DATABASE = re.compile(r"database .* does not exist")
_BUSY = re.compile(r"too many (clients|connections)|remaining connection slots")
_SHORT_WAIT = timedelta(seconds=30)


def statement_error(sqlstate: str | None, message: str, name: str) -> JobError:
    """Return the error for a job after a failed statement or commit. `name` is the name of psycopg's class."""
    if sqlstate is not None:
        error_type, code = _STATES.get(sqlstate, _CLASSES.get(sqlstate[:2], _OTHER))
        return error_type(code, f"PostgreSQL {sqlstate}: {_without_values(sqlstate, message)}")
    error_type, code = _CLIENT_ERRORS.get(name, _OTHER_CLIENT_ERROR)
    if code == "database_connection":  # libpq's own message contains host names
        message = "the connection to the database was lost"
    return error_type(code, _VALUE.sub("…", message) if code == "database_value_refused" else message)


def _without_values(sqlstate: str, message: str) -> str:
    """Return the server's message without the values of the statement, which may come from a document."""
    if sqlstate[:2] not in _SERVER_CLASSES:
        return "a function or a trigger of the database raised this error"
    return _VALUE.sub("…", message) if sqlstate.startswith(_QUOTE_VALUES) else message


def connection_error(message: str, secret: str) -> JobError:
    """Return the error for a job after a failed connection. `secret` is the variable that names the login.

    It is always `Defer`: somebody must fix the login or the server, and the job waits until its deadline. Our message
    replaces libpq's, which contains host names.
    """
    if _UNTRUSTED.search(message):
        return Defer(
            "database_untrusted",
            f"the certificate of the database of {secret} is not trusted, or names another host: give the certificates "
            "of its authority, as `sslrootcert` in the secret or in DATABASE_CA_BUNDLE",
        )
    if _REFUSED.search(message):
        return Defer("database_login_refused", f"the database refuses the login of {secret}: correct the secret")
    if _NO_DATABASE.search(message):
        return Defer(
            "database_login_refused", f"the server does not have the database that {secret} names: correct the secret"
        )
    if _BUSY.search(message):
        return Defer("database_busy", f"the database of {secret} accepts no more connections", _SHORT_WAIT)
    return Defer("database_unavailable", f"the worker cannot reach the database of {secret}")


def is_login_refusal(error: JobError) -> bool:
    """Tell whether another user name, password or database name could help. Then the secret is read again."""
    return error.code == "database_login_refused"
