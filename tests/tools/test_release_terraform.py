"""What a release reads from a plan, from a state, and from its own surroundings."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from analysis_jobs_dev import commands_release
from analysis_jobs_dev.cloud.root import DEPLOYMENTS
from analysis_jobs_dev.environments.backend import Backend
from analysis_jobs_dev.environments.config import load
from analysis_jobs_dev.release import command
from analysis_jobs_dev.release.errors import ReleaseError
from analysis_jobs_dev.release.stack import Stack
from analysis_jobs_dev.release.terraform import kept, moved_aliases

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOYMENT = {"function_names": {"worker": "letters-worker"}, "table_name": "jobs", "prompt_table_name": "prompts"}


def change(name: str, before: str | None, after: str | None, *actions: str, **more: Any) -> dict[str, Any]:
    """Return the change of an alias in a plan, as `terraform show -json` has it."""
    sides = [None if version is None else {"name": name, "function_version": version} for version in (before, after)]
    return {
        "address": f"module.worker.aws_lambda_alias.{name}",
        "type": "aws_lambda_alias",
        "change": {"actions": list(actions), "before": sides[0], "after": sides[1], **more},
    }


def test_a_plan_that_moves_live_is_recognised() -> None:
    moves = change("live", "1", "2", "update")
    unknown = change("live", "1", None, "update")
    unknown["change"]["after"] = {"name": "live"}  # the version is known after the apply
    others = [
        change("live", "1", "1", "update"),
        change("live", "1", "1", "no-op"),
        change("live", None, "1", "create"),
        change("candidate", "1", "2", "update"),
        {"type": "aws_sqs_queue", "address": "x", "change": {"actions": ["update"], "before": {}, "after": {}}},
    ]
    assert moved_aliases({"resource_changes": others}) == []
    assert moved_aliases({"resource_changes": [*others, moves]}) == [moves["address"]]
    assert moved_aliases({"resource_changes": [unknown]}) == [unknown["address"]]
    assert moved_aliases({}) == []


def test_a_plan_says_which_versions_it_keeps_in_service() -> None:
    changes = [change("live", "3", "3", "no-op"), change("candidate", "3", "4", "update")]
    assert kept({"resource_changes": changes}) == {"3"}
    assert kept({"resource_changes": [change("live", None, "1", "create")]}) == set()


def test_an_output_of_another_root_is_refused() -> None:
    assert Stack.of(DEPLOYMENT) == Stack({"worker": "letters-worker"}, "jobs", "prompts", (), None)
    with pytest.raises(ReleaseError, match="has no 'table_name'"):
        Stack.of({"function_names": {}})


@pytest.mark.parametrize("outputs", [{DEPLOYMENTS: {"value": [DEPLOYMENT]}}, {"deployment": {"value": DEPLOYMENT}}])
def test_a_rollback_reads_the_names_from_the_state_without_terraform(
    outputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("TF_STATE_BUCKET", "states")
    monkeypatch.setattr("subprocess.run", None)  # nothing runs a program
    environment = load("staging", REPOSITORY)
    backend = Backend.in_s3(environment, "states")
    key = {"key": environment.state.key, **backend.settings}["key"]
    with mock_aws():
        s3 = boto3.client("s3", region_name=environment.region)
        s3.create_bucket(Bucket="states", CreateBucketConfiguration={"LocationConstraint": environment.region})  # type: ignore[typeddict-item]
        s3.put_object(Bucket="states", Key=key, Body=json.dumps({"outputs": outputs}).encode())
        with command.reached("staging", REPOSITORY) as (stack, clients):
            assert stack == Stack.of(DEPLOYMENT)
            assert clients("lambda").meta.region_name == environment.region


def test_others_learn_who_makes_a_release(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SERVER_URL": "https://github.com", "REPOSITORY": "acme/letters", "RUN_ID": "7"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    assert commands_release.who() == "https://github.com/acme/letters/actions/runs/7"
    monkeypatch.delenv("GITHUB_RUN_ID")
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    assert commands_release.who().startswith("ada on ")
