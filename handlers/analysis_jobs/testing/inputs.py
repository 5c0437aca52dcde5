"""The input of a job under test. Paths of files become uploaded documents."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import to_json, to_jsonable_python

from analysis_jobs.documents import Document

[_DOCUMENT_PATTERN] = [each.pattern for each in get_args(Document) if isinstance(each, StringConstraints)]


def prepared(request: type[BaseModel], given: BaseModel | Mapping[str, Any], upload: Callable[[Any], str]) -> Any:
    """Return an input as JSON. Every path of a file becomes the name of a document.

    That is every `Path`, and every text in a field of the type `Document` that is not the name of a document. `upload`
    uploads a file, and returns its name.
    """
    plain = given.model_dump(by_alias=True) if isinstance(given, BaseModel) else dict(given)
    value = to_jsonable_python(_without_paths(plain, upload))
    try:
        request.model_validate_json(to_json(value))
    except ValidationError as error:
        for wrong in error.errors(include_url=False):
            if wrong["type"] == "string_pattern_mismatch" and wrong["ctx"]["pattern"] == _DOCUMENT_PATTERN:
                _replace(value, wrong["loc"], upload)
    return value


def _without_paths(value: Any, upload: Callable[[Any], str]) -> Any:
    match value:
        case Path():
            return upload(value)
        case Mapping():
            return {name: _without_paths(each, upload) for name, each in value.items()}
        case list() | tuple():
            return [_without_paths(each, upload) for each in value]
    return value


def _replace(value: Any, location: tuple[int | str, ...], upload: Callable[[Any], str]) -> None:
    """Upload the file whose path is at a location of pydantic. A location also names the members of a union."""
    holder, key = None, None
    for step in location:
        inner = holder[key] if holder is not None else value
        is_step = (isinstance(inner, dict) and step in inner) or (
            isinstance(inner, list) and isinstance(step, int) and step < len(inner)
        )
        if is_step:
            holder, key = inner, step
    if holder is not None and isinstance(holder[key], str):
        holder[key] = upload(holder[key])


def as_type(kind: Any, value: Any) -> Any:
    """Return JSON as an instance of a type, under aliases or names."""
    return TypeAdapter(kind).validate_json(to_json(value), by_alias=True, by_name=True)
