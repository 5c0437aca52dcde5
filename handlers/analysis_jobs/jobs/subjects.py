"""Templates of subjects, for example `users/{user_id}/{context}`. Request fields or path parameters fill them."""

import string
import unicodedata
from collections.abc import Mapping
from typing import Any

from analysis_jobs.base.field_errors import FieldError
from analysis_jobs.jobs.request_errors import InvalidRequestError

# DynamoDB limits a sort key to 1,024 bytes. It contains the subject, with up to four bytes a character, and the name of
# the analysis, with up to 63 bytes.
MAX_SUBJECT_LENGTH = 230


def template_fields(template: str) -> set[str]:
    """Return the field names in a template. Raises `ValueError` for a malformed template or a field expression."""
    named = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    if strange := sorted(name for name in named if name and not name.isidentifier()):
        raise ValueError(f"give plain field names in braces, not {{{strange[0]}}}")
    return named


def fill_template(template: str, given: Mapping[str, Any]) -> str:
    """Return the template with its fields replaced by values of `given`, the request as JSON.

    Raises `InvalidRequestError` for a value that is not a text or a whole number. Empty texts and slashes are refused
    too: with them, different values could give the same subject.
    """
    errors = []
    for name in sorted(template_fields(template)):
        value = given[name]
        if isinstance(value, bool) or not isinstance(value, str | int):
            message = "this field is part of the subject: give a text or a whole number"
            errors.append(FieldError(f"input.{name}", message))
        elif str(value) == "" or "/" in str(value):
            message = "this field is part of the subject: give a text without a slash, and not an empty one"
            errors.append(FieldError(f"input.{name}", message))
    if errors:
        raise InvalidRequestError(errors)
    return normal_subject(template.format(**given))


def normal_subject(subject: str) -> str:
    """Return a subject in Unicode's normal form C. Two spellings of the same text then name the same subject.

    https://www.unicode.org/reports/tr15/
    """
    return unicodedata.normalize("NFC", subject)


def is_possible_subject(subject: str) -> bool:
    """Tell whether a job can have this subject: by its length, and without surrogates, which UTF-8 cannot encode."""
    return 1 <= len(subject) <= MAX_SUBJECT_LENGTH and not any("\ud800" <= each <= "\udfff" for each in subject)
