"""The callers of the API: which tenant a caller belongs to, and which prefix its path has.

API Gateway has authenticated the caller before it invokes the function. It passes the claims of the token, or the ARN
of the AWS principal that signed the request. The tenant follows from these alone, never from the path or the body.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control.html
"""

import re
from collections.abc import Mapping
from typing import Any

from analysis_jobs.api.problems import Problem
from analysis_jobs.base.audit import Actor
from analysis_jobs.base.settings import CallerRules, IamRule, IssuerRule
from analysis_jobs.base.tenants import is_tenant
from analysis_jobs.jobs.canaries import CanaryRun

# The key of the mark in the request context.
CANARY_MARK = "analysisJobsCanary"
# A role's session has no path of the role, so the path of a configured role does not count. IAM's names of roles are
# unique in an account.
_SESSION = re.compile(r"arn:([a-z-]+):sts::(\d{12}):assumed-role/([^/]+)/.+")
_ROLE = re.compile(r"arn:([a-z-]+):iam::(\d{12}):role/(?:.+/)?([^/]+)")


def tenant_of(authorizer: Mapping[str, Any], rules: CallerRules, tenant_claim: str) -> str:
    """Return the tenant of a caller.

    `authorizer` is the object of this name in the request context of an event (payload format 2.0). `tenant_claim` is
    used if `rules` name no issuer. Raises `Problem` (403) if the caller has no tenant.
    """
    if iam := authorizer.get("iam"):
        return _tenant_of_principal(str(iam.get("userArn") or ""), rules.iam)
    claims = (authorizer.get("jwt") or {}).get("claims") or {}
    if not rules.issuers:
        return _tenant_of_claims(claims, IssuerRule(claim=tenant_claim))
    rule = rules.issuers.get(str(claims.get("iss")))
    if rule is None:
        raise _forbidden("the issuer of the token is not one of this API")
    return _tenant_of_claims(claims, rule)


def actor_of(authorizer: Mapping[str, Any]) -> Actor:
    """Return the caller for the audit trail. See `tenant_of` for `authorizer`. Never raises."""
    if iam := authorizer.get("iam"):
        return Actor("iam", str(iam.get("userArn") or "") or None)
    claims = (authorizer.get("jwt") or {}).get("claims")
    if not claims:
        return Actor("unknown")
    sub, issuer, client = (
        str(value) if value else None
        for value in (claims.get("sub"), claims.get("iss"), claims.get("client_id") or claims.get("azp"))
    )
    return Actor("token", sub, issuer, client)


def canary_of(context: Mapping[str, Any]) -> CanaryRun | None:
    """Return the mark of a canary in the request context of an event; None for the request of a caller.

    Only a direct invocation of the function can set it: API Gateway makes the whole request context of a request. The
    `apiId`, which every such context has, excludes the mark all the same.
    """
    mark = context.get(CANARY_MARK)
    if not isinstance(mark, Mapping) or "apiId" in context:
        return None
    return CanaryRun({str(name): int(version) for name, version in (mark.get("prompts") or {}).items()})


def _tenant_of_claims(claims: Mapping[str, Any], rule: IssuerRule) -> str:
    if rule.tenant is not None:
        return rule.tenant
    tenant = claims.get(rule.claim)
    if not isinstance(tenant, str) or not is_tenant(tenant):
        raise _forbidden(f"the claim {rule.claim!r} of the token is not a valid tenant")
    if rule.tenants is not None and tenant not in rule.tenants:
        raise _forbidden(f"the issuer of the token may not name the tenant in its claim {rule.claim!r}")
    return tenant


def _tenant_of_principal(user_arn: str, rule: IamRule | None) -> str:
    if rule is None:
        raise _forbidden("this API accepts no AWS credentials")
    if rule.tenant is not None:
        return rule.tenant
    principal = _principal(user_arn)
    for tenant, arns in rule.tenants.items():
        if principal in map(_principal, arns):
            return tenant
    raise _forbidden(f"{principal} has no tenant: add it to api.iam.tenants of the module")


def _principal(arn: str) -> str:
    """Return a role's ARN without its path, also for one of its sessions, and any other ARN unchanged."""
    role = _SESSION.fullmatch(arn) or _ROLE.fullmatch(arn)
    return f"arn:{role[1]}:iam::{role[2]}:role/{role[3]}" if role else arn


def prefix_of(event: Mapping[str, Any], rules: CallerRules) -> str:
    """Return the beginning of the event's path that no route of an analysis contains: "", or for example "/v1/iam".

    It consists of the base path of the custom domain, and the path of the issuer or of `iam`. API Gateway names both:
    the domain in the request context, and the path in the key of the matched route.
    """
    path: str = event["rawPath"]
    base = f"/{rules.base_path}" if rules.base_path and event["requestContext"]["domainName"] == rules.domain else ""
    if not path.startswith(f"{base}/"):
        base = ""
    route = event.get("routeKey", "").partition(" ")[2]
    for name in rules.paths:
        if route.startswith(f"/{name}/") and path.startswith(f"{base}/{name}/"):
            return f"{base}/{name}"
    return base


def _forbidden(detail: str) -> Problem:
    return Problem(403, "Forbidden", detail)
