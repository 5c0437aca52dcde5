"""The outputs of stages and of `job.each`: what their checkpoints contain, and what later attempts restore."""

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final, get_type_hints

from pydantic import PydanticUserError
from pydantic_core import from_json, to_json

from analysis_jobs.base.errors import Fail
from analysis_jobs.base.model_json import NotKeptError, has_nan, has_secret, keep_and_restore, restore
from analysis_jobs.base.values import dataclass

NOT_KEPT: Final = {"$not_kept": True}
"""Stands in a checkpoint for an output that JSON cannot keep. The next attempt makes that output again."""


class _Missing:
    """The type of `MISSING`."""


MISSING: Final = _Missing()
"""Stands for a checkpoint that does not exist. `None` is a valid value of a checkpoint."""


@dataclass(frozen=True)
class Output:
    """An output. `body` is its checkpoint, and `value` is what a later attempt restores from it, unless not `kept`."""

    body: bytes
    value: Any
    kept: bool = True


def output_of(name: str, function: Callable[..., Any], value: Any) -> Output:
    """Return what a function returned, in the type of its return annotation, with its checkpoint. See `output_as`."""
    return output_as(name, return_type(function), value)


def output_as(name: str, kind: Any, value: Any) -> Output:
    """Return a value in a type, with its checkpoint.

    If JSON does not keep the value, the checkpoint says so, and the value stays as it is. Raises `Fail`
    (`checkpoint_invalid`, `checkpoint_too_large`); `name` is for its message.
    """
    if kind is Any:
        body = json_bytes(name, value)
        return Output(body, from_json(body))
    try:
        body, restored = keep_and_restore(kind, value)
    except (NotKeptError, PydanticUserError) as error:
        _plain_json(name, value)  # a value that is not JSON at all is an error
        why = str(error) if isinstance(error, NotKeptError) else "pydantic does not support its return annotation"
        from analysis_jobs.base.observability import log  # noqa: PLC0415 - a declaration must be fast to import

        log("checkpoint.unfit", f"checkpoint {name} cannot keep its value, and the work runs again: {why}")
        return Output(to_json(NOT_KEPT), value, kept=False)
    return Output(_fitting(name, body), restored)


def restore_output(function: Callable[..., Any], saved: Any) -> Any:
    """Return the value of a checkpoint in the type of the function's return annotation. See `restore_as`."""
    return restore_as(return_type(function), saved)


def restore_as(kind: Any, saved: Any) -> Any:
    """Return the value of a checkpoint in a type.

    Returns `MISSING` if it does not fit: newer code has another type, or pydantic does not support the type.
    """
    try:
        return restore(kind, to_json(saved, round_trip=True, by_alias=False))
    except Exception:  # noqa: BLE001 - a validator of newer code may raise anything: then the work is done again
        return MISSING


def return_type(function: Callable[..., Any]) -> Any:
    """Return the type that a function returns; `Any` if it is not annotated or cannot be determined."""
    if isinstance(function, type):
        return function
    plain = inspect.unwrap(getattr(function, "__func__", function))  # the function of a method
    if not isinstance(plain, FunctionType) or "return" not in plain.__annotations__:
        return Any

    def returns_only() -> None:
        """Carry the return annotation alone. The others may name imports that exist for type checkers only."""

    returns_only.__annotations__ = {"return": plain.__annotations__["return"]}
    try:
        return get_type_hints(returns_only, plain.__globals__, include_extras=True)["return"]
    except NameError:  # the type is local to another function
        return Any


def json_bytes(name: str, value: Any) -> bytes:
    """Return JSON, models, dates and the like as the body of a checkpoint.

    Raises `Fail` (`checkpoint_invalid`, `checkpoint_too_large`).
    """
    body = _plain_json(name, value)
    # pydantic writes secrets, NaN and infinity within models so. Most values contain neither text: a cheap look first.
    if (b'"**********"' in body and has_secret(value)) or (b"null" in body and has_nan(value)):
        raise Fail("checkpoint_invalid", f"checkpoint {name} is not JSON: it contains a secret, NaN or infinity")
    return _fitting(name, body)


def _plain_json(name: str, value: Any) -> bytes:
    try:
        body = to_json(value, round_trip=True, by_alias=False)
        from_json(body, allow_inf_nan=False)
    except ValueError as error:
        from analysis_jobs.base.error_facts import reason  # noqa: PLC0415 - as above

        raise Fail("checkpoint_invalid", f"checkpoint {name} is not JSON: {reason(error)}") from error
    return body


def _fitting(name: str, body: bytes) -> bytes:
    from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES  # noqa: PLC0415 - as above

    if len(body) > MAX_PAYLOAD_BYTES:
        raise Fail("checkpoint_too_large", f"checkpoint {name}: {len(body)} bytes; the limit is {MAX_PAYLOAD_BYTES}")
    return body
