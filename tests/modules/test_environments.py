"""The environments: plans of staging and production, with the settings of the system that they replace."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs_dev.cloud.root import DEPLOYMENTS
from analysis_jobs_dev.environments.backend import Backend
from analysis_jobs_dev.environments.config import ConfigError, load
from analysis_jobs_dev.environments.package import Package
from analysis_jobs_dev.environments.root import TerraformRoot, prepare
from tests.modules.harness import ACCOUNT, REPOSITORY, Terraform
from tests.modules.planning import Plan, plan_environment, write_package

ENVS = REPOSITORY / "envs"
DEPLOYED = ("production", "staging")


@pytest.fixture(scope="module", params=DEPLOYED)
def environment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def planned(environment: str, terraform: Terraform, account_url: str) -> Iterator[tuple[TerraformRoot, Plan]]:
    package = Package(Path(write_package(terraform.root / "dist")["manifest"]))
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield plan_environment(environment, terraform.root, account_url, package, monkeypatch)


@pytest.fixture(scope="module")
def plan(planned: tuple[TerraformRoot, Plan]) -> Plan:
    return planned[1]


def config(environment: str) -> dict[str, Any]:
    text = (ENVS / environment / "config.json").read_text("utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_the_local_root_reads_the_one_lock_of_the_provider() -> None:
    assert (ENVS / "local" / ".terraform.lock.hcl").readlink() == Path("../terraform.lock.hcl")


def test_init_finds_nothing_to_change_in_the_lock(terraform: Terraform) -> None:
    committed = (ENVS / "terraform.lock.hcl").read_text("utf-8")
    root = terraform.prepare("envs/local")
    done = terraform.run("envs/local", "init", "-backend=false")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (root / ".terraform.lock.hcl").read_text("utf-8") == committed


def test_a_deployment_installs_the_locked_provider(planned: tuple[TerraformRoot, Plan]) -> None:
    def checksums(lock: Path) -> list[str]:
        return re.findall(r'version\s+= "[^"]+"|"(?:h1|zh):[^"]+"', lock.read_text("utf-8"))

    committed = checksums(ENVS / "terraform.lock.hcl")
    assert len(committed) > 2
    assert checksums(planned[0].folder / ".terraform.lock.hcl") == committed


@pytest.mark.parametrize("name", DEPLOYED)
def test_the_state_is_in_s3_encrypted_and_locked_by_a_file(name: str) -> None:
    backend = Backend.in_s3(load(name, REPOSITORY), "states")
    assert (backend.kind, backend.is_added) == ("s3", True)
    assert backend.settings == {
        "bucket": "states",
        "key": f"analysis-jobs/{name}.tfstate",
        "region": "eu-west-1",
        "encrypt": True,
        "use_lockfile": True,
    }


def test_the_environments_differ_in_values_and_not_in_settings() -> None:
    assert config("staging").keys() == config("production").keys()
    assert config("staging")["settings"].keys() == config("production")["settings"].keys()


def test_production_cannot_be_deleted_by_mistake() -> None:
    assert config("production")["settings"]["deletion_protection"] is True


def test_an_environment_is_what_its_config_says(environment: str, plan: Plan) -> None:
    name, region = config(environment)["name"], config(environment)["region"]
    wanted = config(environment)["settings"]
    bucket = plan.one("aws_s3_bucket", bucket=f"{name}-artifacts-{ACCOUNT}-{region}")
    tables = {
        table["name"]: table["deletion_protection_enabled"] for table in plan.of_type("aws_dynamodb_table").values()
    }
    mappings = plan.of_type("aws_lambda_event_source_mapping")
    [mapping] = [values for address, values in mappings.items() if ".lane[" in address]
    [authorizer] = plan.of_type("aws_apigatewayv2_authorizer").values()
    emails = [each["endpoint"] for each in plan.of_type("aws_sns_topic_subscription").values()]
    assert bucket["force_destroy"] is not wanted["deletion_protection"]
    assert tables == dict.fromkeys((f"{name}-jobs", f"{name}-prompts"), wanted["deletion_protection"])
    assert mapping["scaling_config"] == [{"maximum_concurrency": wanted["maximum_concurrency"]}]
    assert authorizer["jwt_configuration"] == [wanted["authorizer"]]
    assert emails == wanted["alarm_emails"]


def test_a_web_page_may_call_the_api_upload_and_download(environment: str, plan: Plan) -> None:
    wanted = config(environment)["settings"]["web_origins"]
    [api] = plan.of_type("aws_apigatewayv2_api").values()
    [bucket] = plan.of_type("aws_s3_bucket_cors_configuration").values()
    [cors] = api["cors_configuration"]
    assert cors["allow_origins"] == bucket["cors_rule"][0]["allowed_origins"] == wanted
    # The example does not set them, so these are the defaults of the api module.
    assert cors["allow_headers"] == ["authorization", "content-type", "idempotency-key", "if-none-match"]
    assert sorted(bucket["cors_rule"][0]["allowed_methods"]) == ["GET", "POST"]


def test_everything_carries_the_environments_tags(environment: str, plan: Plan) -> None:
    tags = {"environment": environment, "managed-by": "terraform", "stack": config(environment)["name"]}
    tagged = {address: values["tags_all"] for address, values in plan.resources.items() if "tags_all" in values}
    assert len(tagged) > 20
    # The alarms' key has one more, by which the deploy role knows it.
    assert {address for address, found in tagged.items() if {**found, **tags} != found} == set()


@pytest.mark.parametrize(
    ("function", "timeout_s", "memory_mb"),
    [("api", 30, 512), ("events", 60, 256), ("sweeper", 50, 1024), ("worker", 900, 1024)],
)
def test_the_functions_have_the_first_systems_numbers(
    environment: str, plan: Plan, function: str, timeout_s: int, memory_mb: int
) -> None:
    found = plan.one("aws_lambda_function", function_name=f"{config(environment)['name']}-{function}")
    assert (found["timeout"], found["memory_size"]) == (timeout_s, memory_mb)


def test_the_first_system_has_its_own_routes(plan: Plan) -> None:
    routes = {values["route_key"] for values in plan.of_type("aws_apigatewayv2_route").values()}
    assert {"POST /proposals/{id}/analyze-rfp", "GET /proposals/{id}/analysis-status"} < routes


# Roots of other shapes


PROJECT = {
    "pyproject.toml": '[project]\nname = "letters"\n[tool.analysis-jobs]\nanalyses = ["letters"]\ninfra = "."\n',
    "letters.py": "",
    "main.tf": """
