"""The declaration of an analysis. Its module is listed in the setting ANALYSES."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar
from weakref import WeakKeyDictionary

from pydantic import BaseModel, RootModel

from analysis_jobs.authoring.canary import Canary
from analysis_jobs.authoring.outputs import return_type
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.model_checks import accepted_names, dropped_fields, hidden_fields, takes_object, unnamed_fields
from analysis_jobs.base.values import dataclass
from analysis_jobs.documents import safe_filename
from analysis_jobs.jobs.admission import Admission, Trigger
from analysis_jobs.jobs.subjects import template_fields
from analysis_jobs.jobs.tiers import Tiers

if TYPE_CHECKING:
    from analysis_jobs.authoring.job import Job

Request = TypeVar("Request", bound=BaseModel)
Result = TypeVar("Result", bound=BaseModel)
Function = TypeVar("Function", bound=Callable[..., Any])

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_ROUTE = re.compile(r"(GET|POST) (/[^\s]*)")
_STAGE_OPTIONS: WeakKeyDictionary[Callable[..., Any], StageOptions] = WeakKeyDictionary()
_PARAMETER = re.compile(r"\{(\w+)\}")
_JOB_ID = "job_id"
_SUBMISSION_PARAMETERS = {"client", "project"}  # these path parameters fill members of the submission


@dataclass(frozen=True)
class StageOptions:
    """The options of a stage. See `stage`."""

    needs: timedelta | None = None
    survives_deploys: bool = False


def stage(*, needs: timedelta | None = None, survives_deploys: bool = False) -> Callable[[Function], Function]:
    """Set the options of a stage. A stage without options needs no decorator.

        @stage(needs=timedelta(minutes=5))
        def write(job: Job[Request]) -> Draft: ...

    Args:
        needs: How long the stage may take. If the invocation has less time left and the attempt has made a checkpoint,
            the job continues in a new invocation.
        survives_deploys: If true, newer code uses the checkpoints of this stage. By default, a deploy makes the stage
            run again.
    """

    def mark(function: Function) -> Function:
        _STAGE_OPTIONS[function] = StageOptions(needs, survives_deploys)
        return function

    return mark


def stage_options(function: Callable[..., Any]) -> StageOptions:
    """Return the options of a stage, or the defaults."""
    return _STAGE_OPTIONS.get(function, StageOptions())


@dataclass(frozen=True)
class Analysis(Generic[Request, Result]):
    """A named kind of job: its input, its result, and the stages that turn one into the other.

        valuation = Analysis("valuation", request=Book, result=Value, stages=[research, estimate])

    Args:
        name: Lower case letters, digits and hyphens, up to 63 characters. It begins with a letter.
        request: The pydantic model of the input. It validates the input at submission and before every attempt. Both
            times it gives the same values.
        result: The pydantic model of the result. It validates the output of the last stage. Callers get it as JSON
            under its aliases.
        stages: Functions with different names, in order. Each takes the job and returns its output: JSON, a pydantic
            model or a dataclass, up to 5 MB. Every output is a checkpoint. `job.output(stage)` returns it in later
            stages.
        model_id: The default model of `job.ask`. None: the model of the stack.
        max_attempts: How many attempts a job has. 1 or more.
        deadline: How long after submission an attempt may start. Later the job fails with the code `deadline_passed`.
            An attempt that is running then may finish.
        estimated_time: How long a job usually takes. The answer to a submission contains it. A worker that runs several
            jobs starts no further one with less than twice this time left.
        mostly_waits: Whether a job spends most of its time waiting for a model or another service. Such jobs share an
            invocation, which costs a tenth: ten threads of one process with one function's memory and CPU. Leave it
            false for an analysis that computes, or that reads large documents or scans.
        submit_route: An HTTP route of its own for submissions, beside `POST /jobs`: `POST /proposals/{id}/analyze`. The
            body is the input. The parameters fill `subject`; `{client}` and `{project}` fill these members of the job.
        status_route: A route of its own for the state of a subject's newest job: `GET /proposals/{id}/status`. With
            `{job_id}`, it returns that job.
        subject: A template that names what is analysed: `proposals/{id}`. The names are parameters of `submit_route`.
            If all names are fields of the request, the input fills the template on every route.
        tiers: The order of waiting jobs in a lane: best tier first, and oldest first within a tier.
        download_route: A route of its own for a file of a job. It has `{job_id}` and one other parameter:
            `GET /download/{job_id}/{file}`. The other parameter is a key of `downloads` or the name of a file.
        downloads: Short names of files, for `download_route`: `{"excel": "schedule.xlsx"}`.
        admission: The policy that decides which submissions become jobs.
        triggers: The reasons for a submission that a caller may name, by name. They need an `admission`.
        canaries: Jobs that a deployment runs on new code before callers reach it.

    Raises:
        ConfigurationError: A value is invalid. The message names the analysis, the value and the fix.
    """

    name: str
    request: type[Request]
    result: type[Result]
    stages: Sequence[Callable[[Job[Request]], object]]
    model_id: str | None = None
    max_attempts: int = 3
    deadline: timedelta = timedelta(hours=6)
    estimated_time: timedelta = timedelta(minutes=2)
    mostly_waits: bool = False
    submit_route: str | None = None
    status_route: str | None = None
    subject: str | None = None
    tiers: Tiers | None = None
    download_route: str | None = None
    downloads: Mapping[str, str] = field(default_factory=dict)
    admission: Admission | None = None
    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    canaries: Sequence[Canary] = ()

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
            self._refuse(f"its stages are {', '.join(names)}; give functions with different names")
        self._check_models()
        if self.tiers:
            self.tiers.check(self.request)
        if self.max_attempts < 1:
            self._refuse(f"max_attempts is {self.max_attempts}; give 1 or more")
        if self.deadline <= timedelta():
            self._refuse(f"deadline is {self.deadline}; give a time longer than zero")
        self._check_routes()
        self._check_canaries()

    def _check_canaries(self) -> None:
        names = [canary.name for canary in self.canaries]
        if len(set(names)) < len(names):
            self._refuse(f"its canaries are named {', '.join(names)}; give each one a different name")
        for canary in self.canaries:
            if canary.trigger is not None and canary.trigger not in self.triggers:
                self._refuse(f"its canary {canary.name} has the trigger {canary.trigger!r}, which it does not declare")

    def _check_models(self) -> None:
        """Refuse models that JSON cannot carry. What serializers do is seen when a value is kept."""
        if not takes_object(self.request):
            self._refuse(f"its request {self.request.__name__} does not take a JSON object; give a model with fields")
        found = {
            "request": (*hidden_fields(self.request, excluded_too=True), *unnamed_fields(self.request)),
            "result": tuple(hidden_fields(self.result)),
        }
        for stage in self.stages[:-1]:  # the last one has no checkpoint
            kind = return_type(stage)
            found[f"output of {stage.__name__}"] = (*hidden_fields(kind), *dropped_fields(kind))
        for role, fields in found.items():
            for lost in fields:
                self._refuse(f"in its {role}, {lost.field} {lost.reason}")

    def _check_routes(self) -> None:
        self._check_admission()
        for route, method in ((self.submit_route, "POST"), (self.status_route, "GET")):
            if route is not None:
                self._check_route(route, method)
        if self.download_route is not None:
            self._check_download(self.download_route)

    @property
    def subject_from_input(self) -> bool:
        """Whether the input fills the template of the subject."""
        names = self._names_in("subject", self.subject) if self.subject else set()
        return bool(names) and names <= self.request.model_fields.keys()

    def _check_admission(self) -> None:
        if self.admission is None:
            if self.triggers:
                self._refuse("triggers need an admission policy; give admission")
            return
        rate = self.admission.at_most
        if rate and rate.of and (unknown := self._names_in("rate", rate.of) - self.request.model_fields.keys()):
            self._refuse(f"its rate counts {rate.of!r}, but the request has no field {', '.join(sorted(unknown))}")
        if self.submit_route and self.subject is None:
            self._refuse("admission with submit_route needs a subject; give one like 'books/{id}'")
        if self.triggers and issubclass(self.request, RootModel):
            self._refuse("triggers need a request with fields, not a RootModel: `trigger` is beside them")
        if self.triggers and "trigger" in accepted_names(self.request):
            self._refuse(
                "its request has a field `trigger`, and that name is reserved for its triggers; rename the field"
            )
        if not self.admission.one_active and any(trigger.new_items for trigger in self.triggers.values()):
            self._refuse("new_items of a trigger needs the subject's newest job; set one_active of its admission")

    @property
    def download_parameter(self) -> str | None:
        """The parameter of `download_route` that names the file; None without such a route."""
        parameters = set(_PARAMETER.findall(self.download_route or "")) - {_JOB_ID}
        return parameters.pop() if parameters else None

    def _check_download(self, route: str) -> None:
        parameters = self._parameters(route, "GET")
        if _JOB_ID not in parameters or len(parameters) != 2:  # noqa: PLR2004 - the job and the file
            self._refuse(f"download route {route!r} needs {{job_id}} and one other parameter, for example {{file}}")
        for name in self.downloads.values():
            if safe_filename(name) != name:
                self._refuse(
                    f"downloads has the file name {name!r}; give letters, digits, dots, hyphens and underscores"
                )

    def _parameters(self, route: str, method: str) -> set[str]:
        shape = _ROUTE.fullmatch(route)
        if shape is None or shape[1] != method:
            self._refuse(f"route {route!r} must have the form '{method} /path'")
        return set(_PARAMETER.findall(route))

    def _check_route(self, route: str, method: str) -> None:
        parameters = self._parameters(route, method)
        if (method == "GET" and _JOB_ID in parameters) or (
            self.subject is None and parameters <= _SUBMISSION_PARAMETERS
        ):
            return
        if self.subject is None:
            self._refuse("submit_route and status_route need a subject; give one like 'proposals/{id}'")
        if method == "POST" and self.subject_from_input:
            return
        if unknown := self._names_in("subject", self.subject) - parameters:
            self._refuse(
                f"subject {self.subject!r} has {{{'}, {'.join(sorted(unknown))}}}, but route {route!r} does not"
            )

    def _names_in(self, role: str, template: str) -> set[str]:
        try:
            return template_fields(template)
        except ValueError as error:
            self._refuse(f"{role} {template!r} is not a valid template: {error}")

    def _refuse(self, why: str) -> NoReturn:
        raise ConfigurationError(f"analysis {self.name}: {why}")


class Analyses(Mapping[str, Analysis[Any, Any]]):
    """The analyses of a deployment, by name. Raises `ConfigurationError` if two have the same name."""

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
    """Import the modules of a comma-separated list, and return the analyses that they define.

    Raises `ConfigurationError` if a module is missing or defines no analysis.
    """
    analyses: dict[int, Analysis[Any, Any]] = {}
    for path in filter(None, (path.strip() for path in import_paths.split(","))):
        try:
            module = importlib.import_module(path)
        except ModuleNotFoundError as error:
            raise ConfigurationError(f"ANALYSES names {path!r}, but {error}; add it to the package") from error
        declared = [value for value in vars(module).values() if isinstance(value, Analysis)]
        if not declared:
            raise ConfigurationError(f"ANALYSES names {path!r}, but that module defines no Analysis")
        analyses |= {id(analysis): analysis for analysis in declared}
    if not analyses:
        raise ConfigurationError("ANALYSES is empty; name the module that defines your analyses")
    return Analyses(list(analyses.values()))
