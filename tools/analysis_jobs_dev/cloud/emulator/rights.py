"""The IAM rights that AWS asks for a request, where MiniStack asks for none, for others, or on another resource.

Sources: the service authorization reference (actions, resources, condition keys), and the pages of the services about
the rights that a call needs in addition, such as `iam:PassRole`. Nothing here imports MiniStack.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from analysis_jobs_dev.cloud.emulator import lambda_rights
from analysis_jobs_dev.cloud.emulator.requests import EVERYTHING, Request, Right


def needed(request: Request) -> list[Right]:
    """Return the rights of a request. Empty: AWS asks for none."""
    own = _OF_SERVICES.get(request.service)
    if own is not None:
        return list(own(request))
    return [Right(request.action, request.resource)] if request.action else []


def _iam(request: Request) -> Iterator[Right]:
    name = request.given("RoleName")
    if not request.action or not name:
        if request.action:
            yield Right(request.action, request.given("OpenIDConnectProviderArn", "PolicyArn") or request.resource)
        return
    arn, boundary = request.account.role(name)
    if request.operation == "CreateRole":
        arn = request.arn("iam", f"role{request.given('Path') or '/'}{name}", everywhere=True)
    if request.operation in {"CreateRole", "PutRolePermissionsBoundary"}:
        boundary = request.given("PermissionsBoundary")
    yield Right(request.action, arn, {"iam:PermissionsBoundary": boundary} if boundary else {})
    if request.operation == "CreateRole" and request.tagged:
        yield Right("iam:TagRole", arn)


def _apigateway(request: Request) -> Iterator[Right]:
    """Yield the HTTP method on the path. An API's name is a condition key of the API, and not of its parts."""
    path = re.sub(r"^/v2", "", request.path).rstrip("/")
    if not request.action or path.startswith("/_aws"):
        return
    resource = f"arn:aws:apigateway:{request.region}::{unquote(path)}"
    context: dict[str, str | None] = {}
    if path == "/apis":
        context["apigateway:Request/ApiName"] = request.given("name", "Name")
    elif found := re.fullmatch(r"/apis/([^/]+)", path):
        context["apigateway:Resource/ApiName"] = request.account.api_name(found[1])
    yield Right(request.action, resource, {key: value for key, value in context.items() if value})
    if request.method == "POST" and request.tagged and not path.startswith("/tags"):
        # A new resource with tags needs the right to tag.
        yield Right("apigateway:POST", f"arn:aws:apigateway:{request.region}::/tags/{resource}")


def _logs(request: Request) -> Iterator[Right]:
    if not request.action:
        return
    if request.operation == "DescribeMetricFilters" and (group := request.given("logGroupName")):
        yield Right(request.action, request.arn("logs", f"log-group:{group}"))
        return
    if request.operation.startswith("Describe"):
        yield Right(request.action)
        return
    yield Right(request.action, request.resource)
    if request.operation == "CreateLogGroup" and request.tagged:
        yield Right("logs:TagResource", request.resource)


def _monitoring(request: Request) -> Iterator[Right]:
    if not request.action:
        return
    dashboards = [request.given("DashboardName"), *request.listed("DashboardNames")]
    alarms = [request.given("AlarmName"), *request.listed("AlarmNames")]
    found = [request.arn("cloudwatch", f"dashboard/{name}", everywhere=True) for name in dashboards if name]
    found += [request.arn("cloudwatch", f"alarm:{name}") for name in alarms if name]
    found += [name] if (name := request.given("ResourceARN")) else []
    for resource in found or [EVERYTHING]:
        yield Right(request.action, resource)
        if request.operation == "PutMetricAlarm" and request.tagged:
            yield Right("cloudwatch:TagResource", resource)


def _events(request: Request) -> Iterator[Right]:
    if not request.action:
        return
    name, bus = request.given("Name", "Rule"), request.given("EventBusName") or "default"
    resource = request.resource
    if arn := request.given("ResourceARN"):
        resource = arn
    elif name and request.operation != "PutEvents":
        resource = request.arn("events", f"rule/{name}" if bus == "default" else f"rule/{bus}/{name}")
    yield Right(request.action, resource)
    if request.operation == "PutRule" and request.tagged:
        yield Right("events:TagResource", resource)


