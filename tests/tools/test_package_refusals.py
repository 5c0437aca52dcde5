"""A package that must not be deployed does not build, and the error says why."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis_jobs_dev.packager import Manifest, PackageError, Sources, refusals

BuildProject = Callable[[], Manifest]


def add(project: Sources, name: str, text: str = "") -> None:
    path = project.project.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("stub_worker.py", "", r"stub_worker\.py is by its name not the real thing"),
        ("mocks/__init__.py", "", r"mocks/__init__\.py is by its name not the real thing"),
        ("model_fake.py", "", r"model_fake\.py is by its name not the real thing"),
        ("dummy.py", "", r"dummy\.py is by its name not the real thing"),
        ("stand_in.py", "", r"stand_in\.py is by its name not the real thing"),
        ("a.py", "import moto", r"a\.py imports moto, which is development code"),
        ("a.py", "import moto.server", r"a\.py imports moto\.server"),
        ("a.py", "import pytest", r"a\.py imports pytest"),
        ("a.py", "import ministack", r"a\.py imports ministack"),
        ("a.py", "from analysis_jobs_dev.cloud import x", r"a\.py imports analysis_jobs_dev\.cloud"),
        ("a.py", "from analysis_jobs.testing import x", r"a\.py imports analysis_jobs\.testing"),
        ("a.py", "from analysis_jobs import cli", r"a\.py imports analysis_jobs\.cli"),
        ("a.py", "import unittest.mock", r"a\.py imports unittest\.mock"),
        ("a.py", "from unittest import mock", r"a\.py imports unittest\.mock"),
        ("a.py", "def f():\n  from unittest.mock import patch", r"a\.py imports unittest\.mock"),
    ],
)
def test_development_code_of_our_own_is_refused(
    name: str, text: str, message: str, project: Sources, build_project: BuildProject
) -> None:
    add(project, name, text)
    with pytest.raises(PackageError, match=message):
        build_project()


@pytest.mark.parametrize("name", ["stubborn.py", "mockingbird.py", "fakery.py"])
def test_a_name_that_only_begins_like_one_is_packaged(name: str, project: Sources, build_project: BuildProject) -> None:
    add(project, name)
    assert build_project().files.count > 0


def test_a_development_package_in_the_lock_is_refused(
    project: Sources, build_project: BuildProject, locked: Callable[..., str]
) -> None:
    project.library.lock.write_text(
        locked("six", "pluggy", "iniconfig", "pytest", "packaging", "pygments"), encoding="utf-8"
    )
    with pytest.raises(PackageError, match=r"poems-\w+\.zip holds development code: _pytest, pytest\."):
        build_project()


@pytest.mark.parametrize(
    "name", ["moto", "ministack", "analysis_jobs_dev", "analysis_jobs/cli", "analysis_jobs/testing", "tftest"]
)
def test_a_finished_zip_with_development_code_in_it_is_refused(name: str, tmp_path: Path) -> None:
    package = tmp_path / "package.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
    with pytest.raises(PackageError, match=rf"package\.zip holds development code: {name.replace('/', '.')}\."):
        refusals.development_packages(package)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere", "broken: ModuleNotFoundError: No module named 'nowhere'"),
        ("import boto3", "broken: ModuleNotFoundError: No module named 'boto3'"),
        ("from six import nothing", "broken: ImportError: cannot import name 'nothing'"),
        ("from library import nothing", "broken: ImportError: cannot import name 'nothing'"),
        ("import os\nos.environ['NAME']", "broken: KeyError: 'NAME'"),
        ("def f():\n  import nowhere", "broken.py: nowhere: ModuleNotFoundError"),
        ("def f():\n  from library import nothing", "broken.py: library.nothing: ModuleNotFound"),
    ],
)
def test_a_module_that_lambda_could_not_import_is_refused(
    text: str, message: str, project: Sources, build_project: BuildProject
) -> None:
    add(project, "broken.py", text)
    with pytest.raises(PackageError, match=r"The package of poems does not import") as refused:
        build_project()
    assert message in str(refused.value)


def test_a_handler_that_lambda_could_not_import_is_refused(project: Sources, build_project: BuildProject) -> None:
    (project.library.handlers / "worker.py").write_text("from library import gone\n", encoding="utf-8")
    with pytest.raises(PackageError, match="worker: ImportError: cannot import name 'gone'"):
        build_project()


def test_a_relative_import_is_resolved(project: Sources, build_project: BuildProject) -> None:
    text = "def f():\n  from . import gone\n  from .here import there\n"
    (project.library.handlers / "library" / "lazy.py").write_text(text, encoding="utf-8")
    (project.library.handlers / "library" / "here.py").write_text("there = 1\n", encoding="utf-8")
    with pytest.raises(PackageError, match=r"library/lazy\.py: library\.gone:") as refused:
        build_project()
    assert "library.here" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "try:\n  import nowhere\nexcept ImportError:\n  nowhere = None\n",
        "try:\n  import nowhere\nexcept (OSError, ModuleNotFoundError):\n  nowhere = None\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  import nowhere\n",
    ],
)
def test_an_import_that_may_be_missing_is_not_asked_for(
    text: str, project: Sources, build_project: BuildProject
) -> None:
    add(project, "careful.py", text)
    assert build_project().files.count > 0


def test_a_source_that_does_not_compile_is_refused(project: Sources, build_project: BuildProject) -> None:
    add(project, "broken.py", "def f(:\n")
    with pytest.raises(PackageError, match=r"broken\.py does not compile: invalid syntax"):
        build_project()


def test_a_name_that_is_there_twice_is_refused(project: Sources, build_project: BuildProject) -> None:
    add(project, "api.py")
    with pytest.raises(PackageError, match=r"api\.py is there twice"):
        build_project()


def test_a_name_that_a_dependency_has_already_is_refused(project: Sources, build_project: BuildProject) -> None:
    add(project, "six.py")
    with pytest.raises(PackageError, match=r"Both ours and a dependency's: .*six\.py"):
        build_project()


def test_a_lock_that_cannot_be_installed_is_refused(project: Sources, build_project: BuildProject) -> None:
    project.library.lock.write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    with pytest.raises(PackageError, match=r"(?s)in lock\.txt cannot be installed for \w+\..*Hash mismatch"):
        build_project()


def test_more_than_lambda_unpacks_is_refused(build_project: BuildProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "UNZIPPED_LIMIT", 10_000)
    with pytest.raises(PackageError, match=r"unzipped, and Lambda takes at most 0\.0 MB: leave a dep"):
        build_project()


def test_a_refused_build_leaves_nothing_behind(project: Sources, build_project: BuildProject) -> None:
    add(project, "stub.py")
    with pytest.raises(PackageError):
        build_project()
    assert not (project.library.handlers.parent.parent / "dist").exists()
