"""The wheel contains the library, the tools and everything that they use. It works outside of this repository."""

import json
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

from analysis_jobs_dev import places
from tests.distribution import environment, output, python, wheel
from tests.handlers.pdfs import REPOSITORY

DATA = "analysis_jobs_dev/data/"
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
# A declaration and a client, with what the base of the distribution installs.
BASE = """
import compileall, sys
from pathlib import Path
from pydantic import BaseModel
from analysis_jobs import *
from analysis_jobs import Analysis, Job, stage
from analysis_jobs.client import Backend, Client

class Text(BaseModel):
    text: str

@stage(survives_deploys=True)
def shorten(job: Job[Text]) -> Text:
    return Text(text=job.request.text[:9])

letters = Analysis("letters", request=Text, result=Text, stages=[shorten])
Client("https://api.example.com", "token")
packages = Path(sys.modules["analysis_jobs"].__file__).parents[1]
ours = (packages / "analysis_jobs", packages / "document_reader")
whole = all(compileall.compile_dir(each, quiet=1, force=True) for each in ours)
print(letters.name, whole)
"""
# Every module, also those that only functions import. Optional libraries may be missing.
EVERY_MODULE = """
import importlib, pkgutil
import analysis_jobs, document_reader
from analysis_jobs.base.extras import MissingExtraError

found = []
for package in (analysis_jobs, document_reader):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__") and not module.name.startswith("analysis_jobs.testing"):
            try:
                importlib.import_module(module.name)
            except MissingExtraError:
                continue
            except ModuleNotFoundError as error:
                if error.name.partition(".")[0] not in ("PIL", "defusedxml", "openpyxl", "tesserocr"):
                    raise
                continue
            found.append(module.name)
print(len(found))
"""
PLACES = """
import json
from pathlib import Path
from analysis_jobs_dev import places
functions = (
    places.library, places.handlers, places.modules, places.local_root, places.requirements, places.examples,
    places.schemas,
)
print(json.dumps({each.__name__: str(each()) for each in functions} | {
    "repository": places.repository(), "version": places.version(), "commit": places.commit(),
}))
"""


@pytest.fixture(scope="module")
def names() -> set[str]:
    with zipfile.ZipFile(wheel()) as archive:
        return set(archive.namelist())


def below(folder: str, pattern: str) -> set[str]:
    found = (REPOSITORY / folder).rglob(pattern)
    return {path.relative_to(REPOSITORY).as_posix() for path in found if ".terraform" not in path.parts}


def test_the_wheel_has_all_code(names: set[str]) -> None:
    library = {path.removeprefix("handlers/") for path in below("handlers", "*.py")}
    entry_points = {path for path in library if "/" not in path}
    tools = {path.removeprefix("tools/") for path in below("tools/analysis_jobs_dev", "*.py")}
    assert len(entry_points) >= 4
    assert {f"{DATA}handlers/{path}" for path in entry_points} | library - entry_points | tools <= names
    assert {"analysis_jobs/py.typed", "analysis_jobs/llm/prices.toml", "analysis_jobs/postgres/schema.sql"} <= names


def test_the_wheel_has_what_the_tools_use(names: set[str]) -> None:
    modules = {path for path in below("modules", "*.tf") if "/tests/" not in path}
    locks = {"requirements/package.txt", "requirements/cloud.txt"} | below("requirements/extras", "*.txt")
    local = below("envs/local", "*.tf") | {"envs/local/.terraform.lock.hcl", "envs/local/config.json"}
    schemas = {"schemas/environment.schema.json"}
    assert {DATA + path for path in modules | locks | local | schemas | below("examples", "*.tf")} <= names


def test_the_wheel_has_nothing_else(names: set[str]) -> None:
    roots = {name.partition("/")[0] for name in names}
    assert roots == {
        "analysis_jobs",
        "analysis_jobs_dev",
        "document_reader",
        f"analysis_jobs-{places.version()}.dist-info",
    }
    assert [name for name in names if "/.terraform/" in name or "tfstate" in name or "__pycache__" in name] == []
    assert [name for name in names if name.startswith(f"{DATA}modules/") and "/tests/" in name] == []


def test_the_installed_wheel_finds_its_folders_outside_of_a_checkout(tmp_path: Path) -> None:
    installed = environment(tmp_path / "venv")
    found = json.loads(output(installed, "-c", PLACES, folder=tmp_path))
    assert found.pop("repository") is None
    assert found.pop("version") == places.version()
    assert (found.pop("commit") or "").removesuffix("-dirty") == (places.commit() or "").removesuffix("-dirty")
    assert {name for name, folder in found.items() if not Path(folder).is_relative_to(tmp_path)} == set()
    assert {name for name, folder in found.items() if not Path(folder).is_dir()} == set()
    assert (Path(found["local_root"]) / ".terraform.lock.hcl").is_file()
    # The modules are where the examples look for them.
    assert (Path(found["examples"]) / "minimal" / "../../modules/analysis-jobs/versions.tf").is_file()


@pytest.mark.parametrize("version", SUPPORTED)
def test_a_declaration_and_a_client_run_on_every_supported_python(tmp_path: Path, version: str) -> None:
    """With the base of the distribution alone. All of the library compiles."""
    interpreter = python(version)
    if interpreter is None:
        pytest.skip(f"There is no Python {version} on this machine.")
    installed = environment(tmp_path / "venv", python=interpreter)
    assert output(installed, "-c", BASE, folder=tmp_path) == "letters True\n"
    [packages] = (tmp_path / "venv" / "lib").glob("*/site-packages")
    assert not (packages / "botocore").exists(), "the base does not install AWS"


def test_a_backend_in_process_runs_on_the_oldest_python(tmp_path: Path) -> None:
    """It uses most of the library. So every module must be importable, not only compile."""
    interpreter = python(SUPPORTED[0])
    if interpreter is None:
        pytest.skip(f"There is no Python {SUPPORTED[0]} on this machine.")
    installed = environment(tmp_path / "venv", "cli", "client", "worker", python=interpreter)
    assert int(output(installed, "-c", EVERY_MODULE, folder=tmp_path)) > 150


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_the_command_line_is_installed_with_its_extra(tmp_path: Path, version: str) -> None:
    interpreter = python(version)
    if interpreter is None:
        pytest.skip(f"There is no Python {version} on this machine.")
    program = environment(tmp_path / "venv", "cli", python=interpreter).with_name("analysis-jobs")
    said = subprocess.run([program, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout.startswith(f"analysis-jobs {places.version()} (commit ")
    said = subprocess.run([program, "package"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert (
        "needs Python 3.13" in said.stderr if version != "3.13" else "pip install 'analysis-jobs[dev]'" in said.stderr
    )


def test_without_its_extra_the_command_line_says_how_to_install_it(tmp_path: Path) -> None:
    program = environment(tmp_path / "venv").with_name("analysis-jobs")
    said = subprocess.run([program, "list"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.endswith("pip install 'analysis-jobs[cli]'\n")


def test_the_supported_versions_are_those_of_the_project() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={SUPPORTED[0]}"
    named = {each.rpartition(" ")[2] for each in project["classifiers"] if ":: 3." in each}
    assert named == set(SUPPORTED)
