"""A project that brings its own key, bucket, roles and topic, applied: docs/import/bring-your-own.md."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs_dev import places, project
from analysis_jobs_dev.cloud.deployments import ProjectDeployment
from analysis_jobs_dev.cloud.local_cloud import LocalCloud
from analysis_jobs_dev.init import create

BUCKET = "acme-shared-letters"
# What the emulator reads back otherwise than it was written. It does not return provisioned pollers.
MISREAD = {"aws_apigatewayv2_authorizer", "aws_cloudwatch_metric_alarm", "aws_lambda_event_source_mapping"}
OWN = """
  encryption   = { key_arn = aws_kms_key.own.arn, key_policy_json = data.aws_iam_policy_document.key.json }
  bucket       = { name = aws_s3_bucket.shared.bucket, prefix = "analysis/" }
  role         = { path = "/teams/", name_prefix = "team-", permissions_boundary_arn = aws_iam_policy.boundary.arn }
  functions    = { snap_start = ["api"], reserved_concurrency = { sweeper = 1 } }
  tracing      = { mode = "xray" }
  logs         = { level = "WARN" }
  model_access = { geographies = ["eu"] }
  events       = { topic = { arn = aws_sns_topic.ended.arn } }
  lanes        = { medium = { provisioned_pollers = { minimum = 2, maximum = 4 } } }
}

resource "aws_s3_bucket" "shared" {
  bucket        = "acme-shared-letters"
  force_destroy = true
}

resource "aws_sns_topic" "ended" {
  name = "ended"
}

resource "aws_iam_policy" "boundary" {
  name   = "boundary"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }] })
}

resource "aws_kms_key" "own" {
  policy = data.aws_iam_policy_document.key.json
}

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "key" {
  source_policy_documents = [module.analysis_jobs.key_policy_json]

  statement {
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }
}
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Return a cloud with the stack of a new project, with the module's own parts replaced by those of its root."""
    within = tmp_path_factory.mktemp("own")
    folder = create("letters", module="../modules/analysis-jobs", within=within)
    (folder / "modules").symlink_to(places.modules())
    root = folder / "infra" / "main.tf"
    call, _, rest = root.read_text("utf-8").rpartition("\n}\n")
    assert 'module "analysis_jobs"' in call
    assert rest.strip() == "", "the call of the module is the last block"
    root.write_text(call + OWN, encoding="utf-8")
    deployment = ProjectDeployment(project.load(folder))
    with LocalCloud(within / "cloud", deployment=deployment) as running:
        yield running


def test_a_job_runs_and_its_files_are_below_the_prefix(cloud: LocalCloud) -> None:
    client = cloud.client()
    letter = Path(cloud.deployment.hosted[0].folder) / "documents" / "letter.txt"
    job = client.submit("letters", {"document": client.upload(letter)}).raw
    assert client.wait(job["job_id"]).status == "completed"
    keys = [each["Key"] for each in cloud.boto3("s3").list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert keys
    assert [key for key in keys if not key.startswith("analysis/")] == []


def test_the_key_encrypts_every_part(cloud: LocalCloud) -> None:
    [key] = [
        each["KeyArn"]
        for each in cloud.boto3("kms").list_keys()["Keys"]
        if cloud.boto3("kms").describe_key(KeyId=each["KeyId"])["KeyMetadata"]["KeyManager"] == "CUSTOMER"
    ]
    assert {function.get("KMSKeyArn") for function in functions(cloud)} == {key}
    names = [f"/aws/lambda/{function['FunctionName']}" for function in functions(cloud)]
    logs = {each["logGroupName"]: each for each in cloud.boto3("logs").describe_log_groups()["logGroups"]}
    assert {logs[name].get("kmsKeyId") for name in names} == {key}
    sqs = cloud.boto3("sqs")
    queues = {
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"].get("KmsMasterKeyId")
        for url in sqs.list_queues()["QueueUrls"]
    }
    assert queues == {key}


def test_every_function_has_the_settings_of_the_stack(cloud: LocalCloud) -> None:
    found = functions(cloud)
    assert len(found) == 4
    for function in found:
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert f":role/teams/team-{function['FunctionName']}-" in function["Role"]
        # Lambda would drop the metrics below INFO. The functions leave the other lines out themselves.
        assert function["LoggingConfig"]["ApplicationLogLevel"] == "INFO"
        assert function["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] == "WARNING"
    snapshots = [each["FunctionName"] for each in found if each["SnapStart"]["ApplyOn"] == "PublishedVersions"]
    assert snapshots == ["letters-local-api"]


def test_a_second_plan_changes_nothing(cloud: LocalCloud) -> None:
    assert {change["resource"]["resource_type"] for change in cloud.stack.plan()} <= MISREAD


def functions(cloud: LocalCloud) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.boto3("lambda").list_functions()["Functions"]
    return found
