"""The environments: plans of staging and production, with the settings of the system that they replace."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.modules.harness import ACCOUNT, REPOSITORY, Terraform
from tests.modules.planning import Plan, make_plan, write_package

ENVS = REPOSITORY / "envs"
DEPLOYED = ("production", "staging")


@pytest.fixture(scope="module", params=DEPLOYED)
def environment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def plan(environment: str, terraform: Terraform, account_url: str) -> Plan:
    package = write_package(terraform.root / "dist")
    return make_plan(terraform, f"envs/{environment}", account_url, package=package)


def config(environment: str) -> dict[str, Any]:
    text = (ENVS / environment / "config.json").read_text("utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed


@pytest.mark.parametrize("name", [*DEPLOYED, "local"])
def test_every_environment_reads_the_one_lock_of_the_provider(name: str) -> None:
    lock = ENVS / name / ".terraform.lock.hcl"
    assert lock.readlink() == Path("../terraform.lock.hcl")


@pytest.mark.parametrize("name", [*DEPLOYED, "local"])
def test_init_finds_nothing_to_change_in_the_lock(name: str, terraform: Terraform) -> None:
    committed = (ENVS / "terraform.lock.hcl").read_text("utf-8")
    root = terraform.prepare(f"envs/{name}")
    done = terraform.run(f"envs/{name}", "init", "-backend=false")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (root / ".terraform.lock.hcl").read_text("utf-8") == committed
    constraints = re.search(r'constraints = "(.*)"', committed)
    assert constraints
    assert constraints[1] == ">= 5.100.0, 5.100.0, < 7.0.0"


@pytest.mark.parametrize("name", DEPLOYED)
def test_the_state_is_in_s3_encrypted_and_locked_by_a_file(name: str) -> None:
    text = (ENVS / name / "versions.tf").read_text("utf-8")
    backend = re.search(r'^  backend "s3" \{\n(.*?)^  \}$', text, re.MULTILINE | re.DOTALL)
    assert backend
    settings = dict(re.findall(r"^ +(\w+) += (.*)$", backend[1], re.MULTILINE))
    # Bucket and Region depend on the account: `terraform init` gets them as arguments.
    assert settings == {"key": f'"analysis-jobs/{name}.tfstate"', "encrypt": "true", "use_lockfile": "true"}


def test_the_environments_differ_in_values_and_not_in_settings() -> None:
    assert config("staging").keys() == config("production").keys()
    assert config("staging")["settings"].keys() == config("production")["settings"].keys()
    assert (ENVS / "staging" / "main.tf").read_text("utf-8").replace('"staging"', '"production"') == (
        ENVS / "production" / "main.tf"
    ).read_text("utf-8")


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
    assert {address for address, found in tagged.items() if found != tags} == set()


@pytest.mark.parametrize(
    ("function", "timeout_s", "memory_mb"),
    [("api", 30, 512), ("events", 60, 256), ("sweeper", 50, 512), ("worker", 900, 1024)],
)
def test_the_functions_have_the_first_systems_numbers(
    environment: str, plan: Plan, function: str, timeout_s: int, memory_mb: int
) -> None:
    found = plan.one("aws_lambda_function", function_name=f"{config(environment)['name']}-{function}")
    assert (found["timeout"], found["memory_size"]) == (timeout_s, memory_mb)


def test_the_first_system_has_its_own_routes(plan: Plan) -> None:
    routes = {values["route_key"] for values in plan.of_type("aws_apigatewayv2_route").values()}
    assert {"POST /proposals/{id}/analyze-rfp", "GET /proposals/{id}/analysis-status"} < routes
