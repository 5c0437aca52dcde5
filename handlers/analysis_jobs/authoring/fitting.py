"""Fits a model's structured answer to its pydantic model, and says why it does not fit."""

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from analysis_jobs.authoring.answer_shape import AnswerShape
from analysis_jobs.llm.model import Reply

_MAX_CAUSE = 1_000  # characters
# The types of pydantic's errors for a text where a list or an object is expected.
_EXPECTS_JSON = {
    "dataclass_type",
    "dict_type",
    "list_type",
    "model_attributes_type",
    "model_type",
    "set_type",
    "tuple_type",
}


Model = TypeVar("Model", bound=BaseModel)
Answer = TypeVar("Answer")


def fit(shape: AnswerShape[Model], reply: Reply) -> Model:
    """Return the first object of the reply that has the shape.

    Raises `ValidationError` of the first object if none has it.
    """
    refusal: ValidationError | None = None
    for candidate in (reply.data, *reply.others):
        try:
            return _fit_object(shape.read, shape.unwrap(candidate))
        except ValidationError as error:
            refusal = refusal or error
    if refusal is None:
        raise AssertionError("a reply has at least one object to try")
    raise refusal


def cause(reply: Reply, fields: str) -> str:
    """Return why the reply does not fit: what is wrong with the answer as a whole, then with its `fields`."""
    has_object = reply.data is not None or not reply.problem
    text = "; ".join(filter(None, (reply.problem, fields if has_object else "")))
    return text if len(text) <= _MAX_CAUSE else f"{text[:_MAX_CAUSE]}…"


def _fit_object(read: Callable[[Any], Answer], data: Any) -> Answer:
    """Read an object. Where a field has its list or object as JSON text, the text is parsed."""
    try:
        return read(data)
    except ValidationError as error:
        parsed = _with_parsed_fields(data, error)
        if parsed == data:
            raise
        with suppress(ValidationError):
            return read(parsed)
        raise


def _with_parsed_fields(data: Any, error: ValidationError) -> Any:
    parsed: Any = {"answer": deepcopy(data)}
    for found in error.errors(include_url=False, include_context=False):
        written = found["input"]
        if found["type"] not in _EXPECTS_JSON or not isinstance(written, str):
            continue
        *path, last = ("answer", *found["loc"])
        with suppress(KeyError, IndexError, TypeError, ValueError):  # the path may name a part of a union
            parent = parsed
            for part in path:
                parent = parent[part]
            value = from_json(written, allow_inf_nan=False)
            if isinstance(value, dict | list) and parent[last] == written:
                parent[last] = value
    return parsed["answer"]
