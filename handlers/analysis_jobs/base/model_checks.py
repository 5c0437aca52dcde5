"""Finds the fields of a model that JSON cannot carry, when an analysis is declared.

It looks at annotations only. What a serializer or a validator does is seen when a value is kept: see `model_json`.
"""

import sys
from collections.abc import Iterator
from dataclasses import is_dataclass, replace
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    PlainSerializer,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    WrapSerializer,
)
from pydantic.fields import FieldInfo

from analysis_jobs.base.values import dataclass

if sys.version_info >= (3, 12):
    from typing import TypeAliasType
else:
    from typing_extensions import TypeAliasType

_SECRETS = (SecretStr, SecretBytes, Secret)
# A JSON object never fits one of these types.
_NO_OBJECTS = (list, tuple, set, frozenset, str, bytes, int, float)


@dataclass(frozen=True)
class LostField:
    """A field that JSON loses. `field` is `Model.field`; the reason is the rest of a sentence, with the fix."""

    field: str
    reason: str


def hidden_fields(kind: Any, *, excluded_too: bool = False) -> Iterator[LostField]:
    """Yield the secrets within a type. JSON has asterisks in their place. A serializer of the field may change that.

    `excluded_too`: also secrets that `exclude` keeps out of JSON.
    """
    for found in _fields(kind):
        if found.serialized or (found.info and found.info.exclude and not excluded_too):
            continue
        if isinstance(found.type, type) and issubclass(found.type, _SECRETS):
            yield LostField(
                found.path,
                f"is a {found.type.__name__}, which becomes asterisks in JSON: keep secrets out of jobs (a stage "
                "reads them with job.secret), or give the field a serializer for JSON",
            )


def dropped_fields(kind: Any) -> Iterator[LostField]:
    """Yield the required fields within a type that `exclude` keeps out of JSON."""
    for found in _fields(kind):
        if not found.within_serialized and found.info and found.info.exclude and found.info.is_required():
            yield LostField(
                found.path,
                "is required but excluded from JSON, so it cannot be read back: give it a default, or remove `exclude`",
            )


def unnamed_fields(kind: Any) -> Iterator[LostField]:
    """Yield the fields within a type that have only a path as alias. A JSON schema cannot show the path."""
    for found in _fields(kind):
        if found.info and _has_only_paths(found.info) and not _validates_by_name(found.owner):
            yield LostField(
                found.path,
                "has no alias but an AliasPath, which a JSON schema cannot show: give AliasChoices with a name too, or "
                "set validate_by_name",
            )


def takes_object(model: type[BaseModel]) -> bool:
    """Tell whether a JSON object can fit the model. It is false for a `RootModel` of a list, a text or a number."""
    if not issubclass(model, RootModel):
        return True
    return any(_takes_object(each) for each in _plain_types(model.model_fields["root"].annotation))


def accepted_names(model: type[BaseModel]) -> set[str]:
    """Return the names of the model's fields, and their aliases."""
    return {each for name in model.model_fields for each in names_of(model, name)}


def outer_name(model: type[BaseModel], name: str) -> str:
    """Return the name by which callers give a field."""
    return names_of(model, name)[0]


def names_of(model: type[BaseModel], name: str) -> list[str]:
    """Return the aliases of a field and its name, the preferred one first."""
    aliases = _aliases(model.model_fields[name]) if name in model.model_fields else []
    return [*(each for each in aliases if isinstance(each, str)), name]


def _takes_object(kind: Any) -> bool:
    if get_origin(kind) is Literal or kind is type(None):
        return False
    base = get_origin(kind) or kind
    if isinstance(base, type) and issubclass(base, BaseModel):
        return takes_object(base)
    return not (isinstance(base, type) and issubclass(base, _NO_OBJECTS) and not is_typeddict(base))


