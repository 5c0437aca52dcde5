"""The files that a public project has, and what can be checked of them: licence, changelog, forms, hooks, updates."""

import configparser
import fnmatch
import pkgutil
import re
import shutil
import subprocess
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "UPGRADING.md"]
FORMS = sorted(path for path in (REPOSITORY / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
# https://keepachangelog.com/en/1.1.0/
KINDS_OF_CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
# The files whose dependencies an ecosystem updates.
MANIFESTS = {
    "github-actions": r"\.github/workflows/[^/]+\.yml",
    "npm": r"(?:.+/)?package\.json",
    "pip": r"pyproject\.toml|requirements/(?:.+/)?[^/]+\.txt",
    "terraform": r"(?:modules|examples|envs)/[^/]+/versions\.tf",
}


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def tracked() -> list[str]:
    """Return the files that git knows, without the links among them."""
    listed = subprocess.run(
        ["git", "-C", str(REPOSITORY), "ls-files", "-z"], capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [name for name in listed if name and (REPOSITORY / name).is_file() and not (REPOSITORY / name).is_symlink()]


def sections(page: str, level: str) -> list[tuple[str, str]]:
    """Return the headings of a level, each with the text up to the next one."""
    parts = re.split(rf"^{level} (.+)$", page, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


PROJECT = tomllib.loads(text_of("pyproject.toml"))
HOOKS = {
    hook["id"]: hook for repo in yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"] for hook in repo["hooks"]
}
SEARCHES = {name: hook["entry"] for name, hook in HOOKS.items() if hook["language"] == "pygrep"}


# The licence and the wheel


def test_the_licence_is_the_one_that_the_package_names() -> None:
    assert (PROJECT["project"]["license"], PROJECT["project"]["license-files"]) == ("Apache-2.0", ["LICENSE"])
    licence = " ".join(text_of("LICENSE").split())
    assert licence.startswith("Apache License Version 2.0, January 2004")
    assert "END OF TERMS AND CONDITIONS" in licence


def test_the_wheel_tells_type_checkers_that_each_of_its_packages_is_typed() -> None:
    """Not `analysis_jobs_dev`: it is a program, and nobody imports it."""
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    packages = [each for each in included if each.startswith("handlers/")]
    assert packages
    assert {f"{package}/py.typed" for package in packages} - set(tracked()) == set()


# The changelog


def test_the_changelog_lists_the_unreleased_changes_and_then_the_versions_newest_first() -> None:
    first, *released = [heading for heading, _ in sections(text_of("CHANGELOG.md"), "##")]
    assert first == "[Unreleased]"
    found = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d{2}-\d{2})", heading) for heading in released]
    versions = [tuple(map(int, each.group(1, 2, 3))) for each in found if each]
    days = [date.fromisoformat(each[4]) for each in found if each]
    assert len(versions) == len(released)
    assert versions == sorted(set(versions), reverse=True)
    assert days == sorted(days, reverse=True)


def test_each_version_of_the_changelog_groups_its_changes_by_kind() -> None:
    for version, text in sections(text_of("CHANGELOG.md"), "##"):
        kinds = sections(text, "###")
        names = [name for name, _ in kinds]
        assert set(names) <= KINDS_OF_CHANGES, version
        assert len(set(names)) == len(names), version
        assert all(re.search(r"^- ", listed, re.MULTILINE) for _, listed in kinds), version


def test_the_version_of_the_package_is_the_newest_release_or_the_next_one() -> None:
    version = tuple(map(int, PROJECT["project"]["version"].split(".")))
    released = re.findall(r"^## \[(\d+)\.(\d+)\.(\d+)\]", text_of("CHANGELOG.md"), re.MULTILINE)
    newest = tuple(map(int, released[0])) if released else (0, 0, 0)
    assert version >= newest
    assert version == newest or "## [Unreleased]\n" in text_of("CHANGELOG.md")


def test_the_upgrade_guide_has_a_section_for_the_version_of_the_package() -> None:
    [(_, versions)] = [found for found in sections(text_of("UPGRADING.md"), "##") if found[0] == "Versions"]
    newest, _ = sections(versions, "###")[0]
    assert newest.split()[0] == PROJECT["project"]["version"]


def test_the_upgrade_guide_names_modules_where_they_are_now() -> None:
    now = re.findall(r"^ *\| `analysis_jobs\.[\w.]+` \| `(.+)` \|$", text_of("UPGRADING.md"), re.MULTILINE)
    assert len(now) >= 10
    for name in now:
        assert pkgutil.resolve_name(name), name


# Links and names


def slug(heading: str) -> str:
    """Return the anchor that a page on the hosting site has for a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_every_anchor_of_a_link_is_a_heading(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text_of(page))
    for target, anchor in links:
        headings = re.findall(r"^#+ (.+)$", text_of(target or page), re.MULTILINE)
        assert anchor in map(slug, headings), f"{target or page}#{anchor}"


@pytest.mark.parametrize("page", [*PAGES, ".github/PULL_REQUEST_TEMPLATE.md"])
def test_every_path_that_a_page_names_exists(page: str) -> None:
    top = "|".join(re.escape(path.name) for path in REPOSITORY.iterdir() if path.is_dir() and path.name[0] != ".")
    named = re.findall(rf"`((?:{top}|\.github)/[\w./*-]+|[A-Z]+\.md)`", text_of(page))
    assert [name for name in named if not any(REPOSITORY.glob(name.rstrip("/")))] == []


# Forms


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_one_that_the_hosting_site_takes(form: Path) -> None:
    content: dict[str, Any] = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert content.keys() == {"name", "description", "labels", "body"}
    fields = [element for element in content["body"] if element["type"] != "markdown"]
    assert {field["type"] for field in fields} <= {"checkboxes", "dropdown", "input", "textarea"}
    names, labels = [field["id"] for field in fields], [field["attributes"]["label"] for field in fields]
    assert all(re.fullmatch(r"[a-z_-]+", name) for name in names)
    assert (len(set(names)), len(set(labels))) == (len(fields), len(fields))
    for field in fields:
        options = field["attributes"].get("options", [])
        assert bool(options) == (field["type"] in {"checkboxes", "dropdown"})
        assert len({str(option) for option in options}) == len(options)
        assert all(isinstance(option, str if field["type"] == "dropdown" else dict) for option in options)


def test_every_report_takes_a_form() -> None:
    assert {form.stem for form in FORMS} == {"bug", "feature"}
    assert yaml.safe_load(text_of(".github/ISSUE_TEMPLATE/config.yml"))["blank_issues_enabled"] is False


# Updates


def test_every_folder_with_a_manifest_is_watched_for_updates() -> None:
    updates = yaml.safe_load(text_of(".github/dependabot.yml"))["updates"]
    watched = {each["package-ecosystem"]: each.get("directories") or [each["directory"]] for each in updates}
    assert len(watched) == len(updates)
    assert watched.keys() == MANIFESTS.keys()
    for ecosystem, manifest in MANIFESTS.items():
        found = {Path(name).parent for name in tracked() if re.fullmatch(manifest, name)}
        folders = {"/" if ecosystem == "github-actions" else f"/{folder}".removesuffix(".") for folder in found}
        assert folders, ecosystem
        missed = {folder for folder in folders if not any(fnmatch.fnmatch(folder, each) for each in watched[ecosystem])}
        assert missed == set(), ecosystem
        idle = [each for each in watched[ecosystem] if not any(fnmatch.fnmatch(folder, each) for folder in folders)]
        assert idle == [], ecosystem


def test_updates_come_weekly_in_groups_and_after_a_cooldown() -> None:
    for each in yaml.safe_load(text_of(".github/dependabot.yml"))["updates"]:
        assert each["schedule"]["interval"] == "weekly"
        assert each["cooldown"]["default-days"] >= 7
        assert [group["patterns"] for group in each["groups"].values()] == [["*"]]


# Hooks and editors


def test_the_command_of_every_hook_is_there_and_make_lint_runs_it_too() -> None:
    commands = {name: hook["entry"].split()[0] for name, hook in HOOKS.items() if hook["language"] == "system"}
    assert {"ruff-check", "ruff-format", "terraform-fmt", "mypy", "zizmor"} <= commands.keys()
    lint = text_of("Makefile").partition("\nlint:")[2].partition("\n.PHONY")[0]
    for name, command in commands.items():
        assert command in lint, name
        assert (REPOSITORY / command).exists() if "/" in command else shutil.which(command), name


@pytest.mark.parametrize(
    ("hook", "bad", "good"),
    [
        ("trailing-whitespace", "a \nb\n", "a\n b\n"),
        ("trailing-whitespace", "a\r\n", "a\n"),
        ("final-newline", "a\nb", "a\nb\n"),
        ("merge-conflict", "a\n<<<<<<< HEAD\n", "a <<<<<<< b\n"),
        ("merge-conflict", ">>>>>>> theirs\n", ">>> 1\n"),
    ],
)
def test_a_hook_finds_what_it_looks_for(hook: str, bad: str, good: str) -> None:
    assert found_by(hook, bad.encode())
    assert not found_by(hook, good.encode())


def found_by(hook: str, content: bytes) -> bool:
    """Tell whether a hook of the kind `pygrep` would refuse a file of this content."""
    pattern = SEARCHES[hook].encode()
    if "--multiline" in HOOKS[hook].get("args", []):
        return re.search(pattern, content, re.MULTILINE | re.DOTALL) is not None
    return any(re.search(pattern, line.rstrip(b"\n")) for line in content.splitlines(keepends=True))


def test_every_text_file_is_as_the_hooks_and_the_editor_settings_want_it() -> None:
    texts = {name: content for name in tracked() if b"\0" not in (content := (REPOSITORY / name).read_bytes())}
    texts = {name: content for name, content in texts.items() if not content.startswith(b"%PDF-")}
    refused = [(name, hook) for name, content in texts.items() for hook in SEARCHES if found_by(hook, content)]
    assert refused == []
    assert [name for name, content in texts.items() if b"\t" in content and name != "Makefile"] == []


def test_the_editor_settings_are_those_of_the_formatters() -> None:
    settings = configparser.ConfigParser()
    settings.read_string("[top]\n" + text_of(".editorconfig"))
    python = settings["*.py"]
    assert int(python["max_line_length"]) == PROJECT["tool"]["ruff"]["line-length"]
    assert (python["indent_size"], settings["*"]["indent_size"]) == ("4", "2")
    assert settings["Makefile"]["indent_style"] == "tab"
