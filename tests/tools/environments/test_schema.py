"""The JSON schema of an environment: it follows the variables of the Terraform root, and editors can use it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

import environment_schema
from analysis_jobs_dev import places
from analysis_jobs_dev.environments import config, variables
from analysis_jobs_dev.environments.schema import LANES, NAME, REGION, RootInterface, for_root, published
from analysis_jobs_dev.environments.variables import UnreadableRootError, Variable

MODULE = places.modules() / "analysis-jobs"
TEXT, NUMBER = {"type": "string"}, {"type": "number"}


@pytest.mark.parametrize(
    ("type_", "schema"),
    [
        ("string", TEXT),
        ('"string"', TEXT),
        ("bool", {"type": "boolean"}),
        ("any", {}),
        ("list(string)", {"type": "array", "items": TEXT}),
        ("set(number)", {"type": "array", "items": NUMBER, "uniqueItems": True}),
        (
            "map(list(bool))",
            {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "boolean"}}},
        ),
        ("tuple([string, number])", {"type": "array", "items": [TEXT, NUMBER], "minItems": 2, "maxItems": 2}),
        (
            "object({ a = string, b = optional(number, 5) })",
            {
                "type": "object",
                "properties": {"a": TEXT, "b": {"type": ["number", "null"]}},
                "required": ["a"],
                "additionalProperties": False,
            },
        ),
        (
            "map(object({\n  # why\n  deep = optional(object({ x = list(string) }), {})\n}))",
            {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {
                        "deep": {
                            "type": ["object", "null"],
                            "properties": {"x": {"type": "array", "items": TEXT}},
                            "required": ["x"],
                            "additionalProperties": False,
                        }
                    },
                    "additionalProperties": False,
                },
            },
        ),
    ],
)
def test_a_type_of_terraform_becomes_a_schema(type_: str, schema: dict[str, Any]) -> None:
    assert variables.type_schema(type_) == schema


def test_a_text_that_is_no_type_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a type of Terraform"):
        variables.type_schema("object({")


def test_variables_are_read_from_both_syntaxes(tmp_path: Path) -> None:
    (tmp_path / "a.tf").write_text(
        'variable "one" {\n  type = string\n  nullable = false\n'
        "  description = <<-EOT\n    First $${x}.\n    Second.\n  EOT\n}\n"
        'variable "two" {\n  description = "It \\"is\\" so."\n  default = null\n  sensitive = true\n}\n'
        'resource "x" "y" {}\n',
        "utf-8",
    )
    content = {"variable": {"three": {"type": "list(string)", "default": [], "nullable": False}}}
    (tmp_path / "b.tf.json").write_text(json.dumps(content), "utf-8")
    assert variables.read(tmp_path) == {
        "one": Variable(
            "one", {"description": "First ${x}. Second.", "type": "string"}, is_required=True, is_sensitive=False
        ),
        "two": Variable("two", {"description": 'It "is" so.'}, is_required=False, is_sensitive=True),
        "three": Variable("three", {"type": "array", "items": TEXT}, is_required=False, is_sensitive=False),
    }


def test_a_root_that_terraform_cannot_read_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.tf").write_text('variable "one" {\n  type = \n}\n', "utf-8")
    with pytest.raises(UnreadableRootError, match=r"a\.tf:\d: this is not valid HCL"):
        variables.read(tmp_path)
    (tmp_path / "a.tf").unlink()
    (tmp_path / "b.tf.json").write_text("{", "utf-8")
    with pytest.raises(UnreadableRootError, match=r"b\.tf\.json:1: this is not JSON"):
        variables.read(tmp_path)


def test_an_expression_that_the_parser_does_not_know_hides_no_variable(tmp_path: Path) -> None:
    condition = "  validation {\n    condition = var.one ~~ 1\n  }\n"
    text = f'variable "one" {{\n  type = string\n{condition}}}\nresource "x" "y" {{\n  z = ~~\n}}\n'
    (tmp_path / "a.tf").write_text(text, "utf-8")
    assert variables.read(tmp_path).keys() == {"one"}


def test_what_a_file_of_the_root_sets_is_not_required(tmp_path: Path) -> None:
    (tmp_path / "a.tf").write_text("".join(f'variable "{name}" {{\n  type = string\n}}\n' for name in "abcd"), "utf-8")
    (tmp_path / "terraform.tfvars").write_text('a = "x"\n', "utf-8")
    (tmp_path / "b.auto.tfvars.json").write_text('{"b": "x"}', "utf-8")
    (tmp_path / "c.tfvars").write_text('c = "x"\n', "utf-8")  # Terraform reads it only with -var-file
    assert for_root(RootInterface.read(tmp_path))["properties"]["settings"]["required"] == ["c", "d"]


def test_a_name_that_could_mean_two_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tf").write_text(
        'variable "settings" {\n  type = object({ vpc = string, name = string })\n}\n'
        'variable "vpc" {\n  type = string\n}\n',
        "utf-8",
    )
    assert RootInterface.read(tmp_path).clashes == ["vpc"]


def test_the_rules_of_names_and_regions_are_those_of_the_module() -> None:
    text = "".join(path.read_text("utf-8") for path in MODULE.glob("variables*.tf"))
    name = re.search(r'can\(regex\("([^"]+)", var\.name\)\)', text)
    region = re.search(r'in var\.model_access\.regions : can\(regex\("([^"]+)", region\)\)', text)
    lanes = re.search(r"keys\(var\.lanes\), (\[[^]]+\])", text)
    assert name and region and lanes  # noqa: PT018 - one of them alone says the same
    assert (name[1], region[1], tuple(json.loads(lanes[1]))) == (NAME, REGION, LANES)


def test_every_variable_of_the_module_can_be_set_somewhere() -> None:
    interface = RootInterface.read(MODULE)
    schema = for_root(interface)
    settable = schema["properties"].keys() | schema["properties"]["settings"]["properties"].keys()
    assert interface.variables.keys() - settable == set()


# The published schema


def test_the_published_schema_is_current() -> None:
    assert environment_schema.main(["--check"]) == 0, "run `make reference`"


def test_a_stale_schema_is_reported_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = environment_schema.FILE.read_text("utf-8")
    file = tmp_path / "schemas" / "environment.schema.json"
    monkeypatch.setattr(environment_schema, "FILE", file)
    assert environment_schema.main(["--check"]) == 1
    assert environment_schema.main([]) == 0
    assert file.read_text("utf-8") == committed
    assert environment_schema.main(["--check"]) == 0


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    text = (places.schemas() / "environment.schema.json").read_text("utf-8")
    schema = json.loads(text)
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


@pytest.mark.parametrize("name", config.names(places.repository() or Path()))
def test_the_published_schema_accepts_every_environment_and_each_names_it(
    name: str, validator: Draft7Validator
) -> None:
    path = (places.repository() or Path()) / "envs" / name / "config.json"
    content = json.loads(path.read_text("utf-8"))
    assert list(validator.iter_errors(content)) == []
    assert (path.parent / content["$schema"]).resolve() == places.schemas() / "environment.schema.json"


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"lease": {"lease_secs": 5}}},
        {"settings": {"alarm_email": []}},
        {"settings": {"authorizer": {"issuer": "x"}}},
        {"regoin": "eu-west-1"},
        {"region": "Ireland"},
        {"settings": None},
    ],
)
def test_the_published_schema_lets_an_editor_refuse_what_the_command_refuses(
    change: dict[str, Any], validator: Draft7Validator
) -> None:
    path = (places.repository() or Path()) / "envs" / "staging" / "config.json"
    content = json.loads(path.read_text("utf-8"))
    settings = change.get("settings", {})
    changed = {**content, **change, "settings": settings and {**content["settings"], **settings}}
    assert list(validator.iter_errors(changed if "settings" in change else {**content, **change}))


def test_the_published_schema_offers_the_modules_settings_to_other_projects(validator: Draft7Validator) -> None:
    known = {"name": "x-y", "region": "eu-west-1"}
    assert not list(validator.iter_errors({**known, "settings": {"their_own": 1, "worker": {"memory_mb": 512}}}))
    assert list(validator.iter_errors({**known, "settings": {"worker": {"memory_mb": "512"}}}))


def test_examples_have_their_own_settings_in_the_published_schema() -> None:
    example = RootInterface({"vpc": Variable("vpc", TEXT, is_required=True, is_sensitive=False)})
    schema = published(RootInterface({}), {"examples/one": example})
    validator = Draft7Validator(schema)
    given = {"project": "examples/one", "name": "x-y", "region": "eu-west-1"}
    assert list(validator.iter_errors(given))
    assert not list(Draft7Validator(published(example, {"examples/one": example})).iter_errors({"region": "eu-west-1"}))
