"""Several stacks in one root: two in one Region, one in another Region, one in GovCloud. No two names collide."""

import re
from typing import Any

import pytest

from tests.modules.harness import Terraform
from tests.modules.planning import Plan, make_plan, write_package

REGIONS = {"books": "eu-west-1", "staging": "eu-west-1", "america": "us-east-1", "government": "us-gov-west-1"}
ROOT = """
provider "aws" {
  region = "eu-west-1"
}
provider "aws" {
  alias  = "america"
  region = "us-east-1"
}
provider "aws" {
  alias  = "government"
  region = "us-gov-west-1"
}
"""
STACK = """
module "%(module)s" {
  source    = "./modules/analysis-jobs"
  providers = { aws = aws%(alias)s }

  name     = "%(name)s"
  analyses = ["letter_summary"]
  package  = { manifest = "dist/minimal-arm64.json" }
  events   = { sns = true }
  lanes    = { high = {}, low = {}, medium = {} }

  bedrock_model_ids = ["anthropic.claude-haiku-4-5-*"]
  model_id          = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"

  api = {
    authorizer = { issuer = "https://login.example.com", audience = ["acme"] }
    iam        = { tenant = "acme" }
  }
}
"""
# What names a resource among the others of its type. Types that are not here have no name of their own.
NAMED_BY = {
    "aws_apigatewayv2_api": "name",
    "aws_cloudwatch_dashboard": "dashboard_name",
    "aws_cloudwatch_event_rule": "name",
    "aws_cloudwatch_log_group": "name",
    "aws_cloudwatch_metric_alarm": "alarm_name",
    "aws_dynamodb_table": "name",
    "aws_iam_role": "name",
    "aws_kms_alias": "name",
    "aws_lambda_function": "function_name",
    "aws_s3_bucket": "bucket",
    "aws_sns_topic": "name",
    "aws_sqs_queue": "name",
}
# These names are not those of a Region: roles and dashboards are in an account, buckets in a partition.
GLOBAL = {"aws_cloudwatch_dashboard", "aws_iam_role", "aws_s3_bucket"}


@pytest.fixture(scope="module")
def plan(terraform: Terraform, account_url: str) -> Plan:
    root = terraform.root / "instances"
    root.mkdir()
    (root / "modules").symlink_to(terraform.root / "modules")
    stacks = [
        STACK % {"module": "books", "alias": "", "name": "books"},
        STACK % {"module": "staging", "alias": "", "name": "books-staging"},
        STACK % {"module": "america", "alias": ".america", "name": "books"},
        STACK % {"module": "government", "alias": ".government", "name": "books"},
    ]
    (root / "main.tf").write_text(ROOT + "".join(stacks), encoding="utf-8")
    write_package(root / "dist", "minimal")
    return make_plan(terraform, root.name, account_url)


def names(plan: Plan, module: str) -> set[tuple[str, str]]:
    """Return type and name of each resource of a stack that has a name."""
    within = plan.within(f"module.{module}.")
    return {(kind, values[NAMED_BY[kind]]) for kind in NAMED_BY for values in within.of_type(kind).values()}


def test_two_stacks_in_one_region_share_no_name(plan: Plan) -> None:
    books, staging = names(plan, "books"), names(plan, "staging")
    assert len(books) > 40
    assert books & staging == set()


def test_no_name_of_a_stack_continues_to_that_of_another(plan: Plan) -> None:
    """Each name is the prefix and a suffix. No suffix ends with another one after a hyphen.

    So a stack `books` and a stack `books-x` never share a name, whatever `x` is.
    """
    suffixes: dict[str, set[str]] = {}
    for kind, name in names(plan, "books"):
        found = re.search(r"books(-.*)", name)
        assert found, f"{kind} {name}"
        suffixes.setdefault(kind, set()).add(found[1])
    clashes = {
        (kind, longer, shorter)
        for kind, of_kind in suffixes.items()
        for longer in of_kind
        for shorter in of_kind
        if longer != shorter and longer.endswith(shorter)
    }
    assert clashes == set()


def test_the_same_stack_in_two_regions_shares_no_global_name(plan: Plan) -> None:
    books, america = names(plan, "books"), names(plan, "america")
    assert {kind for kind, _ in books & america} == NAMED_BY.keys() - GLOBAL


def test_policies_name_the_region_and_the_partition_of_their_stack(plan: Plan) -> None:
    for module, region in REGIONS.items():
        partition = "aws-us-gov" if module == "government" else "aws"
        texts = list(policies(plan.within(f"module.{module}.")))
        assert len(texts) >= 5
        for text in texts:
            assert set(re.findall(r"arn:([a-z-]+):", text)) <= {partition}, text
            assert set(re.findall(r"arn:[a-z-]+:(?:sqs|dynamodb|events|lambda):([a-z0-9-]+):", text)) <= {region}


def policies(plan: Plan) -> Any:
    for values in plan.resources.values():
        yield from (values[key] for key in ("policy", "assume_role_policy") if isinstance(values.get(key), str))


def test_a_stack_in_govcloud_is_complete(plan: Plan) -> None:
    kinds = [
        sorted(change["type"] for change in plan.within(f"module.{module}.").text["resource_changes"])
        for module in ("books", "government")
    ]
    assert kinds[0] == kinds[1]