module "analysis_jobs" {
  source  = "../../modules/jobs"
  name    = var.name
  package = var.package
}
variable "name" {
  type = string
}
variable "package" {
  type = object({ manifest = string })
}
""",
}
COMPLETED = {"bucket": "states", "region": "eu-west-1"}
# Has what identifies the module, and one resource that needs no account.
MODULE = """
variable "analyses" {
  default = []
}
variable "name" {
  type = string
}
variable "package" {
  type = object({
    manifest      = optional(string)
    live_versions = optional(map(string))
  })
}
resource "terraform_data" "this" {
  input = var.name
}
output "deployment" {
  value = { api_url = "https://${terraform_data.this.output}", package = var.package }
}
"""


@pytest.fixture
def repository(tmp_path: Path, terraform: Terraform, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a repository with one project, and the environment `dev`."""
    for name, text in PROJECT.items():
        write(tmp_path / "examples" / "letters" / name, text)
    write(tmp_path / "modules" / "jobs" / "main.tf", MODULE)
    configuration = {"project": "examples/letters", "name": "letters-dev", "region": "eu-west-1"}
    write(tmp_path / "envs" / "dev" / "config.json", json.dumps(configuration))
    for name, value in terraform.environment.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def root_of(repository: Path, package: Package | None = None) -> TerraformRoot:
    given = package or Package(repository / "dist" / "letters-arm64.json")
    root = prepare(load("dev", repository), given, backend=Backend.local(repository / "state" / "dev.tfstate"))
    root.init()
    return root


def test_a_deployment_keeps_the_versions_that_it_is_told(repository: Path) -> None:
    before = sorted((repository / "examples").rglob("*"))
    package = Package(repository / "dist" / "letters-arm64.json")
    root = root_of(repository, package.keeping({"api": "7"}))
    assert root.plan(quiet=True) is True
    root.apply(quiet=True)
    manifest = "../../../../../../dist/letters-arm64.json"
    deployed = {"manifest": manifest, "live_versions": {"api": "7"}}
    assert root.deployment() == {"api_url": "https://letters-dev", "package": deployed}
    root.use(package.keeping({"api": "8"}))
    assert root.plan(quiet=True) is True
    assert sorted((repository / "examples").rglob("*")) == before, "the project's own folder is not touched"


