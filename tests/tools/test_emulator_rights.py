"""Which IAM rights the local cloud asks for, for requests whose rights are not named like the request."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analysis_jobs_dev.cloud.emulator import enforcement
from analysis_jobs_dev.cloud.emulator.requests import Request, Right
from analysis_jobs_dev.cloud.emulator.rights import needed

HERE = "eu-west-1:111122223333"
FUNCTION = f"arn:aws:lambda:{HERE}:function:letters-worker"
ROLE = "arn:aws:iam::111122223333:role/teams/letters-worker"
KEY = f"arn:aws:kms:{HERE}:key/0f7a"


class Account:
    """An account with one of each."""

    id = "111122223333"

    def role(self, name: str) -> tuple[str, str | None]:
        return f"arn:aws:iam::{self.id}:role/teams/{name}", "arn:boundary"

    def api_name(self, api_id: str) -> str | None:
        return {"a1": "letters-api"}.get(api_id)

    def aliases_of(self, key: str) -> list[str]:
        return ["alias/letters-alarms"] if key == KEY else []

    def key_of(self, alias: str) -> str | None:
        return KEY if alias == "alias/letters-alarms" else None

    def hash_key_of(self, table: str) -> str | None:
        return {"letters-jobs": "tenant"}.get(table)

    def tags_of(self, key: str) -> Mapping[str, str]:
        return {"team": "books"} if key == KEY else {}

    def function_of(self, mapping: str) -> str | None:
        return FUNCTION if mapping == "m1" else None


def rights(
    service: str,
    method: str = "POST",
    path: str = "/",
    body: Mapping[str, Any] | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    action: str | None = None,
    resource: str = "*",
) -> list[Right]:
    content = json.dumps(body).encode() if body is not None else b""
    return needed(Request(service, method, path, content, parameters or {}, "eu-west-1", action, resource, Account()))


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "/2015-03-31/functions/letters-worker", "GetFunction"),
        ("GET", "/2015-03-31/functions/letters-worker/versions", "ListVersionsByFunction"),
        ("POST", "/2015-03-31/functions/letters-worker/versions", "PublishVersion"),
        ("GET", "/2015-03-31/functions/letters-worker/aliases/live", "GetAlias"),
        ("PUT", "/2015-03-31/functions/letters-worker/aliases/live", "UpdateAlias"),
        ("DELETE", "/2015-03-31/functions/letters-worker/policy/api", "RemovePermission"),
        ("PUT", "/2017-10-31/functions/letters-worker/concurrency", "PutFunctionConcurrency"),
        ("DELETE", "/2017-10-31/functions/letters-worker/concurrency", "DeleteFunctionConcurrency"),
        ("GET", "/2020-06-30/functions/letters-worker/code-signing-config", "GetFunctionCodeSigningConfig"),
        ("GET", "/2024-08-31/functions/letters-worker/recursion-config", "GetFunctionRecursionConfig"),
        ("POST", "/2015-03-31/functions/letters-worker/invocations", "InvokeFunction"),
        (
            "GET",
            "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Aletters-worker",
            "ListTags",
        ),
    ],
)
def test_an_operation_of_lambda_is_known_by_its_path(method: str, path: str, action: str) -> None:
    assert rights("lambda", method, path) == [Right(f"lambda:{action}", FUNCTION)]


def test_a_qualified_function_is_a_resource_of_its_own() -> None:
    path = "/2015-03-31/functions/letters-worker/invocations"
    [right] = rights("lambda", "POST", path, parameters={"Qualifier": ["candidate"]})
    assert right.resource == f"{FUNCTION}:candidate"


def test_an_unknown_operation_of_lambda_is_refused_to_all_but_the_accounts_root() -> None:
    [right] = rights("lambda", "POST", "/2030-01-01/new-things")
    assert right.action == "lambda:POST/new-things"


def test_a_new_function_needs_more_than_its_own_right() -> None:
    body = {
        "FunctionName": "letters-worker",
        "Role": ROLE,
        "Layers": ["arn:layer"],
        "VpcConfig": {"SubnetIds": ["subnet-1"]},
        "Code": {"S3Bucket": "packages", "S3Key": "a.zip", "S3ObjectVersion": "1"},
        "KMSKeyArn": KEY,
        "Tags": {"team": "books"},
    }
    found = rights("lambda", "POST", "/2015-03-31/functions", body)
    assert found[0] == Right("lambda:CreateFunction", FUNCTION)
    assert Right("iam:PassRole", ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}) in found
    assert {right.action for right in found[1:]} == {
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
        "iam:PassRole",
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:Encrypt",
        "lambda:GetLayerVersion",
        "lambda:TagResource",
        "s3:GetObjectVersion",
    }


@pytest.mark.parametrize("action", ["SendMessage", "DeleteMessage", "ChangeMessageVisibility"])
@pytest.mark.parametrize("batch", ["", "Batch"])
def test_a_batch_of_messages_needs_the_right_to_the_single_action(action: str, batch: str) -> None:
    queue = f"arn:aws:sqs:{HERE}:letters-medium"
    assert rights("sqs", action=f"sqs:{action}{batch}", resource=queue) == [Right(f"sqs:{action}", queue)]


def test_a_mapping_has_its_function_as_a_condition_key() -> None:
    [right] = rights("lambda", "DELETE", "/2015-03-31/event-source-mappings/m1")
    assert right == Right(
        "lambda:DeleteEventSourceMapping",
        f"arn:aws:lambda:{HERE}:event-source-mapping:m1",
        {"lambda:FunctionArn": FUNCTION},
    )


def test_a_role_has_its_path_and_its_boundary() -> None:
    given = {"RoleName": ["letters-worker"], "Path": ["/teams/"], "PermissionsBoundary": ["arn:new"]}
    [created] = rights("iam", parameters=given, action="iam:CreateRole")
    assert created == Right("iam:CreateRole", ROLE, {"iam:PermissionsBoundary": "arn:new"})
    [changed] = rights("iam", parameters={"RoleName": ["letters-worker"]}, action="iam:PutRolePolicy")
    assert changed == Right("iam:PutRolePolicy", ROLE, {"iam:PermissionsBoundary": "arn:boundary"})


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("DELETE", "/v2/apis/a1", {"apigateway:Resource/ApiName": "letters-api"}),
        ("POST", "/v2/apis/a1/routes", {}),
    ],
)
def test_an_api_is_known_by_its_name_and_its_parts_are_not(method: str, path: str, expected: dict[str, str]) -> None:
    [right] = rights("apigateway", method, path, action=f"apigateway:{method}")
    assert right == Right(f"apigateway:{method}", f"arn:aws:apigateway:eu-west-1::{path.removeprefix('/v2')}", expected)


def test_a_key_has_its_tags_and_its_aliases() -> None:
    [right] = rights("kms", body={"KeyId": KEY}, action="kms:DescribeKey", resource=KEY)
    assert right.context == {"aws:ResourceTag/team": "books", "kms:ResourceAliases": ["alias/letters-alarms"]}


def test_a_key_that_is_named_by_an_alias_is_still_the_resource() -> None:
    alias = f"arn:aws:kms:{HERE}:alias/aws/dynamodb"
    [right] = rights("kms", body={"KeyId": alias}, action="kms:DescribeKey", resource=alias)
    assert right == Right(
        "kms:DescribeKey", f"arn:aws:kms:{HERE}:key/of-aws", {"kms:RequestAlias": "alias/aws/dynamodb"}
    )


def test_an_alias_needs_the_right_to_its_key_too() -> None:
    found = rights("kms", body={"AliasName": "alias/letters-alarms"}, action="kms:DeleteAlias")
    assert [right.resource for right in found] == [f"arn:aws:kms:{HERE}:alias/letters-alarms", KEY]


def test_a_row_has_its_tenant_as_a_condition_key() -> None:
    body = {"TableName": "letters-jobs", "Key": {"tenant": {"S": "acme"}, "item": {"S": "job#1"}}}
    [right] = rights("dynamodb", body=body, action="dynamodb:GetItem", resource="arn:table")
    assert right == Right("dynamodb:GetItem", "arn:table", {"dynamodb:LeadingKeys": ["acme"]})


def test_a_new_key_with_tags_needs_the_right_to_tag() -> None:
    body = {"Tags": [{"TagKey": "team", "TagValue": "books"}]}
    found = rights("kms", body=body, action="kms:CreateKey")
    assert [(right.action, right.context) for right in found] == [
        ("kms:CreateKey", {"aws:RequestTag/team": "books"}),
        ("kms:TagResource", {"aws:RequestTag/team": "books"}),
    ]


@pytest.mark.parametrize(
    ("service", "action", "body", "parameters", "resource"),
    [
        ("events", "events:PutTargets", {"Rule": "letters-sweep"}, None, f"arn:aws:events:{HERE}:rule/letters-sweep"),
        ("events", "events:PutRule", {"Name": "r", "EventBusName": "b"}, None, f"arn:aws:events:{HERE}:rule/b/r"),
        (
            "monitoring",
            "cloudwatch:DescribeAlarms",
            None,
            {"AlarmNames.member.1": ["a"]},
            f"arn:aws:cloudwatch:{HERE}:alarm:a",
        ),
        (
            "monitoring",
            "cloudwatch:GetDashboard",
            None,
            {"DashboardName": "d"},
            "arn:aws:cloudwatch::111122223333:dashboard/d",
        ),
        ("logs", "logs:DescribeLogGroups", {"logGroupNamePrefix": "/aws/"}, None, "*"),
        ("sns", "sns:GetSubscriptionAttributes", None, {"SubscriptionArn": "arn:x"}, "*"),
        ("route53", "route53:GetHostedZone", None, None, "*"),
    ],
)
def test_the_resource_is_that_of_the_service_authorization_reference(
    service: str, action: str, body: dict[str, Any] | None, parameters: dict[str, Any] | None, resource: str
) -> None:
    [right] = rights(service, body=body, parameters=parameters, action=action)
    assert right.resource == resource


def modules(denied: set[str]) -> SimpleNamespace:
    """Return stand-ins for MiniStack's modules. They deny these actions."""
    checked: list[str] = []

    def enforce(_: str, action: str, *__: object, **___: object) -> str | None:
        checked.append(action)
        return "denied" if action in denied else None

    return SimpleNamespace(
        checked=checked,
        iam_actions=SimpleNamespace(
            extract_iam_action=lambda *_: "lambda:CreateFunction",
            extract_resource_arn=lambda *_: "*",
            request_tag_context=lambda *_: {},
        ),
        iam_evaluator=SimpleNamespace(enforce=enforce, caller_arn=lambda: "arn:aws:sts::1:assumed-role/deploy/me"),
        responses=SimpleNamespace(get_account_id=lambda: "111122223333"),
        router=SimpleNamespace(extract_region=lambda _: "eu-west-1", extract_access_key_id=lambda *_: "key"),
    )


