"""The small examples, planned as their READMEs import them: all three in one root."""

import re
from typing import Any

import pytest
from fastapi.routing import APIRoute

from tests.handlers.fastapi_backend import imported_backend
from tests.modules.harness import REPOSITORY, Terraform
from tests.modules.planning import Plan, make_plan, write_package

EXAMPLES = ("existing-api", "minimal", "vpc-and-database")
FUNCTIONS = {"api", "events", "sweeper", "worker"}


def shown(example: str) -> str:
    """Return the Terraform of an example's README."""
    [found] = re.findall(r"^```hcl\n(.*?)^```$", readme(example), re.MULTILINE | re.DOTALL)
    return str(found)


def readme(example: str) -> str:
    return (REPOSITORY / "examples" / example / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def plan(terraform: Terraform, account_url: str) -> Plan:
    root = terraform.root / "small-examples"
    root.mkdir()
    for folder in ("examples", "modules"):
        (root / folder).symlink_to(terraform.root / folder)
    for example in EXAMPLES:
        (root / f"{example}.tf").write_text(shown(example), encoding="utf-8")
        write_package(root / "dist", example)
    return make_plan(terraform, root.name, account_url)


def functions(plan: Plan) -> dict[str, dict[str, Any]]:
    return {values["function_name"]: values for values in plan.of_type("aws_lambda_function").values()}


def test_each_is_a_whole_stack(plan: Plan) -> None:
    stacks = {f"{stack}-{function}" for stack in ("helpdesk", "invoices", "letters") for function in FUNCTIONS}
    assert functions(plan).keys() == {*stacks, "helpdesk-backend"}


def test_the_minimal_example_is_about_twenty_lines() -> None:
    text = (REPOSITORY / "examples" / "minimal" / "main.tf").read_text("utf-8")
    assert len([line for line in text.splitlines() if line.strip()]) <= 20


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_page_names_tests_and_files_that_exist(example: str) -> None:
    tests = re.findall(r"`(tests/[^`]+)`", readme(example))
    listed = [
        name for row in re.findall(r"^\| (`.*?`) \|", readme(example), re.MULTILINE) for name in row.split("`")[1::2]
    ]
    assert tests
    assert [path for path in tests if not (REPOSITORY / path).exists()] == []
    assert [name for name in listed if not (REPOSITORY / "examples" / example / name).exists()] == []


def test_three_policies_are_attached_to_the_backends_role(plan: Plan) -> None:
    found = resource(plan, "helpdesk", "aws_iam_role_policy.jobs")
    assert "module.analysis_jobs.policies" in found["expressions"]["policy"]["references"]
    assert "aws_iam_role.backend.name" in found["expressions"]["role"]["references"]
    names = {each["name"] for each in plan.of_type("aws_iam_role_policy").values()}
    assert {"jobs-cancel", "jobs-read", "jobs-submit"} <= names
    assert not {"jobs-retry", "jobs-upload"} & names


def test_the_backend_gets_the_variables_of_the_module(plan: Plan) -> None:
    backend = resource(plan, "helpdesk", "aws_lambda_function.backend")["expressions"]
    [environment] = backend["environment"]
    assert "module.analysis_jobs.backend_environment" in environment["variables"]["references"]
    assert "aws_iam_role.backend.arn" in backend["role"]["references"]


def test_every_route_of_the_backend_wants_a_token(plan: Plan) -> None:
    routes = {each["route_key"]: each for each in plan.of_type("aws_apigatewayv2_route").values()}
    with imported_backend() as backend:
        served = {
            f"{method} {route.path.replace('{ticket}', '{id}')}"
            for route in backend.app.routes
            if isinstance(route, APIRoute)
            for method in route.methods or ()
        }
    assert len(served) == 5
    assert {routes[key]["authorization_type"] for key in served} == {"JWT"}


def test_only_the_worker_is_in_the_vpc(plan: Plan) -> None:
    subnets = {
        name: sorted(function["vpc_config"][0]["subnet_ids"])
        for name, function in functions(plan).items()
        if function["vpc_config"]
    }
    assert subnets == {"invoices-worker": ["subnet-0c0c0c0c", "subnet-1c1c1c1c"]}


def test_the_worker_reaches_the_database_and_every_service_that_it_calls(plan: Plan) -> None:
    endpoints = {
        values["service_name"].removeprefix("com.amazonaws.eu-west-1."): values["vpc_endpoint_type"]
        for values in plan.of_type("aws_vpc_endpoint").values()
    }
    assert endpoints == {
        "bedrock-runtime": "Interface",
        "dynamodb": "Gateway",
        "s3": "Gateway",
        "secretsmanager": "Interface",
        "sqs": "Interface",
    }
    egress = plan.of_type("aws_vpc_security_group_egress_rule")
    ports = sorted((rule["description"], rule["from_port"], rule["to_port"]) for rule in egress.values())
    assert ports == [
        ("Gateway endpoint of dynamodb.", 443, 443),
        ("Gateway endpoint of s3.", 443, 443),
        ("Interface endpoints.", 443, 443),
        ("PostgreSQL.", 5432, 5432),
    ]


def test_the_database_admits_the_worker(plan: Plan) -> None:
    [rule] = [
        values
        for values in plan.of_type("aws_vpc_security_group_ingress_rule").values()
        if values.get("security_group_id") == "sg-0d0d0d0d"
    ]
    assert (rule["from_port"], rule["to_port"], rule["ip_protocol"]) == (5432, 5432, "tcp")
    source = resource(plan, "invoices", "aws_vpc_security_group_ingress_rule.database_from_worker")["expressions"]
    assert "aws_security_group.worker.id" in source["referenced_security_group_id"]["references"]


def resource(plan: Plan, module: str, address: str) -> dict[str, Any]:
    """Return the configuration of a resource of one of the examples."""
    calls = plan.text["configuration"]["root_module"]["module_calls"]
    [found] = [each for each in calls[module]["module"]["resources"] if each["address"] == address]
    configuration: dict[str, Any] = found
    return configuration
