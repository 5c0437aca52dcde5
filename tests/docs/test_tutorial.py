"""The tutorial of the first analysis: its files are written into a new project as it says, and they work.

`tests/system/test_stranger.py` runs its commands with an installed wheel, in the local cloud.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs.testing import Jobs
from analysis_jobs_dev import places, project
from analysis_jobs_dev.cloud import demo_file
from analysis_jobs_dev.init import create
from tests.docs.pages import REPOSITORY, files_of, text_of

PAGE = "docs/write/first-analysis.md"
NAME = "meeting-notes"
ADDED = {"documents/harbour.txt"}  # the page adds this file; it replaces the others
PLUGIN = "analysis_jobs.testing.plugin"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Return the project of the tutorial, after its third step."""
    folder = create(NAME, module="../modules/analysis-jobs", within=tmp_path)
    for path, content in files_of(PAGE).items():
        assert (folder / path).exists() == (path not in ADDED), path
        (folder / path).write_text(content, "utf-8")
    return folder


def analysis_of(folder: Path) -> Any:
    spec = spec_from_file_location("meeting_notes", folder / "meeting_notes.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.meeting_notes


def pytest_in(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run pytest in a project, without the configuration of this repository."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", PLUGIN, "-p", "no:cacheprovider"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(places.library())},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_page_lists_the_files_of_a_new_project(written: Path) -> None:
    shown = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|", text_of(PAGE), re.MULTILINE)
    names = [name.rstrip("/") for cell in shown for name in re.findall(r"`([^`]+)`", cell)]
    assert len(names) >= 9
    assert [name for name in names if not (written / name).exists()] == []


def test_a_new_project_tests_itself(tmp_path: Path) -> None:
    ran = pytest_in(create(NAME, module="../modules/analysis-jobs", within=tmp_path))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


def test_the_test_of_the_page_passes(written: Path) -> None:
    ran = pytest_in(written)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout


def test_the_model_sees_the_descriptions(jobs: Jobs, written: Path) -> None:
    notes = files_of(PAGE)["documents/harbour.txt"]
    jobs.answer("minutes", {"title": "Autumn meeting"})
    done = jobs.run(analysis_of(written), {"document": jobs.upload("harbour.txt", notes.encode())})
    [question] = done.questions
    assert notes in question.prompt
    assert "The actions that were agreed." in json.dumps(question.schema)


def test_a_text_with_the_ending_of_a_pdf_fails_before_a_model_is_asked(jobs: Jobs, written: Path) -> None:
    given = {"document": jobs.upload("notes.pdf", b"Actions: none")}
    failed = jobs.run(analysis_of(written), given, check=False)
    assert failed.error is not None
    shown = f"│ code      │ {failed.error.code:<70} │\n│ message   │ {failed.error.message:<70} │"
    assert shown in (REPOSITORY / PAGE).read_text("utf-8")
    assert failed.questions == []


def test_the_demo_uploads_the_document(written: Path) -> None:
    demo = demo_file.load(written)
    assert demo_file.documents_of(written, demo) == [written / "documents" / "harbour.txt"]
    assert (demo.submit.route, demo.submit.analysis) == (None, NAME)


def test_the_dependencies_of_the_page_are_those_of_the_project_and_more(written: Path) -> None:
    [line] = re.findall(r"`(dependencies = \[.*?\])`", text_of(PAGE))
    own = [str(each) for each in project.load(written).requirements]
    described = tomllib.loads((written / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    assert tomllib.loads(line)["dependencies"] == [*described, *own, "httpx", "orjson"]
