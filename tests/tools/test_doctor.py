"""The preflight check of versions, and all checks together. moto stands in for AWS."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from moto import mock_aws

from analysis_jobs.cli.main import main
from analysis_jobs_dev import places
from analysis_jobs_dev.doctor import versions
from analysis_jobs_dev.doctor.findings import Level
from analysis_jobs_dev.doctor.run import blocks, examine
from analysis_jobs_dev.doctor.subject import deployed
from tests.tools.doctored import REGION, Scripted, a_subject, bad, worker


@pytest.fixture(autouse=True)
def _account() -> Iterator[None]:
    with mock_aws():
        yield


# Versions


def manifest(version: str) -> dict[str, Any]:
    return {"library": {"version": version}}


@pytest.mark.parametrize(
    ("given", "levels"),
    [
        (None, [Level.UNKNOWN]),
        (manifest(places.version()), []),
        (manifest("99.0.0"), [Level.PROBLEM]),
        (manifest(".".join([*places.version().split(".")[:2], "99"])), [Level.WARNING]),
    ],
)
def test_the_library_of_the_package_must_fit_the_tool(given: dict[str, Any] | None, levels: list[Level]) -> None:
    assert [each.level for each in bad(versions.versions(a_subject(manifest=given)))] == levels


def test_functions_of_different_versions_are_a_problem() -> None:
    functions = {"api": worker(variables={"CODE_VERSION": "2"}), "worker": worker()}
    found = bad(versions.versions(a_subject(functions=functions, manifest=manifest(places.version()))))
    assert ["api 2, worker 1" in each.message for each in found] == [True]


# All checks


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NoCredentialsError(), "no AWS credentials"),
        (ClientError({"Error": {"Code": "ExpiredToken", "Message": "It expired"}}, "x"), "ExpiredToken: It expired"),
    ],
)
def test_without_an_account_nothing_else_is_asked(error: Exception, text: str) -> None:
    class Unknown(Scripted):
        @property
        def account(self) -> str:
            raise error

    findings = list(examine(Unknown(stack="books", region=REGION, models=()), [lambda _: pytest.fail("it asked AWS")]))
    assert [(each.level, text in each.message) for each in findings] == [(Level.PROBLEM, True)]
    assert blocks(findings)


def test_the_functions_that_exist_are_found() -> None:
    iam = boto3.client("iam")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("worker.py", "")
    client = boto3.client("lambda", region_name=REGION)
    client.create_function(
        FunctionName="books-worker", Runtime="python3.13", Role=role, Handler="worker.handler",
        Code={"ZipFile": archive.getvalue()}, Publish=True,
    )  # fmt: skip
    client.create_alias(FunctionName="books-worker", Name="live", FunctionVersion="1")
    found = deployed(REGION, {"worker": "books-worker", "api": "books-api"})
    assert list(found) == ["worker"]
    assert found["worker"].role_arn == role


def test_the_command_checks_an_environment_that_is_not_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "letters"\nversion = "1"\nrequires-python = ">=3.13"\n'
        '[tool.analysis-jobs]\nanalyses = ["letters"]\n'
    )
    (tmp_path / "letters.py").write_text("")
    (tmp_path / "envs").mkdir()
    issuer = {"issuer": "https://login.example.com", "audience": ["letters"]}
    environment = {"name": "letters-staging", "region": REGION, "settings": {"api": {"authorizer": issuer}}}
    (tmp_path / "envs" / "staging.json").write_text(json.dumps(environment))
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "staging", "--json"]) == 0
    findings = {each["check"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["account"]["level"] == "ok"
    assert (findings["versions"]["level"], findings["secrets"]["level"]) == ("unknown", "unknown")
    assert main(["doctor", "staging"]) == 0
    readable = capsys.readouterr().out
    assert "unknown  versions: there is no package" in readable
    assert "analysis-jobs package" in readable
