"""The tutorial of the first analysis: its files are written as it says, and they work."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from analysis_jobs.testing import Jobs
from analysis_jobs_dev.cloud import demo_file
from analysis_jobs_dev.package import sources
from analysis_jobs_dev.packager import HOST, build
from analysis_jobs_dev.project import load
from tests.docs.pages import REPOSITORY, executed, files_of
from tests.modules.harness import Terraform

PAGE = "docs/write/first-analysis.md"
EXAMPLE = "examples/meeting-notes"
ADDED_TO = "envs/local/outputs.tf"  # the page adds a line to this file; the others are new
MINUTES = {"title": "Autumn meeting", "date": "2026-11-12", "actions": ["Ask the city.", "Tell the rowing club."]}


@pytest.fixture(scope="module")
def clone(terraform: Terraform) -> Path:
    """What the tutorial works on, after its fourth step."""
    for path, content in files_of(PAGE).items():
        file = terraform.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if path == ADDED_TO:
            begun = file.read_text("utf-8")
            assert "merge(\n" in begun
            file.write_text(begun.replace("merge(\n", f"merge(\n{content}"), encoding="utf-8")
        else:
            assert not file.exists()
            file.write_text(content, encoding="utf-8")
    for name in ("variables", "outputs", "versions"):
        shutil.copy(terraform.root / f"examples/minimal/{name}.tf", terraform.root / EXAMPLE)
    return terraform.root


def test_the_analysis_turns_notes_into_actions(jobs: Jobs) -> None:
    analysis = executed(PAGE)["meeting_notes"]
    notes = files_of(PAGE)[f"{EXAMPLE}/documents/harbour.txt"]
    jobs.answer("minutes", MINUTES)
    done = jobs.run(analysis, {"document": jobs.upload("harbour.txt", notes.encode())})
    assert done.json == MINUTES
    [question] = done.questions
    assert notes in question.prompt
    assert "The actions that were agreed." in json.dumps(question.schema)


def test_a_text_with_the_ending_of_a_pdf_fails_before_a_model_is_asked(jobs: Jobs) -> None:
    given = {"document": jobs.upload("notes.pdf", b"Actions: none")}
    failed = jobs.run(executed(PAGE)["meeting_notes"], given, check=False)
    assert failed.error is not None
    shown = f"│ code      │ {failed.error.code:<70} │\n│ message   │ {failed.error.message:<70} │"
    assert shown in (REPOSITORY / PAGE).read_text("utf-8")
    assert failed.questions == []


def test_the_demo_uploads_the_document(clone: Path) -> None:
    demo = demo_file.load(clone / EXAMPLE)
    assert demo_file.documents_of(clone / EXAMPLE, demo) == [clone / EXAMPLE / "documents" / "harbour.txt"]
    assert demo.submit.route is None


def test_the_package_has_the_analysis_in_it(clone: Path, tmp_path: Path) -> None:
    # The build imports every module of the finished package.
    [manifest] = build(sources(load(clone / EXAMPLE)), [HOST], out=tmp_path / "dist")
    with zipfile.ZipFile(tmp_path / "dist" / manifest.path) as package:
        names = package.namelist()
    assert "meeting_notes.py" in names
    assert not any(name.startswith("documents/") for name in names)


@pytest.mark.usefixtures("clone")
def test_the_local_stack_with_it_is_valid(terraform: Terraform) -> None:
    terraform.prepare("envs/local")
    validated = terraform.run("envs/local", "validate", "-no-color")
    assert validated.returncode == 0, validated.stdout + validated.stderr
