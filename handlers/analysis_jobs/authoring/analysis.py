"""What a team writes: an `Analysis`, declared once in a module that the setting ANALYSES names."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakKeyDictionary

from pydantic import BaseModel

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.documents import safe_filename
from analysis_jobs.jobs.admission import Admission, Trigger
from analysis_jobs.jobs.subjects import names_in
from analysis_jobs.jobs.tiers import Tiers

if TYPE_CHECKING:
    from analysis_jobs.authoring.job import Job

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_ROUTE = re.compile(r"(GET|POST) (/[^\s]*)")
_STAGE_OPTIONS: WeakKeyDictionary[Callable[..., Any], StageOptions] = WeakKeyDictionary()
_PARAMETER = re.compile(r"\{(\w+)\}")
_JOB_ID = "job_id"
_OWNERS = {"client", "project"}  # path parameters that are members of a submission


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
    `subject` (a template such as `proposals/{id}`), and the body is the input itself. Parameters named `client` and
    `project` are the job's; a status route with `{job_id}` shows that job. `download_route` leads to a file of a job:
    it has `{job_id}` and one parameter more, a name of `downloads` or a file's own.

    With `tiers`, the jobs of a lane that wait are taken best tier first, and within a tier oldest first.

    A `subject` whose names are fields of the request is made of the input, whichever route it comes by. `admission`
    says which submissions become jobs, `triggers` (by name) are the reasons that callers may give for one.

    Raises `ConfigurationError` for a name, a model, a stage, a route or a number that cannot work.
    """

    name: str
    request: type[Request]
    result: type[Result]
    stages: Sequence[Callable[[Job[Request]], object]]
    model_id: str | None = None
    max_attempts: int = 3
    deadline: timedelta = timedelta(hours=6)
    estimated_time: timedelta = timedelta(minutes=2)
    submit_route: str | None = None
    status_route: str | None = None
    subject: str | None = None
    tiers: Tiers | None = None
    download_route: str | None = None
    downloads: Mapping[str, str] = field(default_factory=dict)
    admission: Admission | None = None
    triggers: Mapping[str, Trigger] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"analysis {self.name!r}: a name is lower case letters, digits and hyphens")
        for role, model in (("request", self.request), ("result", self.result)):
            if not (isinstance(model, type) and issubclass(model, BaseModel)):
                self._refuse(f"{role} is {model!r}; give a pydantic model")
        if not self.stages:
            self._refuse("give at least one stage")
        names = [getattr(stage, "__name__", repr(stage)) for stage in self.stages]
        if not all(map(str.isidentifier, names)) or len(set(names)) < len(names):
            self._refuse(f"its stages are {', '.join(names)}; give functions, each with a name of its own")
        if self.tiers:
            self.tiers.check(self.request)
        if self.max_attempts < 1:
            self._refuse(f"max_attempts is {self.max_attempts}; give 1 or more")
        if self.deadline <= timedelta():
            self._refuse(f"deadline is {self.deadline}; give the time that a job may wait and run in all")
        self._check_routes()

    def _check_routes(self) -> None:
        self._check_admission()
        for route, method in ((self.submit_route, "POST"), (self.status_route, "GET")):
            if route is not None:
                self._check_route(route, method)
        if self.download_route is not None:
            self._check_download(self.download_route)

    @property
    def subject_of_input(self) -> bool:
        """Whether the subject is made of the input."""
        named = self._names_in("subject", self.subject) if self.subject else set()
        return bool(named) and named <= self.request.model_fields.keys()

    def _check_admission(self) -> None:
        if self.admission is None:
            if self.triggers:
                self._refuse("triggers are rules of an admission; give one")
            return
        rate = self.admission.at_most
        if rate and rate.of and (unknown := self._names_in("rate", rate.of) - self.request.model_fields.keys()):
            self._refuse(f"its rate is of {rate.of!r}, but the request has no field {', '.join(sorted(unknown))}")
        if self.submit_route and self.subject is None:
            self._refuse("an admission with a route of its own needs a subject, as 'books/{id}'")
        if self.triggers and "trigger" in self.request.model_fields:
            self._refuse("its request has a field `trigger`, which names one of its triggers")
        if not self.admission.one_active and any(trigger.new_items for trigger in self.triggers.values()):
            self._refuse("new_items looks at the subject's newest job, so it needs one_active")

    @property
    def downloaded(self) -> str | None:
        """The parameter of the download route that names the file."""
        found = set(_PARAMETER.findall(self.download_route or "")) - {_JOB_ID}
        return found.pop() if found else None

    def _check_download(self, route: str) -> None:
        parameters = self._parameters(route, "GET")
        if _JOB_ID not in parameters or len(parameters) != 2:  # noqa: PLR2004 - the job, and its file
            self._refuse(f"download route {route!r} needs {{job_id}} and one parameter more, as {{file}}")
        for name in self.downloads.values():
            if safe_filename(name) != name:
                self._refuse(f"downloads names the file {name!r}; give letters, digits, dot, hyphen and underscore")

    def _parameters(self, route: str, method: str) -> set[str]:
        shape = _ROUTE.fullmatch(route)
        if shape is None or shape[1] != method:
            self._refuse(f"route {route!r} must read '{method} /path'")
        return set(_PARAMETER.findall(route))

    def _check_route(self, route: str, method: str) -> None:
        parameters = self._parameters(route, method)
        if (method == "GET" and _JOB_ID in parameters) or (self.subject is None and parameters <= _OWNERS):
            return
        if self.subject is None:
            self._refuse("its own routes need a subject, as 'proposals/{id}'")
        if method == "POST" and self.subject_of_input:
            return
        if unknown := self._names_in("subject", self.subject) - parameters:
            self._refuse(f"subject {self.subject!r} names {{{'}, {'.join(sorted(unknown))}}}, which {route!r} lacks")

    def _names_in(self, role: str, template: str) -> set[str]:
        try:
            return names_in(template)
        except ValueError as error:
            self._refuse(f"{role} {template!r} is no template: {error}")

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
