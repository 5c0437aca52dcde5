"""The rights of the plan and the deploy role: enough for each recorded call, no more, and no way to more.

`python tools/record_rights.py` records the calls of Terraform and of a deployment against the local cloud.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.modules.harness import REPOSITORY, Terraform
from tests.modules.iam import allows

RECORD = REPOSITORY / "tests" / "modules" / "deploy-rights.json"
ATTACHED = {"deploy": ("deploy-access", "deploy-compute", "deploy-data", "read"), "plan": ("read",)}
ACCOUNT = "111122223333"
STACK = f"arn:aws:iam::{ACCOUNT}:role/letters-recorded-worker-eu-west-1"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/analysis-jobs/eu-west-1/letters-recorded-functions"
STATE_BUCKET = f"arn:aws:s3:::tfstate-letters-recorded-{ACCOUNT}-eu-west-1"
ADMINISTRATOR = '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'

# AWS never asks for the right to this one.
ALWAYS = {"sts:GetCallerIdentity"}

_AWS = "https://docs.aws.amazon.com"
_BEDROCK = f"{_AWS}/bedrock/latest/APIReference"
_CODE_SIGNING = f"{_AWS}/lambda/latest/dg/configuration-codesigning.html"
_LOG_DELIVERIES = f"{_AWS}/apigateway/latest/developerguide/http-api-logging.html"
_QUERIES = f"{_AWS}/AmazonCloudWatch/latest/logs/CWL_Insights-Saving-Queries.html"
_LOG_KEYS = f"{_AWS}/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html"
_TABLE_KEYS = f"{_AWS}/amazondynamodb/latest/developerguide/encryption.usagenotes.html"
_API_TAGS = f"{_AWS}/apigateway/latest/developerguide/apigateway-tagging-iam-policy.html"
_STATE_KEYS = f"{_AWS}/AmazonS3/latest/userguide/UsingKMSEncryption.html"
_TRUSTSTORES = f"{_AWS}/apigateway/latest/developerguide/http-api-mutual-tls.html"
# What AWS asks for and the local cloud does not, and what only another state of a stack needs: the page that says so.
# By the action, or by the statement and the action.
REASONS = {
    # The local cloud has no code signing.
    "lambda:DeleteFunctionCodeSigningConfig": _CODE_SIGNING,
    "lambda:GetCodeSigningConfig": _CODE_SIGNING,
    "lambda:PutFunctionCodeSigningConfig": _CODE_SIGNING,
    # The local cloud has no saved queries.
    "logs:DeleteQueryDefinition": _QUERIES,
    "logs:DescribeQueryDefinitions": _QUERIES,
    "logs:PutQueryDefinition": _QUERIES,
    # API Gateway delivers an access log with the rights of the caller.
    "logs:CreateLogDelivery": _LOG_DELIVERIES,
    "logs:DeleteLogDelivery": _LOG_DELIVERIES,
    "logs:DescribeResourcePolicies": _LOG_DELIVERIES,
    "logs:GetLogDelivery": _LOG_DELIVERIES,
    "logs:ListLogDeliveries": _LOG_DELIVERIES,
    "logs:PutResourcePolicy": _LOG_DELIVERIES,
    "logs:UpdateLogDelivery": _LOG_DELIVERIES,
    # The local cloud cannot change the key of a log group, and a log that is kept forever needs a stack without an API.
    "logs:AssociateKmsKey": _LOG_KEYS,
    "logs:DisassociateKmsKey": _LOG_KEYS,
    "logs:DeleteRetentionPolicy": f"{_AWS}/AmazonCloudWatchLogs/latest/APIReference/API_DeleteRetentionPolicy.html",
    # A package that is pinned by its version, and old versions of files in a bucket that is emptied.
    "PackageVersions s3:GetObjectVersion": f"{_AWS}/lambda/latest/api/API_FunctionCode.html",
    # DynamoDB lists these as the rights of whoever uses a table with an own key.
    "KeyUse kms:GenerateDataKey*": _TABLE_KEYS,
    "KeyUse kms:ReEncrypt*": _TABLE_KEYS,
    # The recorded state has the key of S3.
    "StateKeyRead kms:Decrypt": _STATE_KEYS,
    "StateKeyUse kms:GenerateDataKey": _STATE_KEYS,
    # API Gateway reads the bundle with the rights of the caller. The local cloud has no mutual TLS.
    "Truststores s3:GetObject": _TRUSTSTORES,
    "Truststores s3:GetObjectVersion": _TRUSTSTORES,
    # The two ways in which API Gateway asks for the right to tag a new resource.
    "ApiTags apigateway:PUT": _API_TAGS,
    "apigateway:TagResource": _API_TAGS,
    # A new certificate for a domain.
    "DomainsChange apigateway:PATCH": f"{_AWS}/apigatewayv2/latest/api-reference/domainnames-domainname.html",
    # `analysis-jobs doctor`, before a deployment. tests/system/test_bootstrap.py runs it with the deploy role.
    "bedrock:GetFoundationModelAvailability": f"{_BEDROCK}/API_GetFoundationModelAvailability.html",
    "bedrock:GetInferenceProfile": f"{_BEDROCK}/API_GetInferenceProfile.html",
    "iam:SimulatePrincipalPolicy": f"{_AWS}/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html",
    "lambda:GetAccountSettings": f"{_AWS}/lambda/latest/api/API_GetAccountSettings.html",
    "servicequotas:ListServiceQuotas": f"{_AWS}/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html",
    # A stack that was deployed without the boundary gets it. The deploy role cannot make such a stack.
    "iam:PutRolePermissionsBoundary": f"{_AWS}/IAM/latest/APIReference/API_PutRolePermissionsBoundary.html",
}


@dataclass(frozen=True)
class Needed:
    """A recorded right."""

    action: str
    resource: str
    context: Mapping[str, Any]


def recorded(role: str) -> list[Needed]:
    return [
        Needed(each["action"], resource, each["context"])
        for each in json.loads(RECORD.read_text("utf-8"))[role]
        for resource in each["resources"]
    ]


@pytest.fixture(scope="module")
def policies(terraform: Terraform) -> dict[str, str]:
    """Return the policies of the module for the account of the record, by their names."""
    runs = terraform.test("modules/bootstrap/tests/bootstrap.tftest.hcl")
    planned: dict[str, str] = runs["the_recorded_account"].outputs["policies"]
    return planned


def may(policies: Mapping[str, str], role: str, right: Needed) -> bool:
    """Tell whether a role may do something: a policy and the boundary allow it."""
    if right.action in ALWAYS:
        return True
    return any(
        allows(policies[name], right.action, right.resource, right.context) for name in ATTACHED[role]
    ) and allows(policies["deploy-boundary"], right.action, right.resource, with_region(right))


def with_region(right: Needed) -> dict[str, Any]:
    return {"aws:RequestedRegion": "eu-west-1", **right.context}


@pytest.mark.parametrize("role", ["deploy", "plan"])
def test_each_recorded_call_is_allowed(role: str, policies: dict[str, str]) -> None:
    assert len(recorded(role)) > 50
    assert [right for right in recorded(role) if not may(policies, role, right)] == []


def statements(policies: Mapping[str, str], role: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in ATTACHED[role]:
        for statement in json.loads(policies[name])["Statement"]:
            yield f"{name}.{statement['Sid']}", statement


def needs(statement: Mapping[str, Any], action: str, rights: Sequence[Needed]) -> bool:
    """Tell whether a recorded right is allowed by this action of a statement."""
    alone = json.dumps({"Statement": [{**statement, "Action": action}]})
    return any(allows(alone, right.action, right.resource, right.context) for right in rights)


@pytest.mark.parametrize("role", ["deploy", "plan"])
def test_each_action_of_each_statement_is_needed(role: str, policies: dict[str, str]) -> None:
    """By a recorded call, or by a reason in AWS's documentation."""
    rights = recorded(role)
    unneeded = {
        f"{name} {action}"
        for name, statement in statements(policies, role)
        for action in statement["Action"]
        if not needs(statement, action, rights) and not has_reason(name, action)
    }
    assert sorted(unneeded) == []


