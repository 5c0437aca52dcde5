"""What is attached to what, read from the references of the configuration.

A policy on the wrong queue cannot be seen in a plan, whose ARNs are unknown. So the examples of the
READMEs are planned together, and the plan says which resource each argument refers to.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import tftest

import terraform_docs
from tests.modules.harness import ACCOUNT, REPOSITORY, Terraform

EXAMPLES = ("artifact-bucket", "function", "job-table", "model-access", "queue")

type Plan = tftest.TerraformPlanOutput


def example(module: str) -> str:
    readme = (REPOSITORY / "modules" / module / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^```hcl\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert found, f"modules/{module}/README.md shows no use of it"
    return found[1]


def write_package(folder: Path) -> None:
    folder.mkdir()
    (folder / "rfp-analysis-arm64.zip").write_bytes(b"a package")
    manifest = {
        "path": "dist/rfp-analysis-arm64.zip",
        "sha256_base64": base64.b64encode(hashlib.sha256(b"a package").digest()).decode(),
    }
    (folder / "rfp-analysis-arm64.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.fixture(scope="module")
def plan(terraform: Terraform, account_url: str) -> Plan:
    """Plan of the READMEs' examples as one root."""
    root = terraform.root / "examples-of-the-readmes"
    root.mkdir()
    (root / "modules").symlink_to(terraform.root / "modules")
    for module in EXAMPLES:
        (root / f"{module}.tf").write_text(example(module), encoding="utf-8")
    output = 'output "models" {\n  value = module.model_access.policy_json\n}\n'
    (root / "outputs.tf").write_text(output, encoding="utf-8")
    write_package(root / "dist")
    terraform.prepare(root.name)
    test = tftest.TerraformTest(str(root), env=terraform.environment | {"AWS_ENDPOINT_URL_STS": account_url})
    return test.plan(output=True)


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_readmes_tables_say_what_terraform_reads(plan: Plan, module: str) -> None:
    calls = plan.configuration["root_module"]["module_calls"].values()
    [read] = [call["module"]["variables"] for call in calls if call["source"] == f"./modules/{module}"]
    folder = REPOSITORY / "modules" / module
    found = terraform_docs.blocks((folder / "variables.tf").read_text(encoding="utf-8"), "variable")
    assert {block.name: block.description for block in found} == {
        name: " ".join(variable["description"].split()) for name, variable in read.items()
    }
    required = {block.name for block in found if "default" not in block.arguments}
    # Terraform leaves out a default that is null.
    assert required <= {name for name, variable in read.items() if "default" not in variable}


def references(plan: Plan, module: str, address: str, argument: str) -> list[str]:
    """Return what one argument of a resource refers to, most precise first, as Terraform has it."""
    calls = plan.configuration["root_module"]["module_calls"]
    resources = calls[module]["module"]["resources"]
    found = next(each for each in resources if each["address"] == address)
    expression = found["expressions"].get(argument)
    return sorted({reference for part in walk(expression) for reference in part})


def walk(expression: object) -> Iterable[list[str]]:
    match expression:
        case {"references": references}:
            yield references
        case dict():
            for value in expression.values():
                yield from walk(value)
        case list():
            for value in expression:
                yield from walk(value)


def depends_on(plan: Plan, module: str, address: str) -> list[str]:
    calls = plan.configuration["root_module"]["module_calls"]
    resources = calls[module]["module"]["resources"]
    found = next(each for each in resources if each["address"] == address)
    return sorted(found.get("depends_on", []))


QUEUE = "aws_sqs_queue.this"
DEAD_LETTER = "aws_sqs_queue.dead_letter"
BUCKET = "aws_s3_bucket.this"


