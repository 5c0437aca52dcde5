"""A package contains neither the tests beside an analysis, nor the test kit."""

import pytest

from analysis_jobs_dev import package
from analysis_jobs_dev.packager import Sources
from tests.handlers.pdfs import REPOSITORY

EXAMPLES = sorted(test.parent.name for test in (REPOSITORY / "examples").glob("*/test_*.py"))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_package_of_an_example_has_no_tests(example: str) -> None:
    sources = package.sources(package.example(example))
    assert [name for name in sources.files() if "test_" in name or name.startswith("recordings/")] == []
    assert not [module for module in sources.modules() if module.startswith("test_")]


def test_the_test_kit_is_in_no_package() -> None:
    sources: Sources = package.sources(package.example("minimal"))
    assert "analysis_jobs/worker/worker.py" in sources.files()
    assert [name for name in sources.files() if name.startswith("analysis_jobs/testing/")] == []
