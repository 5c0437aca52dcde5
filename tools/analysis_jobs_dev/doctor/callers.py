"""Checks the app clients of Cognito whose tokens the API accepts: nobody may write a tenant into their own token."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from analysis_jobs_dev.doctor.findings import Finding, ok, problem, unknown, warning
from analysis_jobs_dev.doctor.subject import AWS_ERRORS, Function, Subject, json_variable, reason

COGNITO = "cognito"
_ISSUER = re.compile(r"https://cognito-idp\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/(?P<pool>[\w-]+)")
# Without a list of its own, an app client may write these:
# https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
_STANDARD = frozenset(
    {
        *("address", "birthdate", "email", "family_name", "gender", "given_name", "locale", "middle_name", "name"),
        *("nickname", "phone_number", "picture", "preferred_username", "profile", "updated_at", "website", "zoneinfo"),
    }
)
_LONGEST = timedelta(hours=1)  # also Cognito's default
_RIGHTS = "the caller needs apigateway:GET, cognito-idp:ListUserPoolClients and cognito-idp:DescribeUserPoolClient"


def cognito(subject: Subject) -> Iterator[Finding]:
    """Check the writable attributes and the token lifetimes of the app clients, if the API trusts Cognito."""
    function = subject.functions.get("api")
    if function is None:
        return
    try:
        trusted = list(_trusted(subject))
    except AWS_ERRORS as error:
        yield unknown(COGNITO, reason(error), _RIGHTS)
        return
    for issuer, audience in trusted:
        if found := _ISSUER.fullmatch(issuer):
            yield from _of_pool(subject, found["pool"], audience, _claim(function, issuer))


def _of_pool(subject: Subject, pool: str, audience: Sequence[str], claim: str | None) -> Iterator[Finding]:
    """Check all app clients of a pool. With any of them a user could change the attribute, and then use another one."""
    client = subject.client("cognito-idp")
    try:
        pages = client.get_paginator("list_user_pool_clients").paginate(UserPoolId=pool)
        ids = [each["ClientId"] for page in pages for each in page["UserPoolClients"]]
        clients = [
            client.describe_user_pool_client(UserPoolId=pool, ClientId=client_id)["UserPoolClient"] for client_id in ids
        ]
    except AWS_ERRORS as error:
        yield unknown(COGNITO, f"user pool {pool}: {reason(error)}", _RIGHTS)
        return
    for each in clients:
        name = f"app client {each.get('ClientName')} ({each['ClientId']})"
        if claim is not None:
            yield _writable(name, each, claim)
        if each["ClientId"] in audience:
            yield from _lifetimes(name, each)


def _trusted(subject: Subject) -> Iterator[tuple[str, list[str]]]:
    """Yield issuer and audience of each authorizer of the stack's API. Raises one of `AWS_ERRORS`."""
    client = subject.client("apigatewayv2")
    apis = [api for page in client.get_paginator("get_apis").paginate() for api in page["Items"]]
    for api in apis:
        if api["Name"] != f"{subject.stack}-api":
            continue
        for authorizer in client.get_authorizers(ApiId=api["ApiId"])["Items"]:
            settings = authorizer.get("JwtConfiguration") or {}
            yield settings.get("Issuer", "").rstrip("/"), settings.get("Audience", [])


def _claim(function: Function, issuer: str) -> str | None:
    """Return the claim that names the tenant, None if the issuer has a fixed tenant."""
    rules: dict[str, dict[str, Any]] = (json_variable(function, "CALLERS") or {}).get("issuers", {})
    rule = next((each for url, each in rules.items() if url.rstrip("/") == issuer), {})
    if rule.get("tenant"):
        return None
    return str(rule.get("claim") or function.variables.get("TENANT_CLAIM", "tenant"))


def _writable(name: str, client: Mapping[str, Any], claim: str) -> Finding:
    writable = frozenset(client["WriteAttributes"]) if client.get("WriteAttributes") else _STANDARD
    if claim not in writable and "WriteAttributes" not in client:
        return warning(
            COGNITO,
            f"{name} has no list of write attributes, so {claim} is safe by Cognito's default only",
            f"give the app client write attributes, without {claim}",
        )
    if claim not in writable:
        return ok(COGNITO, f"{name} may not write {claim}")
    return problem(
        COGNITO,
        f"{name} may write {claim}, so each user can choose the tenant",
        f"leave {claim} out of the app client's write attributes: only an administrator or a trigger may set it",
    )


def _lifetimes(name: str, client: Mapping[str, Any]) -> Iterator[Finding]:
    for kind in ("AccessToken", "IdToken"):
        unit = (client.get("TokenValidityUnits") or {}).get(kind, "hours")
        lifetime = timedelta(**{unit: client.get(f"{kind}Validity") or 0})
        if lifetime > _LONGEST:
            yield warning(
                COGNITO,
                f"{name} issues tokens ({kind}) for {lifetime}: the API accepts them until then, also of a user who is "
                "disabled or signed out",
                "set a lifetime of one hour or less; clients refresh their tokens",
            )
