"""What the logs and a job's error may say about an exception: its class and its place, never its message.

The message of an exception often quotes the value that caused it, and that value may be a document's text.
"""

import json
import re
import traceback
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel, ValidationError

from analysis_jobs.base.field_errors import describe, redacted_errors
from analysis_jobs.base.values import dataclass

_CALLS_STAGES = "analysis_jobs.worker.attempt"  # the module that calls the stages of an analysis
_MAX_CAUSES = 10
_MAX_FRAMES = 30
_AWS_NAME = re.compile(r"[A-Za-z0-9.:_-]{1,100}")
# The answer to a denied request names the action and the resource. The operator needs both.
_DENIED_ACTION = re.compile(r"not authorized to perform: ([a-z0-9-]{1,40}:[A-Za-z]{1,80})\b")
_DENIED_RESOURCE = re.compile(r"on resource: \"?(arn:[A-Za-z0-9:._/*-]{1,300})")
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
# Messages of the JSON encoders that describe a type or a number, and quote no text.
_JSON_MESSAGE = re.compile(
    r"Unable to serialize unknown type: <class '[\w.<>]+'>|Circular reference detected( \(id repeated\))?"
    r"|Out of range float values are not JSON compliant(: -?(nan|inf))?|it contains -?(NaN|Infinity)"
)


def class_name(error: BaseException) -> str:
    """Return the class of an exception, with its module unless it is built in."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def describe_error(error: BaseException) -> str:
    """Return an exception in one line: its class, its codes of AWS or PostgreSQL, and the place that raised it."""
    codes = ", ".join(_codes(error))
    place = _place(error)
    return class_name(error) + (f" ({codes})" if codes else "") + (f" at {place}" if place else "")


def error_fields(error: BaseException) -> dict[str, Any]:
    """Return the fields of a log line about an exception: the class, one line about it, its causes and its stack."""
    causes = [describe_error(cause) for cause in _causes(error)]
    frames = [_frame_text(frame) for frame in traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]]
    return {
        "exception_name": class_name(error).rpartition(".")[2],
        "exception": describe_error(error),
        "causes": causes or None,
        "stack": frames or None,
    }


def reason(error: Exception, model: type[BaseModel] | None = None) -> str:
    """Return why a value was refused, without the value. `model` is the model that refused it."""
    if isinstance(error, ValidationError):
        return describe(redacted_errors(error, model))
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno} column {error.colno} is not valid"
    return str(error) if _JSON_MESSAGE.fullmatch(str(error)) else describe_error(error)


def aws_refusal(error: BaseException) -> str:
    """Return an error of AWS for the job's owner: the operation, the code, and the missing permission."""
    refusal = _Refusal.of(error)
    missing = f" ({refusal.action} is not allowed)" if refusal.action else ""
    return f"AWS refuses {refusal.operation or 'a request'}: {refusal.code or 'without a code'}{missing}"


@dataclass(frozen=True)
class _Refusal:
    """The names in an error of AWS. A name that the error does not have is empty."""

    code: str = ""
    operation: str = ""
    action: str = ""
    resource: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Self:
        response = getattr(error, "response", None)
        details = response.get("Error") if isinstance(response, Mapping) else None
        if not isinstance(details, Mapping):
            return cls()
        message = str(details.get("Message", ""))
        action, resource = _DENIED_ACTION.search(message), _DENIED_RESOURCE.search(message)
        return cls(
            _aws_name(details.get("Code")),
            _aws_name(getattr(error, "operation_name", "")),
            action[1] if action else "",
            _without_key(resource[1]) if action and resource else "",
        )


def _codes(error: BaseException) -> Iterator[str]:
    refusal = _Refusal.of(error)
    denied = f"{refusal.action} on {refusal.resource}" if refusal.resource else refusal.action
    yield from filter(None, (refusal.code, refusal.operation, denied))
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str) and _SQLSTATE.fullmatch(sqlstate):
        yield sqlstate


def _aws_name(name: object) -> str:
    return str(name) if _AWS_NAME.fullmatch(str(name)) else ""


def _without_key(arn: str) -> str:
    """Return an ARN without the key of an S3 object, which contains names from the request."""
    return re.sub(r"^(arn:[a-z-]+:s3:::[^/]+).*", r"\1", arn)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions behind an exception: its cause or context, and the members of a group, and so on."""
    seen, waiting = {id(error)}, _behind(error)
    for _ in range(_MAX_CAUSES):
        found = next((each for each in waiting if id(each) not in seen), None)
        if found is None:
            return
        yield found
        seen.add(id(found))
        waiting += _behind(found)


def _behind(error: BaseException) -> list[BaseException]:
    context = None if error.__suppress_context__ else error.__context__
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return [each for each in (error.__cause__ or context, *members) if each is not None]


def _place(error: BaseException) -> str:
    """Return the place of the error: the innermost frame of the analysis, or else the innermost frame."""
    frames = list(_frames(error.__traceback__))
    if not frames:
        return ""
    modules = [str(frame.tb_frame.f_globals.get("__name__", "")) for frame in frames]
    chosen = len(frames) - 1
    if _CALLS_STAGES in modules:
        stages = len(modules) - modules[::-1].index(_CALLS_STAGES)
        packages = [module.partition(".")[0] for module in modules]
        of_analysis = (index for index in range(stages, len(modules)) if packages[index] == packages[stages])
        chosen = max(of_analysis, default=chosen)
    summary = traceback.extract_tb(frames[chosen], limit=1)
    return _frame_text(summary[0])


def _frames(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _frame_text(frame: traceback.FrameSummary) -> str:
    return f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno} in {frame.name}"
