"""Callers of several kinds: issuers of tokens, AWS principals, fixed tenants, custom domains."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import ValidationError

import api
from analysis_jobs.api.callers import prefix_of, tenant_of
from analysis_jobs.api.problems import Problem
from analysis_jobs.api.routes import Api
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.settings import CallerRules
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.stores.waiting import MemoryWaitingSlots
from analysis_jobs.submission.service import SubmissionService
from tests.handlers.api.site import BOOK, VALUATION
from tests.handlers.builders import some_settings
from tests.handlers.events import Answer, http_event, send

OURS, THEIRS = "https://login.example.com", "https://partner.example.com"
ROLE = "arn:aws:iam::111122223333:role/team/backend"
SESSION = "arn:aws:sts::111122223333:assumed-role/backend/i-0123"
RULES = CallerRules.model_validate(
    {
        "issuers": {
            OURS: {"claim": "org"},
            THEIRS: {"claim": "custom:customer", "tenants": ["initech", "umbrella"]},
            "https://single.example.com": {"tenant": "acme"},
        },
        "iam": {"tenants": {"acme": [ROLE], "globex": ["arn:aws:iam::111122223333:user/ada"]}},
        "paths": ["partner", "iam"],
        "domain": "jobs.example.com",
        "base_path": "v1/analysis",
    }
)


def token(**claims: Any) -> dict[str, Any]:
    return {"jwt": {"claims": claims, "scopes": None}}


def signed(arn: str) -> dict[str, Any]:
    """Return what API Gateway says of a caller that signed its request.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    iam = {"accessKey": "AKIA", "accountId": "111122223333", "callerId": "AROA:i-0123", "cognitoIdentity": None}
    return {"iam": {**iam, "principalOrgId": "o-1", "userArn": arn, "userId": "AROA:i-0123"}}


@pytest.mark.parametrize(
    ("authorizer", "tenant"),
    [
        (token(iss=OURS, org="acme", tenant="other"), "acme"),
        (token(iss=THEIRS, **{"custom:customer": "initech"}), "initech"),
        (token(iss="https://single.example.com"), "acme"),
        (token(iss="https://single.example.com", tenant="other"), "acme"),
        (signed(SESSION), "acme"),
        (signed("arn:aws:iam::111122223333:user/ada"), "globex"),
    ],
)
def test_the_tenant_follows_from_the_issuer_or_the_principal(authorizer: dict[str, Any], tenant: str) -> None:
    assert tenant_of(authorizer, RULES, "tenant") == tenant


@pytest.mark.parametrize(
    ("authorizer", "says"),
    [
        (token(iss=OURS, tenant="acme"), "'org'"),
        (token(iss=THEIRS, **{"custom:customer": "acme"}), "may not name the tenant"),
        (token(iss="https://evil.example.com", tenant="acme", org="acme"), "issuer"),
        (token(tenant="acme"), "issuer"),
        ({}, "issuer"),
        (signed("arn:aws:sts::111122223333:assumed-role/another/i-0123"), "role/another has no tenant"),
        (signed("arn:aws:sts::444455556666:assumed-role/backend/i-0123"), "has no tenant"),
        (signed("arn:aws:sts::111122223333:federated-user/backend"), "has no tenant"),
        (signed(""), "has no tenant"),
    ],
)
def test_any_other_caller_is_forbidden(authorizer: dict[str, Any], says: str) -> None:
    with pytest.raises(Problem, match=says) as refused:
        tenant_of(authorizer, RULES, "tenant")
    assert refused.value.status == 403


def test_a_signature_is_worth_nothing_where_only_tokens_are_accepted() -> None:
    with pytest.raises(Problem, match="no AWS credentials"):
        tenant_of(signed(SESSION) | token(tenant="acme"), CallerRules(), "tenant")


def test_a_fixed_tenant_admits_every_principal_that_iam_allows() -> None:
    rules = CallerRules.model_validate({"iam": {"tenant": "acme"}})
    assert tenant_of(signed(SESSION), rules, "tenant") == "acme"


