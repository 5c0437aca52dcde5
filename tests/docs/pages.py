"""The documentation's pages, and the code that they show."""

import re
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page.relative_to(REPOSITORY).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "modules/*/README.md", "examples/*/README.md")
    for page in REPOSITORY.glob(pattern)
)
_TITLED = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def text_of(page: str) -> str:
    """Return the text of a page, or of any file of the repository."""
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of a language on a page."""
    return re.findall(rf"^```{language}[^\n]*\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def block(page: str, language: str) -> str:
    """Return a page's block of a language; there is exactly one."""
    [found] = blocks(page, language)
    return found


def files_of(page: str) -> dict[str, str]:
    """Return the files that a page tells its reader to write, by their path."""
    return dict(_TITLED.findall(text_of(page)))


def executed(page: str) -> dict[str, Any]:
    """Run the Python blocks of a page one after the other, and return their names."""
    namespace: dict[str, Any] = {"__name__": "shown"}
    for shown in blocks(page, "python"):
        exec(compile(shown, page, "exec"), namespace)  # noqa: S102 - it is our own page
    return namespace
