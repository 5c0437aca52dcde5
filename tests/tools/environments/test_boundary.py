"""`permissions_boundary_arn` of an environment becomes the boundary of the roles of its stack."""

import json
from pathlib import Path

import pytest

from analysis_jobs_dev import places
from analysis_jobs_dev.environments.backend import Backend
from analysis_jobs_dev.environments.config import ConfigError, load
from analysis_jobs_dev.environments.package import Package
from analysis_jobs_dev.environments.root import PACKAGE_FILE, TerraformRoot, prepare
from analysis_jobs_dev.environments.variables import has_argument
from analysis_jobs_dev.init import create
from tests.modules.planning import write_package

BOUNDARY = "arn:aws:iam::111122223333:policy/analysis-jobs/eu-west-1/letters-staging-functions"
CALL = 'module "analysis_jobs" {\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Create a project with the boundary in the file of its environment staging."""
    folder = create("letters", module="../modules/analysis-jobs", within=tmp_path)
    (folder / "modules").symlink_to(places.modules())
    file = folder / "envs" / "staging.json"
    content = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**content, "permissions_boundary_arn": BOUNDARY}), "utf-8")
    return folder


def prepared(project: Path, monkeypatch: pytest.MonkeyPatch) -> TerraformRoot:
    """Return the root of the environment, as if Terraform had installed its modules."""
    package = Package(Path(write_package(project / "dist")["manifest"]))
    monkeypatch.setattr(TerraformRoot, "_calls", lambda _: ["analysis_jobs"])
    return prepare(load("staging", project), package, backend=Backend.local(project / "state"))


def test_the_call_of_the_module_gets_the_boundary(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = prepared(project, monkeypatch)
    root.use(root.package)
    [block] = json.loads((root.folder / PACKAGE_FILE).read_text("utf-8"))["module"].values()
    assert block["role"] == {"permissions_boundary_arn": BOUNDARY}


def test_a_call_with_a_role_of_its_own_is_left_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = project / "infra" / "main.tf"
    file.write_text(file.read_text("utf-8").replace(CALL, f'{CALL}  role = {{ path = "/teams/" }}\n'), "utf-8")
    root = prepared(project, monkeypatch)
    with pytest.raises(ConfigError, match=r"set role\.permissions_boundary_arn there"):
        root.use(root.package)


def test_only_the_named_block_counts(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('module "other" {\n  role = {}\n}\n\nmodule "jobs" {\n  name = "a"\n}\n', "utf-8")
    assert has_argument(tmp_path, "other", "role")
    assert not has_argument(tmp_path, "jobs", "role")


@pytest.mark.parametrize("value", ["boundary", "arn:aws:iam::111122223333:role/boundary"])
def test_another_value_than_the_arn_of_a_policy_is_refused(project: Path, value: str) -> None:
    file = project / "envs" / "staging.json"
    file.write_text(file.read_text("utf-8").replace(BOUNDARY, value), "utf-8")
    with pytest.raises(ConfigError, match="permissions_boundary_arn"):
        load("staging", project)
