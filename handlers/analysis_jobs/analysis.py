"""What a team writes: an `Analysis`, declared once in a module that the setting ANALYSES names."""

from __future__ import annotations

import importlib
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakKeyDictionary

from pydantic import BaseModel

from analysis_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from analysis_jobs.job import Job

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_ROUTE = re.compile(r"(GET|POST) (/[^\s]*)")
_STAGE_OPTIONS: WeakKeyDictionary[Callable[..., Any], StageOptions] = WeakKeyDictionary()
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class StageOptions:
    """What the engine must know of a stage; see `stage`."""

    needs: timedelta | None = None
    survives_deploys: bool = False


def stage[Function: Callable[..., Any]](
    *, needs: timedelta | None = None, survives_deploys: bool = False
) -> Callable[[Function], Function]:
    """Say more of a stage: `@stage(needs=timedelta(minutes=5))`.

    Where less than `needs` is left of an invocation, the stage is begun in another one. With `survives_deploys` its
    checkpoint is used by new code too; otherwise a deploy makes the stage run again.
    """

    def mark(function: Function) -> Function:
        _STAGE_OPTIONS[function] = StageOptions(needs, survives_deploys)
        return function

    return mark


def options_of(function: Callable[..., Any]) -> StageOptions:
    """Return what `stage` said of a function."""
    return _STAGE_OPTIONS.get(function, StageOptions())


@dataclass(frozen=True)
class Analysis[Request: BaseModel, Result: BaseModel]:
    """A named kind of work.

    `request` validates the input when it is submitted, `result` what the last stage returns. Each stage takes the job
    and returns its output; `job.output(stage)` gives a later stage what an earlier one returned.

    `submit_route` and `status_route` give the analysis routes of its own beside `/jobs`: their path parameters make the
    `subject` (a template such as `proposals/{id}`), and the body is the input itself.

    Raises `ConfigurationError` for a name, a model, a stage, a route or a number that cannot work.
    """

    name: str
    request: type[Request]
    result: type[Result]
    stages: Sequence[Callable[[Job[Request]], BaseModel | Mapping[str, Any]]]
    model_id: str | None = None
    max_attempts: int = 3
    deadline: timedelta = timedelta(hours=6)
    estimated_time: timedelta = timedelta(minutes=2)
    submit_route: str | None = None
    status_route: str | None = None
    subject: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"analysis {self.name!r}: a name is lower case letters, digits and hyphens")
        for field, model in (("request", self.request), ("result", self.result)):
            if not (isinstance(model, type) and issubclass(model, BaseModel)):
                self._refuse(f"{field} is {model!r}; give a pydantic model")
        if not self.stages:
            self._refuse("give at least one stage")
        names = [getattr(stage, "__name__", repr(stage)) for stage in self.stages]
        if not all(map(str.isidentifier, names)) or len(set(names)) < len(names):
            self._refuse(f"its stages are {', '.join(names)}; give functions, each with a name of its own")
        if self.max_attempts < 1:
            self._refuse(f"max_attempts is {self.max_attempts}; give 1 or more")
        if self.deadline <= timedelta():
            self._refuse(f"deadline is {self.deadline}; give the time that a job may wait and run in all")
        for route, method in ((self.submit_route, "POST"), (self.status_route, "GET")):
            if route is not None:
                self._check_route(route, method)

    def _check_route(self, route: str, method: str) -> None:
        shape = _ROUTE.fullmatch(route)
        if shape is None or shape[1] != method:
            self._refuse(f"route {route!r} must read '{method} /path'")
        if self.subject is None:
            self._refuse("its own routes need a subject, as 'proposals/{id}'")
        try:
            named = {name for _, name, _, _ in string.Formatter().parse(self.subject or "") if name is not None}
        except ValueError as error:
            self._refuse(f"subject {self.subject!r} is no template: {error}")
        if unknown := named - set(_PARAMETER.findall(route)):
            self._refuse(f"subject {self.subject!r} names {{{'}, {'.join(sorted(unknown))}}}, which {route!r} lacks")

    def _refuse(self, why: str) -> NoReturn:
        raise ConfigurationError(f"analysis {self.name}: {why}")


class Analyses(Mapping[str, Analysis[Any, Any]]):
    """The analyses of a deployment by name."""

    def __init__(self, analyses: Sequence[Analysis[Any, Any]]) -> None:
        self._by_name: dict[str, Analysis[Any, Any]] = {}
        for analysis in analyses:
            if analysis.name in self._by_name:
                raise ConfigurationError(f"two analyses are named {analysis.name!r}")
            self._by_name[analysis.name] = analysis

    def __getitem__(self, name: str) -> Analysis[Any, Any]:
        return self._by_name[name]

    def __iter__(self) -> Any:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


def load_analyses(import_paths: str) -> Analyses:
    """Import every module of a comma-separated list, and return the analyses that they define.

    Raises `ConfigurationError` where a module is missing, or defines none.
    """
    found: dict[int, Analysis[Any, Any]] = {}
    for path in filter(None, (path.strip() for path in import_paths.split(","))):
        try:
            module = importlib.import_module(path)
        except ModuleNotFoundError as error:
            raise ConfigurationError(f"ANALYSES names {path!r}, but {error}: is it in the package?") from error
        here = [value for value in vars(module).values() if isinstance(value, Analysis)]
        if not here:
            raise ConfigurationError(f"ANALYSES names {path!r}, which defines no Analysis")
        found |= {id(analysis): analysis for analysis in here}
    if not found:
        raise ConfigurationError("ANALYSES is empty: name the module that defines your analyses")
    return Analyses(list(found.values()))