def test_a_stack_of_an_earlier_release_is_moved_and_not_made_anew(repository: Path, terraform: Terraform) -> None:
    call = 'source = "../examples/letters"\n  name = "letters-dev"\n  package = { manifest = "x" }'
    write(repository / "old" / "main.tf", f'module "letters" {{\n  {call}\n}}\n')
    state = f"-state={repository / 'state' / 'dev.tfstate'}"
    (repository / "state").mkdir()
    for command in (["init"], ["apply", "-auto-approve", state]):
        done = terraform.run(repository / "old", *command)
        assert done.returncode == 0, done.stdout + done.stderr
    root = root_of(repository)
    root.plan(quiet=True)
    [change] = root.show()["resource_changes"]
    assert change["previous_address"] == "module.letters.module.analysis_jobs.terraform_data.this"
    assert (change["address"], change["change"]["actions"]) == ("module.analysis_jobs.terraform_data.this", ["no-op"])


@pytest.mark.parametrize(
    ("block", "state", "settings"),
    [
        ('backend "s3" {\n    encrypt = true\n  }', {}, {**COMPLETED, "key": "analysis-jobs/dev.tfstate"}),
        ('backend "s3" {}', {"key": "k"}, {**COMPLETED, "key": "k"}),
        ('backend "s3" {\n    bucket = "b"\n    key = "x"\n    region = "eu-north-1"\n  }', {}, {}),
        ('backend "s3" {\n    bucket = "b"\n    key = "x"\n    region = "eu-north-1"\n  }', {"key": "k"}, {"key": "k"}),
        ('backend "gcs" {\n    bucket = "b"\n  }', {}, {}),
    ],
)  # fmt: skip
def test_a_backend_of_the_root_is_kept_and_completed(
    block: str, state: dict[str, str], settings: dict[str, str], repository: Path
) -> None:
    write(repository / "examples" / "letters" / "backend.tf", f"terraform {{\n  {block}\n}}\n")
    path = repository / "envs" / "dev" / "config.json"
    write(path, json.dumps({**json.loads(path.read_text("utf-8")), **({"state": state} if state else {})}))
    backend = Backend.in_s3(load("dev", repository), "states")
    assert (backend.settings, backend.is_added, backend.replaces) == (settings, False, False)


def test_a_provider_of_the_root_gets_the_region_of_the_environment(repository: Path) -> None:
    write(repository / "examples" / "letters" / "provider.tf", 'provider "aws" {\n  region = "us-east-1"\n}\n')
    with pytest.raises(ConfigError, match=r"the provider in .* has us-east-1\. Write region = var\.region there"):
        load("dev", repository)
    variable = 'variable "region" {\n  type = string\n}\nprovider "aws" {\n  region = var.region\n}\n'
    write(repository / "examples" / "letters" / "provider.tf", variable)
    assert root_of(repository).plan(quiet=True) is True


def test_a_project_without_a_root_is_deployed_by_the_module_alone(
    repository: Path, account_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = repository / "examples" / "letters" / "pyproject.toml"
    described.write_text(described.read_text("utf-8").replace('infra = "."\n', ""), "utf-8")
    path = repository / "envs" / "dev" / "config.json"
    api = {"authorizer": {"issuer": "https://login.example.com", "audience": ["letters"]}}
    write(
        path,
        json.dumps({**json.loads(path.read_text("utf-8")), "settings": {"api": api, "deletion_protection": False}}),
    )
    manifest = write_package(repository / "dist", "minimal")["manifest"]
    content = json.loads(Path(manifest).read_text("utf-8"))
    content["declarations"]["analyses"][0]["module"] = "letters"
    Path(manifest).write_text(json.dumps(content), "utf-8")
    root, plan = plan_environment("dev", repository, account_url, Package(Path(manifest)), monkeypatch)
    assert plan.one("aws_lambda_function", function_name="letters-dev-worker")
    assert root.plan_file.exists()
    assert DEPLOYMENTS in root.show()["configuration"]["root_module"]["outputs"]
