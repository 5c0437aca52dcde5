"""The installed distribution is a pytest plugin: the fixture `jobs` is there without any setting."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.distribution import environment, python, wheel
from tests.handlers.pdfs import REPOSITORY


def run_pytest(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in the project with the unpacked wheel as the only addition to the path."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=project,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(project.parent / "installed")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_tests_of_an_example_pass_with_the_installed_wheel(tmp_path: Path) -> None:
    zipfile.ZipFile(wheel()).extractall(tmp_path / "installed")
    project = tmp_path / "letters"
    shutil.copytree(REPOSITORY / "examples" / "minimal", project, ignore=shutil.ignore_patterns("__pycache__"))
    (project / "pyproject.toml").touch()
    ran = run_pytest(project, "-W", "error")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "--record-answers" in run_pytest(project, "--help").stdout
    without = run_pytest(project, "-p", "no:analysis_jobs")
    assert "fixture 'jobs' not found" in without.stdout


@pytest.mark.parametrize(
    ("version", "needed"),
    [("3.11", "which needs Python 3.13"), ("3.13", "install analysis-jobs with the extra `dev`")],
)
def test_with_the_base_alone_the_plugin_loads_and_the_fixture_says_what_it_needs(
    tmp_path: Path, version: str, needed: str
) -> None:
    found = python(version)
    if found is None:
        pytest.skip(f"there is no Python {version}")
    installed = environment(tmp_path / "venv", python=found, also=("pytest",))
    (tmp_path / "test_it.py").write_text("def test_one():\n    pass\n\n\ndef test_two(jobs):\n    pass\n", "utf-8")
    ran = subprocess.run(
        [installed, "-m", "pytest", "-q", "-W", "error", "test_it.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in ran.stdout
    assert needed in ran.stdout
