"""A deployment applies the plan that it showed, of the package that was built, and then runs a real job."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

import deploy
import smoke

TERRAFORM = """#!/bin/sh
echo "$TF_VAR_package $*" >> "$CALLS"
[ "$2" != "${FAILS:-}" ] || exit 1
if [ "$2" = output ]; then printf https://api.example.com; fi
"""


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a repository with two environments, a built package, and a Terraform that records its calls."""
    for name in ("local", "production", "staging"):
        (tmp_path / "envs" / name).mkdir(parents=True)
        (tmp_path / "envs" / name / "config.json").write_text('{"region": "eu-west-1"}', encoding="utf-8")
    (tmp_path / "envs" / "no-environment").mkdir()
    (tmp_path / "dist").mkdir()
    manifest = {"path": "dist/rfp-analysis-arm64.zip", "sha256_base64": "aGFzaA==", "version": "0.1.0+abc"}
    manifest["architecture"] = "arm64"
    (tmp_path / "dist" / "rfp-analysis-arm64.json").write_text(json.dumps(manifest), encoding="utf-8")
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
        "production output -raw api_url",
    ]
    job = ["--analysis", "rfp-analysis", "--code-version", "0.1.0+abc", "--document", str(documents / "a.pdf")]
    assert smoked == [["https://api.example.com", *job]]


def test_terraform_gets_the_package_by_a_path_that_is_the_same_on_every_machine(repository: Path) -> None:
    deploy.main(["plan", "staging"])
    line = (repository / "calls").read_text(encoding="utf-8").splitlines()[0]
    assert json.loads(line.partition(" -chdir")[0]) == {
        "architecture": "arm64",
        "path": "../../dist/rfp-analysis-arm64.zip",
        "sha256_base64": "aGFzaA==",
        "version": "0.1.0+abc",
    }


@pytest.mark.parametrize("name", ["", "prod", "local", "no-environment", "../staging"])
def test_an_unknown_environment_is_refused_and_the_known_ones_are_named(
    name: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy.main(["plan", name]) == 1
    assert capsys.readouterr().err == f"There is no environment {name!r}. Name one of: production, staging.\n"
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
    assert capsys.readouterr().err == f"`terraform {step}` failed.\n"
    assert calls(repository)[-1].startswith(f"staging {step} ")
    assert smoked == []
