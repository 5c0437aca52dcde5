"""Properties of each example: one interface, and a README with correct references."""

import re
from pathlib import Path

import pytest

from analysis_jobs_dev.cloud import demo_file
from analysis_jobs_dev.cloud.local_cloud import EXAMPLES, REPOSITORY, known_examples
from tests.examples.conftest import SYSTEMS
from tests.modules.harness import blocks

FIRST = "rfp-analysis"
# Inputs that only some examples have.
OWN_INPUTS = {"database_secret_arn", "gemini_key_arn", "vpc"}
COMPARISON = "## Compared with the hand-built system"

every_system = pytest.mark.parametrize("example", SYSTEMS)
every_example = pytest.mark.parametrize("example", known_examples())


def declared(example: str, file: str, kind: str) -> dict[str, str]:
    return blocks((EXAMPLES / example / file).read_text("utf-8"), kind)


def test_the_five_systems_and_two_small_examples_run_on_the_local_cloud() -> None:
    assert sorted({*SYSTEMS, "existing-api", "minimal"}) == known_examples()


@every_system
def test_a_system_takes_what_the_others_take_and_gives_what_they_give(example: str) -> None:
    inputs, outputs = declared(example, "variables.tf", "variable"), declared(example, "outputs.tf", "output")
    assert inputs.keys() - OWN_INPUTS == declared(FIRST, "variables.tf", "variable").keys()
    assert attributes(inputs["settings"]) == attributes(declared(FIRST, "variables.tf", "variable")["settings"])
    assert outputs == declared(FIRST, "outputs.tf", "output")


@pytest.mark.parametrize("example", sorted(path.parent.name for path in EXAMPLES.glob("*/main.tf")))
@pytest.mark.parametrize(("file", "kind"), [("variables.tf", "variable"), ("outputs.tf", "output")])
def test_what_an_example_takes_and_gives_is_described_and_in_order(example: str, file: str, kind: str) -> None:
    found = declared(example, file, kind)
    assert list(found) == sorted(found)
    assert [name for name, block in found.items() if "\n  description = " not in block] == []


def attributes(variable: str) -> str:
    """Return the type of a variable."""
    return variable.partition("\n  type = ")[2]


@every_example
def test_a_demo_names_documents_that_are_there_and_a_route_that_the_stack_has(example: str) -> None:
    demo = demo_file.load(EXAMPLES / example)
    terraform = "".join(path.read_text("utf-8") for path in sorted((EXAMPLES / example).glob("*.tf")))
    routes = re.findall(r'"(POST /[^"]*)"', terraform)
    assert demo.submit.route is None or any(
        re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route)), demo.submit.route) for route in routes
    )


@every_system
def test_the_page_of_a_system_has_the_table_and_every_path_in_it_exists(example: str) -> None:
    page = (EXAMPLES / example / "README.md").read_text("utf-8")
    assert COMPARISON in page
    rows = [line for line in page.partition(COMPARISON)[2].splitlines() if line.startswith("| ")]
    assert len(rows) > 5
    named = {
        name for row in rows for name in re.findall(r"`((?:tests|handlers|modules|envs|tools|docs)/[^`\s:]+)", row)
    }
    assert any(name.startswith("tests/") for name in named)
    assert {name for name in named if not (REPOSITORY / name).exists()} == set()
    assert all("tests/" in row or "`test_" in row for row in rows[2:]), "each row names the test that shows it"


@every_example
def test_nothing_of_a_secret_is_in_an_example(example: str) -> None:
    text = "".join(path.read_text("utf-8") for path in sorted(Path(EXAMPLES / example).glob("*.[tp][fy]")))
    assert not re.search(r"AIza[0-9A-Za-z_-]{30}|AKIA[0-9A-Z]{16}|password *= *\"", text)
