"""`dataclass` as in the standard library, without compiling code.

`dataclasses.dataclass` compiles up to six methods for every class, which takes about 1 ms of CPU in a cold start. The
API makes 75 of its own, and that was 80 ms of 520. Here all classes share methods that read the fields of their class.
The type checker sees the standard decorator. A class that this one does not know to make gets it at runtime too.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass
    from inspect import Signature
else:

    def dataclass(cls: type | None = None, /, **options: bool) -> Any:
        """Decorate a class as `dataclasses.dataclass` does."""
        return (lambda cls: _decorated(cls, options)) if cls is None else _decorated(cls, options)


__all__ = ["dataclass"]

_KNOWN = {"frozen", "eq"}


def _decorated(cls: type, options: dict[str, bool]) -> type:
    inherits = any(map(dataclasses.is_dataclass, cls.__mro__[1:]))
    if options.keys() - _KNOWN or inherits or "__slots__" in vars(cls) or "__init__" in vars(cls):
        return cast("type", dataclasses.dataclass(**options)(cls))
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
    fields = dataclasses.fields(made)
    if len(fields) < len(made.__dataclass_fields__) or any(field.kw_only or not field.init for field in fields):
        raise TypeError(f"{cls.__name__}: import `dataclass` from `dataclasses`: a field is no parameter by position")
    methods: dict[str, Any] = {"__repr__": _repr}
    if options.get("eq", True):
        methods |= {"__eq__": _eq, "__hash__": _hash if options.get("frozen") else None}
    own = {name for name in vars(cls) if name != "__hash__" or vars(cls)[name] is not None}
    for name, method in methods.items():
        if name not in own:
            setattr(made, name, method)
    made.__compared__ = staticmethod(_values_of([field.name for field in fields if field.compare]))
    missing = dataclasses.MISSING
    made.__field_defaults__ = {each.name: each.default for each in fields if each.default is not missing}
    made.__field_factories__ = {
        each.name: each.default_factory for each in fields if each.default_factory is not missing
    }
    made.__init__ = _init
    made.__signature__ = _SignatureOfFields()
    if options.get("frozen"):
        made.__setattr__, made.__delattr__ = _set, _delete
        made.__dataclass_params__.frozen = True
    return cast("type", made)


def _init(self: Any, *given: Any, **named: Any) -> None:
    fields, values = self.__dataclass_fields__, self.__dict__
    if len(given) > len(fields):
        _refuse(type(self), given, named)
    values.update(zip(fields, given, strict=False))
    if named:
        if not named.keys() <= fields.keys() or not named.keys().isdisjoint(values):
            _refuse(type(self), given, named)
        values.update(named)
    if len(values) < len(fields):
        values.update({**self.__field_defaults__, **values})
        for name, make in self.__field_factories__.items():
            if name not in values:
                values[name] = make()
        if len(values) < len(fields):
            _refuse(type(self), given, named)
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _refuse(cls: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Raise the `TypeError` that names the argument which is wrong or missing."""
    cls.__signature__.bind(*given, **named)


class _SignatureOfFields:
    """The signature of a class, made when somebody asks: an editor, a documentation, an error."""

    def __get__(self, instance: object, owner: type[Any]) -> Signature:
        from inspect import Parameter, Signature  # noqa: PLC0415 - see the class

        kind, missing = Parameter.POSITIONAL_OR_KEYWORD, dataclasses.MISSING
        parameters = []
        for field in dataclasses.fields(owner):
            default = Parameter.empty if field.default is missing else field.default
            if field.default_factory is not missing:
                default = field.default_factory
            parameters.append(Parameter(field.name, kind, default=default, annotation=field.type))
        return Signature(parameters)


def _values_of(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that returns the values of these attributes. A dictionary of jobs calls it at every look-up."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda self: tuple(getattr(self, name) for name in names)  # `attrgetter` would return no tuple


def _eq(self: Any, other: Any) -> Any:
    return self.__compared__(self) == other.__compared__(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(self.__compared__(self))


def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name, field in self.__dataclass_fields__.items() if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _set(self: Any, name: str, value: object) -> None:
    _refuse_change(self, name, "assign to")
    object.__setattr__(self, name, value)


def _delete(self: Any, name: str) -> None:
    _refuse_change(self, name, "delete")
    object.__delattr__(self, name)


def _refuse_change(self: Any, name: str, verb: str) -> None:
    # A subclass that is no dataclass may have attributes of its own.
    if name in self.__dataclass_fields__ or "__dataclass_fields__" in vars(type(self)):
        raise dataclasses.FrozenInstanceError(f"cannot {verb} field {name!r}")
