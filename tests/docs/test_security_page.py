"""Each test that docs/security.md names as its proof exists."""

import re

from tests.docs.pages import REPOSITORY, text_of

PAGE = "docs/security.md"


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`((?:modules|tests)/[\w./-]+\.(?:hcl|py))(?:::(\w+))?`", text_of(PAGE))
    assert len(named) >= 40
    missing = [f"{file}::{name}" for file, name in named if not (REPOSITORY / file).exists() or not holds(file, name)]
    assert missing == []


def holds(file: str, name: str) -> bool:
    """Return whether the file has the test or the run of Terraform; a file without a name stands for all its tests."""
    return not name or bool(re.search(rf'^(?:def {name}\(|run "{name}" \{{$)', text_of(file), re.MULTILINE))


def test_every_test_of_the_page_stands_alone_on_its_line() -> None:
    # A name that is broken over two lines would be neither searched nor found.
    assert [line for line in text_of(PAGE).splitlines() if line.count("`") % 2 and "tests/" in line] == []