CREATE: tuple[Any, ...] = (
    "lambda",
    "POST",
    "/2015-03-31/functions",
    {},
    json.dumps({"FunctionName": "f", "Role": ROLE}).encode(),
    {},
)


@pytest.mark.parametrize("denied", ["iam:PassRole", "lambda:CreateFunction"])
def test_the_right_that_is_missing_is_the_one_that_the_refusal_names(tmp_path: Path, denied: str) -> None:
    stack = modules({denied})
    enforcement.install(stack, tmp_path / "rights.jsonl")
    assert stack.iam_actions.extract_iam_action(*CREATE) == denied
    assert stack.iam_actions.extract_resource_arn() == (ROLE if denied == "iam:PassRole" else FUNCTION_F)
    assert stack.iam_evaluator.enforce("key", denied, "lambda", "eu-west-1") == "denied"


FUNCTION_F = f"arn:aws:lambda:{HERE}:function:f"


def test_each_right_is_recorded_once_by_caller(tmp_path: Path) -> None:
    stack, record = modules(set()), tmp_path / "rights.jsonl"
    enforcement.install(stack, record)
    for _ in range(2):
        assert stack.iam_actions.extract_iam_action(*CREATE) == "lambda:CreateFunction"
    found = enforcement.recorded(record, "/deploy/")
    assert [right.action for right in found] == ["lambda:CreateFunction", "iam:PassRole"]
    assert enforcement.recorded(record, "/plan/") == []
    assert enforcement.recorded(tmp_path / "none", "") == []