def has_reason(name: str, action: str) -> bool:
    return action in REASONS or f"{name.partition('.')[2]} {action}" in REASONS


def test_no_reason_is_given_for_a_recorded_call(policies: dict[str, str]) -> None:
    rights = recorded("deploy")
    needless = {
        reason
        for reason in REASONS
        for name, statement in statements(policies, "deploy")
        for action in statement["Action"]
        if reason in {action, f"{name.partition('.')[2]} {action}"} and needs(statement, action, rights)
    }
    assert needless == set()
    actions = {action for _, statement in statements(policies, "deploy") for action in statement["Action"]}
    assert {reason.rpartition(" ")[2] for reason in REASONS} <= actions


def test_the_plan_role_only_reads(policies: dict[str, str]) -> None:
    reading = re.compile(r"\w+:(Describe|Get|List)\w*|apigateway:GET|kms:Decrypt")
    actions = {action for _, statement in statements(policies, "plan") for action in statement["Action"]}
    assert [action for action in actions if not reading.fullmatch(action)] == []


# Ways from the right to deploy to further rights. Sources: "AWS IAM Privilege Escalation Methods" (Rhino Security
# Labs), and "Permissions boundaries for IAM entities" of the IAM user guide.
ESCALATIONS = [
    Needed("iam:CreateRole", STACK, {}),
    Needed("iam:CreateRole", STACK, {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}),
    Needed("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {"iam:PermissionsBoundary": BOUNDARY}),
    Needed("iam:PutRolePolicy", STACK, {}),
    Needed("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/admin", {"iam:PermissionsBoundary": BOUNDARY}),
    Needed("iam:DeleteRolePolicy", STACK, {}),
    Needed("iam:AttachRolePolicy", STACK, {"iam:PermissionsBoundary": BOUNDARY}),
    Needed("iam:DeleteRolePermissionsBoundary", STACK, {"iam:PermissionsBoundary": BOUNDARY}),
    Needed("iam:PutRolePermissionsBoundary", STACK, {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/Other"}),
    Needed("iam:UpdateAssumeRolePolicy", STACK, {"iam:PermissionsBoundary": BOUNDARY}),
    Needed("iam:CreatePolicyVersion", BOUNDARY, {}),
    Needed("iam:SetDefaultPolicyVersion", BOUNDARY, {}),
    Needed("iam:CreatePolicy", f"arn:aws:iam::{ACCOUNT}:policy/letters-recorded-own", {}),
    Needed("iam:DeletePolicy", BOUNDARY, {}),
    *(
        Needed(f"iam:{action}", f"arn:aws:iam::{ACCOUNT}:role/analysis-jobs/eu-west-1/letters-recorded-deploy", context)
        for action, context in [
            ("AttachRolePolicy", {}),
            ("DeleteRole", {}),
            ("PutRolePolicy", {"iam:PermissionsBoundary": BOUNDARY}),
            ("PutRolePermissionsBoundary", {"iam:PermissionsBoundary": BOUNDARY}),
            ("UpdateAssumeRolePolicy", {}),
        ]
    ),
    *(
        Needed(
            f"iam:{action}", f"arn:aws:iam::{ACCOUNT}:user/letters-recorded-me", {"iam:PermissionsBoundary": BOUNDARY}
        )
        for action in ["AttachUserPolicy", "CreateAccessKey", "CreateLoginProfile", "CreateUser", "PutUserPolicy"]
    ),
    Needed("iam:UpdateOpenIDConnectProviderThumbprint", f"arn:aws:iam::{ACCOUNT}:oidc-provider/other", {}),
    Needed("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {"iam:PassedToService": "lambda.amazonaws.com"}),
    Needed("iam:AddRoleToInstanceProfile", STACK, {}),
    Needed("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {}),
    Needed("lambda:UpdateFunctionCode", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:other", {}),
    Needed("cloudformation:CreateStack", "*", {}),
    # The state of the module itself, which an administrator applies the next time.
    Needed(
        "s3:PutObject",
        f"arn:aws:s3:::tfstate-letters-recorded-{ACCOUNT}-eu-west-1/bootstrap/letters-recorded.tfstate",
        {},
    ),
    Needed("s3:PutBucketPolicy", f"arn:aws:s3:::tfstate-letters-recorded-{ACCOUNT}-eu-west-1", {}),
]
# What somebody may do who has attached AdministratorAccess to the deploy role: all of this is inside the boundary.
WITHIN_THE_BOUNDARY = {"lambda:UpdateFunctionCode"}


@pytest.mark.parametrize("right", ESCALATIONS, ids=lambda right: f"{right.action} {right.resource.rpartition(':')[2]}")
def test_no_way_leads_to_more_rights(right: Needed, policies: dict[str, str]) -> None:
    assert not may(policies, "deploy", right)
    assert not may(policies, "plan", right)


def beyond(right: Needed, policies: Mapping[str, str]) -> bool:
    """Tell whether AdministratorAccess under the boundary allows something."""
    return allows(ADMINISTRATOR, right.action, right.resource, right.context) and allows(
        policies["deploy-boundary"], right.action, right.resource, with_region(right)
    )


def test_an_administrators_policy_on_the_role_changes_nothing(policies: dict[str, str]) -> None:
    passed_on = {"iam:PassRole"}  # the boundary names the roles, and the policy the service
    reached = {right.action for right in ESCALATIONS if beyond(right, policies)}
    assert reached <= WITHIN_THE_BOUNDARY | passed_on


OTHERS = [
    Needed("lambda:DeleteFunction", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:letters", {}),
    Needed("lambda:UpdateFunctionCode", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:letters-recorded-worker", {}),
    Needed("lambda:UpdateFunctionCode", "arn:aws:lambda:eu-west-1:999999999999:function:letters-recorded-worker", {}),
    Needed("dynamodb:DeleteTable", f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/customers", {}),
    Needed("dynamodb:GetItem", f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/letters-recorded-jobs", {}),
    Needed("sqs:DeleteQueue", f"arn:aws:sqs:eu-west-1:{ACCOUNT}:letters", {}),
    Needed("s3:DeleteBucket", "arn:aws:s3:::letters", {}),
    Needed("s3:GetObject", f"arn:aws:s3:::letters-recorded-artifacts-{ACCOUNT}-eu-west-1/jobs/1", {}),
    Needed("kms:ScheduleKeyDeletion", f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/other", {}),
    Needed(
        "kms:ScheduleKeyDeletion",
        f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/other",
        {"aws:ResourceTag/analysis-jobs:key": "payments-alarms"},
    ),
    # To give a key of somebody else the tag of this stack's keys would be the way to delete it.
    Needed(
        "kms:TagResource",
        f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/other",
        {"aws:RequestTag/analysis-jobs:key": "letters-recorded-alarms", "kms:ResourceAliases": ["alias/payments"]},
    ),
    Needed(
        "apigateway:DELETE",
        "arn:aws:apigateway:eu-west-1::/apis/other",
        {"apigateway:Resource/ApiName": "payments-api"},
    ),
    Needed("apigateway:POST", "arn:aws:apigateway:eu-west-1::/apis", {"apigateway:Request/ApiName": "payments-api"}),
    Needed(
        "lambda:DeleteEventSourceMapping",
        f"arn:aws:lambda:eu-west-1:{ACCOUNT}:event-source-mapping:other",
        {"lambda:FunctionArn": f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:payments"},
    ),
    Needed("cloudwatch:DeleteAlarms", f"arn:aws:cloudwatch:eu-west-1:{ACCOUNT}:alarm:payments-errors", {}),
    Needed("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/OTHER", {}),
]


@pytest.mark.parametrize("right", OTHERS, ids=lambda right: f"{right.action} {right.resource.rpartition(':')[2]}")
def test_nothing_outside_the_stack_can_be_changed_and_no_data_read(right: Needed, policies: dict[str, str]) -> None:
    assert not may(policies, "deploy", right)


def test_the_functions_boundary_has_every_action_that_the_module_gives_a_function(policies: dict[str, str]) -> None:
    given: set[str] = set()
    for module in ("analysis-jobs", "function", "model-access"):
        for path in (REPOSITORY / "modules" / module).glob("*.tf"):
            code = re.sub(r"#.*", "", path.read_text("utf-8"))
            for found in re.findall(r"(?:actions|Action) *= (\[[^\]]*\]|\"[^\"]*\")", code):
                given |= set(re.findall(r'"([a-z0-9-]+:[A-Za-z*]+)"', found))
    # A trust policy, a permission of a function, and a policy for callers.
    given -= {"execute-api:Invoke", "lambda:InvokeFunction", "sts:AssumeRole"}
    # The policy for an operator who erases.
    given -= {"s3:DeleteObjectVersion", "s3:ListBucketVersions"}
    given = {action for action in given if not action.endswith(":*")}  # denials of requests without TLS
    of_services = {"kms:Decrypt*", "kms:Describe*", "kms:Encrypt*"}  # a key's policy for CloudWatch Logs
    statements = json.loads(policies["functions"])["Statement"]
    allowed = {action for statement in statements for action in statement["Action"]}
    assert given - of_services - allowed == set()
    assert len(given) > 30


def test_the_functions_boundary_gives_no_right_to_change_rights(policies: dict[str, str]) -> None:
    for action in ("iam:PutRolePolicy", "iam:PassRole", "sts:AssumeRole", "lambda:UpdateFunctionCode"):
        assert not allows(policies["functions"], action, STACK, {"iam:PermissionsBoundary": BOUNDARY})


# The calls with which Terraform makes a resource of each type, as far as the local cloud takes part.
TYPES = {
    "aws_apigatewayv2_api": "apigateway:POST",
    "aws_apigatewayv2_api_mapping": "apigateway:POST",
    "aws_apigatewayv2_authorizer": "apigateway:POST",
    "aws_apigatewayv2_domain_name": "apigateway:POST",
    "aws_apigatewayv2_integration": "apigateway:POST",
    "aws_apigatewayv2_route": "apigateway:POST",
    "aws_apigatewayv2_stage": "apigateway:POST",
    "aws_cloudwatch_dashboard": "cloudwatch:PutDashboard",
    "aws_cloudwatch_event_rule": "events:PutRule",
    "aws_cloudwatch_event_target": "events:PutTargets",
    "aws_cloudwatch_log_group": "logs:CreateLogGroup",
    "aws_cloudwatch_log_metric_filter": "logs:PutMetricFilter",
    "aws_cloudwatch_metric_alarm": "cloudwatch:PutMetricAlarm",
    "aws_dynamodb_table": "dynamodb:CreateTable",
    "aws_iam_role": "iam:CreateRole",
    "aws_iam_role_policy": "iam:PutRolePolicy",
    "aws_kms_alias": "kms:CreateAlias",
    "aws_kms_key": "kms:CreateKey",
    "aws_lambda_alias": "lambda:CreateAlias",
    "aws_lambda_event_source_mapping": "lambda:CreateEventSourceMapping",
    "aws_lambda_function": "lambda:CreateFunction",
    "aws_lambda_function_event_invoke_config": "lambda:PutFunctionEventInvokeConfig",
    "aws_lambda_function_recursion_config": "lambda:PutFunctionRecursionConfig",
    "aws_lambda_permission": "lambda:AddPermission",
    "aws_route53_record": "route53:ChangeResourceRecordSets",
    "aws_s3_bucket": "s3:CreateBucket",
    "aws_s3_bucket_cors_configuration": "s3:PutBucketCORS",
    "aws_s3_bucket_lifecycle_configuration": "s3:PutLifecycleConfiguration",
    "aws_s3_bucket_ownership_controls": "s3:PutBucketOwnershipControls",
    "aws_s3_bucket_policy": "s3:PutBucketPolicy",
    "aws_s3_bucket_public_access_block": "s3:PutBucketPublicAccessBlock",
    "aws_s3_bucket_server_side_encryption_configuration": "s3:PutEncryptionConfiguration",
    "aws_s3_bucket_versioning": "s3:PutBucketVersioning",
    "aws_sns_topic": "sns:CreateTopic",
    "aws_sns_topic_policy": "sns:SetTopicAttributes",
    "aws_sns_topic_subscription": "sns:Subscribe",
    "aws_sqs_queue": "sqs:CreateQueue",
    "aws_sqs_queue_policy": "sqs:SetQueueAttributes",
    "aws_sqs_queue_redrive_allow_policy": "sqs:SetQueueAttributes",
    "aws_sqs_queue_redrive_policy": "sqs:SetQueueAttributes",
}


# The local cloud has no saved queries.
NOT_RECORDED = {"aws_cloudwatch_query_definition"}


def test_each_resource_type_of_the_modules_was_made_while_the_rights_were_recorded() -> None:
    used = set()
    for path in REPOSITORY.glob("modules/*/*.tf"):
        if path.parent.name != "bootstrap":
            used |= set(re.findall(r'^resource "(aws_\w+)"', path.read_text("utf-8"), re.MULTILINE))
    assert used == set(TYPES) | NOT_RECORDED
    actions = {right.action for right in recorded("deploy")}
    assert [kind for kind, action in TYPES.items() if action not in actions] == []
