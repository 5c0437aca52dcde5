"""Every module: its own tests pass, and each of its validations has input that it refuses."""

import re
import shutil
from pathlib import Path

import pytest

import terraform_docs
from tests.modules.harness import MODULES, REPOSITORY, Terraform, blocks

# Files of this name test variables alone.
VALIDATIONS = "validations.tftest.hcl"
TEST_FILES = [
    path.relative_to(REPOSITORY).as_posix()
    for path in sorted(REPOSITORY.glob("modules/*/tests/*.tftest.hcl"))
    if path.name != VALIDATIONS
]
EXPECTED = re.compile(r"\n  expect_failures = \[var\.(\w+)\]")
RULE = re.compile(r"validation rule at variables\.tf:(\d+),")


@pytest.mark.parametrize("file", TEST_FILES)
def test_a_modules_own_tests_pass(file: str, terraform: Terraform) -> None:
    runs = terraform.test(file)
    assert {name: (run.status, run.diagnostics) for name, run in runs.items()} == {
        name: ("pass", []) for name in blocks((REPOSITORY / file).read_text("utf-8"), "run")
    }


@pytest.mark.parametrize("module", MODULES)
def test_each_validation_refuses_alone_and_its_limits_pass(module: str, terraform: Terraform, tmp_path: Path) -> None:
    """Without its `expect_failures`, a run says which rule refused its input. No provider is needed."""
    variables = terraform_docs.source(REPOSITORY / "modules" / module, "variables")
    (tmp_path / "variables.tf").write_text(variables, encoding="utf-8")
    expected = write_runs(module, tmp_path)
    runs = terraform.test_variables(tmp_path)
    refused = {name: rules(variables, runs[name].diagnostics) for name in expected}
    assert {name: set(found) for name, found in refused.items()} == {
        name: {variable} if variable else set() for name, variable in expected.items()
    }
    lines = [set[int]().union(*found.values()) for found in refused.values()]
    proven = set[int]().union(*(found for found in lines if len(found) == 1))
    assert proven == {number for number, line in enumerate(variables.splitlines(), 1) if line == "  validation {"}


def rules(variables: str, diagnostics: list[str]) -> dict[str, set[int]]:
    """Return the lines of the validations that refused, by variable. Any other diagnostic is an error."""
    found: dict[str, set[int]] = {}
    for text in diagnostics:
        match = RULE.search(text)
        assert match, text
        line = int(match[1])
        [*_, variable] = re.findall(r'^variable "(\w+)"', "\n".join(variables.splitlines()[:line]), re.MULTILINE)
        found.setdefault(variable, set()).add(line)
    return found


def write_runs(module: str, root: Path) -> dict[str, str | None]:
    """Write each run of the module's `validations.tftest.hcl` as a test of its own, without `expect_failures`.

    Returns the variable that each run expects to be refused, None where all of its input must pass.
    """
    (root / "tests").mkdir()
    for path in (REPOSITORY / "modules" / module / "tests").iterdir():
        if path.is_file() and path.suffix != ".hcl":
            shutil.copy(path, root / "tests")
    text = (REPOSITORY / "modules" / module / "tests" / VALIDATIONS).read_text(encoding="utf-8")
    given = blocks(text, "variables")[""]
    written: dict[str, str | None] = {}
    for name, run in blocks(text, "run").items():
        expected = EXPECTED.search(run)
        shortened = run.replace(expected[0], "") if expected else run
        (root / "tests" / f"{name}.tftest.hcl").write_text(f"{given}\n\n{shortened}\n", encoding="utf-8")
        written[name] = expected[1] if expected else None
    return written
