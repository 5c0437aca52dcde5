"""Builds the OpenAPI document of a deployment: its routes with their requests and responses.

Only `GET /openapi.json` imports this module, because the import is slow.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaWarningKind, models_json_schema

from analysis_jobs.api import schemas as models
from analysis_jobs.api.requests import ListQuery
from analysis_jobs.authoring.analysis import Analyses, Analysis
from analysis_jobs.base.ids import ID_PATTERN
from analysis_jobs.base.settings import Settings
from analysis_jobs.base.values import dataclass
from analysis_jobs.submission.uploads import Upload

_JSON = "application/json"
_PROBLEM = "application/problem+json"
_PARAMETER = re.compile(r"\{(\w+)\}")
_DESCRIPTION = (
    "Submit an analysis, then poll its job until it has ended. Every call needs the credentials that `security` names. "
    "They belong to a tenant, which decides which jobs a call can see. This document is the same for all tenants."
)
_BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
# The notation of Amazon API Gateway:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authtype.html
_SIGV4 = {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}
_HEADERS = {
    "CacheControl": "How the response may be cached.",
    "ETag": "The version of the job. Send it as `If-None-Match`.",
    "Location": "The path of the job, or the URL of the file.",
    "RetryAfter": "Seconds to wait before the next call.",
    "Vary": "The response depends on `Accept`: JSON gets the link in the body.",
}
_HEADER_NAMES = {"CacheControl": "Cache-Control", "RetryAfter": "Retry-After"}
_PARAMETERS: dict[str, dict[str, Any]] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Within 24 hours the same request with the same key returns the job of the first one.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "An `ETag`. Returns 304 if the job has not changed. With `wait` it waits for a change.",
        "schema": {"type": "string"},
    },
    "Wait": {
        "name": "wait",
        "in": "query",
        "description": "How many seconds the response may wait for the job to end.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 25},
    },
}
# The name and the description of each error response.
_ERROR_RESPONSES = {
    400: ("BadRequest", "The body is not JSON."),
    401: ("Unauthorized", "The request has no valid token."),
    403: ("Forbidden", "The token has no tenant, or does not allow the request."),
    404: ("NotFound", "The resource does not exist, or belongs to another tenant."),
    409: ("Conflict", "The state of the job does not allow the request."),
    410: ("Gone", "The job that this `Idempotency-Key` created has expired."),
    413: ("TooLarge", "The body is too large. Upload large documents instead."),
    422: ("Invalid", "`errors` names the invalid fields."),
    429: ("TooManyRequests", "The request rate of the API stage is exceeded."),
    500: ("InternalError", "The API failed. `detail` contains the id of the request."),
    503: ("Unavailable", "The API is busy. Retry after a second."),
}
_ALWAYS_POSSIBLE = (401, 403, 429, 500, 503)
_ALSO_FROM_GATEWAY = {403, 404, 413, 500, 503}
_BODY_ERRORS = (400, 413, 422)


@dataclass(frozen=True)
class _Operation:
    """One operation. `responses` are the successful ones, `errors` the statuses of the others."""

    route: str
    name: str
    summary: str
    responses: Mapping[int, Mapping[str, Any]]
    errors: Sequence[int] = ()
    parameters: Sequence[Mapping[str, Any]] = ()
    body: Mapping[str, Any] | None = None
    tag: str = "jobs"

    def operation(self) -> dict[str, Any]:
        """Return the operation object."""
        named = _PARAMETER.findall(self.route)
        errors = {*_ALWAYS_POSSIBLE, *self.errors, *([404] if named else [])} - self.responses.keys()
        responses = {str(status): response for status, response in self.responses.items()}
        responses |= {str(status): _ref("responses", _ERROR_RESPONSES[status][0]) for status in errors}
        parameters = [*map(_path_parameter, named), *self.parameters]
        return {
            "operationId": self.name,
            "summary": self.summary,
            "tags": [self.tag],
            **({"parameters": parameters} if parameters else {}),
            **({"requestBody": {"required": True, "content": _content(self.body)}} if self.body else {}),
            "responses": dict(sorted(responses.items())),
        }


class _Generate(GenerateJsonSchema):
    """Generates schemas without field titles. A type without a JSON schema becomes any JSON value."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Omit the title, because it only repeats the name of the field."""
        del schema
        return False

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        """Return the schema of any JSON value."""
        del schema, error_info
        return {}

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Suppress the warning about a default that is not JSON. The schema omits that default."""


@dataclass
class _Schemas:
    """The schemas of the document. Two models with the same name get longer names."""

    analyses: Analyses
    priorities: Sequence[str]
    components: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.submissions = {one.name: models.submission_model(one, self.priorities) for one in self.analyses.values()}
        self.bodies = {one.name: models.own_route_body_model(one) for one in self.analyses.values()}
        self.jobs = {one.name: models.job_model(one) for one in self.analyses.values()}
        self.other = models.undeployed_job_model(self.analyses)
        requests: list[type[BaseModel]] = [Upload, ListQuery, *self.submissions.values(), *self.bodies.values()]
        responses: list[type[BaseModel]] = [*models.RESPONSES, *self.jobs.values(), self.other]
        schemas: list[tuple[type[BaseModel], JsonSchemaMode]] = [
            *((each, "validation") for each in requests),
            *((each, "serialization") for each in responses),
        ]
        template = "#/components/schemas/{model}"
        self._refs, made = models_json_schema(schemas, ref_template=template, schema_generator=_Generate)
        self.components = made["$defs"]

    def request_ref(self, model: type[BaseModel]) -> dict[str, Any]:
        """Return the reference to the schema of a request model."""
        return self._refs[model, "validation"]

    def response_ref(self, model: type[BaseModel]) -> dict[str, Any]:
        """Return the reference to the schema of a response model."""
        return self._refs[model, "serialization"]

    @property
    def submission(self) -> dict[str, Any]:
        """The schema of the body of `POST /jobs`. The field `analysis` selects one of the models."""
        refs = {name: self.request_ref(model) for name, model in self.submissions.items()}
        mapping = {name: ref["$ref"] for name, ref in refs.items()}
        return {"oneOf": list(refs.values()), "discriminator": {"propertyName": "analysis", "mapping": mapping}}

    @property
    def any_job(self) -> dict[str, Any]:
        """The schema of a job of any analysis."""
        return {"oneOf": [self.response_ref(model) for model in (*self.jobs.values(), self.other)]}


def document(analyses: Analyses, settings: Settings) -> dict[str, Any]:
    """Return the document as a JSON object. It is the same for all tenants."""
    schemas = _Schemas(analyses, sorted(settings.queue_urls))
    # A caller with AWS credentials uses the routes below a path of its own; see `servers`.
    schemes = {"bearer": _BEARER} | ({"sigv4": _SIGV4} if settings.callers.iam else {})
    paths: dict[str, dict[str, Any]] = {}
    for call in (*_standard_operations(schemas), *_analyses_operations(schemas)):
        method, path = call.route.split(" ", 1)
        paths.setdefault(path, {}).setdefault(
            method.lower(), call.operation()
        )  # the first route with a path and method handles it
    return {
        "openapi": "3.1.0",
        "info": {"title": "analysis-jobs", "version": settings.code_version, "description": _DESCRIPTION},
        "security": [{name: []} for name in schemes],
        "paths": paths,
        "components": {
            "securitySchemes": schemes,
            "schemas": {name: each for name, each in schemas.components.items() if name != ListQuery.__name__},
            "responses": dict(_error_responses(schemas)),
            "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()},
            "parameters": _PARAMETERS,
        },
    }


def _standard_operations(schemas: _Schemas) -> Iterator[_Operation]:
    summary = schemas.response_ref(models.JobSummary)
    yield _Operation(
        "POST /jobs",
        "submit",
        "Submit a job.",
        _submitted(schemas),
        (*_BODY_ERRORS, 410),
        [_ref("parameters", "IdempotencyKey")],
        schemas.submission,
    )
    yield _Operation(
        "GET /jobs",
        "list_jobs",
        "List a page of the tenant's jobs, newest first. Give at most one of `status`, `client` and `subject`.",
        {200: _response("A page.", schemas.response_ref(models.JobPage))},
        (422,),
        list(_filters(schemas)),
    )
    yield _status("GET /jobs/{job_id}", "get_job", "Get a job.", schemas.any_job)
    yield _download("GET /jobs/{job_id}/files/{name}", "download_file", schemas)
    yield _Operation(
        "POST /jobs/{job_id}/cancel",
        "cancel",
        "Cancel a job that has not ended.",
        {
            200: _response("The job is cancelled.", summary, "Location"),
            202: _response("The worker was asked to stop.", summary, "Location"),
        },
        (409,),
    )
    retried = {202: _response("The job is queued or running.", summary, "Location"), 429: _limited(schemas)}
    yield _Operation("POST /jobs/{job_id}/retry", "retry", "Run a failed or cancelled job again.", retried, (409,))
    yield _Operation(
        "POST /uploads",
        "upload",
        "Get a form that uploads one file of this type and size.",
        {201: _response("The form.", schemas.response_ref(models.UploadAccepted))},
        _BODY_ERRORS,
        body=schemas.request_ref(Upload),
    )
    yield _Operation(
        "GET /openapi.json", "openapi", "Get this document.", {200: _response("This document.", {"type": "object"})}
    )


def _analyses_operations(schemas: _Schemas) -> Iterator[_Operation]:
    for analysis in schemas.analyses.values():
        yield from _operations_of(analysis, schemas)


def _operations_of(analysis: Analysis[Any, Any], schemas: _Schemas) -> Iterator[_Operation]:
    name = analysis.name.replace("-", "_")
    if analysis.submit_route:
        yield _Operation(
            analysis.submit_route,
            f"submit_{name}",
            f"Submit a job of {analysis.name}. The body is its input.",
            _submitted(schemas),
            (*_BODY_ERRORS, 410),
            [_ref("parameters", "IdempotencyKey")],
            schemas.request_ref(schemas.bodies[analysis.name]),
            analysis.name,
        )
    if analysis.status_route:
        which = "a job" if "{job_id}" in analysis.status_route else "the newest job of the subject"
        job = schemas.response_ref(schemas.jobs[analysis.name])
        yield _status(
            analysis.status_route, f"get_{name}", f"Get {which}, for the analysis {analysis.name}.", job, analysis.name
        )
    if analysis.download_route:
        yield _download(analysis.download_route, f"download_{name}", schemas, analysis.name)


def _submitted(schemas: _Schemas) -> dict[int, Mapping[str, Any]]:
    return {
        200: _response("No new job is needed.", schemas.response_ref(models.JobNotNeeded), "Location", "RetryAfter"),
        202: _response("The job is accepted.", schemas.response_ref(models.JobAccepted), "Location", "RetryAfter"),
        429: _limited(schemas),
    }


def _limited(schemas: _Schemas) -> Mapping[str, Any]:
    limited = {_PROBLEM: {"schema": schemas.response_ref(models.LimitReached)}}
    return {
        "description": "The rate of the analysis is reached; or, without `Retry-After`, that of the API stage.",
        "headers": {"Retry-After": _ref("headers", "RetryAfter")},
        "content": limited | _content(schemas.response_ref(models.GatewayError)),
    }


def _status(route: str, name: str, summary: str, job: Mapping[str, Any], tag: str = "jobs") -> _Operation:
    responses = {
        200: _response("The job.", job, "ETag", "CacheControl", "RetryAfter"),
        304: _response("The job has not changed.", None, "ETag", "CacheControl", "RetryAfter"),
    }
    parameters = [_ref("parameters", "Wait"), _ref("parameters", "IfNoneMatch")]
    return _Operation(route, name, summary, responses, (404, 422), parameters, tag=tag)


def _download(route: str, name: str, schemas: _Schemas, tag: str = "jobs") -> _Operation:
    link = schemas.response_ref(models.DownloadLink)
    responses = {
        200: _response("The link, for `Accept: application/json`.", link, "CacheControl", "Vary"),
        302: _response(
            "A redirect to the file. That request needs no token.", None, "Location", "CacheControl", "Vary"
        ),
    }
    return _Operation(route, name, "Download a file of a job.", responses, tag=tag)


def _filters(schemas: _Schemas) -> Iterator[dict[str, Any]]:
    """Yield the query parameters. A query cannot contain null, so the schemas omit it."""
    for name, schema in schemas.components[ListQuery.__name__]["properties"].items():
        kinds = [kind for kind in schema.get("anyOf", [schema]) if kind != {"type": "null"}]
        yield {"name": name, "in": "query", "schema": kinds[0]}


def _error_responses(schemas: _Schemas) -> Iterator[tuple[str, dict[str, Any]]]:
    problem = {_PROBLEM: {"schema": schemas.response_ref(models.ProblemDetails)}}
    gateway = _content(schemas.response_ref(models.GatewayError))
    for status, (name, description) in _ERROR_RESPONSES.items():
        content = gateway if status in {401, 429} else problem | (gateway if status in _ALSO_FROM_GATEWAY else {})
        headers = {"headers": {"Retry-After": _ref("headers", "RetryAfter")}} if status == 503 else {}  # noqa: PLR2004
        yield name, {"description": description, **headers, "content": content}


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": f"^{ID_PATTERN}$"} if name == "job_id" else {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _response(description: str, schema: Mapping[str, Any] | None, *headers: str) -> dict[str, Any]:
    shown = {"headers": {_HEADER_NAMES.get(name, name): _ref("headers", name) for name in headers}} if headers else {}
    return {"description": description, **shown, **({"content": _content(schema)} if schema else {})}


def _content(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {_JSON: {"schema": schema}}


def _ref(kind: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/{kind}/{name}"}
