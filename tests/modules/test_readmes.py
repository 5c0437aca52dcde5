"""The examples of the modules' READMEs, planned together: what they create, and what is connected to what."""

import json
import re

import pytest

import terraform_docs
from tests.modules.harness import ACCOUNT, MODULES, REPOSITORY, Terraform, blocks
from tests.modules.planning import Plan, make_plan, write_package

# The README of `analysis-jobs` promises a whole stack in this number of lines.
LINES = 20
# These examples refer to modules that they do not show.
PARTS_OF_A_STACK = {"alarms", "api"}


def example(module: str) -> str:
    readme = (REPOSITORY / "modules" / module / "README.md").read_text("utf-8")
    found = re.search(r"^```hcl\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert found, f"modules/{module}/README.md shows no use of it"
    return found[1]


@pytest.fixture(scope="module")
def plan(terraform: Terraform, account_url: str) -> Plan:
    root = terraform.root / "readmes"
    root.mkdir()
    (root / "modules").symlink_to(terraform.root / "modules")
    for module in MODULES:
        if module not in PARTS_OF_A_STACK:
            (root / f"{module}.tf").write_text(example(module), encoding="utf-8")
    (root / "models.tf").write_text('output "models" {\n  value = module.model_access.policy_json\n}\n', "utf-8")
    write_package(root / "dist", "minimal")
    write_package(root / "dist", "rfp-analysis")
    return make_plan(terraform, root.name, account_url)


@pytest.fixture(scope="module")
def stack(plan: Plan) -> Plan:
    """Return what the example of `analysis-jobs` creates."""
    return plan.within("module.analysis_jobs.")


def test_the_example_of_the_whole_module_is_short() -> None:
    assert len([line for line in example("analysis-jobs").splitlines() if line.strip()]) <= LINES


@pytest.mark.parametrize("module", [name for name in MODULES if name not in PARTS_OF_A_STACK])
def test_the_example_of_a_module_creates_resources(module: str, plan: Plan) -> None:
    name = "worker" if module == "function" else module.replace("-", "_")
    # These two create nothing: they have outputs only.
    assert plan.within(f"module.{name}.").resources or module in {"model-access", "package"}


@pytest.mark.parametrize("module", [name for name in MODULES if name not in PARTS_OF_A_STACK])
def test_the_readmes_tables_have_the_variables_that_terraform_reads(module: str, plan: Plan) -> None:
    read = plan.variables_of(f"./modules/{module}")
    variables = terraform_docs.blocks(terraform_docs.source(REPOSITORY / "modules" / module, "variables"), "variable")
    assert {block.name: block.description for block in variables} == {
        name: " ".join(variable["description"].split()) for name, variable in read.items()
    }
    required = {block.name for block in variables if "default" not in block.arguments}
    # Terraform leaves out a default that is null.
    assert required <= {name for name, variable in read.items() if "default" not in variable}


def test_the_account_of_an_inference_profile_is_the_callers(plan: Plan) -> None:
    resources = json.loads(plan.outputs["models"])["Statement"][0]["Resource"]
    assert f"arn:aws:bedrock:*:{ACCOUNT}:inference-profile/global.anthropic.claude-sonnet-4-5-*" in resources


def test_the_function_is_created_after_its_log_group_and_its_rights(plan: Plan) -> None:
    function = plan.configured("aws_lambda_function.this", "worker")
    assert "aws_cloudwatch_log_group.this.name" in json.dumps(function["expressions"]["logging_config"])
    assert set(function["depends_on"]) == {"aws_iam_role_policy.runtime", "aws_iam_role_policy.statements"}


@pytest.mark.parametrize(
    ("module", "argument", "sources"),
    [
        ("api_function", "statements", {"local.api_statements"}),
        ("events", "statements", {"local.event_statements"}),
        ("sweeper", "statements", {"local.sweeper_statements"}),
        ("worker", "statements", {"local.worker_statements"}),
        (
            "api_function",
            "environment",
            {
                "local.audit_log_name",
                "local.callers",
                "local.environment",
                "local.tracing_environment",
                "var.api.authorizer.tenant_claim",
                "var.api.max_waiting",
                "var.api.max_waiting_per_tenant",
                "var.audit",
            },
        ),
        ("events", "environment", {"local.event_environment"}),
        ("sweeper", "environment", {"local.environment"}),
        (
            "worker",
            "environment",
            {"local.environment", "local.secret_arns", "local.tracing_environment", "var.worker.environment"},
        ),
        ("queue", "fifo", {"each.value.fifo"}),
        ("queue", "name", {"each.value.name"}),
        ("queue", "dead_letter_name", {"each.value.dead_letter_base"}),
        ("queue", "max_receive_count", {"var.queue.max_receive_count"}),
        ("alarms", "api", {"module.api"}),
        ("alarms", "dashboard_name", {"local.names.dashboard"}),
        ("api", "issuers", {"local.issuers"}),
        ("api", "iam", {"var.api.iam"}),
        ("api", "domain", {"var.api.domain"}),
        ("api", "default_endpoint", {"var.api.default_endpoint"}),
        (
            "api",
            "function",
            {
                "module.api_function[0].name",
                "module.api_function[0].alias_name",
                "module.api_function[0].alias_invoke_arn",
            },
        ),
        ("api_function", "name", {"local.names.functions.api"}),
        ("events", "name", {"local.names.functions.events"}),
        ("sweeper", "name", {"local.names.functions.sweeper"}),
        ("worker", "name", {"local.names.functions.worker"}),
        ("api_function", "role_name", {"local.names.roles.api"}),
        ("events", "role_name", {"local.names.roles.events"}),
        ("sweeper", "role_name", {"local.names.roles.sweeper"}),
        ("worker", "role_name", {"local.names.roles.worker"}),
    ],
)
def test_each_part_of_a_stack_is_given_its_own_settings(
    plan: Plan, module: str, argument: str, sources: set[str]
) -> None:
    references = plan.references("analysis_jobs", module, given=argument)
    # Terraform lists `var.api` beside `var.api.authorizer`: the longest ones say which attribute it is.
    longest = {each for each in references if not any(other.startswith(f"{each}.") for other in references)}
    assert longest == sources


def test_each_alarm_watches_a_resource_of_this_stack(stack: Plan) -> None:
    names = {values["name"] for values in stack.of_type("aws_sqs_queue").values()}
    names |= {values["function_name"] for values in stack.of_type("aws_lambda_function").values()}
    alarms = {values["alarm_name"]: values for values in stack.of_type("aws_cloudwatch_metric_alarm").values()}
    watched = {name: set(alarm["dimensions"].values()) for name, alarm in alarms.items() if alarm.get("dimensions")}
    assert set().union(*watched.values()) <= names | {"acme-letters"}  # the last is the service of our own metrics
    # The API's ID is not known before it exists. The others watch an expression and a metric filter.
    assert alarms.keys() - watched.keys() == {
        f"acme-letters-{key}" for key in ("api-5xx", "api-refused", "events-stuck")
    }


def test_lambda_stops_the_loops_of_every_function_but_the_worker(stack: Plan) -> None:
    """The worker sends itself a message for each wait of a job: docs/decisions/0017-loop-detection.md."""
    configured = stack.of_type("aws_lambda_function_recursion_config")
    assert {values["function_name"]: values["recursive_loop"] for values in configured.values()} == {
        "acme-letters-worker": "Allow"
    }


def test_the_standard_routes_all_ask_for_a_token(stack: Plan) -> None:
    routes = {
        values["route_key"]: values["authorization_type"] for values in stack.of_type("aws_apigatewayv2_route").values()
    }
    assert routes == dict.fromkeys(
        (
            "GET /jobs",
            "GET /jobs/{job_id}",
            "GET /jobs/{job_id}/files/{name}",
            "GET /openapi.json",
            "POST /jobs",
            "POST /jobs/{job_id}/cancel",
            "POST /jobs/{job_id}/retry",
            "POST /uploads",
        ),
        "JWT",
    )


def test_tables_and_bucket_are_protected_by_default(stack: Plan) -> None:
    tables = {
        values["name"]: values["deletion_protection_enabled"] for values in stack.of_type("aws_dynamodb_table").values()
    }
    bucket = stack.one("aws_s3_bucket", bucket=f"acme-letters-artifacts-{ACCOUNT}-eu-west-1")
    assert tables == {"acme-letters-jobs": True, "acme-letters-prompts": True}
    assert bucket["force_destroy"] is False


def test_files_expire_with_the_job_rows_and_their_old_versions_a_week_later(stack: Plan) -> None:
    [rules] = [values["rule"] for values in stack.of_type("aws_s3_bucket_lifecycle_configuration").values()]
    kept = {
        rule["id"]: (rule["expiration"][0]["days"], rule["noncurrent_version_expiration"][0]["noncurrent_days"])
        for rule in rules
        if rule["noncurrent_version_expiration"]
    }
    assert kept == {"jobs/": (30, 7), "uploads/": (30, 7)}


def test_a_lane_hides_its_messages_longer_than_a_worker_can_run(stack: Plan) -> None:
    queue = stack.one("aws_sqs_queue", name="acme-letters-jobs")
    worker = stack.one("aws_lambda_function", function_name="acme-letters-worker")
    assert queue["visibility_timeout_seconds"] == worker["timeout"] + 60


def test_the_deployment_repeats_every_output_but_the_policy() -> None:
    outputs = blocks((REPOSITORY / "modules" / "analysis-jobs" / "outputs.tf").read_text("utf-8"), "output")
    repeated = re.findall(r"^    (\w+) +=", outputs["deployment"], re.MULTILINE)
    assert repeated == [name for name in outputs if name != "deployment" and not name.endswith("_policy_json")]
