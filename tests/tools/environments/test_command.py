"""`analysis-jobs config`: it checks the environments, and prints their schema."""

import json
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs.cli.main import main
from analysis_jobs_dev.init import create
from tests.tools.environments.files import with_settings, write


def test_the_command_checks_all_environments_without_credentials_or_terraform(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PATH", "")
    write(repository, with_settings('"lease": {}'))
    assert main(["config"]) == 0
    assert capsys.readouterr().out == "dev: rfp-analysis as rfp-dev in eu-west-1\n"
    write(repository, with_settings('"lease": {"lease_secs": 1}'), "other")
    write(repository, "{", "third")
    assert main(["config", "--json"]) == 1
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["problems"]
    places_ = [(Path(each["file"]).parent.name, each["line"]) for each in found]
    assert places_ == [("dev", 1), ("other", 1), ("other", 2), ("third", 1)], "both copies have the same name"
    assert main(["plan", "other", "--check"]) == 1
    assert "Did you mean settings.lease.lease_s?" in capsys.readouterr().err


def test_the_command_prints_the_schema_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = create("letters", within=tmp_path)
    monkeypatch.chdir(project)
    assert main(["config", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(
        (project / "envs/environment.schema.json").read_text("utf-8")
    )
