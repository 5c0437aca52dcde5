"""Templates of subjects, for example `users/{user_id}/{context}`. Request fields or path parameters fill them."""

import string
from collections.abc import Mapping
from typing import Any

from analysis_jobs.base.field_errors import FieldError
from analysis_jobs.jobs.request_errors import InvalidRequestError


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
    return template.format(**given)
