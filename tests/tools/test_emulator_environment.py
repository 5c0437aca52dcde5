"""The environment of MiniStack: built once for a lock, and rebuilt for another one."""

from pathlib import Path

import pytest

from analysis_jobs_dev.cloud import emulator_environment
from analysis_jobs_dev.cloud.emulator_environment import built, interpreter
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.screen import Screen

SCREEN = Screen.silent()


def test_an_environment_is_built_once_for_a_lock(tmp_path: Path) -> None:
    lock, folder = tmp_path / "cloud.txt", tmp_path / "cloud"
    lock.write_text("", "utf-8")
    python = built(lock, folder, SCREEN)
    assert python.exists()
    marker = python.parent / "marker"
    marker.touch()
    assert built(lock, folder, SCREEN) == python
    assert marker.exists(), "it was not built again"
    lock.write_text("# another lock\n", "utf-8")
    other = built(lock, folder, SCREEN)
    assert other != python
    assert not python.exists(), "the environment of the old lock is removed"


def test_an_environment_that_cannot_be_built_leaves_nothing_behind(tmp_path: Path) -> None:
    lock, folder = tmp_path / "cloud.txt", tmp_path / "cloud"
    lock.write_text("this is no requirement\n", "utf-8")
    with pytest.raises(CloudError, match="The environment of MiniStack cannot be built"):
        built(lock, folder, SCREEN)
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_variable_names_another_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    monkeypatch.setenv(emulator_environment.PYTHON_VARIABLE, str(python))
    with pytest.raises(CloudError, match="does not exist: name a Python with MiniStack, or unset it"):
        interpreter()
    python.touch()
    assert interpreter() == python
