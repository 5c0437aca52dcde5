"""Each example's own tests pass as in a project outside of this repository, with the library and pytest alone."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from analysis_jobs_dev.init import create
from tests.conftest import KIT, pytest_plugins
from tests.handlers.pdfs import REPOSITORY

EXAMPLES = REPOSITORY / "examples"
TESTS = sorted(EXAMPLES.glob("*/test_*.py"))
# What a test of an analysis may import, beside the standard library and the modules of its own folder.
OF_A_PROJECT = {"analysis_jobs", "openpyxl", "pydantic", "pytest"}


def test_every_example_has_tests() -> None:
    assert {test.parent.name for test in TESTS} == {analysis.parent.name for analysis in EXAMPLES.glob("*/main.tf")}


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.parent.name)
def test_the_tests_of_an_example_import_nothing_of_this_repository_but_the_library(test: Path) -> None:
    own = {module.stem for module in test.parent.glob("*.py")}
    nodes = list(ast.walk(ast.parse(test.read_text(encoding="utf-8"))))
    named = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    named += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    tops = {name.partition(".")[0] for name in named}
    assert tops - OF_A_PROJECT - own - sys.stdlib_module_names == set()


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.parent.name)
def test_the_tests_of_an_example_pass_in_a_copy_without_aws_credentials(test: Path, tmp_path: Path) -> None:
    project = tmp_path / test.parent.name
    shutil.copytree(test.parent, project, ignore=shutil.ignore_patterns("__pycache__", "*.tf"))
    (project / "pyproject.toml").touch()
    said = _pytest(project, tmp_path)
    assert _passed(said) > 0
    assert set(re.findall(r"^SKIPPED .*?: (\w+)", said, re.MULTILINE)) <= {"PostgreSQL", "No"}, "only without a server"


def _pytest(project: Path, home: Path) -> str:
    """Run the tests of a project, with the library on the path. Return what pytest prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST"))}
    plugin = ["-p", KIT] if pytest_plugins else []
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, "-q", "-W", "error", "-rs", "-p", "no:cacheprovider"],
        cwd=project,
        env=environment | {"PYTHONPATH": str(REPOSITORY / "handlers"), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def _passed(said: str) -> int:
    found = re.search(r"(\d+) passed", said)
    return int(found[1]) if found else 0


def test_the_tests_of_a_new_project_pass(tmp_path: Path) -> None:
    project = create("meeting-notes", module="../module", within=tmp_path)
    assert _passed(_pytest(project, tmp_path)) >= 2
