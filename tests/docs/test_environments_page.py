"""The page about environments: its file is one, its keys are all keys, and its messages are real ones."""

import json
import re
import shutil
from pathlib import Path

import pytest

from analysis_jobs.cli.main import main
from analysis_jobs_dev import places
from analysis_jobs_dev.environments import config
from tests.docs.pages import REPOSITORY, block, blocks, text_of

PAGE = "docs/environments.md"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up this repository with the environment of the page."""
    for name in ("envs", "examples/rfp-analysis"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".terraform"))
    for name in ("modules", "schemas"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "envs" / "testing").mkdir()
    (tmp_path / "envs" / "testing" / "config.json").write_text(block(PAGE, "json"), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_file_of_the_page_is_an_environment(repository: Path) -> None:
    found = config.load("testing", repository)
    assert (found.stack, found.variables["settings"]["maximum_concurrency"]) == ("rfp-testing", 5)


def test_the_problem_that_the_page_shows_is_reported(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = repository / "envs" / "testing" / "config.json"
    file.write_text(block(PAGE, "json").replace('"maximum_concurrency": 5', '"lease": { "lease_secs": 60 }'), "utf-8")
    assert main(["config", "testing"]) == 1
    assert capsys.readouterr().err == block(PAGE, "text")


def test_every_key_is_described() -> None:
    schema = json.loads((places.schemas() / "environment.schema.json").read_text("utf-8"))
    table = text_of(PAGE).partition("## The keys")[2].partition("\n## ")[0]
    described = {
        key for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for key in re.findall(r"`(.+?)`", cell)
    }
    assert described == schema["properties"].keys()


def test_every_command_of_the_page_exists(capsys: pytest.CaptureFixture[str]) -> None:
    shown = "\n".join(blocks(PAGE, "sh"))
    for command in sorted(set(re.findall(r"^analysis-jobs (\w+)", shown, re.MULTILINE))):
        assert main([command, "--help"]) == 0
        options = set(re.findall(rf"^analysis-jobs {command} .*?(--[a-z]+)", shown, re.MULTILINE))
        text = capsys.readouterr().out
        assert all(option in text for option in options)
