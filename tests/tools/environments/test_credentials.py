"""A configuration contains no credentials: they are refused, with the place where they belong."""

import json
from pathlib import Path

import pytest

from analysis_jobs_dev.environments import config
from analysis_jobs_dev.environments.config import ConfigError
from analysis_jobs_dev.init import create
from tests.tools.environments.files import Refused, with_settings


@pytest.mark.parametrize(
    "value",
    [
        '"KEY": "AKIAIOSFODNN7EXAMPLE"',
        '"PEM": "-----BEGIN RSA PRIVATE KEY-----"',
        '"DSN": "postgresql://app:hunter2@db.example.com/app"',
        f'"X": "ghp_{"a" * 36}"',
        f'"X": "sk-ant-api03-{"a" * 30}"',
        f'"X": "AIza{"a" * 35}"',
        '"X": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"',
        f'"X": "sk_live_{"a1" * 12}"',
        f'"X": "hf_{"a" * 34}"',
        '"X": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"',
        f'"X": "DefaultEndpointsProtocol=https;AccountKey={"a" * 86}=="',
        '"VENDOR_KEY": "3f8a1c9be27d4f60a1b2c3d4"',
        '"DB_PASS": "hunter2"',
        '"DATABASE_PASSWORD": "hunter2"',
        '"OPENAI_API_KEY": "whatever"',
        '"clientSecret": "whatever"',
    ],
)
def test_a_credential_is_refused_and_not_repeated(value: str, refused: Refused) -> None:
    [problem] = refused(with_settings(f'"environment": {{{value}}}'))
    assert problem.startswith("2: settings.environment.")
    assert "Keep it in Secrets Manager or Systems Manager, and give the ARN" in problem
    assert json.loads(f"{{{value}}}").popitem()[1] not in problem


@pytest.mark.parametrize(
    "value",
    [
        '"GEMINI_API_KEY": "arn:aws:ssm:eu-west-1:111122223333:parameter/key"',
        '"TOKEN_LIMIT": "4000"',
        '"PARTITION_KEY": "customer"',
        '"COMMIT": "3b18e512dba79e4c8300dd08aeb37f8e728b8dad"',
        '"MODEL": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"',
        '"ROLE": "arn:aws:iam::111122223333:role/a-Very-long-Name-of-a-role-2-of-the-team"',
        '"PASSWORD_POLICY_URL": "https://example.com/policy"',
        '"SECRET_NAME": "rfp/database"',
        '"ENDPOINT": "https://example.com:8443/path"',
    ],
)
def test_what_only_resembles_a_credential_is_accepted(value: str, refused: Refused) -> None:
    assert refused(with_settings(f'"environment": {{{value}}}')) == []


def test_a_sensitive_variable_is_not_written_into_the_file(tmp_path: Path) -> None:
    project = create("letters", within=tmp_path)
    variables = project / "infra" / "variables.tf"
    more = 'variable "licence" {\n  type      = string\n  sensitive = true\n}\n'
    variables.write_text(variables.read_text("utf-8") + more, "utf-8")
    assert config.load("staging", project), "a missing value may come from the environment variable"
    path = project / "envs" / "staging.json"
    path.write_text(path.read_text("utf-8").replace('"model_id"', '"licence": "x", "model_id"'), "utf-8")
    with pytest.raises(ConfigError, match="set it with the environment variable TF_VAR_licence"):
        config.load("staging", project)
