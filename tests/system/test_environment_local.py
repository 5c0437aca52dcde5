"""The environment `local`: `deploy` starts a local cloud, and its state is there at the next command."""

import shutil
from pathlib import Path

import pytest

from analysis_jobs.cli.main import main
from analysis_jobs_dev.cloud import state
from tests.docs.pages import REPOSITORY

pytestmark = pytest.mark.system


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a repository like this one, with the environment `local` alone."""
    for name in ("envs/local", "examples/rfp-analysis"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".terraform*"))
    for name in ("modules", "schemas"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.setattr("analysis_jobs_dev.environments.local.default_folder", lambda name: tmp_path / "none" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_environment_local_is_deployed_to_a_cloud_of_its_own(
    repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", "local"]) == 0, "".join(capfd.readouterr())
    folder = repository / ".local" / "deploy" / "local"
    assert state.holder(folder / "cloud") is None, "the cloud is stopped"
    assert main(["plan", "local", "--out", str(repository / "plan")]) == 0
    assert "Nothing changes." in (repository / "plan.md").read_text("utf-8")

    # Changed code is planned from the state.
    source = repository / "examples" / "rfp-analysis" / "rfp_analysis.py"
    source.write_text(source.read_text("utf-8") + "\nCHANGED = True\n", "utf-8")
    capfd.readouterr()
    assert main(["deploy", "local"]) == 0, "".join(capfd.readouterr())
    said = capfd.readouterr().out
    assert "functions alone change (" in said
    assert "Refreshing state..." not in said
