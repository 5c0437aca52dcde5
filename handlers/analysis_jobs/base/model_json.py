"""The one way in which values of pydantic models become JSON, and JSON becomes values again.

JSON that crosses the API (inputs, answers of models, results) has the names that the OpenAPI document shows: `accept`
reads it, and `present` writes it. JSON that only this library reads (stored inputs, checkpoints) is written by `keep`
and `keep_input`, and read by `restore`. They read back what they write, so that a value that JSON would change is
noticed before anything depends on it.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    PydanticUserError,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import from_json, to_json, to_jsonable_python

from analysis_jobs.base.model_checks import names_of

Model = TypeVar("Model", bound=BaseModel)

_HIDDEN = "…"  # stands for a part of a path that comes from the value
_SECRETS = (SecretStr, SecretBytes, Secret)


class NotKeptError(ValueError):
    """JSON cannot keep a value. `field` is the dotted path of the field that is lost; empty for the whole value.

    The message contains no value, because values may be confidential.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


def accept(model: type[Model], given: Any) -> Model:
    """Validate JSON from outside, under the names of the model's validation schema.

    Strict models accept what JSON has: texts for dates, lists for sets. Raises `ValidationError`, and another
    `ValueError` for a value that is not JSON.
    """
    return model.model_validate_json(to_json(given))


def convert(model: type[Model], value: Any) -> Model:
    """Return what Python code made as an instance of the model: the instance itself, or a mapping converted.

    The mapping may contain Python values such as dates and other models, or JSON, for example a checkpoint. It has the
    names or the aliases of fields. Raises `ValidationError`.
    """
    if isinstance(value, model):
        return value
    try:
        return model.model_validate(value, by_alias=True, by_name=True)
    except ValidationError as error:
        try:
            return model.model_validate_json(to_json(value, by_alias=False), by_alias=True, by_name=True)
        except ValueError:
            raise error from None


def present(value: BaseModel) -> Any:
    """Return an instance as JSON for callers, under the names of the model's serialization schema.

    Raises `ValueError` if JSON cannot contain it.
    """
    body = value.model_dump(mode="json", by_alias=True)
    json.dumps(body, allow_nan=False)
    return body


def keep(kind: Any, value: Any) -> bytes:
    """Return JSON from which `restore` makes the same value of the type `kind`. Raises as `keep_and_restore` does."""
    return keep_and_restore(kind, value)[0]


def keep_and_restore(kind: Any, value: Any) -> tuple[bytes, Any]:
    """Return JSON from which `restore` makes the same value of the type `kind`, and the value that it makes.

    Raises `NotKeptError` if there is none, and `PydanticUserError` if pydantic does not support the type.
    """
    return _first_that_keeps(kind, value, (_by_name(value), _by_alias(value)))


def keep_input(model: type[BaseModel], request: BaseModel, given: Any) -> bytes:
    """Return JSON from which `restore` makes the same `request`. `given` is the JSON from which `accept` made it.

    The request's own JSON is preferred, because it contains the defaults: one may be a time, or random. If it loses
    something, `given` is kept, with the defaults if possible. Raises `NotKeptError` if all forms lose something.
    """
    forms = (
        _by_alias(request),
        _by_name(request),
        lambda: to_json(_with_defaults(request, given)),
        lambda: to_json(given),
    )
    return _first_that_keeps(model, request, forms)[0]


def restore(kind: Any, kept: bytes) -> Any:
    """Return the value of the type `kind` that was kept.

    It reads field names too, because checkpoints and the inputs of earlier versions have them. Raises
    `ValidationError` if the value does not fit the type, and `PydanticUserError` if pydantic does not support the type.
    """
    return _adapter(_Kind(kind)).validate_json(kept, by_alias=True, by_name=True)


class _Kind:
    """A type as the key of a cache, compared by identity: `A | B` equals `B | A`, but may validate in another way."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def __hash__(self) -> int:
        return id(self.kind)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kind) and self.kind is other.kind


@lru_cache(maxsize=128)
def _adapter(key: _Kind) -> TypeAdapter[Any]:
    """Return pydantic's adapter of a type. Making one takes 0.1 ms, and `job.each` needs it for each item."""
    return TypeAdapter(key.kind)


def has_secret(value: Any) -> bool:
    """Tell whether a part of a value is a secret, which pydantic writes as asterisks."""
    return any(isinstance(part, _SECRETS) for part in parts_of(value))


def has_nan(value: Any) -> bool:
    """Tell whether a part of a value is NaN or infinity, which pydantic writes as null within models."""
    return any(isinstance(part, float) and not math.isfinite(part) for part in parts_of(value))


def parts_of(value: Any) -> Iterator[Any]:
    """Yield the parts of a value that are neither models, dataclasses nor collections."""
    match value:
        case BaseModel():
            inner: Any = [*_fields_of(value).values(), value.model_extra or {}]
        case Mapping():
            inner = value.values()
        case list() | tuple() | AbstractSet():
            inner = value
        case _ if is_dataclass(value) and not isinstance(value, type):
            inner = [getattr(value, field.name, None) for field in fields(value)]
        case _:
            yield value
            return
    for part in inner:
        yield from parts_of(part)


def _by_name(value: Any) -> Callable[[], bytes]:
    return lambda: to_json(value, round_trip=True, by_alias=False)


def _by_alias(value: Any) -> Callable[[], bytes]:
    return lambda: to_json(value, round_trip=True, by_alias=True)


