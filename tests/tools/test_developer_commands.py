"""The commands for developers: `analysis-jobs package` builds a project, and says what is wrong without a traceback."""

import json
from pathlib import Path

import pytest

from analysis_jobs.cli.main import main
from analysis_jobs_dev import commands
from analysis_jobs_dev.packager import HOST
from tests.handlers.pdfs import REPOSITORY

MINIMAL = REPOSITORY / "examples" / "minimal"


def test_a_package_is_built_and_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["package", str(MINIMAL), "--architecture", "host", "--out", str(tmp_path)]
    assert main([*arguments, "--json"]) == 0
    [manifest] = json.loads(capsys.readouterr().out)["packages"]
    assert manifest == json.loads((tmp_path / f"minimal-{HOST.name}.json").read_text(encoding="utf-8"))
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / manifest['path']}  ")


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["package", str(tmp_path)]) == 1
    assert f"{tmp_path} is not a project" in capsys.readouterr().err


@pytest.mark.parametrize("command", sorted(commands.COMMANDS))
def test_every_command_for_developers_is_there(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"Usage: analysis-jobs {command}" in capsys.readouterr().out
