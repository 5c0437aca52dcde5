"""What holds for every module: format, validity, its own tests, and that each rule refuses."""

import re
import shutil
from pathlib import Path

import pytest

from tests.modules.harness import MODULES, REPOSITORY, Terraform, blocks

ROOTS = [f"modules/{name}" for name in MODULES] + sorted(
    f"envs/{path.parent.name}" for path in REPOSITORY.glob("envs/*/main.tf")
)
# A file of this name tests variables alone; it is run without a provider.
VALIDATIONS = "validations.tftest.hcl"
TEST_FILES = [
    path.relative_to(REPOSITORY).as_posix()
    for path in sorted(REPOSITORY.glob("modules/*/tests/*.tftest.hcl"))
    if path.name != VALIDATIONS
]
EXPECTED = re.compile(r"\n  expect_failures = \[var\.(\w+)\]")
RULE = re.compile(r"validation rule at variables\.tf:(\d+),")


def validations(module: str) -> Path:
    return REPOSITORY / "modules" / module / "tests" / VALIDATIONS


def test_all_terraform_is_formatted(terraform: Terraform) -> None:
    done = terraform.run(REPOSITORY, "fmt", "-check", "-recursive", "-list=true")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("folder", ROOTS)
def test_a_root_or_module_is_valid(folder: str, terraform: Terraform) -> None:
    terraform.prepare(folder)
    done = terraform.run(folder, "validate", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", TEST_FILES)
def test_a_modules_own_tests_pass(file: str, terraform: Terraform) -> None:
    runs = terraform.test(file)
    assert {name: (run.status, run.diagnostics) for name, run in runs.items()} == {
        name: ("pass", []) for name in blocks((REPOSITORY / file).read_text("utf-8"), "run")
    }


@pytest.mark.parametrize("module", MODULES)
def test_each_validation_is_seen_to_refuse_alone(module: str, terraform: Terraform, tmp_path: Path) -> None:
    """Without their `expect_failures` the refusing runs say which rule stopped them, and how."""
    variables = (REPOSITORY / "modules" / module / "variables.tf").read_text("utf-8")
    (tmp_path / "variables.tf").write_text(variables, encoding="utf-8")
    refused = write_refusals(module, tmp_path)
    runs = terraform.test_variables(tmp_path)
    proven = set()
    for name, variable in refused.items():
        complaints = runs[name].diagnostics
        assert complaints, f"{name} was let through"
        assert [said for said in complaints if not names(variables, variable) & words(said)] == []
        if len(complaints) == 1:
            proven |= {int(line) for line in RULE.findall(complaints[0])}
    assert proven == {number for number, line in enumerate(variables.splitlines(), 1) if line == "  validation {"}


@pytest.mark.parametrize("module", [name for name in MODULES if validations(name).exists()])
def test_validations_pass_on_the_variables_alone(module: str, terraform: Terraform, tmp_path: Path) -> None:
    """They need no provider, and without one they take no time."""
    shutil.copy(REPOSITORY / "modules" / module / "variables.tf", tmp_path)
    (tmp_path / "tests").mkdir()
    shutil.copy(validations(module), tmp_path / "tests")
    runs = terraform.test_variables(tmp_path)
    assert {name: run.diagnostics for name, run in runs.items() if run.status != "pass"} == {}
    assert runs.keys() == blocks(validations(module).read_text("utf-8"), "run").keys()


def names(variables: str, variable: str) -> set[str]:
    """Return what a complaint may name: the variable, or an attribute of its object type."""
    declaration = blocks(variables, "variable")[variable]
    attributes = re.findall(r"^    +(\w+) += (?:optional|string|number|bool|list)\b", declaration, re.MULTILINE)
    return {variable, *attributes}


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def write_refusals(module: str, root: Path) -> dict[str, str]:
    """Write each run of `module` that expects a variable to be refused as a test of its own.

    The expectation is left out, so that the run fails with the rule's own words. Returns the
    variable that each run expects to be refused.
    """
    (root / "tests").mkdir()
    refused = {}
    for file in sorted((REPOSITORY / "modules" / module / "tests").glob("*.tftest.hcl")):
        text = file.read_text(encoding="utf-8")
        given = blocks(text, "variables").get("", "")
        for name, run in blocks(text, "run").items():
            if expected := EXPECTED.search(run):
                test = f"{given}\n\n{run.replace(expected[0], '')}\n"
                (root / "tests" / f"{name}.tftest.hcl").write_text(test, encoding="utf-8")
                refused[name] = expected[1]
    return refused
