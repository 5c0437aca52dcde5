"""The preflight check of callers and their tokens: each fault is planted, and found with its fix."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs_dev.doctor import callers
from analysis_jobs_dev.doctor.findings import Level
from analysis_jobs_dev.doctor.subject import Function
from tests.tools.doctored import REGION, Scripted, a_stack, bad


@pytest.fixture(autouse=True)
def _account() -> Iterator[None]:
    with mock_aws():
        yield


POOL = f"{REGION}_people"
ISSUER = f"https://cognito-idp.{REGION}.amazonaws.com/{POOL}"


def with_api(**variables: str) -> Scripted:
    """Return a stack with an API that accepts the tokens of the app client `web`."""
    apis = [
        {"ApiId": name, "Name": name, "ProtocolType": "HTTP", "RouteSelectionExpression": "r"}
        for name in ("another-api", f"{a_stack().stack}-api")
    ]
    jwt = {"AuthorizerType": "JWT", "JwtConfiguration": {"Audience": ["web"], "Issuer": ISSUER}, "Name": "jwt"}
    given = {name: value.replace("ISSUER", ISSUER) for name, value in variables.items()}
    function = Function({"FunctionName": "api", "Role": "r", "Environment": {"Variables": given}})
    subject = replace(a_stack(), functions={"api": function})
    return subject.answers("apigatewayv2", ("get_apis", {"Items": apis}), ("get_authorizers", {"Items": [jwt]}))


def app_clients(subject: Scripted, **settings: dict[str, Any]) -> Scripted:
    """Return the stack with these app clients of the pool."""
    listed = {"UserPoolClients": [{"ClientId": client, "ClientName": client} for client in settings]}
    shown = [{"UserPoolClient": {"ClientId": name, "ClientName": name} | each} for name, each in settings.items()]
    calls = [("describe_user_pool_client", each) for each in shown]
    return subject.answers("cognito-idp", ("list_user_pool_clients", listed), *calls)


@pytest.mark.parametrize(
    ("settings", "variables", "level"),
    [
        ({"WriteAttributes": ["email", "custom:tenant"]}, {"TENANT_CLAIM": "custom:tenant"}, Level.PROBLEM),
        ({"WriteAttributes": ["email"]}, {"TENANT_CLAIM": "custom:tenant"}, Level.OK),
        ({}, {"TENANT_CLAIM": "custom:tenant"}, Level.WARNING),
        ({}, {"TENANT_CLAIM": "profile"}, Level.PROBLEM),
        (
            {"WriteAttributes": ["custom:org"]},
            {"TENANT_CLAIM": "tenant", "CALLERS": '{"issuers": {"ISSUER": {"claim": "custom:org"}}}'},
            Level.PROBLEM,
        ),
        (
            {"WriteAttributes": ["tenant"]},
            {"TENANT_CLAIM": "tenant", "CALLERS": '{"issuers": {"ISSUER": {"tenant": "acme"}}}'},
            None,
        ),
    ],
)
def test_a_user_must_not_choose_the_tenant(
    settings: dict[str, Any], variables: dict[str, str], level: Level | None
) -> None:
    found = list(callers.cognito(app_clients(with_api(**variables), web=settings)))
    assert [each.level for each in found] == ([level] if level else [])
    assert all("tenant" in each.message and "write attributes" in each.fix for each in bad(iter(found)))


def test_tokens_that_live_long_are_a_warning() -> None:
    units = {"AccessToken": "minutes", "IdToken": "days"}
    lifetimes: dict[str, Any] = {"AccessTokenValidity": 60, "IdTokenValidity": 1, "TokenValidityUnits": units}
    lifetimes |= {"WriteAttributes": ["email"]}
    subject = app_clients(with_api(TENANT_CLAIM="custom:tenant"), web=lifetimes, another=lifetimes)
    [finding] = bad(callers.cognito(subject))
    assert (finding.level, "IdToken" in finding.message) == (Level.WARNING, True)


def test_an_app_client_that_cannot_be_read_is_unknown() -> None:
    subject = with_api().answers("cognito-idp", ("list_user_pool_clients", "AccessDeniedException"))
    [finding] = bad(callers.cognito(subject))
    assert (finding.level, "cognito-idp:ListUserPoolClients" in finding.fix) == (Level.UNKNOWN, True)


def test_a_tenant_may_not_be_written_with_another_app_client_either() -> None:
    subject = app_clients(
        with_api(TENANT_CLAIM="custom:tenant"),
        web={"WriteAttributes": ["email"]},
        old={"WriteAttributes": ["custom:tenant"]},
    )
    [finding] = bad(callers.cognito(subject))
    assert (finding.level, "old" in finding.message) == (Level.PROBLEM, True)


def test_an_api_without_cognito_has_no_finding() -> None:
    assert list(callers.cognito(a_stack())) == []
