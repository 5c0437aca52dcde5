"""The variables of a project's root in the local cloud: what the file sets, and what is filled in."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.known_values import MODEL, MODEL_IDS, KnownValues, Secrets
from analysis_jobs_dev.cloud.variables import filled
from analysis_jobs_dev.environments.schema import RootInterface
from tests.in_memory import InMemory

LOGIN = {"host": "127.0.0.1", "username": "letters"}
AUTHORIZER = "object({ issuer = string, audience = list(string), scopes = optional(list(string)) })"
TOKENS = {"issuer": "http://stand-in", "audience": ["analysis-jobs"]}
PACKAGE = {"manifest": "/x/letters.json", "s3": {"bucket": "b", "key": "k"}}


@pytest.fixture
def aws() -> Iterator[Connection]:
    with mock_aws():
        yield InMemory("letters", "", "http://aws", "http://stand-in", "", {})


@pytest.fixture
def fill(aws: Connection, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Return a function that fills the variables of a root, given types by name and the given values."""

    def run(
        variables: dict[str, str], given: dict[str, Any] | None = None, *, login: dict[str, object] | None = None
    ) -> dict[str, Any]:
        blocks = [f'variable "{name}" {{\n  type = {kind}\n}}\n' for name, kind in variables.items()]
        (tmp_path / "variables.tf").write_text("".join(blocks), "utf-8")
        known = KnownValues(aws, "letters", PACKAGE, Secrets(aws, "letters", login))
        return filled(RootInterface.read(tmp_path), given or {}, known)

    return run


def test_a_root_without_a_file_gets_what_the_local_cloud_knows(fill: Callable[..., dict[str, Any]]) -> None:
    variables = {
        "authorizer": AUTHORIZER,
        "bedrock_model_ids": "list(string)",
        "environment": "map(string)",
        "model_id": "string",
        "name": "string",
        "package": "object({ manifest = string, s3 = optional(object({ bucket = string, key = string })) })",
        "protected": "bool",
        "region": "string",
    }
    assert fill(variables) == {
        "authorizer": TOKENS,
        "bedrock_model_ids": list(MODEL_IDS),
        "environment": {},
        "model_id": MODEL,
        "name": "letters",
        "package": PACKAGE,
        "protected": False,
        "region": "eu-west-1",
    }
    assert fill({"package": "string"}) == {"package": PACKAGE["manifest"]}


def test_attributes_that_an_object_requires_are_filled_too(fill: Callable[..., dict[str, Any]]) -> None:
    kind = f"object({{ authorizer = {AUTHORIZER}, lease_s = optional(number, 60), retention_days = optional(number) }})"
    assert fill({"settings": kind}) == {"settings": {"authorizer": TOKENS}}
    assert fill({"settings": kind}, {"settings": {"lease_s": 20, "authorizer": {"issuer": "https://own"}}}) == {
        "settings": {"lease_s": 20, "authorizer": {"issuer": "https://own", "audience": ["analysis-jobs"]}}
    }


def test_a_secret_is_made_for_an_arn_and_keeps_what_somebody_puts_into_it(
    fill: Callable[..., dict[str, Any]], aws: Connection
) -> None:
    variables = {"gemini_key_arn": "string", "crm": "object({ token_arn = string })", "database_secret_arn": "string"}
    found = fill(variables, login=LOGIN)
    secrets = aws.boto3("secretsmanager")

    def content(arn: str) -> str:
        return str(secrets.get_secret_value(SecretId=arn)["SecretString"])

    assert content(found["gemini_key_arn"]) == "local"
    assert content(found["crm"]["token_arn"]) == "local"
    assert json.loads(content(found["database_secret_arn"])) == LOGIN
    secrets.put_secret_value(SecretId=found["gemini_key_arn"], SecretString="own")
    again = fill(variables, login=LOGIN | {"host": "elsewhere"})
    assert again == found
    assert content(again["gemini_key_arn"]) == "own"
    assert json.loads(content(again["database_secret_arn"]))["host"] == "elsewhere"


def test_the_parts_of_a_vpc_are_those_of_the_local_clouds_own(
    fill: Callable[..., dict[str, Any]], aws: Connection
) -> None:
    parts = {"vpc_id", "subnet_ids", "security_group_ids"}
    kind = "object({ id = string, subnet_ids = list(string), security_group_ids = set(string) })"
    found = fill({"vpc": kind, "worker_subnet_id": "string"})
    [vpc] = aws.boto3("ec2").describe_vpcs()["Vpcs"]
    assert found["vpc"]["id"] == vpc["VpcId"]
    assert found["worker_subnet_id"] == found["vpc"]["subnet_ids"][0]
    assert all(len(found["vpc"][name]) > 0 for name in parts - {"vpc_id"})


@pytest.mark.parametrize("name", ["kms_key_arn", "topic_arn", "team", "database_name"])
def test_what_nobody_knows_is_refused_with_its_place_and_the_file(
    fill: Callable[..., dict[str, Any]], name: str
) -> None:
    kind = f"object({{ {name} = string, sizes = list(number), width = number }})"
    with pytest.raises(
        CloudError,
        match=rf"requires settings\.own\.{name} \(string\), settings\.own\.width \(number\), which .*local\.json",
    ):
        fill({"own": kind})


def test_variables_that_are_set_elsewhere_are_left_alone(
    fill: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "terraform.tfvars").write_text('name = "own"\n', "utf-8")
    monkeypatch.setenv("TF_VAR_topic_arn", "arn:own")
    assert fill({"name": "string", "region": "string", "topic_arn": "string"}) == {"region": "eu-west-1"}
