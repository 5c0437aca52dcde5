"""The root of a project without one has what the code declares: routes, lanes, models, secrets, languages of OCR."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs_dev import package
from analysis_jobs_dev.cloud import default_root
from analysis_jobs_dev.cloud.known_values import KnownValues, Secrets
from analysis_jobs_dev.cloud.root import LOCK_FILE, Root
from analysis_jobs_dev.environments.schema import RootInterface
from analysis_jobs_dev.packager.declarations import Declarations
from tests.in_memory import InMemory

LOGIN = {"host": "127.0.0.1"}
PACKAGE = {"manifest": "/x/letters.json", "s3": {"bucket": "b", "key": "k"}}
PROJECT = replace(package.example("minimal"), name="letters", analyses=("letters.read", "letters.file"))
AWS = InMemory("letters", "", "http://aws", "http://stand-in", "", {})


@pytest.fixture
def arguments() -> Iterator[Callable[..., dict[str, Any]]]:
    """Return a function that makes the module's arguments."""

    def run(
        declared: Declarations, methods: dict[str, set[str]] | None = None, given: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        known = KnownValues(AWS, "letters", PACKAGE, Secrets(AWS, "letters", LOGIN))
        return default_root.arguments(PROJECT, declared, methods or {}, known, given or {})

    with mock_aws():
        yield run


def analysis(module: str, **more: object) -> dict[str, Any]:
    return {"module": module, "routes": [], "lanes": [], "model_id": None, **more}


def content(arn: str) -> str:
    return str(AWS.boto3("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])


def test_routes_lanes_and_models_are_those_of_the_analyses(arguments: Callable[..., dict[str, Any]]) -> None:
    found = arguments(
        Declarations(
            [
                analysis("letters.read", routes=["POST /letters", "GET /letters/{id}"], lanes=["high", "low"]),
                analysis("letters.file", routes=["POST /files"], model_id="eu.meta.llama3-1-70b-instruct-v1:0"),
                analysis("letters.other", routes=["POST /others"], lanes=["high"]),
            ],
            [],
            ["deu", "eng"],
        )
    )
    assert found["api"]["routes"] == ["POST /letters", "GET /letters/{id}", "POST /files"]
    assert found["lanes"] == {"high": {}, "low": {}, "medium": {}}
    assert found["bedrock_model_ids"][-1] == "meta.llama3-1-70b-instruct-v1:0"
    assert found["documents"] == {"ocr_languages": ["deu", "eng"]}
    assert found["package"] == PACKAGE
    assert found.keys() <= RootInterface.read(default_root.module()).variables.keys()


def test_secrets_have_a_content_that_the_code_can_read(arguments: Callable[..., dict[str, Any]]) -> None:
    declared = Declarations([analysis("letters.read", model_id="gemini-3-pro")], ["CRM", "DATABASE_SECRET", "KEY"], [])
    methods = {"CRM": {"secret_json"}, "DATABASE_SECRET": {"database"}, "KEY": {"secret"}}
    secrets = arguments(declared, methods)["worker"]["secrets"]
    assert {name: content(arn) for name, arn in secrets.items()} == {
        "CRM": "{}",
        "DATABASE_SECRET": json.dumps(LOGIN),
        "GEMINI_API_KEY": "local",
        "KEY": "local",
    }


def test_the_file_comes_first_and_leaves_the_rest(arguments: Callable[..., dict[str, Any]]) -> None:
    given = {"worker": {"timeout_s": 60, "secrets": {"KEY": "arn:own"}}, "lanes": {"low": {"maximum_concurrency": 2}}}
    found = arguments(Declarations([analysis("letters.read")], ["KEY", "OTHER"], []), given=given)
    assert found["worker"]["timeout_s"] == 60
    assert found["worker"]["secrets"].keys() == {"KEY", "OTHER"}
    assert found["worker"]["secrets"]["KEY"] == "arn:own"
    assert found["lanes"] == {"low": {"maximum_concurrency": 2}, "medium": {}}


def test_a_root_of_its_own_that_the_project_had_before_is_gone(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "infra").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "main.tf").symlink_to(tmp_path / "infra")
    (tmp_path / "root" / "old.tf").write_text("", "utf-8")
    (tmp_path / "root" / LOCK_FILE).write_text("kept", "utf-8")
    default_root.write(tmp_path / "root", {"name": "letters"})
    assert {path.name for path in (tmp_path / "root").iterdir()} == {"main.tf.json", LOCK_FILE}
    assert Root(tmp_path / "root", tmp_path / "root").required_variables == frozenset()
