"""The variables and outputs of each module: described, ordered, typed, and listed in its README."""

import re

import pytest

import terraform_docs
from tests.modules.harness import MODULES, REPOSITORY, blocks


def read(module: str, name: str) -> str:
    return terraform_docs.source(REPOSITORY / "modules" / module, name)


def argument(block: str, name: str) -> str | None:
    found = re.search(rf"^  {name} +(?:= )?(.*)$", block, re.MULTILINE)
    return found[1] if found else None


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("kind", ["variable", "output"])
def test_each_is_described_and_in_alphabetical_order_in_its_file(module: str, kind: str) -> None:
    for path in (REPOSITORY / "modules" / module).glob(f"{kind}s*.tf"):
        text = path.read_text("utf-8")
        found = blocks(text, kind)
        assert list(found) == sorted(found), path
        assert [name for name, block in found.items() if not argument(block, "description")] == []
        assert len(found) == text.count(f'{kind} "')


@pytest.mark.parametrize("module", MODULES)
def test_each_variable_has_a_type_that_says_something(module: str) -> None:
    found = blocks(read(module, "variables"), "variable")
    types = {name: argument(block, "type") for name, block in found.items()}
    assert [name for name, said in types.items() if not said or re.search(r"\bany\b", said)] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_variable_is_null_only_where_null_is_its_default(module: str) -> None:
    found = blocks(read(module, "variables"), "variable")
    nullable = [name for name, block in found.items() if argument(block, "nullable") != "false"]
    assert nullable == [name for name, block in found.items() if argument(block, "default") == "null"]


@pytest.mark.parametrize("module", MODULES)
def test_no_output_is_a_whole_resource(module: str) -> None:
    found = blocks(read(module, "outputs"), "output")
    whole = re.compile(r"(?:aws|module)(?:_\w+)?\.\w+(?:\[\d+\])?")
    values = {name: argument(block, "value") or "" for name, block in found.items()}
    assert [name for name, value in values.items() if whole.fullmatch(value)] == []


@pytest.mark.parametrize("module", MODULES)
def test_no_policy_names_a_partition(module: str) -> None:
    files = sorted((REPOSITORY / "modules" / module).glob("*.tf"))
    code = {path.name: re.sub(r"#.*", "", path.read_text("utf-8")) for path in files}
    assert [name for name, text in code.items() if re.search(r"\barn:aws", text)] == []


@pytest.mark.parametrize("module", MODULES)
def test_the_readmes_tables_are_those_of_the_module(module: str) -> None:
    tables = terraform_docs.tables(read(module, "variables"), read(module, "outputs"))
    readme = (REPOSITORY / "modules" / module / "README.md").read_text("utf-8")
    assert terraform_docs.written(readme, tables) == readme, "run `make reference`"
