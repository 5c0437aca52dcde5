"""The declaration of canaries: jobs that a deployment runs on new code before callers reach it.

The expectations are data. They are part of the package's manifest, so that a deployment can check a result without
importing the code of the analysis.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.values import dataclass

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
# As pydantic writes a `Decimal`.
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_MISSING = object()
_LONGEST_SHOWN = 200  # characters of a value in a report


@dataclass(frozen=True)
class NotEmpty:
    """Expects a value that is not null, not an empty text (or one of blanks), and not an empty list or object."""


@dataclass(frozen=True)
class Between:
    """Expects a number from `low` to `high`, both included. None: no limit on that side.

    A `Decimal` is a text in JSON, such as "12.50", and counts as a number.
    """

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Matches:
    """Expects a text in which the regular expression is found. Use `^` and `$` for the whole text."""

    pattern: str


@dataclass(frozen=True)
class OneOf:
    """Expects one of these values."""

    values: Sequence[Any]


@dataclass(frozen=True)
class Length:
    """Expects a text, a list or an object with `low` to `high` characters, items or fields. None: no limit."""

    low: int | None = None
    high: int | None = None


@dataclass(frozen=True)
class Canary:
    """A job that a deployment runs on new code, and what its result must be.

        Canary(
            documents={"document": "documents/coastal-road.pdf"},
            expect={
                "summary": NotEmpty(),
                "extracted_data.currency": "EUR",
                "extracted_data.total_budget": Between(1_000_000, 5_000_000),
            },
            max_cost_usd=0.10,
        )

    Args:
        input: The input of the job, without its documents.
        documents: Files of the project by the fields of the input that name them: `document`, or `pages.0.scan` in an
            object or a list. A path is relative to the project's folder.
        expect: What the result must be, by field: `summary`, `rows.0.price`, or `rows.*.price` for every item of a
            list. A plain value must be equal. At least one expectation is required.
        max_cost_usd: The most that the job may cost, in US dollars. A job that costs more is cancelled.
        time_limit: How long the job may take, from its submission to its end. A longer one is cancelled.
        name: A name for the report of a deployment, unique within the analysis.
        subject: The subject of the job, if the analysis uses it.
        trigger: The trigger of the submission, if the analysis uses it.

    Raises:
        ConfigurationError: A value is invalid. The message names the value and the fix.
    """

    expect: Mapping[str, Any]
    input: Mapping[str, Any] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    max_cost_usd: float = 1.0
    time_limit: timedelta = timedelta(minutes=10)
    name: str = "canary"
    subject: str | None = None
    trigger: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"canary {self.name!r}: a name is lower case letters, digits and hyphens")
        if not self.expect:
            raise self._error("expect is empty; without an expectation it shows nothing, so give at least one")
        if not 0 < self.max_cost_usd < float("inf"):
            raise self._error(f"max_cost_usd is {self.max_cost_usd}; give an amount of US dollars above 0")
        if self.time_limit <= timedelta():
            raise self._error(f"time_limit is {self.time_limit}; give a time longer than zero")
        for path in self.documents.values():
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path:
                raise self._error(f"documents has {path!r}; give a path within the project, with forward slashes")
        for where, wanted in self.expect.items():
            self._check(where, wanted)
        try:
            json.dumps(self.declared(), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise self._error(f"input and expect must be JSON: {error}") from error

    def declared(self) -> dict[str, Any]:
        """Return the canary as JSON, for the manifest of the package."""
        return {
            "name": self.name,
            "input": dict(self.input),
            "documents": dict(self.documents),
            "expect": {where: _declared(wanted) for where, wanted in self.expect.items()},
            "max_cost_usd": self.max_cost_usd,
            "time_limit_s": self.time_limit.total_seconds(),
            "subject": self.subject,
            "trigger": self.trigger,
        }

    def _check(self, where: str, wanted: object) -> None:
        if not where or not all(where.split(".")):
            raise self._error(f"expect has the field {where!r}; give names and numbers with dots between them")
        match wanted:
            case Matches(pattern):
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise self._error(f"expect[{where!r}]: {pattern!r} is not a regular expression: {error}") from error
            case Between(low, high) | Length(low, high):
                if (low is None and high is None) or (low is not None and high is not None and low > high):
                    raise self._error(f"expect[{where!r}]: give a lower limit, an upper limit above it, or both")
            case OneOf(values) if not values or isinstance(values, str):
                raise self._error(f"expect[{where!r}]: give a list of at least one value")

    def _error(self, why: str) -> ConfigurationError:
        return ConfigurationError(f"canary {self.name}: {why}")


def input_with(given: Mapping[str, Any], documents: Mapping[str, str]) -> dict[str, Any]:
    """Return an input with values at the fields of its documents, by field as in `Canary.documents`.

    Raises `ConfigurationError` for a field within something that is neither an object nor a list.
    """
    filled: dict[str, Any] = json.loads(json.dumps(dict(given)))
    for where, value in documents.items():
        *parents, last = where.split(".")
        at: Any = filled
        for name in parents:
            if isinstance(at, list) and name.isdigit() and int(name) < len(at):
                at = at[int(name)]
            elif isinstance(at, dict):
                at = at.setdefault(name, {})
            else:
                raise ConfigurationError(f"documents has the field {where!r}, and the input has no place for it")
        if isinstance(at, list) and last.isdigit() and int(last) <= len(at):
            at[int(last) :] = [value, *at[int(last) + 1 :]]
        elif isinstance(at, dict):
            at[last] = value
        else:
            raise ConfigurationError(f"documents has the field {where!r}, and the input has no place for it")
    return filled


@dataclass(frozen=True)
class Unmet:
    """An expectation that a result does not meet: its field, what was wanted, and what was found."""

    field: str
    wanted: str
    found: str

    def __str__(self) -> str:
        """Return the sentence for a report."""
        return f"{self.field}: wanted {self.wanted}, found {self.found}"


def unmet(expect: Mapping[str, Any], result: Any) -> list[Unmet]:
    """Return the expectations that a result does not meet. `expect` is as in the manifest of a package."""
    return [
        Unmet(path, _wanted(wanted), "no such field" if value is _MISSING else _shown(value))
        for where, wanted in expect.items()
        for path, value in _values(result, where.split("."), ())
        if not _meets(wanted, value)
    ]


def _values(value: Any, names: Sequence[str], before: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield each value that a path names, with its own path. A value that is not there is `_MISSING`."""
    if not names:
        yield ".".join(before), value
        return
    name, rest = names[0], names[1:]
    if name == "*" and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _values(item, rest, (*before, str(number)))
    elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
        yield from _values(value[int(name)], rest, (*before, name))
    elif isinstance(value, dict) and name in value:
        yield from _values(value[name], rest, (*before, name))
    else:
        yield ".".join((*before, *names)), _MISSING


