"""`analysis-jobs plan`, and what stops a deployment early: a wrong package, no state, a failed step."""

import base64
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from analysis_jobs.cli.main import main
from analysis_jobs_dev import places, terraform_command
from analysis_jobs_dev.environments import deploy, root
from analysis_jobs_dev.init import create

# Records its calls. `init` installs the module as Terraform would.
TERRAFORM = """#!/bin/sh
root="${1#-chdir=}"
echo "$*" >> "$CALLS"
case "$2" in
  "${FAILS:-}") exit 1 ;;
  init) mkdir -p "$root/.terraform/modules" && echo "$MODULES" > "$root/.terraform/modules/modules.json" ;;
  plan) cp "$root"/*analysis_jobs*.json "$PLANNED"; touch "${4#-out=}"; exit 2 ;;
  show) cat "$PLAN" ;;
  output) echo '{}' ;;
esac
"""
ZIP = b"stands for a built zip"
SHA256 = hashlib.sha256(ZIP)
SHA256_BASE64 = base64.b64encode(SHA256.digest()).decode()
KEY = f"analysis-jobs/letters-arm64-{SHA256.hexdigest()}.zip"
FUNCTION = {
    "address": "module.analysis_jobs.module.worker.aws_lambda_function.this",
    "mode": "managed",
    "type": "aws_lambda_function",
    "change": {"actions": ["update"], "before": {}, "after": {"source_code_hash": SHA256_BASE64}},
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a project with a built package, and a Terraform that records its calls."""
    folder = create("letters", within=tmp_path)
    (folder / "dist").mkdir()
    (folder / "dist" / "letters-arm64.zip").write_bytes(ZIP)
    write_manifest(folder)
    terraform = tmp_path / "bin" / "terraform"
    terraform.parent.mkdir()
    terraform.write_text(TERRAFORM, "utf-8")
    terraform.chmod(terraform.stat().st_mode | stat.S_IXUSR)
    write_plan(tmp_path, FUNCTION)
    monkeypatch.setenv("PATH", f"{terraform.parent}{os.pathsep}{os.environ['PATH']}")
    for name, file in {"CALLS": "calls", "PLAN": "plan.json", "PLANNED": "planned"}.items():
        monkeypatch.setenv(name, str(tmp_path / file))
    (tmp_path / "planned").mkdir()
    module = {"Key": "analysis_jobs", "Dir": str(places.modules() / "analysis-jobs")}
    monkeypatch.setenv("MODULES", json.dumps({"Modules": [module]}))
    monkeypatch.setenv("TF_STATE_BUCKET", "states")
    monkeypatch.setattr(terraform_command, "terraform_environment", dict)
    monkeypatch.chdir(folder)
    return folder


def write_manifest(folder: Path, /, **changes: object) -> None:
    manifest = {
        "architecture": "arm64",
        "path": "letters-arm64.zip",
        "project": {"name": "letters"},
        "sha256": SHA256.hexdigest(),
        "sha256_base64": SHA256_BASE64,
        "size_bytes": len(ZIP),
        "version": "0.1.0+abc",
    }
    (folder / "dist" / "letters-arm64.json").write_text(json.dumps(manifest | changes), "utf-8")


def write_plan(folder: Path, *changes: dict[str, Any]) -> None:
    (folder / "plan.json").write_text(json.dumps({"resource_changes": changes}), "utf-8")


def configure(project: Path, **keys: object) -> None:
    path = project / "envs" / "staging.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **keys}), "utf-8")


def calls(project: Path) -> list[list[str]]:
    """Return the arguments of each call of Terraform, without the folder."""
    path = project.parent / "calls"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [line.split()[1:] for line in lines]


def planned(project: Path, name: str) -> dict[str, Any]:
    """Return a generated file of the root, as it was at the last plan."""
    found: dict[str, Any] = json.loads((project.parent / "planned" / name).read_text("utf-8"))
    return found


def planned_package(project: Path) -> Any:
    """Return the package of the last plan."""
    return planned(project, root.PACKAGE_FILE)["module"]["analysis_jobs"]["package"]


@pytest.fixture
def s3(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give an S3 with the bucket that the configuration names for packages."""
    configure(project, package_bucket="packages")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("s3", region_name="eu-west-1")
        client.create_bucket(Bucket="packages", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield client


def test_a_plan_is_written_with_its_summary_and_nothing_is_applied(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = project.parent / "kept" / "plan"
    assert main(["plan", "staging", "--out", str(plan)]) == 0
    assert calls(project) == [
        ["init", "-input=false", "-reconfigure", "-backend-config=analysis_jobs.s3.tfbackend"],
        ["output", "-json"],
        ["plan", "-input=false", f"-out={plan}", "-detailed-exitcode", "-lock=false"],
        ["show", "-json", str(plan)],
    ]
    assert "## Plan of staging" in plan.with_name("plan.md").read_text("utf-8")
    said = capsys.readouterr().out
    assert f"analysis-jobs deploy staging --plan {plan}" in said
    assert "terraform -chdir=.local/deploy/staging/root/infra plan" in said


def test_the_variables_are_those_of_the_configuration(project: Path) -> None:
    configure(project, name="letters-x")
    assert main(["plan", "staging"]) == 0
    found = planned(project, root.VARIABLES_FILE)
    assert found["name"] == "letters-x"
    assert found["region"] == "eu-west-1"
    assert found["authorizer"] == {"issuer": "https://login.example.com", "audience": ["letters"]}
    # The same path on every machine.
    assert found["package"] == "../../../../../dist/letters-arm64.json"
    assert planned_package(project) == {"manifest": found["package"]}


def test_the_plan_of_another_package_is_not_applied(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = project.parent / "approved"
    assert main(["deploy", "staging", "--plan", str(plan)]) == 1
    assert f"There is no plan {plan}: write it with " in "".join(capsys.readouterr())
    plan.touch()
    write_plan(project.parent, {**FUNCTION, "change": {"actions": ["update"], "after": {"source_code_hash": "other"}}})
    assert main(["deploy", "staging", "--plan", str(plan)]) == 1
    assert "is the plan of another package than" in "".join(capsys.readouterr())
    assert "apply" not in [each[0] for each in calls(project)]


# The package


def test_a_plan_names_the_place_of_the_package_and_uploads_nothing(project: Path, s3: Any) -> None:
    write_manifest(project, size_bytes=60_000_000)
    assert main(["plan", "staging"]) == 0
    assert planned_package(project)["s3"] == {"bucket": "packages", "key": KEY}
    assert "Contents" not in s3.list_objects_v2(Bucket="packages")


@pytest.mark.usefixtures("project")
def test_a_deployment_uploads_the_package_once_to_the_place_that_the_plan_names(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket="packages", VersioningConfiguration={"Status": "Enabled"})
    for _ in range(2):
        with deploy.prepared("staging") as root:
            assert root.package.s3 == {"bucket": "packages", "key": KEY}
    assert s3.get_object(Bucket="packages", Key=KEY)["Body"].read() == ZIP
    assert len(s3.list_object_versions(Bucket="packages")["Versions"]) == 1


@pytest.mark.usefixtures("s3")
def test_a_root_that_could_not_take_the_place_in_s3_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a direct call of the module, only the root's own variable can carry the package."""
    monkeypatch.setenv("MODULES", '{"Modules": []}')
    assert main(["plan", "staging"]) == 1
    assert "its variable `package` does not take s3" in capsys.readouterr().err
    configure(project, package_bucket=None)
    assert main(["plan", "staging"]) == 0
    variables = project / "infra" / "variables.tf"
    variables.write_text(variables.read_text("utf-8").replace('variable "package"', 'variable "packet"'), "utf-8")
    assert main(["plan", "staging"]) == 1
    assert "neither calls the module analysis-jobs nor has a variable `package`" in capsys.readouterr().err


def test_another_file_under_the_packages_key_is_replaced(s3: Any) -> None:
    s3.put_object(Bucket="packages", Key=KEY, Body=b"another file", ChecksumAlgorithm="SHA256")
    with deploy.prepared("staging"):
        pass
    assert s3.get_object(Bucket="packages", Key=KEY)["Body"].read() == ZIP


def test_a_package_that_cannot_be_uploaded_is_not_deployed(
    project: Path, s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    s3.delete_bucket(Bucket="packages")
    assert main(["deploy", "staging"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"letters-arm64.zip cannot be uploaded to s3://packages/{KEY}: ")
    assert "NoSuchBucket" in said
    assert [each[0] for each in calls(project)] == ["init"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size_bytes": 50 * 2**20 + 1}, "set package_bucket in "),
        ({"sha256": "0" * 64}, "Take both files from one build, or build them again: `analysis-jobs package`"),
        ({"sha256_base64": "other"}, "is not the zip that letters-arm64.json describes. Take both files"),
        ({"path": "gone.zip"}, "describes gone.zip, which is not beside it. Build it again: `analysis-jobs package`"),
        ({"project": {"name": "invoices"}}, "is the package of the project invoices, and the environment staging"),
    ],
)
def test_a_package_that_cannot_be_deployed_is_refused_before_anything_is_done(
    changes: dict[str, object], message: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_manifest(project, **changes)
    assert main(["deploy", "staging"]) == 1
    assert message in capsys.readouterr().err
    assert calls(project) == []


def test_a_package_that_is_not_built_is_named_with_the_command(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "dist" / "letters-arm64.json").unlink()
    assert main(["plan", "staging"]) == 1
    assert "Build it: `analysis-jobs package`." in capsys.readouterr().err


def test_a_package_that_no_build_writes_is_not_built(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "dist" / "letters-arm64.json").rename(project / "dist" / "promoted.json")
    configure(project, package="dist/promoted.json")
    assert main(["plan", "staging", "--build"]) == 1
    assert "A build does not write promoted.json. Leave `package` out of " in capsys.readouterr().err
    assert main(["plan", "staging"]) == 0


# What stops a deployment


def test_a_wrong_configuration_is_refused_before_anything_is_done(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(project, settings={"authoriser": {}})
    assert main(["deploy", "staging", "--build"]) == 1
    assert "Did you mean settings.authorizer?" in capsys.readouterr().err
    assert calls(project) == []


def test_a_state_without_a_bucket_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TF_STATE_BUCKET")
    assert main(["deploy", "staging"]) == 1
    assert "set the environment variable TF_STATE_BUCKET, or state.bucket in " in capsys.readouterr().err
    assert calls(project) == []
    configure(project, state={"bucket": "our-states"})
    assert main(["plan", "staging"]) == 0


@pytest.mark.parametrize("command", ["plan", "deploy"])
@pytest.mark.parametrize("step", ["init", "plan"])
def test_nothing_follows_a_step_that_fails(
    step: str, command: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAILS", step)
    assert main([command, "staging"]) == 1
    assert f"`terraform {step}` failed: see its output above.\n" in "".join(capsys.readouterr())
    assert calls(project)[-1][0] == step
