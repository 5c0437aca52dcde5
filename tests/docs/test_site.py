"""The documentation site, as far as it can be checked without its own environment; `make docs` builds it strictly."""

import re
from types import ModuleType

import pytest
import yaml

import analysis_jobs
import docs_site
from analysis_jobs import extraction, testing
from tests.docs.pages import PAGES, REPOSITORY, text_of

PAGES_OF_THE_SITE = {
    "docs/write/index.md": "write/index.md",
    "docs/operations.md": "operations.md",
    "modules/queue/README.md": "import/modules/queue.md",
}


def test_every_page_of_docs_is_in_the_navigation_once() -> None:
    listed = re.findall(r"^ +- (?:[^\n]*: )?([\w/-]+\.md)$", text_of("mkdocs.yml"), re.MULTILINE)
    assert sorted(f"docs/{page}" for page in listed) == [page for page in PAGES if page.startswith("docs/")]


def test_the_site_is_strict_and_asks_no_font_server() -> None:
    settings = yaml.safe_load(text_of("mkdocs.yml"))
    assert settings["strict"] is True
    assert settings["theme"]["font"] is False


@pytest.mark.parametrize("package", [analysis_jobs, extraction, testing], ids=lambda package: package.__name__)
def test_the_reference_has_every_public_name(package: ModuleType) -> None:
    named = set(
        re.findall(rf"(?:::: |`){package.__name__}\.([A-Za-z]\w*)\b(?!\.)", text_of("docs/reference/python.md"))
    )
    assert named - {"extraction"} == set(package.__all__)


def test_the_readme_of_each_module_and_example_is_a_page() -> None:
    pages = docs_site.outside_pages()
    readmes = [*REPOSITORY.glob("modules/*/README.md"), *REPOSITORY.glob("examples/*/README.md")]
    assert {readme.relative_to(REPOSITORY).as_posix() for readme in readmes} <= pages.keys()
    assert pages["modules/queue/README.md"] == "import/modules/queue.md"


def test_a_link_to_a_file_with_a_page_leads_to_the_page() -> None:
    text = "[queue](../../modules/queue/README.md#inputs), [a folder](../../modules/queue), [ops](../operations.md)"
    found = docs_site.relinked(text, "docs/write/index.md", PAGES_OF_THE_SITE)
    assert found == (
        "[queue](../import/modules/queue.md#inputs), [a folder](../import/modules/queue.md), [ops](../operations.md)"
    )


def test_a_link_from_a_readme_leads_into_the_site_too() -> None:
    found = docs_site.relinked("[ops](../../docs/operations.md)", "modules/queue/README.md", PAGES_OF_THE_SITE)
    assert found == "[ops](../../operations.md)"


def test_a_link_to_a_file_without_a_page_becomes_text() -> None:
    found = docs_site.relinked("See [schema.sql](../../schema.sql) now.", "docs/write/index.md", PAGES_OF_THE_SITE)
    assert found == "See schema.sql now."


def test_links_within_code_and_to_other_hosts_stay() -> None:
    text = "```text\n[a](../missing.md)\n```\n[b](https://example.com/x) [c](#here)\n"
    assert docs_site.relinked(text, "docs/write/index.md", PAGES_OF_THE_SITE) == text


def test_what_a_page_would_load_from_another_host_is_found() -> None:
    page = """<link rel="canonical" href="https://docs.example.com/"><link rel="stylesheet" href="https://a.example/x.css">
        <script src="//b.example/y.js"></script><img alt="" src="https://c.example/z.png"><a href="https://d.example">d</a>
        <style>@import "https://e.example/e.css"; p { background: url(https://f.example/f.png) }</style>
        <script src="assets/own.js"></script>"""
    assert docs_site.loaded_from_elsewhere(page) == [
        "//b.example/y.js",
        "https://a.example/x.css",
        "https://c.example/z.png",
        "https://e.example/e.css",
        "https://f.example/f.png",
    ]