def _sns(request: Request) -> Iterator[Right]:
    if not request.action:
        return
    arn = request.given("TopicArn", "ResourceArn", "TargetArn")
    # Neither supports a resource.
    nothing = request.operation in {"GetSubscriptionAttributes", "Unsubscribe"}
    yield Right(request.action, EVERYTHING if nothing else arn or request.resource)
    if request.operation == "CreateTopic" and request.tagged:
        yield Right("sns:TagResource", request.resource)


def _sqs(request: Request) -> Iterator[Right]:
    if not request.action:
        return
    # A batch needs the right to the single action:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
    yield Right(request.action.removesuffix("Batch"), request.resource)
    if request.operation == "CreateQueue" and request.tagged:
        yield Right("sqs:TagQueue", request.resource)


def _dynamodb(request: Request) -> Iterator[Right]:
    if not request.action:
        return
    resource = request.given("ResourceArn") or request.resource
    yield Right(request.action, resource, _leading_keys(request))
    if request.operation == "CreateTable":
        if request.tagged:
            yield Right("dynamodb:TagResource", resource)
        if key := (request.fields.get("SSESpecification") or {}).get("KMSMasterKeyId"):
            # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
            via = {"kms:ViaService": f"dynamodb.{request.region}.amazonaws.com"}
            yield from (Right(f"kms:{each}", key, via) for each in ("CreateGrant", "DescribeKey"))


def _leading_keys(request: Request) -> dict[str, list[str]]:
    """Return the condition key with the hash key of the row that a request names."""
    row = request.fields.get("Key") or request.fields.get("Item")
    table = request.given("TableName")
    if not isinstance(row, Mapping) or not table:
        return {}
    value = row.get(request.account.hash_key_of(table.rpartition("/")[2]) or "")
    return {"dynamodb:LeadingKeys": [str(each) for each in value.values()]} if isinstance(value, Mapping) else {}


def _kms(request: Request) -> Iterator[Right]:
    if not request.action:
        return
    alias = request.given("AliasName")
    if alias and request.operation in {"CreateAlias", "DeleteAlias", "UpdateAlias"}:
        key = request.given("TargetKeyId") or request.account.key_of(alias) or EVERYTHING
        yield Right(request.action, request.arn("kms", alias))
        yield _of_key(request, key)
    elif request.operation == "CreateKey":
        yield Right(request.action, EVERYTHING, _new_tags(request))
        if request.tagged:
            yield Right("kms:TagResource", request.arn("kms", "key/new"), _new_tags(request))
    elif request.operation in {"ListAliases", "ListKeys"}:
        yield Right(request.action)
    else:
        yield _of_key(request, request.resource)


def _of_key(request: Request, key: str) -> Right:
    """Return the right to a key. Its tags and its aliases are condition keys."""
    if ":alias/" in key:
        alias = f"alias/{key.partition(':alias/')[2]}"
        found = request.account.key_of(alias) or request.arn("kms", "key/of-aws")
        return Right(request.action or "", found, {"kms:RequestAlias": alias})
    arn = key if key.startswith("arn:") or key == EVERYTHING else request.arn("kms", f"key/{key}")
    context: dict[str, Any] = {f"aws:ResourceTag/{name}": value for name, value in request.account.tags_of(arn).items()}
    if aliases := request.account.aliases_of(arn):
        context["kms:ResourceAliases"] = aliases
    if request.operation == "TagResource":
        context.update(_new_tags(request))
    return Right(request.action or "", arn, context)


def _new_tags(request: Request) -> dict[str, str]:
    return {f"aws:RequestTag/{tag['TagKey']}": tag["TagValue"] for tag in request.fields.get("Tags") or []}


def _route53(request: Request) -> Iterator[Right]:
    if not request.action:
        return
    found = re.search(r"/(hostedzone|change)/([^/]+)", request.path)
    yield Right(request.action, f"arn:aws:route53:::{found[1]}/{found[2]}" if found else EVERYTHING)


_OF_SERVICES: dict[str, Callable[[Request], Iterator[Right]]] = {
    "apigateway": _apigateway,
    "dynamodb": _dynamodb,
    "events": _events,
    "iam": _iam,
    "kms": _kms,
    "lambda": lambda_rights.rights,
    "logs": _logs,
    "monitoring": _monitoring,
    "route53": _route53,
    "sns": _sns,
    "sqs": _sqs,
}