@pytest.mark.parametrize(
    ("address", "argument", "target"),
    [
        ("aws_sqs_queue_policy.this", "queue_url", f"{QUEUE}.id"),
        ("aws_sqs_queue_policy.this", "policy", f"{QUEUE}.arn"),
        ("aws_sqs_queue_policy.dead_letter", "queue_url", f"{DEAD_LETTER}.id"),
        ("aws_sqs_queue_policy.dead_letter", "policy", f"{DEAD_LETTER}.arn"),
        ("aws_sqs_queue_redrive_allow_policy.dead_letter", "queue_url", f"{DEAD_LETTER}.id"),
        ("aws_sqs_queue_redrive_allow_policy.dead_letter", "redrive_allow_policy", f"{QUEUE}.arn"),
        ("aws_sqs_queue_redrive_policy.this", "queue_url", f"{QUEUE}.id"),
    ],
)
def test_each_setting_of_a_queue_is_on_the_right_one(plan: Plan, address: str, argument: str, target: str) -> None:
    assert references(plan, "queue", address, argument) == [target.rpartition(".")[0], target]


def test_a_queues_messages_move_to_its_dead_letter_queue(plan: Plan) -> None:
    found = references(plan, "queue", "aws_sqs_queue_redrive_policy.this", "redrive_policy")
    assert found == [DEAD_LETTER, f"{DEAD_LETTER}.arn", "local.default_max_receive_count", "var.max_receive_count"]


@pytest.mark.parametrize(
    "kind",
    [
        "lifecycle_configuration",
        "ownership_controls",
        "policy",
        "public_access_block",
        "server_side_encryption_configuration",
        "versioning",
    ],
)
def test_each_setting_of_the_bucket_is_on_it(plan: Plan, kind: str) -> None:
    address = f"aws_s3_bucket_{kind}.this"
    assert references(plan, "artifact_bucket", address, "bucket") == [BUCKET, f"{BUCKET}.id"]


def test_the_buckets_policy_is_about_the_bucket(plan: Plan) -> None:
    found = references(plan, "artifact_bucket", "aws_s3_bucket_policy.this", "policy")
    assert found == [BUCKET, f"{BUCKET}.arn"]


def test_the_alias_points_to_the_published_version(plan: Plan) -> None:
    function = "aws_lambda_function.this"
    found = references(plan, "worker", "aws_lambda_alias.live", "function_version")
    assert found == [function, f"{function}.version"]


def test_the_function_comes_after_its_log_group_and_all_its_rights(plan: Plan) -> None:
    function = "aws_lambda_function.this"
    group = "aws_cloudwatch_log_group.this"
    assert f"{group}.name" in references(plan, "worker", function, "logging_config")
    assert references(plan, "worker", function, "role") == [
        "aws_iam_role.this",
        "aws_iam_role.this.arn",
    ]
    assert depends_on(plan, "worker", function) == [
        "aws_iam_role_policy.runtime",
        "aws_iam_role_policy.statements",
    ]


@pytest.mark.parametrize("policy", ["runtime", "statements"])
def test_the_rights_are_the_functions_own_roles(plan: Plan, policy: str) -> None:
    found = references(plan, "worker", f"aws_iam_role_policy.{policy}", "role")
    assert found == ["aws_iam_role.this", "aws_iam_role.this.name"]


@pytest.mark.parametrize(
    ("module", "address"),
    [
        ("artifact_bucket", "aws_s3_bucket.this"),
        ("job_table", "aws_dynamodb_table.this"),
        ("queue", QUEUE),
        ("worker", "aws_lambda_function.this"),
    ],
)
def test_the_examples_of_the_readmes_plan(plan: Plan, module: str, address: str) -> None:
    assert plan.resource_changes[f"module.{module}.{address}"]["change"]["actions"] == ["create"]


def test_the_account_of_a_profile_is_the_callers(plan: Plan) -> None:
    resources = json.loads(plan.outputs["models"])["Statement"][0]["Resource"]
    assert f"arn:aws:bedrock:*:{ACCOUNT}:inference-profile/global.anthropic.claude-sonnet-4-5-*" in (resources)
