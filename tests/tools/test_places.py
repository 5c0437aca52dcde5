"""The tools find their folders and their commit in a checkout. test_wheel.py looks for them in an installed wheel."""

import re
import subprocess
from pathlib import Path

import pytest

from analysis_jobs_dev import places
from tests.handlers.pdfs import REPOSITORY


def test_in_a_checkout_the_folders_are_those_of_the_repository() -> None:
    assert places.repository() == REPOSITORY
    assert (places.library() / "analysis_jobs" / "__init__.py").is_file()
    assert (places.library() / "document_reader" / "__init__.py").is_file()
    assert (places.handlers() / "worker.py").is_file()
    assert (places.modules() / "analysis-jobs" / "versions.tf").is_file()
    assert (places.local_root() / ".terraform.lock.hcl").is_file()
    assert (places.requirements() / "package.txt").is_file()
    assert places.templates() == REPOSITORY / "templates"
    assert places.examples() == REPOSITORY / "examples"
    assert places.state() == REPOSITORY / ".local"
    assert places.cache() == REPOSITORY / ".local" / "cache"


def test_the_version_is_that_of_the_project() -> None:
    assert f'\nversion = "{places.version()}"\n' in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")


def test_a_commit_is_marked_if_there_are_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert places.commit_of(tmp_path) is None
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.com")
    for command in (("init", "-q"), (*identity, "commit", "-q", "--allow-empty", "-m", "m")):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    assert re.fullmatch(r"[0-9a-f]{40}", places.commit_of(tmp_path) or "")
    (tmp_path / "changed").touch()
    assert re.fullmatch(r"[0-9a-f]{40}-dirty", places.commit_of(tmp_path) or "")


@pytest.mark.parametrize(("written", "commit"), [("abc123\n", "abc123"), ("\n", None), (None, None)])
def test_without_git_the_commit_comes_from_the_file_of_the_source_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str | None, commit: str | None
) -> None:
    monkeypatch.setattr(places, "repository", lambda: tmp_path)
    if written is not None:
        (tmp_path / places.COMMIT_FILE).write_text(written, encoding="utf-8")
    assert places.commit() == commit
