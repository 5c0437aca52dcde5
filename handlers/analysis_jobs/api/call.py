"""One request with what the API knows about it: the caller, the prefix of its path, its audit line and its span."""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from analysis_jobs.api.audited import AuditLine
from analysis_jobs.api.callers import canary_of, tenant_of
from analysis_jobs.api.problems import Problem
from analysis_jobs.api.routing import Request
from analysis_jobs.base.field_errors import FieldError, field_errors
from analysis_jobs.base.settings import CallerRules
from analysis_jobs.base.tenants import CANARY_TENANT
from analysis_jobs.base.tracing import Span
from analysis_jobs.jobs.canaries import CanaryRun
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES
from analysis_jobs.jobs.request_errors import InvalidRequestError

Model = TypeVar("Model", bound=BaseModel)


class Call:
    """A request to a route. `prefix` is the beginning of its path that no route contains."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that belongs to a request
        self, request: Request, prefix: str, audit: AuditLine, span: Span, callers: CallerRules, tenant_claim: str
    ) -> None:
        self.request = request
        self.prefix = prefix
        self.audit = audit
        self.span = span
        self._callers = callers
        self._tenant_claim = tenant_claim

    def canary(self) -> CanaryRun | None:
        """Return the mark of a canary. None: the request is a caller's."""
        return canary_of(self.request.context)

    def tenant(self) -> str:
        """Return the caller's tenant, and name it in the audit line. Raises `Problem` (403) if there is none."""
        if self.canary():
            self.audit.tenant = CANARY_TENANT
            return CANARY_TENANT
        authorizer = self.request.context.get("authorizer") or {}
        self.audit.tenant = tenant_of(authorizer, self._callers, self._tenant_claim)
        return self.audit.tenant

    def path_of(self, job_id: str) -> str:
        """Return the path of a job, as this caller reaches it."""
        return f"{self.prefix}/jobs/{job_id}"

    def json_body(self) -> Any:
        """Return the body. Raises `Problem` (400 or 413) if it is not JSON or too large."""
        try:
            body = self.request.text()
            if len(body.encode()) > MAX_PAYLOAD_BYTES:
                message = f"the body has more than {MAX_PAYLOAD_BYTES} bytes; upload large documents with POST /uploads"
                raise Problem(413, "Request too large", message, (FieldError("body", message),))
            # Stricter than `json`: rejects NaN, lone surrogates, and nesting that is too deep to serialize.
            given = from_json(body, allow_inf_nan=False)
            json.dumps(given, allow_nan=False)  # rejects 1e999, which is parsed as infinity
        except ValueError as error:
            message = f"this is not JSON: {error}"
            raise Problem(400, "Invalid request", message, (FieldError("body", message),)) from error
        return given


def validated(model: type[Model], given: Any, prefix: str = "") -> Model:
    """Return an instance of the model. Raises `InvalidRequestError`, which names the fields after the prefix."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidRequestError(field_errors(error, prefix)) from error
