"""The IAM rights that Lambda asks for a request.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from analysis_jobs_dev.cloud.emulator.requests import EVERYTHING, Request, Right

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


def rights(request: Request) -> Iterator[Right]:
    """Yield the rights that Lambda asks for."""
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


def _text(value: object) -> str:
    return str(value[0] if isinstance(value, list) and value else value)
