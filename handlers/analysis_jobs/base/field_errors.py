"""Errors of single fields: pydantic's errors in the form that callers, logs and models read."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError


@dataclass(frozen=True)
class FieldError:
    """An error in one field. `field` is its path, for example `input.document`."""

    field: str
    message: str


def field_errors(error: ValidationError, prefix: str = "", whole: str = "body") -> list[FieldError]:
    """Return pydantic's errors as field errors.

    `prefix` goes before each path. `whole` names an error without a path.
    """
    return [
        FieldError(".".join(map(str, ((prefix,) if prefix else ()) + found["loc"])) or whole, found["msg"])
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def describe(errors: Sequence[FieldError]) -> str:
    """Return the errors as one line."""
    return "; ".join(f"{error.field}: {error.message}" for error in errors)
