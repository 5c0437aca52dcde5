"""The preflight check of secrets, prompts and databases: each fault is planted, and found with its fix."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from analysis_jobs.prompts import Prompt
from analysis_jobs.prompts.library import PromptLibrary
from analysis_jobs_dev import places
from analysis_jobs_dev.doctor import data
from analysis_jobs_dev.doctor.findings import Level
from tests.handlers.deployment import create_prompt_table
from tests.tools.doctored import ALLOWED, DENIED, REGION, Scripted, a_stack, bad, decision


@pytest.fixture(autouse=True)
def _account() -> Iterator[None]:
    with mock_aws():
        yield


def a_secret(content: Any) -> str:
    client = boto3.client("secretsmanager", region_name=REGION)
    return client.create_secret(Name="login", SecretString=json.dumps(content))["ARN"]


@pytest.mark.parametrize(("decided", "levels"), [(ALLOWED, []), (DENIED, [Level.PROBLEM])])
def test_the_right_to_read_a_secret_is_checked(decided: str, levels: list[Level]) -> None:
    subject = a_stack(variables={"DATABASE_SECRET": a_secret({})})
    subject = subject.answers("iam", ("simulate_principal_policy", decision(decided, "secretsmanager:GetSecretValue")))
    assert [each.level for each in bad(data.secrets(subject))] == levels


def test_a_parameter_is_found_under_its_path() -> None:
    boto3.client("ssm", region_name=REGION).put_parameter(Name="/books/key", Value="x", Type="SecureString")
    arn = f"arn:aws:ssm:{REGION}:123456789012:parameter/books/key"
    subject = a_stack(variables={"KEY": arn}).answers(
        "iam", ("simulate_principal_policy", decision(ALLOWED, "ssm:GetParameter"))
    )
    assert bad(data.secrets(subject)) == []


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:secretsmanager:{REGION}:123456789012:secret:gone-AbCdEf",
        f"arn:aws:ssm:{REGION}:123456789012:parameter/gone",
    ],
)
def test_a_secret_that_is_gone_is_a_problem(arn: str) -> None:
    [finding] = bad(data.secrets(a_stack(variables={"KEY": arn})))
    assert (finding.level, "KEY" in finding.message, "worker.secrets" in finding.fix) == (Level.PROBLEM, True, True)


@pytest.mark.parametrize(
    ("variable", "setting"),
    [("KEY", "worker.secret_key_arns"), ("OTEL_HEADERS_SECRET", "tracing.otel.headers_key_arn")],
)
def test_a_denied_secret_names_the_setting_to_correct(variable: str, setting: str) -> None:
    subject = a_stack(variables={variable: a_secret({})})
    subject = subject.answers("iam", ("simulate_principal_policy", decision(DENIED, "secretsmanager:GetSecretValue")))
    [finding] = bad(data.secrets(subject))
    assert setting in finding.fix


@pytest.mark.parametrize(
    ("service", "resource", "operation", "right"),
    [
        ("secretsmanager", "secret:login-AbCdEf", "describe_secret", "secretsmanager:DescribeSecret"),
        ("ssm", "parameter/login", "get_parameter", "ssm:GetParameter"),
    ],
)
def test_a_secret_that_the_caller_may_not_see_stops_no_deployment(
    service: str, resource: str, operation: str, right: str
) -> None:
    subject = a_stack(variables={"KEY": f"arn:aws:{service}:{REGION}:123456789012:{resource}"})
    [finding] = bad(data.secrets(subject.answers(service, (operation, "AccessDeniedException"))))
    assert (finding.level, finding.fix) == (Level.UNKNOWN, f"the caller needs {right}")


def prompts_of(folder: Path) -> tuple[Scripted, PromptLibrary, Prompt]:
    examples = sorted((places.library().parent / "examples").glob("*/prompts/*.toml"))
    file = folder / examples[0].name
    file.write_bytes(examples[0].read_bytes())
    client = boto3.client("dynamodb", region_name=REGION)
    create_prompt_table(client, "prompts")
    subject = replace(a_stack(variables={"PROMPT_TABLE_NAME": "prompts"}), prompts=folder)
    return subject, PromptLibrary(client, "prompts"), Prompt.load(file)


def test_a_prompt_must_be_in_the_table_and_active(tmp_path: Path) -> None:
    subject, library, prompt = prompts_of(tmp_path)
    [finding] = bad(data.prompts(subject))
    assert "is not in the table" in finding.message
    library.put(prompt)
    [finding] = bad(data.prompts(subject))
    assert (finding.level, "no active version" in finding.message) == (Level.PROBLEM, True)
    library.put(prompt, activate=True)
    assert bad(data.prompts(subject)) == []


def login(port: int) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "username": "u", "password": "p", "database": "d", "sslmode": "disable"}


def test_a_database_that_answers_is_in_order() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        subject = a_stack(variables={"DATABASE_SECRET": a_secret(login(server.getsockname()[1]))})
        [finding] = data.databases(subject)
    assert finding.level is Level.OK


@pytest.mark.parametrize(
    ("vpc", "level"), [({}, Level.PROBLEM), ({"VpcConfig": {"SubnetIds": ["subnet-1"]}}, Level.UNKNOWN)]
)
def test_a_database_that_does_not_answer_is_a_problem_unless_the_worker_is_elsewhere(vpc: Any, level: Level) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    subject = a_stack(variables={"DATABASE_SECRET": a_secret(login(port))}, **vpc)
    [finding] = bad(data.databases(subject))
    assert (finding.level, f"127.0.0.1:{port}" in finding.message) == (level, True)


def test_a_login_without_a_database_is_a_problem() -> None:
    subject = a_stack(variables={"DATABASE_SECRET": a_secret({"host": "db"})})
    [finding] = bad(data.databases(subject))
    assert (finding.level, "DATABASE_SECRET" in finding.message) == (Level.PROBLEM, True)
