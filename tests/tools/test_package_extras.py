"""A package contains the extras that its project names, and the build requires no other imports to work."""

import dataclasses
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis_jobs_dev import places
from analysis_jobs_dev.packager import (
    ARM64,
    HOST,
    X86_64,
    Manifest,
    PackageError,
    Sources,
    Target,
    build,
    refusals,
)
from analysis_jobs_dev.packager import locks as lock_files
from analysis_jobs_dev.packager.dependencies import Dependencies, zipped

REPOSITORY = places.requirements().parent
EXTRAS = sorted(path.stem for path in (REPOSITORY / "requirements" / "extras").glob("*.txt"))
# A module of the test project's library that needs an extra.
LAZY = "def f():\n  with extra('word'):\n    import nowhere\n"

BuildWith = Callable[..., Manifest]


@pytest.fixture
def build_with(project: Sources, tmp_path: Path, cache: Path) -> BuildWith:
    """Build the project with these extras: `word` brings jmespath."""

    def built(*names: str) -> Manifest:
        what = dataclasses.replace(project, project=dataclasses.replace(project.project, extras=names))
        return build(what, [HOST], out=tmp_path / "dist", cache=cache)[0]

    return built


def test_the_project_names_the_extras_and_their_locks_are_used(project: Sources) -> None:
    what = dataclasses.replace(project, project=dataclasses.replace(project.project, extras=("word",)))
    assert [lock.name for lock in what.library_locks] == ["lock.txt", "word.txt"]


def test_an_unknown_extra_is_refused_with_the_nearest(project: Sources) -> None:
    message = r"pyproject\.toml: extras names 'wrod', which is not .* Did you mean 'word'\? The extras are word\."
    with pytest.raises(PackageError, match=message):
        dataclasses.replace(project, project=dataclasses.replace(project.project, extras=("wrod",)))


def test_the_description_of_the_project_is_not_packaged(build_with: BuildWith, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "dist" / build_with().path) as archive:
        assert "pyproject.toml" not in archive.namelist()


def test_an_extra_adds_what_it_locks(build_with: BuildWith) -> None:
    assert list(build_with().distributions) == ["six"]
    assert list(build_with("word").distributions) == ["jmespath", "six"]


def test_locks_that_contradict_each_other_are_refused(
    project: Sources, build_with: BuildWith, locked: Callable[..., str]
) -> None:
    other = re.sub(r"six==[\d.]+", "six==1.15.0", locked("six"))
    project.library.lock.write_text(other, encoding="utf-8")
    with pytest.raises(PackageError, match=r"lock\.txt has six 1\.15\.0, and word\.txt has six 1\.\d+\.\d+"):
        build_with("word")


@pytest.mark.parametrize("text", [LAZY, "from library.extras import extra\n" + LAZY])
def test_the_library_may_lack_what_belongs_to_an_extra_that_is_not_carried(
    text: str, project: Sources, build_with: BuildWith
) -> None:
    _extras_module(project)
    (project.library.handlers / "library" / "lazy.py").write_text(text, encoding="utf-8")
    assert build_with().files.count > 0
    with pytest.raises(PackageError, match=r"library/lazy\.py: nowhere: ModuleNotFoundError"):
        build_with("word")


def test_a_module_of_the_library_that_needs_an_extra_may_be_imported_by_others_of_it(
    project: Sources, build_with: BuildWith
) -> None:
    _extras_module(project)
    text = "from library.extras import extra\nwith extra('word'):\n  import jmespath\nsearch = jmespath.search\n"
    (project.library.handlers / "library" / "words.py").write_text(text, encoding="utf-8")
    text = "def f():\n  from library.words import search\n  import library.words\n"
    (project.library.handlers / "library" / "lazy.py").write_text(text, encoding="utf-8")
    assert build_with().files.count > 0
    assert build_with("word").files.count > 0


def test_an_analysis_must_have_what_it_imports_whichever_extra_it_belongs_to(
    project: Sources, build_with: BuildWith
) -> None:
    _extras_module(project)
    text = "def f():\n  from library.extras import extra\n  with extra('word'):\n    import jmespath\n"
    (project.project.folder / "ode.py").write_text(text, encoding="utf-8")
    assert build_with("word").files.count > 0
    with pytest.raises(PackageError, match=r"ode\.py: jmespath: ModuleNotFoundError"):
        build_with()


def _extras_module(project: Sources) -> None:
    """Copy our `extras` module into the project's library."""
    text = (REPOSITORY / "handlers/analysis_jobs/base/extras.py").read_text(encoding="utf-8")
    text = text.replace("from analysis_jobs.base.errors import ConfigurationError", "ConfigurationError = Exception")
    (project.library.handlers / "library" / "extras.py").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", EXTRAS)
def test_every_lock_of_an_extra_is_the_common_lock_and_more(name: str) -> None:
    """Two extras therefore never require two versions of one distribution."""

    def versions(path: Path) -> set[str]:
        return set(re.findall(r"^[\w.\[\]-]+==\S+", path.read_text(encoding="utf-8"), re.MULTILINE))

    requirements = REPOSITORY / "requirements"
    brought = versions(requirements / "extras" / f"{name}.txt") - versions(requirements / "package.txt")
    assert versions(requirements / "package.txt") <= versions(requirements / "extras" / f"{name}.txt")
    assert versions(requirements / "extras" / f"{name}.txt") <= versions(requirements / "dev.txt")
    assert bool(brought) == (name != "word"), (
        "only the extra `word` brings nothing: it is kept for projects that name it"
    )


def _dependencies(locks: list[Path], target: Target) -> Path:
    """Return the zip of the dependencies in these locks."""
    pins = lock_files.merged(map(lock_files.read, locks), None, target, "0.1.0")
    return zipped(Dependencies(pins, target), places.cache() / "packages")


@pytest.mark.parametrize("target", [ARM64, X86_64], ids=lambda target: target.name)
def test_the_ocr_extra_brings_its_language_and_fits_beside_a_database(target: Target) -> None:
    requirements = REPOSITORY / "requirements"
    locks = [requirements / "package.txt", requirements / "extras/ocr.txt", requirements / "extras/postgres.txt"]
    carried = _dependencies(locks, target)
    refusals.too_large(carried)
    assert carried.stat().st_size < refusals.DIRECT_UPLOAD_LIMIT - 2_000_000, "no S3 needed"
    with zipfile.ZipFile(carried) as archive:
        assert archive.getinfo("share/tessdata/eng.traineddata").file_size > 1_000_000
        assert "share/tessdata/osd.traineddata" not in archive.namelist()
        assert not [name for name in archive.namelist() if "avif" in name and ".so" in name]


def test_pillow_works_without_what_is_left_out_of_it(tmp_path: Path) -> None:
    requirements = REPOSITORY / "requirements"
    locks = [requirements / "package.txt", requirements / "extras/ocr.txt"]
    with zipfile.ZipFile(_dependencies(locks, HOST)) as archive:
        archive.extractall(tmp_path)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from PIL import Image, features\n"
        "Image.init()\n"
        "assert not features.check('avif') and features.check('webp') and features.check('jpg')\n"
        "print(sorted({'PNG', 'JPEG', 'TIFF', 'WEBP'} & set(Image.OPEN)))"
    )
    run = [sys.executable, "-W", "error", "-I", "-S", "-c", program]
    said = subprocess.run(run, env={"PATH": os.defpath}, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "['JPEG', 'PNG', 'TIFF', 'WEBP']"