@pytest.mark.parametrize(
    ("domain", "path", "route", "prefix"),
    [
        ("abc.execute-api.eu-west-1.amazonaws.com", "/jobs", "/jobs", ""),
        ("abc.execute-api.eu-west-1.amazonaws.com", "/iam/jobs", "/iam/jobs", "/iam"),
        ("jobs.example.com", "/v1/analysis/jobs", "/jobs", "/v1/analysis"),
        ("jobs.example.com", "/v1/analysis/partner/jobs/7", "/partner/jobs/{job_id}", "/v1/analysis/partner"),
        ("jobs.example.com", "/jobs", "/jobs", ""),
        # The base path of another domain belongs to the route.
        ("abc.execute-api.eu-west-1.amazonaws.com", "/v1/analysis/jobs", "/v1/{x}/jobs", ""),
        # An own route that happens to begin with a parameter.
        ("abc.execute-api.eu-west-1.amazonaws.com", "/iam/valuation", "/{shelf}/valuation", ""),
    ],
)
def test_the_prefix_of_a_path_is_what_the_matched_route_lacks(domain: str, path: str, route: str, prefix: str) -> None:
    event = {"rawPath": path, "routeKey": f"GET {route}", "requestContext": {"domainName": domain}}
    assert prefix_of(event, RULES) == prefix


def test_a_caller_with_aws_credentials_submits_and_finds_its_job() -> None:
    with served():
        made = ask("POST", "/iam/jobs", signed(SESSION), BOOK)
        assert (made.status, made.headers["location"]) == (202, f"/iam/jobs/{made.json['job_id']}")
        assert made.json["status_url"] == made.headers["location"]
        assert ask("GET", made.headers["location"], signed(SESSION)).json["status"] == "queued"
        assert ask("GET", made.headers["location"], signed("arn:aws:iam::111122223333:user/ada")).status == 404
        cancelled = ask("POST", f"{made.headers['location']}/cancel", signed(SESSION))
        assert cancelled.headers["location"] == made.headers["location"]


def test_the_body_cannot_name_another_tenant() -> None:
    with served() as store:
        assert ask("POST", "/iam/jobs", signed(SESSION), BOOK | {"tenant": "globex"}).status == 422
        assert ask("POST", "/iam/jobs", signed(SESSION), BOOK).status == 202
        assert {key.tenant for key in store.jobs} == {"acme"}


def test_the_document_says_below_which_path_its_routes_are() -> None:
    with served():
        below = ask("GET", "/iam/openapi.json", signed(SESSION)).json
        assert below["servers"] == [{"url": "/iam"}]
        assert below["security"] == [{"bearer": []}, {"sigv4": []}]
        assert "servers" not in ask("GET", "/openapi.json", token(iss=OURS, org="acme")).json


@pytest.mark.parametrize("given", [{"issuers": {"x": {"claims": "org"}}}, {"iam": {"tenants": {"acme": "arn"}}}])
def test_misspelt_rules_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CallerRules.model_validate(given)


@contextmanager
def served() -> Iterator[MemoryJobStore]:
    """Patch `api.handler` to serve one analysis to the callers of `RULES`."""
    clock = ManualClock()
    store = MemoryJobStore()
    service = SubmissionService(
        store, MemoryQueue(), MemoryArtifactStore(), Analyses([VALUATION]), some_settings(callers=RULES), clock
    )
    built = Api.build(service, "tenant", MemoryWaitingSlots())
    with patch.object(api, "_api", lambda: built):
        yield store


def ask(method: str, path: str, authorizer: dict[str, Any], body: Any = None) -> Answer:
    """Send a request as API Gateway does for a caller that it has authenticated."""
    event = http_event(method, path, None if body is None else json.dumps(body))
    event["requestContext"]["authorizer"] = authorizer
    return send(event)
