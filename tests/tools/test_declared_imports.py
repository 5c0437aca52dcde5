"""Each package that the code imports is declared in pyproject.toml, in the extra or group that installs it there.

A package that only another package requires may disappear with that package's next version.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.handlers.pdfs import REPOSITORY

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
EVERY_PACKAGE = "dependencies or the extra worker"
DEV = "the extra or the group dev"
DEV_OR_CLOUD = "the extra dev, or the group dev or cloud"
OPTIONAL = "some extra"
# The environment of the local cloud: its modules are not installed where the tests run.
OF_THE_CLOUD = {"hypercorn": ["hypercorn"], "ministack": ["ministack"]}


@dataclass(frozen=True)
class Import:
    """One import: the module's first name, and what must declare it."""

    place: str
    module: str
    by: str


def _normalised(requirements: Iterable[str]) -> set[str]:
    """Return the names of the packages; `types-boto3[sqs]` also installs `types-boto3-sqs`."""
    found = set()
    for requirement in requirements:
        name, extras = re.findall(r"^([\w.-]+)(?:\[(.*?)\])?", requirement)[0]
        found |= {name, *(f"{name}-{extra.strip()}" for extra in extras.split(",") if extra)}
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


def _declared(by: str) -> set[str]:
    project, groups = PYPROJECT["project"], PYPROJECT["dependency-groups"]
    base = _normalised(project["dependencies"])
    if by == EVERY_PACKAGE:
        return base | _extra("worker")
    if by in project["optional-dependencies"]:
        return base | _extra("worker") | _extra(by)
    everything = base.union(*map(_extra, project["optional-dependencies"]))
    if by == OPTIONAL:
        return everything
    return everything | _normalised(groups["dev"] + (groups["cloud"] if by == DEV_OR_CLOUD else []))


def _extra(name: str) -> set[str]:
    """Return the packages of an extra, with those of the extras that it contains."""
    found = _normalised(PYPROJECT["project"]["optional-dependencies"][name])
    contained = {each.removeprefix("analysis-jobs-") for each in found if each.startswith("analysis-jobs-")}
    return found.union(*map(_extra, contained))


@cache
def _distributions() -> dict[str, list[str]]:
    return {**OF_THE_CLOUD, **packages_distributions()}


@cache
def _our_modules() -> frozenset[str]:
    folders = [REPOSITORY / folder for folder in PYPROJECT["tool"]["pytest"]["ini_options"]["pythonpath"]]
    return frozenset(path.stem for folder in folders for path in folder.iterdir() if not path.name.startswith("."))


def _imports(source: str, place: str, by: str) -> Iterator[Import]:
    for module, declared_by in _named(ast.parse(source), by):
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in _our_modules():
            yield Import(place, top, declared_by)


def _named(node: ast.AST, by: str) -> Iterator[tuple[str, str]]:
    """Yield each imported module with what must declare it: a block around the import may say so."""
    match node:
        case ast.Import(names):
            yield from ((alias.name, by) for alias in names)
        case ast.ImportFrom(module=str(module), level=0):
            yield module, by
        case ast.With(items=[ast.withitem(ast.Call(ast.Name("extra"), [ast.Constant(str(name))]))]):
            by = name
        case ast.If(ast.Name("TYPE_CHECKING")):
            by = DEV
        case ast.Try(handlers=handlers) if any(
            each in ast.unparse(handler) for handler in handlers for each in ("ImportError", "ModuleNotFoundError")
        ):
            by = OPTIONAL
    for child in ast.iter_child_nodes(node):
        yield from _named(child, by)


def _undeclared(imports: Iterable[Import]) -> list[str]:
    return [
        f"{found.place} imports {found.module}: declare it in pyproject.toml, in {found.by}"
        for found in dict.fromkeys(imports)
        if not _normalised(_distributions().get(found.module, [])) & _declared(found.by)
    ]


def _of(folder: Path, by: str) -> Iterator[Import]:
    for path in sorted(folder.rglob("*.py")):
        place = path.relative_to(REPOSITORY).as_posix()
        # The test kit, and the examples' own tests, run where tests run.
        is_for_tests = path.name.startswith("test_") or "/analysis_jobs/testing/" in place
        yield from _imports(path.read_text(encoding="utf-8"), place, DEV if is_for_tests else by)


@pytest.mark.parametrize(
    ("folder", "by", "known"),
    [
        ("handlers", EVERY_PACKAGE, "boto3"),
        ("handlers/analysis_jobs/cli", "cli", "rich"),
        ("tools", DEV_OR_CLOUD, "boto3"),
        ("tests", DEV, "boto3"),
    ],
)
def test_every_import_is_declared(folder: str, by: str, known: str) -> None:
    found = [each for each in _of(REPOSITORY / folder, by) if by != EVERY_PACKAGE or "/cli/" not in each.place]
    assert known in {each.module for each in found}, "the search finds imports"
    assert _undeclared(found) == []


def test_an_example_imports_what_its_package_carries() -> None:
    """Without an extra of the project: what needs one is imported by the library, within `with extra(...)`."""
    found = list(_of(REPOSITORY / "examples", EVERY_PACKAGE))
    assert "pydantic" in {each.module for each in found}, "the search finds imports"
    assert _undeclared(each for each in found if not _is_own_dependency(each)) == []


def _is_own_dependency(found: Import) -> bool:
    """Return whether the project of an example depends on the package itself."""
    described = REPOSITORY / "/".join(found.place.split("/")[:2]) / "pyproject.toml"
    own = tomllib.loads(described.read_text(encoding="utf-8"))["project"]["dependencies"]
    return bool(_normalised(_distributions().get(found.module, [])) & _normalised(own))


@pytest.mark.parametrize(
    ("source", "module", "by"),
    [
        ("import six", "six", EVERY_PACKAGE),
        ("def f():\n    from psycopg import rows", "psycopg", EVERY_PACKAGE),
        ('with extra("excel"):\n    import psycopg', "psycopg", "excel"),
        ("if TYPE_CHECKING:\n    import six", "six", DEV),
        ("try:\n    import six\nexcept ImportError:\n    pass", "six", OPTIONAL),
    ],
)
def test_an_import_that_is_not_declared_is_named_with_its_place(source: str, module: str, by: str) -> None:
    expected = [f"a.py imports {module}: declare it in pyproject.toml, in {by}"]
    assert _undeclared(_imports(source, "a.py", EVERY_PACKAGE)) == expected


@pytest.mark.parametrize(
    "source",
    [
        "import json, boto3, analysis_jobs",
        "import pypdfium2.raw",
        'with extra("postgres"):\n    import psycopg',
        "if TYPE_CHECKING:\n    from types_boto3_sqs import SQSClient",
        "try:\n    import PIL\nexcept ImportError:\n    PIL = None",
        "from . import six",
    ],
)
def test_an_import_that_is_declared_is_not_named(source: str) -> None:
    assert _undeclared(_imports(source, "a.py", EVERY_PACKAGE)) == []
