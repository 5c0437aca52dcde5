"""Every example, planned as `analysis-jobs local PROJECT` applies it: its own root, with the values that are filled in.

One root calls the prepared roots of all examples, so that Terraform plans once. A project without a root is among them.
"""

import base64
import dataclasses
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, override

import pytest
from moto import mock_aws

from analysis_jobs.authoring.declarations import declared
from analysis_jobs_dev import package, places, project
from analysis_jobs_dev.cloud.deployments import Place, ProjectDeployment
from analysis_jobs_dev.cloud.packages import Built
from analysis_jobs_dev.cloud.postgres import Login
from analysis_jobs_dev.cloud.root import VARIABLES_FILE
from analysis_jobs_dev.cloud.stack import DATA_FOLDER, Stack
from analysis_jobs_dev.packager.declarations import Declarations, secrets
from analysis_jobs_dev.packager.manifest import FileCounts, Manifest, Origin
from analysis_jobs_dev.project import Project
from tests.in_memory import InMemory
from tests.modules.harness import Terraform

ROOTLESS = "rootless"
EXAMPLES = sorted(path.parent for path in (places.examples() or Path()).glob("*/pyproject.toml"))
FUNCTIONS = ("api", "events", "sweeper", "worker")
LOGIN = Login("127.0.0.1", 5432, "role", "password", "database", "/ca.pem")
STAND_IN = "http://127.0.0.1:9"

every_example = pytest.mark.parametrize("example", [each.name for each in EXAMPLES])
every_project = pytest.mark.parametrize("name", [*(each.name for each in EXAMPLES), ROOTLESS])


class Planned(InMemory):
    """A connection with which Terraform reaches the fictitious account only."""

    @override
    def environment(self) -> dict[str, str]:
        return {}


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Stack]]:
    """Return the stack of each example, before `terraform init`."""
    found = {}
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setattr(sys, "path", [*map(str, EXAMPLES), *sys.path])
        for folder in [*EXAMPLES, without_a_root(tmp_path_factory.mktemp("project") / ROOTLESS)]:
            what = project.load(folder)
            cloud = tmp_path_factory.mktemp(folder.name)
            place = Place(cloud, Planned(what.name, "", "http://aws", STAND_IN, "", {}), {what.name: LOGIN})
            found[folder.name] = ProjectDeployment(what).stack(place, {what.name: built(what, cloud / "package")})
        yield found


def without_a_root(folder: Path) -> Path:
    """Write a project that has only the code of an example, with routes and lanes, and a secret."""
    example = project.load(EXAMPLES[0].parent / "profile-interpretation")
    shutil.copytree(example.folder, folder, ignore=shutil.ignore_patterns("*.tf", "envs", "__pycache__"))
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{ROOTLESS}"\n[tool.analysis-jobs]\nanalyses = ["profile_interpretation"]\n', "utf-8"
    )
    (folder / "crm.py").write_text("def key(job):\n    return job.secret('CRM_KEY')\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def planned(stacks: dict[str, Stack], terraform: Terraform, account_url: str) -> set[str]:
    """Return the addresses of what would be made."""
    calls = {}
    root = terraform.root / "local-projects"
    root.mkdir()
    for name, stack in stacks.items():
        install_modules(stack, terraform)
        stack.after_init()
        calls[name] = {"source": os.path.relpath(stack.root, root.resolve()), **variables(stack)}
    (root / "main.tf.json").write_text(json.dumps({"module": calls}), "utf-8")
    environment = {**terraform.environment, "AWS_ENDPOINT_URL_STS": account_url}
    terraform.prepare(root.name)
    # Not `show`: it takes as long as the plan, for values that other tests compare.
    done = dataclasses.replace(terraform, environment=environment).run(root.name, "plan", "-json")
    assert done.returncode == 0, done.stdout
    events = map(json.loads, done.stdout.splitlines())
    return {each["change"]["resource"]["addr"] for each in events if each["type"] == "planned_change"}


def variables(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stack.root / VARIABLES_FILE).read_text("utf-8"))
    return found


def install_modules(stack: Stack, terraform: Terraform) -> None:
    """Do the part of `terraform init` that needs no provider."""
    environment = {**terraform.environment, "TF_DATA_DIR": str(stack.folder / DATA_FOLDER)}
    done = Terraform(stack.root, environment).run("", "get")
    assert done.returncode == 0, done.stderr


def built(what: Project, folder: Path) -> Built:
    """Write a file in place of the built zip, and its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    package_file = folder / f"{what.name}-host.zip"
    package_file.write_bytes(b"stands for a built zip")
    digest = hashlib.sha256(package_file.read_bytes())
    files = package.sources(what).project_files()
    described = Manifest(
        format=1,
        path=package_file.name,
        sha256=digest.hexdigest(),
        sha256_base64=base64.b64encode(digest.digest()).decode(),
        size_bytes=package_file.stat().st_size,
        architecture="x86_64",
        python="3.13",
        version="1+0",
        project=Origin(what.name, what.version, None),
        library=Origin("analysis-jobs", places.version(), None),
        extras=list(what.extras),
        declarations=Declarations(declared(what.analyses), secrets(files), ["eng"] if "ocr" in what.extras else []),
        files=FileCounts(1, 22),
        distributions={"google-genai": "1", "tesserocr": "2"},
        aws_services=[],
    )
    described.write(folder)
    return Built.of(described, folder)


@every_project
def test_a_project_needs_nothing_but_the_command(name: str, planned: set[str]) -> None:
    within = f"module.{name}.module.analysis_jobs."
    functions = [each for each in planned if each.startswith(within) and ".aws_lambda_function." in each]
    assert len(functions) == len(FUNCTIONS), functions


@every_example
def test_the_tokens_are_those_of_the_local_issuer(example: str, stacks: dict[str, Stack]) -> None:
    given = variables(stacks[example])
    assert given.get("settings", given)["authorizer"] == {"audience": ["analysis-jobs"], "issuer": STAND_IN}


def test_the_choices_of_an_example_are_those_of_its_file(stacks: dict[str, Stack]) -> None:
    given = variables(stacks["rfp-analysis"])
    assert given["name"] == "rfp-local"
    assert given["settings"]["lease"] == {"heartbeat_s": 5, "lease_s": 20}


def test_a_project_without_a_root_gets_its_lanes(planned: set[str]) -> None:
    """Routes and secrets need no assertion: the module refuses a plan that lacks one that the package declares."""
    within = f"module.{ROOTLESS}.module.analysis_jobs.aws_lambda_event_source_mapping.lane"
    assert {f'{within}["{lane}"]' for lane in ("high", "low", "medium")} <= planned
