"""Errors of single fields: pydantic's errors in the form that callers, logs and models read."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticKnownError

from analysis_jobs.base.values import dataclass

_HIDDEN = "…"  # stands for a part of the path that may come from the value
_PARTS_SHOWN = 20
# The messages of these types contain text that a validator wrote or that comes from the value.
_QUOTING = {
    "assertion_error",
    "bytes_invalid_encoding",
    "datetime_object_invalid",
    "get_attribute_error",
    "iteration_error",
    "mapping_type",
    "timezone_offset",
    "union_tag_invalid",
    "url_parsing",
    "url_syntax_violation",
    "uuid_parsing",
    "value_error",
}
_TYPE = re.compile(r"[a-z][a-z0-9_.]{0,60}")


@dataclass(frozen=True)
class FieldError:
    """An error in one field. `field` is its path, for example `input.document`."""

    field: str
    message: str


def field_errors(error: ValidationError, prefix: str = "", whole: str = "body") -> list[FieldError]:
    """Return pydantic's errors as field errors, for the one who sent the value.

    A message may quote the value: a validator's own message, or an unknown tag of a union. So do a path's keys. For
    everybody else use `redacted_errors`. `prefix` goes before each path. `whole` names an error without a path.
    """
    return [
        FieldError(".".join(map(str, ((prefix,) if prefix else ()) + found["loc"])) or whole, found["msg"])
        for found in _errors(error)
    ]


def redacted_errors(error: ValidationError, model: type[BaseModel] | None, whole: str = "") -> list[FieldError]:
    """Return pydantic's errors without any part of the value, for logs and for the error of a job.

    A path shows numbers and the names that `model` declares. A message is pydantic's own, or else only the error's
    type. `whole` names an error without a path (default: the name of the model).
    """
    names = _names(model)
    path = whole or (model.__name__ if model else "value")
    return [
        FieldError(".".join(_shown(part, names) for part in found["loc"][:_PARTS_SHOWN]) or path, _own_message(found))
        for found in _errors(error)
    ]


def describe(errors: Sequence[FieldError]) -> str:
    """Return the errors as one line."""
    return "; ".join(f"{error.field}: {error.message}" for error in errors)


def _errors(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_input=False)


def _shown(part: int | str, names: set[str]) -> str:
    return str(part) if isinstance(part, int) or part in names else _HIDDEN


def _own_message(found: ErrorDetails) -> str:
    """Return pydantic's message for the error's type, built anew: a validator may give any text as the message."""
    kind = found["type"]
    if kind not in _QUOTING:
        with suppress(KeyError, TypeError, ValueError):
            return PydanticKnownError(kind, found.get("ctx")).message()  # type: ignore[arg-type]  # any text
    return f"is invalid ({kind})" if _TYPE.fullmatch(kind) else "is invalid"


def _names(model: type[BaseModel] | None) -> set[str]:
    """Return the names that a model declares: fields, aliases, models within it, and tags of unions."""
    if model is None:
        return set()
    names: set[str] = set()
    for by_alias in (True, False):
        try:
            names.update(_declared(model.model_json_schema(by_alias=by_alias)))
        except Exception:  # noqa: BLE001 - not every model has a JSON schema; then only its own fields are shown
            names.update(model.model_fields)
            names.update(field.alias for field in model.model_fields.values() if field.alias)
    return names


def _declared(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key in ("properties", "$defs"):
            yield from schema.get(key, ())
        discriminator = schema.get("discriminator")
        yield from discriminator.get("mapping", ()) if isinstance(discriminator, Mapping) else ()
        parts: Iterable[Any] = schema.values()
    else:
        parts = schema if isinstance(schema, list) else ()
    for part in parts:
        yield from _declared(part)
