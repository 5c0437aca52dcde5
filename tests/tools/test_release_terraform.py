"""What a release reads from a plan, from a state, and from its own surroundings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
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
from analysis_jobs_dev.release.terraform import RootOfRelease, changed_functions, kept, moved_aliases

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOYMENT = {"function_names": {"worker": "letters-worker"}, "table_name": "jobs", "prompt_table_name": "prompts"}


def change(name: str, before: str | None, after: str | None, *actions: str, **more: Any) -> dict[str, Any]:
    """Return the change of an alias in a plan, as `terraform show -json` has it."""
    same = {"name": name, "function_name": "letters-worker"}
    sides = [None if version is None else {**same, "function_version": version} for version in (before, after)]
    return {
        "address": f"module.worker.aws_lambda_alias.{name}",
        "mode": "managed",
        "type": "aws_lambda_alias",
        "change": {"actions": list(actions), "before": sides[0], "after": sides[1], **more},
    }


def test_a_plan_that_moves_live_is_recognised() -> None:
    moves = change("live", "1", "2", "update")
    unknown = change("live", "1", None, "update")
    unknown["change"]["after"] = {"name": "live"}  # the version is known after the apply
    in_service = {"letters-worker": "1"}
    others = [
        change("live", "1", "1", "update"),
        change("live", "1", "1", "no-op"),
        change("live", None, "1", "create"),
        change("candidate", "1", "2", "update"),
        updated("aws_sqs_queue"),
    ]
    assert moved_aliases({"resource_changes": others}, in_service) == []
    assert moved_aliases({"resource_changes": [*others, moves]}, in_service) == [moves["address"]]
    assert moved_aliases({"resource_changes": [unknown]}, in_service) == [unknown["address"]]
    assert moved_aliases({}, in_service) == []


def test_a_plan_on_an_old_state_moves_nothing_if_it_names_the_version_in_service() -> None:
    """The release before this one has moved `live` from 1 to 2, and the state still says 1."""
    plan = {"resource_changes": [change("live", "1", "2", "update")]}
    assert moved_aliases(plan, {"letters-worker": "2"}) == []
    assert moved_aliases(plan, {"letters-worker": "3"}) == ["module.worker.aws_lambda_alias.live"]


def updated(kind: str, *actions: str, **before: Any) -> dict[str, Any]:
    return {
        "address": f"module.x.{kind}.this",
        "mode": "managed",
        "type": kind,
        "change": {"actions": list(actions or ("update",)), "before": before, "after": before},
    }


MODIFIED = "2026-11-28T18:00:00.000+0000"
FUNCTION = updated("aws_lambda_function", function_name="letters-worker", last_modified=MODIFIED)
ALIASES = [change("candidate", "1", None, "update"), change("live", "1", "1", "update")]
READ = {**updated("aws_region", "read"), "mode": "data"}


@pytest.mark.parametrize(
    ("changes", "functions"),
    [
        ([FUNCTION], {"letters-worker": MODIFIED}),
        ([FUNCTION, *ALIASES, READ, updated("aws_sqs_queue", "no-op")], {"letters-worker": MODIFIED}),
        ([FUNCTION, updated("aws_sqs_queue")], {}),
        ([FUNCTION, updated("aws_sqs_queue", "create")], {}),
        ([updated("aws_lambda_function", "delete", "create", function_name="letters-worker")], {}),
        ([FUNCTION, change("previous", None, "1", "create")], {}),
        (ALIASES, {}),
        ([], {}),
    ],
)
def test_a_plan_that_changes_code_alone_is_recognised(changes: list[dict[str, Any]], functions: dict[str, str]) -> None:
    assert changed_functions({"resource_changes": changes}) == functions


@dataclass
class RecordedRoot:
    """Stands for a `TerraformRoot`. `found` are the changes that a plan finds; it records what Terraform would do.

    `modified` is when the functions were last changed in AWS.
    """

    found: list[dict[str, Any]]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    modified: str = MODIFIED
    plan_file: Path = Path("plan")
    calls: list[str] = field(default_factory=list)

    @property
    def package(self) -> Any:
        return self

    def keeping(self, live: Mapping[str, str]) -> Any:
        return live

    def use(self, package: object) -> None:
        self.calls.append(f"use {package}")

    def deployment(self) -> dict[str, Any]:
        return DEPLOYMENT

    def client(self, service: str) -> Any:
        assert service == "lambda"
        return self

    def get_function_configuration(self, FunctionName: str) -> dict[str, str]:  # noqa: N803 - boto3's name
        assert FunctionName == "letters-worker"
        return {"LastModified": self.modified}

    def plan(self, file: Path, *, quiet: bool = False, refresh: bool = True) -> bool:
        assert (file, quiet) == (self.plan_file, not refresh)
        self.calls.append("plan" if refresh else "plan from the state")
        return bool(self.found)

    def show(self, file: Path) -> dict[str, Any]:
        assert file == self.plan_file
        self.calls.append("show")
        return {"resource_changes": self.found, "output_changes": self.outputs}

    def apply(self, file: Path, *, keeps_outputs: bool) -> None:
        assert file == self.plan_file
        self.calls.append("apply, same outputs" if keeps_outputs else "apply")


@pytest.mark.parametrize(
    ("found", "outputs", "calls"),
    [
        ([FUNCTION, *ALIASES], {"api_url": {"actions": ["no-op"]}}, ["show", "apply, same outputs"]),
        ([FUNCTION, *ALIASES], {"api_url": {"actions": ["update"]}}, ["show", "apply"]),
        ([FUNCTION, updated("aws_sqs_queue")], {}, ["show", "plan", "show", "apply, same outputs"]),
    ],
)
def test_a_release_reads_the_other_resources_only_if_one_of_them_changes(
    found: list[dict[str, Any]], outputs: dict[str, Any], calls: list[str]
) -> None:
    root, said = RecordedRoot(found, outputs), list[str]()
    terraform = RootOfRelease(root, say=said.append)  # type: ignore[arg-type]
    assert terraform.plan({"worker": "1"})
    assert terraform.moved_aliases() == []
    terraform.apply()
    assert root.calls == ["use {'worker': '1'}", "plan from the state", *calls]
    is_code = "plan" not in calls
    assert said == (["  functions alone change (letters-worker), so the other resources are not read"] * is_code)


def test_a_function_that_somebody_else_has_changed_is_read_and_planned_again() -> None:
    root = RecordedRoot([FUNCTION], modified="2026-11-28T19:00:00.000+0000")
    assert RootOfRelease(root).plan({"worker": "1"})  # type: ignore[arg-type]
    assert root.calls[1:] == ["plan from the state", "show", "plan"]


def test_a_release_without_a_change_compares_every_resource() -> None:
    root = RecordedRoot([])
    assert not RootOfRelease(root).plan({"worker": "1"})  # type: ignore[arg-type]
    assert root.calls[1:] == ["plan from the state", "plan"]


def test_a_release_compares_every_resource_if_it_is_asked_to() -> None:
    root = RecordedRoot([FUNCTION])
    assert RootOfRelease(root, refresh=True).plan({"worker": "1"})  # type: ignore[arg-type]
    assert root.calls[1:] == ["plan"]


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
