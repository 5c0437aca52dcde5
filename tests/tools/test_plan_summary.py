"""The summary of a plan says what changes at once, what comes with the new version, and what would lose data."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs_dev import places
from analysis_jobs_dev.environments import summary
from analysis_jobs_dev.environments.config import Environment, load
from analysis_jobs_dev.environments.package import Package


@pytest.fixture(scope="module")
def environment() -> Environment:
    return dataclasses.replace(load("staging", places.repository() or Path()), stack="rfp-staging")


@pytest.fixture
def package(tmp_path: Path) -> Package:
    (tmp_path / "rfp.json").write_text(json.dumps({"version": "1.2.0+abc"}), "utf-8")
    return Package(tmp_path / "rfp.json")


def change(address: str, actions: list[str], **rest: Any) -> dict[str, Any]:
    kind = address.rpartition(".")[0].rpartition(".")[2]
    return {"address": address, "mode": "managed", "type": kind, "change": {"actions": actions, **rest}}


def test_a_plan_without_changes_says_so(environment: Environment, package: Package) -> None:
    plan = {"resource_changes": [change("aws_sqs_queue.lane", ["no-op"]), change("aws_iam_role.worker", ["no-op"])]}
    assert summary.markdown(environment, package, plan) == (
        "## Plan of staging\n\n`rfp-analysis` 1.2.0+abc as `rfp-staging` in eu-west-1\n\nNothing changes.\n"
    )


def test_changes_are_ordered_by_when_callers_meet_them(environment: Environment, package: Package) -> None:
    plan = {
        "resource_changes": [
            change(
                "module.worker.aws_lambda_function.this",
                ["update"],
                before={"memory_size": 512, "source_code_hash": "old", "version": "6"},
                after={"memory_size": 1024, "source_code_hash": "new"},
                after_unknown={"version": True, "qualified_arn": True},
            ),
            change("module.worker.aws_lambda_alias.candidate", ["update"], after_unknown={"function_version": True}),
            change(
                "module.worker.aws_iam_role_policy.this",
                ["update"],
                before={"policy": "a" * 90},
                after={"policy": "b" * 90},
            ),
            change("module.queue.aws_sqs_queue.lane", ["create"], before=None, after={"name": "x"}),
            change("module.worker.aws_iam_role.this", ["no-op"], before={}, after={}),
            {**change("data.aws_region.current", ["read"]), "mode": "data"},
        ]
    }
    text = summary.markdown(environment, package, plan)
    at_once, later = text.split("### ")[1:]
    assert at_once.splitlines() == [
        "At once, when the plan is applied",
        "",
        "| what | resource | attributes |",
        "| --- | --- | --- |",
        "| create | `module.queue.aws_sqs_queue.lane` |   |",
        "| change | `module.worker.aws_iam_role_policy.this` | policy |",
        "",
    ]
    assert later.splitlines()[0] == "With the new version, when its callers move to it"
    assert (
        "| change | `module.worker.aws_lambda_function.this` | memory_size: `512` → `1024`, "
        'source_code_hash: `"old"` → `"new"` |'
    ) in later
    assert "function_version (known after the apply)" in later
    assert "CAUTION" not in text


@pytest.mark.parametrize("actions", [["delete"], ["delete", "create"], ["create", "delete"]])
def test_the_loss_of_a_table_a_bucket_or_a_queue_comes_first(
    actions: list[str], environment: Environment, package: Package
) -> None:
    lost = change("module.job_table.aws_dynamodb_table.this", actions, before={"name": "a"}, after={"name": "b"})
    other = change("aws_cloudwatch_dashboard.this", ["create"])
    text = summary.markdown(environment, package, {"resource_changes": [other, lost]})
    caution = "> [!CAUTION]\n> This plan deletes what holds jobs, documents or results:\n> - `module.job_table."
    assert caution in text
    assert text.index("| `module.job_table.aws_dynamodb_table.this` |") < text.index(
        "| `aws_cloudwatch_dashboard.this` |"
    )


def test_a_sensitive_value_is_left_out(environment: Environment, package: Package) -> None:
    secret = change(
        "aws_lambda_function.this",
        ["update"],
        before={"environment": "hunter2"},
        after={"environment": "hunter3"},
        before_sensitive={"environment": True},
        after_sensitive={"environment": True},
    )
    text = summary.markdown(environment, package, {"resource_changes": [secret]})
    assert "| environment |" in text
    assert "hunter" not in text


def test_what_somebody_else_changed_is_named(environment: Environment, package: Package) -> None:
    drift = change("aws_sqs_queue.lane", ["update"])
    plan = {"resource_changes": [change("aws_iam_role.x", ["create"])], "resource_drift": [drift]}
    text = summary.markdown(environment, package, plan)
    assert "### Changed by somebody else since the last deployment\n\n- `aws_sqs_queue.lane`\n" in text


def test_a_long_plan_fits_into_a_comment(environment: Environment, package: Package) -> None:
    plan = {"resource_changes": [change(f"aws_iam_role.r{number}", ["create"]) for number in range(500)]}
    text = summary.markdown(environment, package, plan)
    assert "| … | and 440 more |  |" in text
    assert len(text) < 65_536, "the limit of a comment on GitHub"


def test_the_code_of_a_plan_is_that_of_its_functions() -> None:
    functions = [
        change("aws_lambda_function.api", ["update"], after={"source_code_hash": "new"}),
        change("aws_lambda_function.old", ["delete"], after=None),
        change("aws_sqs_queue.lane", ["create"], after={"source_code_hash": "no"}),
    ]
    assert summary.code_hashes({"resource_changes": functions}) == {"new"}
