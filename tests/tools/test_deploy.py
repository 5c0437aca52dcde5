"""A deployment applies the plan that it showed, of the package that was built, and then runs a real job."""

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

import deploy
import smoke

TERRAFORM = """#!/bin/sh
echo "$TF_VAR_package $*" >> "$CALLS"
[ "$2" != "${FAILS:-}" ] || exit 1
if [ "$2" = output ]; then printf '{"api_url": "https://api.example.com"}'; fi
"""
ZIP = b"stands for a built zip"
SHA256 = hashlib.sha256(ZIP)
SHA256_BASE64 = base64.b64encode(SHA256.digest()).decode()
KEY = f"analysis-jobs/rfp-analysis-arm64-{SHA256.hexdigest()}.zip"


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a repository with two environments, a built package, and a Terraform that records its calls."""
    for name in ("local", "production", "staging"):
        (tmp_path / "envs" / name).mkdir(parents=True)
        (tmp_path / "envs" / name / "config.json").write_text('{"region": "eu-west-1"}', encoding="utf-8")
    (tmp_path / "envs" / "no-environment").mkdir()
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "rfp-analysis-arm64.zip").write_bytes(ZIP)
    write_manifest(tmp_path, size_bytes=len(ZIP))
    terraform = tmp_path / "bin" / "terraform"
    terraform.parent.mkdir()
    terraform.write_text(TERRAFORM, encoding="utf-8")
    terraform.chmod(terraform.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{terraform.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("ANALYSIS_JOBS_TOKEN", "t")
    monkeypatch.setenv("TF_STATE_BUCKET", "states")
    monkeypatch.setattr(deploy, "REPOSITORY", tmp_path)
    monkeypatch.setattr(deploy, "terraform_environment", dict)
    return tmp_path


def write_manifest(repository: Path, size_bytes: int) -> None:
    manifest = {
        "architecture": "arm64",
        "path": "rfp-analysis-arm64.zip",
        "sha256": SHA256.hexdigest(),
        "sha256_base64": SHA256_BASE64,
        "size_bytes": size_bytes,
        "version": "0.1.0+abc",
    }
    (repository / "dist" / "rfp-analysis-arm64.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.fixture
def s3(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give an S3 with the bucket that staging's config.json names for packages."""
    config = {"package_bucket": "packages", "region": "eu-west-1"}
    (repository / "envs" / "staging" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("s3", region_name="eu-west-1")
        client.create_bucket(Bucket="packages", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield client


@pytest.fixture
def smoked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []

    def call(arguments: list[str]) -> int:
        calls.append(arguments)
        return 7

    monkeypatch.setattr(smoke, "main", call)
    return calls


def calls(repository: Path) -> list[str]:
    path = repository / "calls"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line.partition(f"-chdir={repository}/envs/")[2] for line in lines]


def planned_package(repository: Path) -> Any:
    """Return the package that Terraform was last called with."""
    line = (repository / "calls").read_text(encoding="utf-8").splitlines()[-1]
    return json.loads(line.partition(" -chdir")[0])


def test_a_plan_is_written_and_nothing_is_applied(repository: Path, smoked: list[Any]) -> None:
    assert deploy.main(["plan", "staging"]) == 0
    plan = repository / ".local" / "plans" / "staging.tfplan"
    backend = "-backend-config=bucket=states -backend-config=region=eu-west-1"
    assert calls(repository) == [
        f"staging init -input=false -lockfile=readonly -reconfigure {backend}",
        f"staging plan -input=false -out={plan}",
    ]
    assert smoked == []


def test_a_deployment_applies_its_own_plan_and_then_runs_a_job(repository: Path, smoked: list[list[str]]) -> None:
    documents = repository / "examples" / "rfp-analysis" / "documents"
    documents.mkdir(parents=True)
    (documents / "b.pdf").touch()
    (documents / "a.pdf").touch()
    assert deploy.main(["deploy", "production"]) == 7, "the job's own status"
    plan = repository / ".local" / "plans" / "production.tfplan"
    assert calls(repository)[1:] == [
        f"production plan -input=false -out={plan}",
        f"production apply -input=false {plan}",
        "production output -json deployment",
    ]
    job = ["--analysis", "rfp-analysis", "--code-version", "0.1.0+abc", "--document", str(documents / "a.pdf")]
    assert smoked == [["https://api.example.com", *job]]


def test_terraform_gets_the_package_by_a_path_that_is_the_same_on_every_machine(repository: Path) -> None:
    deploy.main(["plan", "staging"])
    assert planned_package(repository) == {"manifest": "../../dist/rfp-analysis-arm64.json"}


def test_a_package_bucket_gets_the_zip_and_terraform_is_told_the_version(repository: Path, s3: Any) -> None:
    s3.put_bucket_versioning(Bucket="packages", VersioningConfiguration={"Status": "Enabled"})
    write_manifest(repository, size_bytes=60_000_000)
    assert deploy.main(["plan", "staging"]) == 0
    kept = s3.get_object(Bucket="packages", Key=KEY)
    assert kept["Body"].read() == ZIP
    assert planned_package(repository)["s3"] == {
        "bucket": "packages",
        "key": KEY,
        "object_version": kept["VersionId"],
    }


def test_a_bucket_without_versions_gives_no_version(repository: Path, s3: Any) -> None:
    assert deploy.main(["plan", "staging"]) == 0
    assert planned_package(repository)["s3"] == {"bucket": "packages", "key": KEY}
    assert s3.get_object(Bucket="packages", Key=KEY)["Body"].read() == ZIP


def test_a_package_that_is_in_the_bucket_already_is_not_uploaded_again(repository: Path, s3: Any) -> None:
    s3.put_bucket_versioning(Bucket="packages", VersioningConfiguration={"Status": "Enabled"})
    planned = []
    for _ in range(2):
        assert deploy.main(["plan", "staging"]) == 0
        planned.append(planned_package(repository))
    assert planned[0] == planned[1]
    assert len(s3.list_object_versions(Bucket="packages")["Versions"]) == 1


def test_another_file_under_the_packages_key_is_replaced(s3: Any) -> None:
    s3.put_object(Bucket="packages", Key=KEY, Body=b"another file", ChecksumAlgorithm="SHA256")
    assert deploy.main(["plan", "staging"]) == 0
    assert s3.get_object(Bucket="packages", Key=KEY)["Body"].read() == ZIP


def test_a_package_that_cannot_be_uploaded_is_not_planned(
    repository: Path, s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    s3.delete_bucket(Bucket="packages")
    assert deploy.main(["plan", "staging"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"rfp-analysis-arm64.zip cannot be uploaded to s3://packages/{KEY}: ")
    assert "NoSuchBucket" in said
    assert [line.split()[1] for line in calls(repository)] == ["init"]


def test_a_large_package_without_a_bucket_is_refused_before_anything_is_done(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_manifest(repository, size_bytes=50 * 2**20 + 1)
    assert deploy.main(["plan", "staging"]) == 1
    assert "set package_bucket in envs/staging/config.json to a bucket in eu-west-1." in capsys.readouterr().err
    assert calls(repository) == []


@pytest.mark.parametrize("name", ["", "prod", "local", "no-environment", "../staging"])
def test_an_unknown_environment_is_refused_and_the_known_ones_are_named(
    name: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy.main(["plan", name]) == 1
    assert capsys.readouterr().err == f"There is no environment {name!r}. Give one of: production, staging.\n"
    assert calls(repository) == []


def test_an_example_without_a_package_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main(["plan", "staging", "--example", "other"]) == 1
    assert "run `make package EXAMPLE=other`" in capsys.readouterr().err


@pytest.mark.parametrize("variable", ["ANALYSIS_JOBS_TOKEN", "TF_STATE_BUCKET"])
def test_a_deployment_that_could_not_be_brought_to_its_end_is_not_begun(
    variable: str, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(variable)
    assert deploy.main(["deploy", "staging"]) == 1
    assert f"{variable} is not set: " in capsys.readouterr().err
    assert calls(repository) == []


@pytest.mark.parametrize("step", ["init", "plan", "apply"])
def test_nothing_follows_a_step_that_fails(
    step: str,
    repository: Path,
    smoked: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FAILS", step)
    assert deploy.main(["deploy", "staging"]) == 1
    assert capsys.readouterr().err == f"`terraform {step}` failed: see its output above.\n"
    assert calls(repository)[-1].startswith(f"staging {step} ")
    assert smoked == []
