"""The IAM rights that AWS asks for a request, where MiniStack asks for none, for others, or on another resource.

Sources: the service authorization reference (actions, resources, condition keys), and the pages of the services about
the rights that a call needs in addition, such as `iam:PassRole`. Nothing here imports MiniStack.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import unquote

EVERYTHING = "*"


@dataclass(frozen=True)
class Right:
    """An action on a resource. `context` has the condition keys of the request, beyond those that MiniStack knows."""

    action: str
    resource: str = EVERYTHING
    context: Mapping[str, Any] = field(default_factory=dict)


class Account(Protocol):
    """What a request does not say, and the account knows."""

    @property
    def id(self) -> str:
        """The account's number."""

    def role(self, name: str) -> tuple[str, str | None]:
        """Return the ARN of a role and that of its permissions boundary."""

    def api_name(self, api_id: str) -> str | None:
        """Return the name of an HTTP API."""

    def aliases_of(self, key: str) -> list[str]:
        """Return the aliases of a KMS key, which is given by its ID or its ARN."""

    def key_of(self, alias: str) -> str | None:
        """Return the ARN of the KMS key that an alias names."""

    def hash_key_of(self, table: str) -> str | None:
        """Return the name of a DynamoDB table's hash key."""

    def tags_of(self, key: str) -> Mapping[str, str]:
        """Return the tags of a KMS key."""

    def function_of(self, mapping: str) -> str | None:
        """Return the ARN of the function of an event source mapping."""


