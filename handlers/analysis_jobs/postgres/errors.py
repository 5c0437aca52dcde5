"""What to do about an error of PostgreSQL: pure functions from what it says to a `JobError`, tested as tables.

What passes, or is for somebody else to mend, is waited for (`Defer`); what the statement or its values cause would come
back (`Fail`); what may have been the moment is tried again (`Retry`). Messages are the server's primary ones, without
its details: those quote rows.
"""

import re
from datetime import timedelta

from analysis_jobs.base.errors import Defer, Fail, JobError, Retry

# SQLSTATEs, and below them their classes: https://www.postgresql.org/docs/current/errcodes-appendix.html
_STATES: dict[str, tuple[type[JobError], str]] = {
    "25006": (Defer, "database_unavailable"),  # read only: a failover, and this is the instance of before
    "25P03": (Retry, "database_connection"),  # idle in a transaction for too long: we were frozen
    "28000": (Defer, "database_login_refused"),
    "28P01": (Defer, "database_login_refused"),
    "40001": (Defer, "database_conflict"),  # serialization
    "40P01": (Defer, "database_conflict"),  # deadlock
    "42501": (Fail, "database_denied"),
    "55P03": (Defer, "database_busy"),  # somebody else holds a row for too long
    "57014": (Retry, "database_timeout"),  # statement_timeout
    "57P01": (Defer, "database_unavailable"),  # shutting down, or an administrator ended the session
    "57P02": (Retry, "database_connection"),  # a crash, perhaps of this very statement
    "57P03": (Defer, "database_unavailable"),  # starting up
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
    "P0": (Fail, "database_value_refused"),  # RAISE, of a trigger or a function
}
_OTHER = (Retry, "database_error")
# Without a SQLSTATE it is psycopg's own, by its class.
_OF_CLIENT: dict[str, tuple[type[JobError], str]] = {
    "OperationalError": (Retry, "database_connection"),
    "DataError": (Fail, "database_value_refused"),  # a NUL within a text
}
_MISUSED = (Fail, "database_query_invalid")

# libpq keeps the SQLSTATE of a refused connection to itself, so its words decide. They are the server's, in its
# language: in another than English a refusal is taken for an outage, which waits as well.
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


def of_statement(sqlstate: str | None, message: str, name: str) -> JobError:
    """Return what the error of a statement or a commit deserves; `name` is that of psycopg's class."""
    if sqlstate is not None:
        kind, code = _STATES.get(sqlstate, _CLASSES.get(sqlstate[:2], _OTHER))
        return kind(code, f"PostgreSQL {sqlstate}: {message}")
    kind, code = _OF_CLIENT.get(name, _MISUSED)
    if code == "database_connection":  # libpq's own words name hosts
        message = "the connection to the database was lost"
    return kind(code, message)


def of_connecting(message: str, secret: str) -> JobError:
    """Return what a connection that was not made deserves. `secret` names the variable; libpq's own words name hosts.

    All of it waits for whoever can mend it, until the job's deadline: a wrong password is not the document's fault.
    """
    if _UNTRUSTED.search(message):
        return Defer(
            "database_untrusted",
            f"the database of {secret} is not the one that its certificate must name, or none that we trust: give the "
            "authority's certificates, as `sslrootcert` in the secret or in DATABASE_CA_BUNDLE",
        )
    if _REFUSED.search(message):
        return Defer("database_login_refused", f"the database refuses the login of {secret}")
    if _NO_DATABASE.search(message):
        return Defer("database_login_refused", f"the server has no database as {secret} names it")
    if _BUSY.search(message):
        return Defer("database_busy", "the database takes no more connections", _SHORT_WAIT)
    return Defer("database_unavailable", f"the database of {secret} cannot be reached")


def is_refusal(error: JobError) -> bool:
    """Tell whether another user name, password or database could help: then the secret is read again."""
    return error.code == "database_login_refused"
