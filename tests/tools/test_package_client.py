"""A package contains the client of the API only with the extra `client`: then its analyses call another deployment."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from analysis_jobs_dev import package
from analysis_jobs_dev.packager import Manifest
from analysis_jobs_dev.project import load

CODE = """
from pydantic import BaseModel

from analysis_jobs import Analysis, Job
from analysis_jobs.client import Client


class Letter(BaseModel):
    text: str


def forward(job: Job[Letter]) -> Letter:
    with Client("https://jobs.example.com", "token") as client:
        client.submit("letter-summary", job.request)
    return job.request


letters = Analysis("letters", request=Letter, result=Letter, stages=[forward])
"""
# The first request opens the connections. Without a network it fails, but it finds its libraries.
PROGRAM = """
import sys
sys.path.insert(0, {tree!r})
import letters
from analysis_jobs.client import Client, Unreachable
try:
    Client("http://127.0.0.1:1", "token", tries=1).status("j1")
except Unreachable as error:
    print(type(error.__cause__).__module__.partition(".")[0])
"""


def build(folder: Path, *dependencies: str) -> Manifest:
    """Build the package of a project for this machine."""
    project = folder / "project"
    project.mkdir()
    named = ", ".join(f'"{each}"' for each in dependencies)
    (project / "pyproject.toml").write_text(
        f'[project]\nname = "letters"\nversion = "1"\ndependencies = [{named}]\n'
        '[tool.analysis-jobs]\nanalyses = ["letters"]\n',
        encoding="utf-8",
    )
    (project / "letters.py").write_text(CODE, encoding="utf-8")
    [manifest] = package.package(load(project), ["host"], out=folder / "dist")
    return manifest


@pytest.mark.parametrize(
    ("dependency", "said"),
    [("analysis-jobs[client]", "httpx2"), ("analysis-jobs", '"client" to `extras` in [tool.analysis-jobs]')],
)
def test_only_a_package_with_the_extra_calls_the_api(dependency: str, said: str, tmp_path: Path) -> None:
    manifest = build(tmp_path, dependency)
    assert ("httpx2" in manifest.distributions) == ("[client]" in dependency)
    with zipfile.ZipFile(tmp_path / "dist" / manifest.path) as archive:
        archive.extractall(tmp_path / "tree")
    run = [sys.executable, "-I", "-S", "-c", PROGRAM.format(tree=str(tmp_path / "tree"))]
    ended = subprocess.run(run, env={"PATH": os.defpath}, capture_output=True, text=True, check=False)
    assert said in ended.stdout + ended.stderr
