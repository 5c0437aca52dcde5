"""The Terraform root of a project in the local cloud: its files stay as they are, and what is overridden."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis_jobs_dev import places
from analysis_jobs_dev.cloud import root
from analysis_jobs_dev.cloud.deployments import local_environment
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.root import ModuleCall, Root
from analysis_jobs_dev.init import create
from analysis_jobs_dev.naming import MAX_NAME, NAME, stack_name
from analysis_jobs_dev.project import load
from analysis_jobs_dev.terraform_files import provider_region
from tests.docs.pages import blocks

MODULE = """
variable "analyses" { type = list(string) }
variable "package" {
  type = object({
    manifest = optional(string)
    path     = optional(string)
  })
}
output "deployment" { value = { analyses = var.analyses, package = var.package } }
"""
MAIN = """
terraform {
  backend "s3" {
    bucket = "somewhere"
  }
}

module "jobs" {
  source   = "../modules/jobs"
  analyses = [trimspace(file("${path.module}/../names/analysis.txt"))]
  package  = { path = "nowhere.zip" }
}

variable "issuer" {
  type = string
}

variable "tags" {
  type    = map(string)
  default = {}
}
"""


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a project with a root of this text, and a module beside it."""

    def write(main: str = MAIN, *, module: str = MODULE) -> Path:
        folder = tmp_path / "project"
        for name, text in {
            "infra/main.tf": main,
            "infra/terraform.tfstate": "{}",
            "infra/.terraform/old": "x",
            "modules/jobs/main.tf": module,
            "names/analysis.txt": "letters\n",
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        return folder

    return write


def terraform(folder: Path, *arguments: str, data: Path) -> str:
    """Run Terraform, which needs no provider here, and return what it prints."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TF_DATA_DIR": str(data), "CHECKPOINT_DISABLE": "1"}
    ran = subprocess.run(
        ["terraform", f"-chdir={folder}", *arguments],
        env={**environment, "TF_VAR_issuer": "https://login.example.com"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_a_root_runs_with_another_backend_and_package_and_its_relative_paths(
    project: Callable[..., Path], tmp_path: Path
) -> None:
    folder, data = project(), tmp_path / "data"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    linked = Root.link(folder / "infra", tmp_path / "cloud" / "root")
    linked.set_up("eu-west-1", tmp_path / "cloud" / "terraform.tfstate", {"issuer": "https://login.example.com"})
    (linked.folder / root.SETUP_FILE).write_text(
        json.dumps({"terraform": json.loads((linked.folder / root.SETUP_FILE).read_text())["terraform"]}), "utf-8"
    )  # without the AWS provider, which only a mirror has
    terraform(linked.folder, "init", "-input=false", data=data)
    calls = linked.module_calls(data)
    assert calls == [ModuleCall("jobs", takes_manifest=True)]
    linked.use(calls, {"path": "/x/own.zip", "s3": None}, Path("/x/${own}.json"))
    terraform(linked.folder, "apply", "-input=false", "-auto-approve", data=data)
    outputs = json.loads(terraform(linked.folder, "output", "-json", data=data))
    [deployment] = outputs[root.DEPLOYMENTS]["value"]
    assert deployment == {"analyses": ["letters"], "package": {"manifest": "/x/${own}.json", "path": None}}
    assert (tmp_path / "cloud" / "terraform.tfstate").exists()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("repeated", ["count = 1", 'for_each = { one = "1" }'])
def test_a_module_with_count_or_for_each_is_found_too(
    project: Callable[..., Path], tmp_path: Path, repeated: str
) -> None:
    folder, data = project(MAIN.replace('module "jobs" {', f'module "jobs" {{\n  {repeated}')), tmp_path / "data"
    linked = Root.link(folder / "infra", tmp_path / "cloud" / "root")
    setup = {"terraform": {"backend": {"local": {"path": str(tmp_path / "state")}}}}
    (linked.folder / root.SETUP_FILE).write_text(json.dumps(setup), "utf-8")
    terraform(linked.folder, "init", "-input=false", data=data)
    linked.use(linked.module_calls(data), {"path": "own.zip"}, Path("own.json"))
    terraform(linked.folder, "apply", "-input=false", "-auto-approve", data=data)
    outputs = json.loads(terraform(linked.folder, "output", "-json", data=data))
    assert [each["analyses"] for each in outputs[root.DEPLOYMENTS]["value"]] == [["letters"]]


def test_a_root_without_the_module_is_refused(project: Callable[..., Path], tmp_path: Path) -> None:
    folder, data = project(module='output "other" { value = 1 }\n'), tmp_path / "data"
    text = (folder / "infra/main.tf").read_text("utf-8")
    (folder / "infra/main.tf").write_text(re.sub(r"  (analyses|package) .*\n", "", text), "utf-8")
    linked = Root.link(folder / "infra", tmp_path / "cloud" / "root")
    setup = {"terraform": {"backend": {"local": {"path": str(tmp_path / "state")}}}}
    (linked.folder / root.SETUP_FILE).write_text(json.dumps(setup), "utf-8")
    terraform(linked.folder, "init", "-input=false", data=data)
    with pytest.raises(CloudError, match=r"No module block in .* calls the module analysis-jobs"):
        linked.module_calls(data)


def test_no_link_leads_back_to_the_folder_of_the_links(project: Callable[..., Path]) -> None:
    folder = project()
    below = folder / ".local" / "cloud" / "root"
    linked = Root.link(folder / "infra", below)
    assert (below / "names" / "analysis.txt").exists()
    assert not (below / ".local").exists()
    assert linked.folder == below / "infra"


def test_the_links_leave_out_state_and_follow_paths_upwards(project: Callable[..., Path], tmp_path: Path) -> None:
    linked = Root.link(project() / "infra", tmp_path / "cloud" / "root")
    assert {path.name for path in linked.folder.iterdir()} == {"main.tf"}
    assert (linked.folder / ".." / "modules" / "jobs" / "main.tf").exists()
    assert linked.required_variables == {"issuer"}


def test_the_chosen_provider_is_kept_for_a_root_without_a_lock_file(
    project: Callable[..., Path], tmp_path: Path
) -> None:
    folder, below = project(), tmp_path / "cloud" / "root"
    (Root.link(folder / "infra", below).folder / root.LOCK_FILE).write_text("# of init", "utf-8")
    linked = Root.link(folder / "infra", below)
    assert (linked.folder / root.LOCK_FILE).read_text("utf-8") == "# of init"
    (folder / "infra" / root.LOCK_FILE).write_text("# of the project", "utf-8")
    linked = Root.link(folder / "infra", below)
    assert (linked.folder / root.LOCK_FILE).read_text("utf-8") == "# of the project"


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ('provider "aws" {\n  region = "us-east-1"\n}\n', "us-east-1"),
        ('provider "aws" {\n  region = var.place\n}\nvariable "place" {\n  default = "eu-north-1"\n}\n', "eu-north-1"),
        ('provider "aws" {\n  alias  = "other"\n  region = "us-east-1"\n}\n', None),
        ('provider "aws" {\n  region = var.place\n}\nvariable "place" {\n  type = string\n}\n', None),
        ("", None),
    ],
)
def test_the_region_is_that_of_the_provider(tmp_path: Path, text: str, region: str | None) -> None:
    (tmp_path / "main.tf").write_text(text, "utf-8")
    assert provider_region(tmp_path) == region


def test_a_wrong_environment_local_is_refused_with_its_line(tmp_path: Path) -> None:
    folder = create("letters", within=tmp_path)
    found = local_environment(load(folder))
    assert found and (found.stack, found.region) == ("letters-local", "eu-west-1")  # noqa: PT018 - for mypy
    path = folder / "envs" / "local.json"
    path.write_text(path.read_text("utf-8").replace('"model_id"', '"modelid"'), "utf-8")
    with pytest.raises(CloudError, match=r"local\.json:11: .*Did you mean settings\.model_id\?"):
        local_environment(load(folder))
    path.write_text('{ "name": "letters-local", "region": "eu-west-1" }', "utf-8")
    found = local_environment(load(folder))
    assert found and "authorizer" not in found.variables  # noqa: PT018 - as above
    path.unlink()
    assert local_environment(load(folder)) is None


@pytest.mark.parametrize(
    ("project", "environment", "name"),
    [
        ("letters", "", "letters"),
        ("Letter_Summary", "staging", "letter-summary-staging"),
        (
            "a-very-long-name-of-a-project-that-goes-on",
            "production",
            "a-very-long-name-of-a-project-that-goes-production",
        ),
        ("2024-letters", "", "stack-2024-letters"),
        ("x", "", "stack-x"),
    ],
)
def test_the_name_of_a_stack_follows_the_modules_rule(project: str, environment: str, name: str) -> None:
    assert stack_name(project, environment) == name


def test_the_longest_name_of_a_project_is_the_modules() -> None:
    text = (places.modules() / "analysis-jobs" / "variables-names.tf").read_text("utf-8")
    assert f'can(regex("^{NAME.pattern}$", var.name))' in text
    assert len(stack_name("a" * 2 * MAX_NAME, "production")) == MAX_NAME


def test_the_environment_that_the_page_shows_is_one_of_a_new_project(tmp_path: Path) -> None:
    folder = create("letters", within=tmp_path)
    [shown] = blocks("docs/write/local.md", "json")
    (folder / "envs" / "local.json").write_text(shown, "utf-8")
    found = local_environment(load(folder))
    assert found
    assert found.variables["deletion_protection"] is False
