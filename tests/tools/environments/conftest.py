"""A copy of this repository for environments of the test."""

import shutil
from pathlib import Path

import pytest

from analysis_jobs_dev.environments import config
from analysis_jobs_dev.environments.config import ConfigError
from tests.tools.environments.files import REPOSITORY, Refused, write


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a folder with this repository's examples, modules and schemas, and no environment."""
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("modules", "schemas"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "envs").mkdir()
    return tmp_path


@pytest.fixture
def refused(repository: Path) -> Refused:
    """Return a function that writes the environment `dev`, and returns what is wrong, as `LINE: MESSAGE`."""

    def check(text: str) -> list[str]:
        write(repository, text)
        try:
            config.load("dev", repository)
        except ConfigError as error:
            return [f"{each.line}: {each.message}" for each in error.problems]
        return []

    return check
