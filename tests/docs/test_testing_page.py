"""The page about testing: its tests pass in a project, and its message is the one that a test gets."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from analysis_jobs.testing import JobRun, Jobs, UnscriptedQuestion
from analysis_jobs_dev.cloud.stand_in import StandIn
from letter_summary import letter_summary
from tests.conftest import KIT, pytest_plugins
from tests.docs.pages import REPOSITORY, block, files_of, text_of

PAGE = "docs/write/testing.md"
EXAMPLES = ("minimal", "book-valuation", "vpc-and-database")
LETTER = "Dear museum, please lend us the oars of 1908.\nSender: The Rowing Club\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with the page's tests, its letter and the SQL schemas that it names."""
    for path, content in files_of(PAGE).items():
        (tmp_path / path).write_text(content, encoding="utf-8")
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "letter.txt").write_text(LETTER, encoding="utf-8")
    for example, name in (("book-valuation", "schema.sql"), ("vpc-and-database", "invoices.sql")):
        (tmp_path / name).write_text(text_of(f"examples/{example}/schema.sql"), encoding="utf-8")
    return tmp_path


def run_pytest(project: Path, *options: str, **environment: str) -> str:
    """Run pytest in the project, without credentials of AWS. Return what it prints."""
    plugin = ["-p", KIT] if pytest_plugins else []
    folders = ("handlers", *(f"examples/{example}" for example in EXAMPLES))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST"))}
    path = os.pathsep.join(str(REPOSITORY / folder) for folder in folders)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, "-q", "-W", "error", "-p", "no:cacheprovider", *options],
        cwd=project,
        env=kept | environment | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_tests_of_the_page_pass(project: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-west-1"}
    with StandIn() as stand_in:
        endpoint = stand_in.url
        run_pytest(project, "--record-answers", "test_recorded.py", AWS_ENDPOINT_URL_BEDROCK_RUNTIME=endpoint, **keys)
    assert (project / "recordings" / "test_the_sender_is_found.json").is_file()
    said = run_pytest(project)
    shown = sum(content.count("\ndef test_") for content in files_of(PAGE).values())
    passed = re.search(r"(\d+) passed", said)
    skipped = re.search(r"(\d+) skipped", said)
    assert int(passed[1] if passed else 0) + int(skipped[1] if skipped else 0) == shown


def test_the_message_about_a_missing_answer_is_that_of_the_page(jobs: Jobs) -> None:
    with pytest.raises(UnscriptedQuestion) as failed:
        jobs.run(letter_summary, {"letter": jobs.upload("letter.txt", LETTER.encode())})
    assert str(failed.value) == block(PAGE, "text").rstrip("\n")


def test_the_page_names_what_a_test_sees_and_can_do() -> None:
    text = text_of(PAGE)
    attributes = {name for name in dir(JobRun) if not name.startswith("_")} | {"outcome"}
    named = set(re.findall(r"`(\w+)(?:\(stage\))?`", text)) | set(re.findall(r"`job\.(\w+)\(\)`", text))
    assert attributes - named - {"analysis", "job_id", "key", "require_completed"} == set()
    methods = {name for name in dir(Jobs) if not name.startswith("_")} - {"close"}
    assert {name for name in methods if f"jobs.{name}" not in text} == {"questions"}
