"""Subjects by a template, as `users/{user_id}/{context}`: filled from a request's fields or a path's parameters."""

import string
from collections.abc import Mapping
from typing import Any

from analysis_jobs.jobs.request_errors import FieldError, InvalidRequestError


def names_in(template: str) -> set[str]:
    """Return the names that a template has. Raises `ValueError` where it is none, or names more than plain fields."""
    named = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    if strange := sorted(name for name in named if name and not name.isidentifier()):
        raise ValueError(f"give names in braces, not {{{strange[0]}}}")
    return named


def filled(template: str, given: Mapping[str, Any]) -> str:
    """Return a template filled from a request, as JSON.

    Raises `InvalidRequestError` for a value that is no text or number, or that would make two subjects look alike.
    """
    errors = []
    for name in sorted(names_in(template)):
        value = given[name]
        if isinstance(value, bool) or not isinstance(value, str | int):
            errors.append(FieldError(f"input.{name}", "it is part of the subject: give a text or a whole number"))
        elif str(value) == "" or "/" in str(value):
            errors.append(FieldError(f"input.{name}", "it is part of the subject: give a text without a slash"))
    if errors:
        raise InvalidRequestError(errors)
    return template.format(**given)