@dataclass(frozen=True)
class Request:
    """A request to AWS. `action` and `resource` are what MiniStack would check."""

    service: str
    method: str
    path: str
    body: bytes
    parameters: Mapping[str, Any]
    region: str
    action: str | None
    resource: str
    account: Account

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of a JSON body; empty for other bodies."""
        try:
            content = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def given(self, *names: str) -> str:
        """Return the first of these fields or parameters that the request has."""
        for name in names:
            value = self.fields.get(name) or self.parameters.get(name) or ""
            if isinstance(value, list):
                value = value[0] if value else ""
            if value:
                return str(value)
        return ""

    def listed(self, name: str) -> list[str]:
        """Return a list in a field, or in parameters such as `AlarmNames.member.1`."""
        if isinstance(found := self.fields.get(name), list):
            return [str(each) for each in found]
        pattern = re.compile(rf"{name}\.member\.\d+")
        return [str(v[0] if isinstance(v, list) else v) for k, v in self.parameters.items() if pattern.fullmatch(k)]

    @property
    def operation(self) -> str:
        """The name of the action without its service."""
        return (self.action or "").partition(":")[2]

    @property
    def tagged(self) -> bool:
        """Whether the request has tags for a new resource."""
        fields = self.fields
        return bool(fields.get("Tags") or fields.get("tags")) or any(
            re.match(r"Tags?\.(member\.)?1\.Key$", name) for name in self.parameters
        )

    def arn(self, service: str, resource: str, *, everywhere: bool = False) -> str:
        """Return an ARN of this account and Region; `everywhere` leaves the Region out."""
        return f"arn:aws:{service}:{'' if everywhere else self.region}:{self.account.id}:{resource}"


def needed(request: Request) -> list[Right]:
    """Return the rights of a request. Empty: AWS asks for none."""
    own = _OF_SERVICES.get(request.service)
    if own is not None:
        return list(own(request))
    return [Right(request.action, request.resource)] if request.action else []


# The path of each operation of Lambda, without the date that begins it.
_LAMBDA = [
    ("POST", r"/functions", "CreateFunction"),
    ("GET", r"/functions", "ListFunctions"),
    ("GET", r"/functions/(?P<function>[^/]+)", "GetFunction"),
    ("DELETE", r"/functions/(?P<function>[^/]+)", "DeleteFunction"),
    ("PUT", r"/functions/(?P<function>[^/]+)/code", "UpdateFunctionCode"),
    ("GET", r"/functions/(?P<function>[^/]+)/configuration", "GetFunctionConfiguration"),
    ("PUT", r"/functions/(?P<function>[^/]+)/configuration", "UpdateFunctionConfiguration"),
    ("POST", r"/functions/(?P<function>[^/]+)/versions", "PublishVersion"),
    ("GET", r"/functions/(?P<function>[^/]+)/versions", "ListVersionsByFunction"),
    ("POST", r"/functions/(?P<function>[^/]+)/aliases", "CreateAlias"),
    ("GET", r"/functions/(?P<function>[^/]+)/aliases", "ListAliases"),
    ("GET", r"/functions/(?P<function>[^/]+)/aliases/[^/]+", "GetAlias"),
    ("PUT", r"/functions/(?P<function>[^/]+)/aliases/[^/]+", "UpdateAlias"),
    ("DELETE", r"/functions/(?P<function>[^/]+)/aliases/[^/]+", "DeleteAlias"),
    ("POST", r"/functions/(?P<function>[^/]+)/policy", "AddPermission"),
    ("GET", r"/functions/(?P<function>[^/]+)/policy", "GetPolicy"),
    ("DELETE", r"/functions/(?P<function>[^/]+)/policy/[^/]+", "RemovePermission"),
    ("PUT", r"/functions/(?P<function>[^/]+)/concurrency", "PutFunctionConcurrency"),
    ("GET", r"/functions/(?P<function>[^/]+)/concurrency", "GetFunctionConcurrency"),
    ("DELETE", r"/functions/(?P<function>[^/]+)/concurrency", "DeleteFunctionConcurrency"),
    ("PUT", r"/functions/(?P<function>[^/]+)/event-invoke-config", "PutFunctionEventInvokeConfig"),
    ("POST", r"/functions/(?P<function>[^/]+)/event-invoke-config", "UpdateFunctionEventInvokeConfig"),
    ("GET", r"/functions/(?P<function>[^/]+)/event-invoke-config", "GetFunctionEventInvokeConfig"),
    ("DELETE", r"/functions/(?P<function>[^/]+)/event-invoke-config", "DeleteFunctionEventInvokeConfig"),
    ("PUT", r"/functions/(?P<function>[^/]+)/code-signing-config", "PutFunctionCodeSigningConfig"),
    ("GET", r"/functions/(?P<function>[^/]+)/code-signing-config", "GetFunctionCodeSigningConfig"),
    ("DELETE", r"/functions/(?P<function>[^/]+)/code-signing-config", "DeleteFunctionCodeSigningConfig"),
    ("PUT", r"/functions/(?P<function>[^/]+)/recursion-config", "PutFunctionRecursionConfig"),
    ("GET", r"/functions/(?P<function>[^/]+)/recursion-config", "GetFunctionRecursionConfig"),
    ("POST", r"/functions/(?P<function>[^/]+)/invocations", "InvokeFunction"),
    ("GET", r"/event-source-mappings/?", "ListEventSourceMappings"),
    ("POST", r"/event-source-mappings/?", "CreateEventSourceMapping"),
    ("GET", r"/event-source-mappings/(?P<mapping>[^/]+)", "GetEventSourceMapping"),
    ("PUT", r"/event-source-mappings/(?P<mapping>[^/]+)", "UpdateEventSourceMapping"),
    ("DELETE", r"/event-source-mappings/(?P<mapping>[^/]+)", "DeleteEventSourceMapping"),
    ("GET", r"/tags/(?P<arn>.+)", "ListTags"),
    ("POST", r"/tags/(?P<arn>.+)", "TagResource"),
    ("DELETE", r"/tags/(?P<arn>.+)", "UntagResource"),
    ("GET", r"/account-settings/?", "GetAccountSettings"),
]


def _lambda(request: Request) -> Iterator[Right]:
    path = re.sub(r"^/\d{4}-\d\d-\d\d", "", request.path)
    for method, pattern, operation in _LAMBDA:
        found = re.fullmatch(pattern, path)
        if method == request.method and found:
            yield from _of_lambda(request, operation, found.groupdict())
            return
    # An operation that is missing above is refused to everybody but the account's root.
    yield Right(f"lambda:{request.method}{path}", request.resource)


def _of_lambda(request: Request, operation: str, names: Mapping[str, str]) -> Iterator[Right]:
    action = f"lambda:{operation}"
    if mapping := names.get("mapping"):
        function = request.account.function_of(mapping)
        yield Right(action, request.arn("lambda", f"event-source-mapping:{mapping}"), {"lambda:FunctionArn": function})
    elif operation == "CreateEventSourceMapping":
        function = _function_arn(request, request.given("FunctionName"))
        yield Right(action, EVERYTHING, {"lambda:FunctionArn": function})
        if request.tagged:
            yield Right("lambda:TagResource", request.arn("lambda", "event-source-mapping:new"))
    elif "arn" in names:
        yield Right(action, unquote(names["arn"]))
    elif operation.startswith("List") and "function" not in names:
        yield Right(action)
    else:
        function = _function_arn(request, unquote(names.get("function") or request.given("FunctionName")))
        qualifier = request.parameters.get("Qualifier")
        # A version or an alias of a function is a resource of its own.
        whole = f"{function}:{_text(qualifier)}" if qualifier and function.count(":") == 6 else function  # noqa: PLR2004
        yield Right(action, whole)
        yield from _beside_a_function(request, operation, function)


def _beside_a_function(request: Request, operation: str, function: str) -> Iterator[Right]:
    """Yield the rights that Lambda asks the caller for while it creates or changes a function."""
    fields = request.fields
    if operation == "CreateFunction" and request.tagged:
        yield Right("lambda:TagResource", function)
    if operation in {"CreateFunction", "UpdateFunctionConfiguration"}:
        if role := fields.get("Role"):
            yield Right("iam:PassRole", role, {"iam:PassedToService": "lambda.amazonaws.com"})
        for layer in fields.get("Layers") or []:
            yield Right("lambda:GetLayerVersion", layer)
        if (fields.get("VpcConfig") or {}).get("SubnetIds"):
            # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
            for each in ("SecurityGroups", "Subnets", "Vpcs"):
                yield Right(f"ec2:Describe{each}")
        if key := fields.get("KMSKeyArn"):
            # https://docs.aws.amazon.com/lambda/latest/dg/security-encryption-at-rest.html
            via = {"kms:ViaService": f"lambda.{request.region}.amazonaws.com"}
            yield from (Right(f"kms:{each}", key, via) for each in ("CreateGrant", "Decrypt", "Encrypt"))
    code = fields.get("Code") or (fields if operation == "UpdateFunctionCode" else {})
    if code.get("S3Bucket"):
        version = "Version" if code.get("S3ObjectVersion") else ""
        yield Right(f"s3:GetObject{version}", f"arn:aws:s3:::{code['S3Bucket']}/{code['S3Key']}")


def _function_arn(request: Request, name: str) -> str:
    return name if name.startswith("arn:") else request.arn("lambda", f"function:{name}")


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
    yield Right(request.action, request.resource)
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


def _text(value: object) -> str:
    return str(value[0] if isinstance(value, list) and value else value)


_OF_SERVICES: dict[str, Callable[[Request], Iterator[Right]]] = {
    "apigateway": _apigateway,
    "dynamodb": _dynamodb,
    "events": _events,
    "iam": _iam,
    "kms": _kms,
    "lambda": _lambda,
    "logs": _logs,
    "monitoring": _monitoring,
    "route53": _route53,
    "sns": _sns,
    "sqs": _sqs,
}