def _declared(wanted: Any) -> dict[str, Any]:
    match wanted:
        case NotEmpty():
            return {"not_empty": True}
        case Between(low, high):
            return {"between": [low, high]}
        case Matches(pattern):
            return {"matches": pattern}
        case OneOf(values):
            return {"one_of": list(values)}
        case Length(low, high):
            return {"length": [low, high]}
    return {"equals": wanted}


def _meets(wanted: Mapping[str, Any], value: Any) -> bool:
    if value is _MISSING:
        return False
    match wanted:
        case {"equals": expected}:
            return _same(expected, value)
        case {"not_empty": _}:
            return bool(value.strip()) if isinstance(value, str) else value not in (None, [], {})
        case {"between": [low, high]}:
            number = _number(value)
            return number is not None and _within(number, low, high)
        case {"matches": pattern}:
            return isinstance(value, str) and re.search(pattern, value) is not None
        case {"one_of": values}:
            return any(_same(each, value) for each in values)
        case {"length": [low, high]}:
            return isinstance(value, str | list | dict) and _within(len(value), low, high)
    raise ConfigurationError(f"this version knows no expectation {json.dumps(wanted)}")


def _number(value: Any) -> float | None:
    """Return a number of JSON, or a decimal number that is a text there; None for anything else."""
    if isinstance(value, str):
        return float(value) if _DECIMAL.fullmatch(value) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _same(expected: Any, value: Any) -> bool:
    # In Python, True equals 1.
    return isinstance(expected, bool) == isinstance(value, bool) and bool(expected == value)


def _within(number: float, low: float | None, high: float | None) -> bool:
    return (low is None or low <= number) and (high is None or number <= high)


def _wanted(wanted: Mapping[str, Any]) -> str:
    match wanted:
        case {"equals": expected}:
            return _shown(expected)
        case {"not_empty": _}:
            return "a value that is not empty"
        case {"between": limits}:
            return f"a number {_limits(limits)}"
        case {"matches": pattern}:
            return f"a text that matches {pattern!r}"
        case {"one_of": values}:
            return f"one of {', '.join(map(_shown, values))}"
        case {"length": limits}:
            return f"a length {_limits(limits)}"
    return json.dumps(wanted)


def _limits(limits: Sequence[float | None]) -> str:
    low, high = limits
    if low is None:
        return f"of at most {high:,}"
    return f"of at least {low:,}" if high is None else f"from {low:,} to {high:,}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
