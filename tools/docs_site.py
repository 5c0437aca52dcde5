"""Hooks for MkDocs (see mkdocs.yml). They add pages from outside the folder docs/ to the documentation site.

- The READMEs of modules and examples, the project's own pages such as CONTRIBUTING.md, and the reference that
  tools/api_reference.py writes become pages of the site.
- A link to such a file leads to its page. A link to another file of the repository becomes plain text, because the
  site has no copy of it.
- A build fails if a page would load a script, a style, a picture or a font from another host.

MkDocs is imported where it is used, so that the tests can import this module without it.
"""

import posixpath
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
API_REFERENCE = ".local/docs/http-api.md"
PROJECT_PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "UPGRADING.md", "SECURITY.md")

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^\s*(```|~~~)")
_LOADED = (
    re.compile(r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=[\"']?((?:https?:)?//[^\"'\s>]+)"),
    # A browser does not load alternate and canonical links.
    re.compile(
        r"<link\b(?![^>]*rel=[\"']?(?:canonical|alternate|next|prev)\b)[^>]*\bhref=[\"']?((?:https?:)?//[^\"'\s>]+)"
    ),
    re.compile(r"url\([\"']?((?:https?:)?//[^\"')]+)"),
    re.compile(r"@import\s+[\"']((?:https?:)?//[^\"']+)"),
)


def outside_pages(repository: Path = REPOSITORY) -> dict[str, str]:
    """Return the pages from outside docs/ (file in the repository -> page of the site)."""
    found = {}
    for readme in sorted(repository.glob("modules/*/README.md")):
        found[f"modules/{readme.parent.name}/README.md"] = f"import/modules/{readme.parent.name}.md"
    for readme in sorted(repository.glob("examples/*/README.md")):
        found[f"examples/{readme.parent.name}/README.md"] = f"write/examples/{readme.parent.name}.md"
    found |= {name: f"project/{name.lower()}" for name in PROJECT_PAGES if (repository / name).exists()}
    if (repository / API_REFERENCE).exists():
        found[API_REFERENCE] = "call/reference.md"
    return found


def relinked(markdown: str, source: str, pages: dict[str, str]) -> str:
    """Return the text of a page with its links to files changed to links between pages of the site.

    `source` is the page's file in the repository. `pages` maps files to pages. Code blocks are not changed.
    """

    def replace(link: re.Match[str]) -> str:
        picture, text, target, anchor = link[1], link[2], link[3], link[4] or ""
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        page = pages.get(file) or pages.get(f"{file}/README.md")
        if page is None:
            return link[0] if picture else text
        return f"{picture}[{text}]({posixpath.relpath(page, posixpath.dirname(pages[source]) or '.')}{anchor})"

    return _outside_code(markdown, lambda text: _LINK.sub(replace, text))


def _outside_code(markdown: str, change: Callable[[str], str]) -> str:
    """Apply `change` to the text outside of fenced code blocks."""
    parts: list[str] = []
    run: list[str] = []
    fenced = False
    for line in markdown.splitlines(keepends=True):
        if _FENCE.match(line):
            if fenced:
                parts.append("".join([*run, line]))
            else:
                parts.append(change("".join(run)) + line)
            run = []
            fenced = not fenced
        else:
            run.append(line)
    parts.append("".join(run) if fenced else change("".join(run)))
    return "".join(parts)


def loaded_from_elsewhere(text: str) -> list[str]:
    """Return the addresses on other hosts that a browser would load for a page or a style sheet."""
    return sorted({found for pattern in _LOADED for found in pattern.findall(text)})


def on_config(config: Any) -> Any:  # noqa: ANN401 - a class of MkDocs, which the tests run without
    """Add the pages from outside docs/ to the navigation."""
    pages = outside_pages()
    sections = {next(iter(entry)): entry for entry in config.nav}
    sections["Write"]["Write"].append({"Examples": _entries(pages, "write/examples/")})
    sections["Import"]["Import"].append({"Modules": _entries(pages, "import/modules/")})
    if API_REFERENCE in pages:
        sections["Call"]["Call"].append({"HTTP API reference": pages[API_REFERENCE]})
    if project := _entries(pages, "project/"):
        config.nav.append({"Project": project})
    return config


def _entries(pages: dict[str, str], folder: str) -> list[dict[str, str]]:
    found = [page for page in pages.values() if page.startswith(folder)]
    return [{_title(page.removeprefix(folder).removesuffix(".md")): page} for page in found]


def _title(name: str) -> str:
    return name.capitalize() if f"{name.upper()}.md" in PROJECT_PAGES else name


def on_files(files: Any, config: Any) -> Any:  # noqa: ANN401 - as above
    """Add the pages from outside docs/."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - see the module's docstring

    for source, page in outside_pages().items():
        content = (REPOSITORY / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, files: Any, **_: Any) -> str:  # noqa: ANN401 - as above
    """Change the links of a page to links between pages of the site."""
    outside = outside_pages()
    pages = {f"docs/{file.src_uri}": file.src_uri for file in files if file.src_uri not in outside.values()} | outside
    [source] = [source for source, uri in pages.items() if uri == page.file.src_uri]
    return relinked(markdown, source, pages)


def on_post_build(config: Any) -> None:  # noqa: ANN401 - as above
    """Fail the build if a page loads something from another host."""
    site = Path(config.site_dir)
    complaints = [
        f"{file.relative_to(site)} loads {address}"
        for file in _loading(site)
        for address in loaded_from_elsewhere(file.read_text(encoding="utf-8"))
    ]
    if complaints:
        from mkdocs.exceptions import PluginError  # noqa: PLC0415 - see the module's docstring

        raise PluginError("\n".join(complaints))


def _loading(site: Path) -> Iterable[Path]:
    return sorted(path for path in site.rglob("*") if path.suffix in {".html", ".css"})
