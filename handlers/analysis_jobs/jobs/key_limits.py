"""The keys of the job table that contain text of callers, and the check that DynamoDB can store them.

DynamoDB limits a sort key to 1,024 bytes in UTF-8. It refuses a longer one, which the caller would see as a 500.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

from collections.abc import Sequence

from analysis_jobs.base.field_errors import FieldError
from analysis_jobs.jobs.request_errors import InvalidRequestError

MAX_SORT_KEY_BYTES = 1_024


def subject_sort_key(analysis: str, subject: str) -> str:
    """Return the sort key of a subject's pointer."""
    return f"subject#{analysis}#{subject}"


def rate_sort_key(analysis: str, rate: str) -> str:
    """Return the sort key of a rate's pointer. `rate` is the filled template of the rate."""
    return f"rate#{analysis}#{rate}"


def check_subject(analysis: str, subject: str, field: str = "subject") -> None:
    """Raise `InvalidRequestError`, which names `field`, if the key of the subject is too long."""
    _check(subject_sort_key(analysis, subject), subject, [field], "the subject")


def check_rate(analysis: str, rate: str, fields: Sequence[str]) -> None:
    """Raise `InvalidRequestError`, which names `fields`, if the key of the rate is too long."""
    _check(rate_sort_key(analysis, rate), rate, fields, "the rate limit's key")


def _check(key: str, text: str, fields: Sequence[str], what: str) -> None:
    size, given = _bytes(key), _bytes(text)
    if size > MAX_SORT_KEY_BYTES:
        limit = MAX_SORT_KEY_BYTES - (size - given)
        message = f"{what} has {given} bytes in UTF-8; at most {limit} bytes are allowed: give a shorter text"
        raise InvalidRequestError([FieldError(field, message) for field in fields])


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
