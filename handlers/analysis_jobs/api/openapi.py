"""The OpenAPI document of a deployment: its routes, and what they take and answer.

Only `GET /openapi.json` imports this, so that no other call pays for it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaWarningKind, models_json_schema

from analysis_jobs.api import schemas as models
from analysis_jobs.api.requests import ListQuery, Upload
from analysis_jobs.authoring.analysis import Analyses, Analysis
from analysis_jobs.base.ids import ID_PATTERN
from analysis_jobs.base.settings import Settings

_JSON = "application/json"
_PROBLEM = "application/problem+json"
_PARAMETER = re.compile(r"\{(\w+)\}")
_ABOUT = (
    "Submit an analysis, then ask for its job until it has ended. Every call carries a bearer token; its tenant claim "
    "decides which jobs there are, and nothing of this document depends on it."
)
_HEADERS = {
    "CacheControl": "What may be kept of the answer.",
    "ETag": "The version of the job; send it as `If-None-Match`.",
    "Location": "The path of the job, or the URL of the file.",
    "RetryAfter": "Seconds to wait before the next call.",
    "Vary": "The link is in the body for who accepts JSON.",
}
_SPELT = {"CacheControl": "Cache-Control", "RetryAfter": "Retry-After"}
_PARAMETERS: dict[str, dict[str, Any]] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key with the same request within 24 hours answers the job that the first one made.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "An `ETag`: 304 where the job has not changed since; with `wait` the answer waits for a change.",
        "schema": {"type": "string"},
    },
    "Wait": {
        "name": "wait",
        "in": "query",
        "description": "Seconds that the answer may wait for the job to end.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 25},
    },
}
# Of every answer that is not the one that was asked for: its name, and when it comes.
_REFUSALS = {
    400: ("BadRequest", "The body is no JSON."),
    401: ("Unauthorized", "There is no valid token."),
    403: ("Forbidden", "The token names no tenant, or may not do this."),
    404: ("NotFound", "There is no such thing, or it is another tenant's."),
    409: ("Conflict", "The state of the job forbids it."),
    410: ("Gone", "The job that this `Idempotency-Key` made is no longer kept."),
    413: ("TooLarge", "The body is too large: give a document as an upload."),
    422: ("Invalid", "`errors` names the fields that are wrong."),
    429: ("TooManyRequests", "The stage's request rate is exceeded."),
    500: ("InternalError", "Something failed on our side; the details name the request."),
    503: ("Unavailable", "Busy for the moment."),
}
_ANYWHERE = (401, 403, 429, 500, 503)
_BY_GATEWAY_TOO = {403, 404, 413, 500, 503}
_OF_A_BODY = (400, 413, 422)


@dataclass(frozen=True)
class _Call:
    """One operation. `answers` are those that were asked for, `refusals` the statuses of the others."""

    route: str
    name: str
    summary: str
    answers: Mapping[int, Mapping[str, Any]]
    refusals: Sequence[int] = ()
    parameters: Sequence[Mapping[str, Any]] = ()
    body: Mapping[str, Any] | None = None
    tag: str = "jobs"

    def operation(self) -> dict[str, Any]:
        """Return the operation object."""
        named = _PARAMETER.findall(self.route)
        refusals = {*_ANYWHERE, *self.refusals, *([404] if named else [])} - self.answers.keys()
        answers = {str(status): answer for status, answer in self.answers.items()}
        answers |= {str(status): _ref("responses", _REFUSALS[status][0]) for status in refusals}
        parameters = [*map(_path_parameter, named), *self.parameters]
        return {
            "operationId": self.name,
            "summary": self.summary,
            "tags": [self.tag],
            **({"parameters": parameters} if parameters else {}),
            **({"requestBody": {"required": True, "content": _content(self.body)}} if self.body else {}),
            "responses": dict(sorted(answers.items())),
        }


class _Generate(GenerateJsonSchema):
    """Schemas without a title for every field, and whatever a model has that JSON schema cannot say."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Set no title: it is the field's name once more."""
        del schema
        return False

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        """Let it be any JSON."""
        del schema, error_info
        return {}

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Say nothing of a default that is no JSON: it is left out."""


@dataclass
class _Schemas:
    """Every schema of the document; two models of one name get longer ones."""

    analyses: Analyses
    lanes: Sequence[str]
    components: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.submissions = {one.name: models.submission_of(one, self.lanes) for one in self.analyses.values()}
        self.bodies = {one.name: models.own_body_of(one) for one in self.analyses.values()}
        self.jobs = {one.name: models.job_of(one) for one in self.analyses.values()}
        self.other = models.other_job(self.analyses)
        taken: list[type[BaseModel]] = [Upload, ListQuery, *self.submissions.values(), *self.bodies.values()]
        sent: list[type[BaseModel]] = [*models.ANSWERS, *self.jobs.values(), self.other]
        wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
            *((each, "validation") for each in taken),
            *((each, "serialization") for each in sent),
        ]
        template = "#/components/schemas/{model}"
        self._refs, made = models_json_schema(wanted, ref_template=template, schema_generator=_Generate)
        self.components = made["$defs"]

    def taken(self, model: type[BaseModel]) -> dict[str, Any]:
        """Return the reference to what is read."""
        return self._refs[model, "validation"]

    def sent(self, model: type[BaseModel]) -> dict[str, Any]:
        """Return the reference to what is answered."""
        return self._refs[model, "serialization"]

    @property
    def submission(self) -> dict[str, Any]:
        """The body of `POST /jobs`: which one, its `analysis` says."""
        refs = {name: self.taken(model) for name, model in self.submissions.items()}
        mapping = {name: ref["$ref"] for name, ref in refs.items()}
        return {"oneOf": list(refs.values()), "discriminator": {"propertyName": "analysis", "mapping": mapping}}

    @property
    def any_job(self) -> dict[str, Any]:
        """A job of whichever analysis."""
        return {"oneOf": [self.sent(model) for model in (*self.jobs.values(), self.other)]}


def document(analyses: Analyses, settings: Settings) -> dict[str, Any]:
    """Return the document, as JSON. It depends on the deployment alone."""
    schemas = _Schemas(analyses, sorted(settings.queue_urls))
    paths: dict[str, dict[str, Any]] = {}
    for call in (*_standard(schemas), *_own(schemas)):
        method, path = call.route.split(" ", 1)
        paths.setdefault(path, {}).setdefault(method.lower(), call.operation())  # the first one answers
    return {
        "openapi": "3.1.0",
        "info": {"title": "analysis-jobs", "version": settings.code_version, "description": _ABOUT},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": {name: each for name, each in schemas.components.items() if name != ListQuery.__name__},
            "responses": dict(_refusals(schemas)),
            "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()},
            "parameters": _PARAMETERS,
        },
    }


def _standard(schemas: _Schemas) -> Iterator[_Call]:
    summary = schemas.sent(models.JobSummary)
    yield _Call(
        "POST /jobs",
        "submit",
        "Submit a job.",
        _submitted(schemas),
        (*_OF_A_BODY, 410),
        [_ref("parameters", "IdempotencyKey")],
        schemas.submission,
    )
    yield _Call(
        "GET /jobs",
        "list_jobs",
        "A page of the tenant's jobs, newest first. Of `status`, `client` and `subject` give at most one.",
        {200: _answer("A page.", schemas.sent(models.JobPage))},
        (422,),
        list(_filters(schemas)),
    )
    yield _status("GET /jobs/{job_id}", "get_job", "A job.", schemas.any_job)
    yield _download("GET /jobs/{job_id}/files/{name}", "download_file", schemas)
    yield _Call(
        "POST /jobs/{job_id}/cancel",
        "cancel",
        "Cancel a job that has not ended.",
        {
            200: _answer("It is cancelled.", summary, "Location"),
            202: _answer("Its worker was asked to stop.", summary, "Location"),
        },
        (409,),
    )
    again = {202: _answer("It waits or runs again, or still does.", summary, "Location")}
    yield _Call("POST /jobs/{job_id}/retry", "retry", "Run a failed or cancelled job again.", again, (409,))
    yield _Call(
        "POST /uploads",
        "upload",
        "Ask for a form that admits one file of this type and size.",
        {201: _answer("The form.", schemas.sent(models.UploadAccepted))},
        _OF_A_BODY,
        body=schemas.taken(Upload),
    )
    yield _Call("GET /openapi.json", "openapi", "This document.", {200: _answer("This document.", {"type": "object"})})


def _own(schemas: _Schemas) -> Iterator[_Call]:
    for analysis in schemas.analyses.values():
        yield from _routes_of(analysis, schemas)


def _routes_of(analysis: Analysis[Any, Any], schemas: _Schemas) -> Iterator[_Call]:
    name = analysis.name.replace("-", "_")
    if analysis.submit_route:
        yield _Call(
            analysis.submit_route,
            f"submit_{name}",
            f"Submit a job of {analysis.name}: the body is its input.",
            _submitted(schemas),
            (*_OF_A_BODY, 410),
            [_ref("parameters", "IdempotencyKey")],
            schemas.taken(schemas.bodies[analysis.name]),
            analysis.name,
        )
    if analysis.status_route:
        which = "A job" if "{job_id}" in analysis.status_route else "The newest job of the subject"
        job = schemas.sent(schemas.jobs[analysis.name])
        yield _status(analysis.status_route, f"get_{name}", f"{which}, of {analysis.name}.", job, analysis.name)
    if analysis.download_route:
        yield _download(analysis.download_route, f"download_{name}", schemas, analysis.name)


def _submitted(schemas: _Schemas) -> dict[int, Mapping[str, Any]]:
    limited = {_PROBLEM: {"schema": schemas.sent(models.LimitReached)}}
    return {
        200: _answer("No new job is needed.", schemas.sent(models.JobNotNeeded), "Location", "RetryAfter"),
        202: _answer("It is accepted.", schemas.sent(models.JobAccepted), "Location", "RetryAfter"),
        429: {
            "description": "The limit of the analysis is reached; or the stage's request rate, without `Retry-After`.",
            "headers": {"Retry-After": _ref("headers", "RetryAfter")},
            "content": limited | _content(schemas.sent(models.GatewayError)),
        },
    }


def _status(route: str, name: str, summary: str, job: Mapping[str, Any], tag: str = "jobs") -> _Call:
    answers = {
        200: _answer("The job.", job, "ETag", "CacheControl", "RetryAfter"),
        304: _answer("It is the version that the caller has.", None, "ETag", "CacheControl", "RetryAfter"),
    }
    parameters = [_ref("parameters", "Wait"), _ref("parameters", "IfNoneMatch")]
    return _Call(route, name, summary, answers, (404, 422), parameters, tag=tag)


def _download(route: str, name: str, schemas: _Schemas, tag: str = "jobs") -> _Call:
    link = schemas.sent(models.DownloadLink)
    answers = {
        200: _answer("The link, where JSON is accepted.", link, "CacheControl", "Vary"),
        302: _answer("The file is there, without the token.", None, "Location", "CacheControl", "Vary"),
    }
    return _Call(route, name, "A file of a job.", answers, tag=tag)


def _filters(schemas: _Schemas) -> Iterator[dict[str, Any]]:
    """Yield the query's parameters; null, which a query cannot say, is left out of them."""
    for name, schema in schemas.components[ListQuery.__name__]["properties"].items():
        kinds = [kind for kind in schema.get("anyOf", [schema]) if kind != {"type": "null"}]
        yield {"name": name, "in": "query", "schema": kinds[0]}


def _refusals(schemas: _Schemas) -> Iterator[tuple[str, dict[str, Any]]]:
    problem = {_PROBLEM: {"schema": schemas.sent(models.ProblemDetails)}}
    gateway = _content(schemas.sent(models.GatewayError))
    for status, (name, description) in _REFUSALS.items():
        content = gateway if status in {401, 429} else problem | (gateway if status in _BY_GATEWAY_TOO else {})
        headers = {"headers": {"Retry-After": _ref("headers", "RetryAfter")}} if status == 503 else {}  # noqa: PLR2004
        yield name, {"description": description, **headers, "content": content}


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": f"^{ID_PATTERN}$"} if name == "job_id" else {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _answer(description: str, schema: Mapping[str, Any] | None, *headers: str) -> dict[str, Any]:
    shown = {"headers": {_SPELT.get(name, name): _ref("headers", name) for name in headers}} if headers else {}
    return {"description": description, **shown, **({"content": _content(schema)} if schema else {})}


def _content(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {_JSON: {"schema": schema}}


def _ref(kind: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/{kind}/{name}"}
