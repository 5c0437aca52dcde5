"""A small project that packages quickly."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from analysis_jobs_dev.packager import HOST, Library, Manifest, Sources, build
from analysis_jobs_dev.project import Project, load

if TYPE_CHECKING:
    from tests.tools.releases import Site

REPOSITORY = Path(__file__).resolve().parent.parent.parent

DESCRIBED = '[project]\nname = "poems"\nversion = "1.2.3"\n[tool.analysis-jobs]\nanalyses = ["poem"]\n'
# Stands for the library's own module: the packages of these tests do not contain the library.
DECLARED = """
import importlib


def declared(modules):
    for module in modules:
        importlib.import_module(module)
    return [{"name": module, "module": module, "routes": []} for module in modules]
"""

Locked = Callable[..., str]
Build = Callable[[Path], Manifest]


@pytest.fixture(scope="session")
def locked() -> Locked:
    """Return the lines for some distributions from the repository's own lock."""

    def lines(*names: str) -> str:
        text = (REPOSITORY / "requirements" / "dev.txt").read_text(encoding="utf-8")
        found = [re.search(rf"^{name}==(?:.*\\\n)+.*\n", text, re.MULTILINE) for name in names]
        return "".join(match[0] for match in found if match)

    return lines


@pytest.fixture(scope="session")
def write_project(locked: Locked) -> Callable[[Path], Sources]:
    def write(folder: Path) -> Sources:
        files = {
            "handlers/api.py": "import six\nfrom library import answer\n\nhandler = answer\n",
            "handlers/library/__init__.py": 'def answer(event, context):\n    return "yes"\n',
            "handlers/library/README.md": "for readers",
            "handlers/library/documents/__init__.py": "",  # code; a folder of this name beside an analysis is not
            "handlers/analysis_jobs/authoring/declarations.py": DECLARED,
            "project/pyproject.toml": DESCRIBED,
            "project/poem.py": "from library import answer\n",
            "project/prompts/poem.txt": "Write a poem.",
            "project/main.tf": "",
            "project/README.md": "for readers",
            "project/documents/poem.pdf": "not for the zip",
            "project/tests/test_poem.py": "import pytest\n",
            "project/.hidden/secret.txt": "no",
            "project/.env": "SECRET=no",
            "lock.txt": locked("six"),
            "extras/word.txt": locked("six", "jmespath"),
        }
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        code = folder / "handlers"
        packages = ("analysis_jobs", "library")
        library = Library(code, code, folder / "lock.txt", folder / "extras", "0.1.0", "abc", packages)
        return Sources(load(folder / "project"), library)

    return write


@pytest.fixture
def project(tmp_path: Path, write_project: Callable[[Path], Sources]) -> Sources:
    return write_project(tmp_path / "project")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def build_project(project: Sources, tmp_path: Path, cache: Path) -> Callable[[], Manifest]:
    return lambda: build(project, [HOST], out=tmp_path / "dist", cache=cache)[0]


@pytest.fixture
def build_of(project: Sources, tmp_path: Path, cache: Path) -> Callable[[Project], Manifest]:
    return lambda given: build(replace(project, project=given), [HOST], out=tmp_path / "dist", cache=cache)[0]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Site"]:
    """Return a stack on moto with one version in service, for tests of releases."""
    from moto import mock_aws  # noqa: PLC0415 - slow to import, and few tests need it

    from analysis_jobs.base.clock import ManualClock  # noqa: PLC0415 - as above
    from tests.tools.releases import Site  # noqa: PLC0415 - as above

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        found = Site.create(ManualClock(), tmp_path)
        assert found.release("1").run().is_good
        found.functions.calls.clear()
        yield found