def _plain_types(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union, without aliases and metadata; or the type itself."""
    origin = get_origin(annotation)
    if isinstance(annotation, TypeAliasType):
        yield from _plain_types(annotation.__value__)
    elif isinstance(annotation, NewType):
        yield from _plain_types(annotation.__supertype__)
    elif origin is Annotated:
        yield from _plain_types(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for each in get_args(annotation):
            yield from _plain_types(each)
    else:
        yield annotation


def _aliases(field: FieldInfo) -> list[str | AliasPath]:
    alias = field.validation_alias if field.validation_alias is not None else field.alias
    if isinstance(alias, AliasChoices):
        found: list[str | AliasPath] = list(alias.choices)
    else:
        found = [] if alias is None else [alias]
    names = (each.path[0] if isinstance(each, AliasPath) and len(each.path) == 1 else each for each in found)
    return [each if isinstance(each, AliasPath) else str(each) for each in names]


def _has_only_paths(field: FieldInfo) -> bool:
    aliases = _aliases(field)
    return bool(aliases) and all(isinstance(each, AliasPath) for each in aliases)


def _validates_by_name(owner: Any) -> bool:
    config = getattr(owner, "model_config", {})
    return bool(config.get("validate_by_name") or config.get("populate_by_name"))


@dataclass(frozen=True)
class _Found:
    """A field of `owner`, with its type without metadata. A type outside of a class has no name.

    `within_serialized`: something around the field has a serializer of its own. `serialized`: or the field itself has.
    """

    owner: Any
    name: str
    type: Any
    info: FieldInfo | None
    within_serialized: bool
    serialized: bool

    @property
    def path(self) -> str:
        owner = getattr(self.owner, "__name__", str(self.owner))
        return f"{owner}.{self.name}" if self.name else owner


def _fields(kind: Any) -> Iterator[_Found]:
    """Yield all fields within a type, also those of models within models."""
    yield from _within(kind, _Found(kind, "", kind, None, within_serialized=False, serialized=False), set())


def _within(annotation: Any, field: _Found, seen: set[Any]) -> Iterator[_Found]:
    """Yield `field` with its type, which is `annotation`, and all fields within that type."""
    if isinstance(annotation, TypeAliasType):
        if annotation in seen:
            return
        seen.add(annotation)
        annotation = annotation.__value__
    if isinstance(annotation, NewType):
        annotation = annotation.__supertype__
    metadata: list[Any] = list(field.info.metadata) if field.info else []
    if get_origin(annotation) is Annotated:
        metadata += annotation.__metadata__
        annotation = get_args(annotation)[0]
    serialized = field.serialized or any(isinstance(each, PlainSerializer | WrapSerializer) for each in metadata)
    field = replace(field, type=get_origin(annotation) or annotation, serialized=serialized)
    yield field
    if get_origin(annotation) is not Literal:
        for argument in get_args(annotation):
            yield from _within(argument, field, seen)
    yield from _of_class(annotation, seen, serialized=serialized)


def _of_class(kind: Any, seen: set[Any], *, serialized: bool) -> Iterator[_Found]:
    if not isinstance(kind, type) or kind in seen:
        return
    seen.add(kind)
    if issubclass(kind, BaseModel):
        decorators = kind.__pydantic_decorators__
        around = serialized or bool(decorators.model_serializers) or bool(kind.model_config.get("json_encoders"))
        named = {name for each in decorators.field_serializers.values() for name in each.info.fields}
        for name, info in kind.model_fields.items():
            own = around or name in named or "*" in named
            yield from _within(info.annotation, _Found(kind, name, None, info, around, own), seen)
    elif is_dataclass(kind) or is_typeddict(kind) or hasattr(kind, "_fields"):
        try:
            hints = get_type_hints(kind, include_extras=True)
        except Exception:  # noqa: BLE001 - it names what exists for type checkers only: nothing can be said
            return
        for name, annotation in hints.items():
            yield from _within(annotation, _Found(kind, name, None, None, serialized, serialized), seen)
