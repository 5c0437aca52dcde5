"""The variables and outputs of each module: described, ordered, typed, and listed in its README."""

import re

import pytest

from tests.modules.harness import MODULES, REPOSITORY, blocks


def read(module: str, file: str) -> str:
    return (REPOSITORY / "modules" / module / file).read_text(encoding="utf-8")


def argument(block: str, name: str) -> str | None:
    found = re.search(rf"^  {name} +(?:= )?(.*)$", block, re.MULTILINE)
    return found[1] if found else None


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(("file", "kind"), [("variables.tf", "variable"), ("outputs.tf", "output")])
def test_each_is_described_and_in_alphabetical_order(module: str, file: str, kind: str) -> None:
    found = blocks(read(module, file), kind)
    assert list(found) == sorted(found)
    assert [name for name, block in found.items() if not argument(block, "description")] == []
    assert len(found) == read(module, file).count(f'{kind} "')


@pytest.mark.parametrize("module", MODULES)
def test_each_variable_has_a_type_that_says_something(module: str) -> None:
    found = blocks(read(module, "variables.tf"), "variable")
    types = {name: argument(block, "type") for name, block in found.items()}
    assert [name for name, said in types.items() if not said or re.search(r"\bany\b", said)] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_variable_is_null_only_where_null_is_its_default(module: str) -> None:
    found = blocks(read(module, "variables.tf"), "variable")
    nullable = [name for name, block in found.items() if argument(block, "nullable") != "false"]
    assert nullable == [name for name, block in found.items() if argument(block, "default") == "null"]


@pytest.mark.parametrize("module", MODULES)
def test_no_output_is_a_whole_resource(module: str) -> None:
    found = blocks(read(module, "outputs.tf"), "output")
    whole = re.compile(r"(?:aws|module)(?:_\w+)?\.\w+(?:\[\d+\])?")
    values = {name: argument(block, "value") or "" for name, block in found.items()}
    assert [name for name, value in values.items() if whole.fullmatch(value)] == []


@pytest.mark.parametrize("module", MODULES)
def test_no_policy_names_a_partition(module: str) -> None:
    files = sorted((REPOSITORY / "modules" / module).glob("*.tf"))
    code = {path.name: re.sub(r"#.*", "", path.read_text("utf-8")) for path in files}
    assert [name for name, text in code.items() if re.search(r"\barn:aws", text)] == []


@pytest.mark.parametrize("module", MODULES)
def test_the_readme_lists_the_variables_with_their_defaults(module: str) -> None:
    found = blocks(read(module, "variables.tf"), "variable")
    defaults = {name: argument(block, "default") for name, block in found.items()}
    rows = table(module, "Inputs")
    assert list(rows) == list(found)
    # The README describes a default of several lines in words.
    assert {name: row[1] for name, row in rows.items() if defaults[name] not in {"{", "["}} == {
        name: "required" if default is None else f"`{default}`"
        for name, default in defaults.items()
        if default not in {"{", "["}
    }


@pytest.mark.parametrize("module", MODULES)
def test_the_readme_lists_the_outputs(module: str) -> None:
    assert list(table(module, "Outputs")) == list(blocks(read(module, "outputs.tf"), "output"))


def table(module: str, heading: str) -> dict[str, list[str]]:
    """Return the rows of the table under a heading of the README, by their first cell."""
    section = read(module, "README.md").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)
    return {name: cells.split(" | ") for name, cells in rows}
