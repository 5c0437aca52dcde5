"""How the tests are shared out to processes: what needs a cloud stays together, the longest come first."""

from pathlib import Path

import pytest

from tests.sharing import EARLY, TOGETHER, rank, scope_of

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("nodeid", "scope"),
    [
        ("tests/system/test_http.py::test_a", "tests/system/"),
        ("tests/system/test_redrive.py::test_b[a::b]", "tests/system/"),
        ("tests/examples/test_x.py::test_a", "tests/examples/"),
        ("tests/handlers/test_job.py::test_a[x::y]", "tests/handlers/test_job.py"),
        ("tests/handlers/test_job.py::TestJob::test_a", "tests/handlers/test_job.py"),
    ],
)
def test_tests_of_one_cloud_are_handed_out_together_and_the_rest_by_file(nodeid: str, scope: str) -> None:
    assert scope_of(nodeid) == scope


def test_the_longest_are_handed_out_first() -> None:
    files = ["tests/cli/a.py::t", "tests/modules/a.py::t", "tests/system/a.py::t", "tests/examples/a.py::t"]
    assert sorted(files, key=rank) == list(reversed(files))


def test_the_folders_that_are_named_exist() -> None:
    assert [folder for folder in (*TOGETHER, *EARLY) if not (TESTS.parent / folder).is_dir()] == []