def _with_defaults(value: Any, given: Any) -> Any:
    """Return `given` with the fields that it left out, as far as they are found."""
    match value, given:
        case BaseModel(), dict():
            written = value.model_dump(mode="json", round_trip=True, by_alias=False, exclude=value.model_fields_set)
            filled = given | (written if isinstance(written, dict) else {})
            for name in value.model_fields_set & type(value).model_fields.keys():
                for key in names_of(type(value), name):
                    if key in given:
                        filled[key] = _with_defaults(getattr(value, name), given[key])
            return filled
        case ((list() | tuple()), list()) if len(value) == len(given):
            return [_with_defaults(*pair) for pair in zip(value, given, strict=True)]
        case dict(), dict():
            return {key: _with_defaults(value.get(key), each) for key, each in given.items()}
    return given


def _first_that_keeps(kind: Any, value: Any, forms: Sequence[Callable[[], bytes]]) -> tuple[bytes, Any]:
    failures: list[NotKeptError] = []
    for form in forms:
        try:
            return _checked(kind, value, form())
        except NotKeptError as error:
            failures.append(error)
        except PydanticUserError:
            raise
        except Exception as error:  # noqa: BLE001 - serializers and validators of the model may raise anything
            failures.append(NotKeptError("", f"JSON cannot hold it ({type(error).__name__})"))
    raise failures[0]


def _checked(kind: Any, value: Any, body: bytes) -> tuple[bytes, Any]:
    """Return `body` and what it restores, if that is the value.

    Raises `NotKeptError`, and `ValueError` for NaN and infinity.
    """
    from_json(body, allow_inf_nan=False)
    try:
        restored = restore(kind, body)
    except ValidationError as error:
        from analysis_jobs.base.error_facts import reason  # noqa: PLC0415 - a declaration must be fast to import

        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        raise NotKeptError("", f"it does not fit its type when read back: {reason(error, model)}") from error
    lost = None if _is_equal(restored, value) else _difference(restored, value)
    if lost is not None:
        raise NotKeptError(lost, "it is another value when read back from JSON")
    return body, restored


def _is_equal(restored: Any, value: Any) -> bool:
    """Compare the values as a whole, which is fast for large ones. Some types raise an error."""
    try:
        return bool(restored == value)
    except Exception:  # noqa: BLE001 - a type may raise anything: then its fields are compared one by one
        return False


def _difference(restored: Any, value: Any, path: str = "", *, in_model: bool = False) -> str | None:
    """Return the path of the first field that differs; None if none does.

    Outside of models a difference in type is a conversion to the declared type, for example of a dictionary to a model.
    """
    pairs = _pairs(restored, value)
    if pairs is None:
        return None if _same_leaf(restored, value, in_model=in_model) else path
    in_model = in_model or isinstance(restored, BaseModel)
    for name, one, other in pairs:
        inner = f"{path}.{name}" if path and name else path or name
        found = _difference(one, other, inner, in_model=in_model)
        if found is not None:
            return found
    return None


def _pairs(restored: Any, value: Any) -> list[tuple[str, Any, Any]] | None:
    """Return the parts of both values that belong together, with their names. None if they have no such parts."""
    match restored, value:
        case RootModel(), RootModel():
            return [("", restored.root, value.root)]
        case BaseModel(), BaseModel():
            theirs = _fields_of(value)
            # An instance of a subclass is restored as the declared class.
            pairs = [(name, each, theirs.get(name)) for name, each in _fields_of(restored).items()]
            return [*pairs, ("", restored.model_extra or {}, value.model_extra or {})]
        case Mapping(), Mapping() if restored.keys() == value.keys():
            return [(_HIDDEN, each, value[key]) for key, each in restored.items()]  # a key is a part of the value
        case ((list() | tuple()), (list() | tuple())) if len(restored) == len(value):
            return [(str(place), *pair) for place, pair in enumerate(zip(restored, value, strict=True))]
    if is_dataclass(restored) and type(restored) is type(value):
        names = [field.name for field in fields(restored) if field.compare]
        return [(name, getattr(restored, name, None), getattr(value, name, None)) for name in names]
    return None


def _fields_of(model: BaseModel) -> dict[str, Any]:
    return {name: model.__dict__.get(name) for name in type(model).model_fields}


def _same_leaf(restored: Any, value: Any, *, in_model: bool) -> bool:
    if restored is value or _equal(restored, value):
        return True
    if isinstance(restored, Enum) or isinstance(value, Enum):
        return _equal(getattr(restored, "value", restored), getattr(value, "value", value))
    if isinstance(restored, BaseModel) and isinstance(value, Mapping):
        return True
    if type(restored) is not type(value):
        return not in_model or _is_json_of(restored, value)
    # A type that does not define equality: look at what is in it.
    without_equality = "__eq__" not in {name for base in type(value).__mro__[:-1] for name in vars(base)}
    return _is_json_of(restored, value) or (
        without_equality
        and _difference(getattr(restored, "__dict__", {}), getattr(value, "__dict__", {}), in_model=in_model) is None
    )


def _is_json_of(restored: Any, value: Any) -> bool:
    """Tell whether a value of an undetermined type (`Any`, or `dict` without types) is restored as its plain JSON."""
    if isinstance(value, str) or has_secret(value):
        return False
    try:
        return bool(restored == to_jsonable_python(value, round_trip=True, by_alias=False))
    except Exception:  # noqa: BLE001 - a serializer may raise anything
        return False


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other) or bool(one != one and other != other)  # noqa: PLR0124 - both are NaN
    except Exception:  # noqa: BLE001 - some types, such as arrays, do not compare to one truth value: we cannot tell
        return True
