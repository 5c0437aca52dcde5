"""A package is reproducible and complete, and its manifest describes it."""

import base64
import dataclasses
import hashlib
import json
import marshal
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import CodeType

import pytest

from analysis_jobs_dev import package, places
from analysis_jobs_dev.packager import ARM64, HOST, X86_64, Manifest, PackageError, Sources, build, dependencies
from analysis_jobs_dev.packager import manifest as manifests
from analysis_jobs_dev.packager.targets import require_runtime
from analysis_jobs_dev.project import load

WriteProject = Callable[[Path], Sources]
BuildProject = Callable[[], Manifest]


def names(package: Path) -> list[str]:
    with zipfile.ZipFile(package) as archive:
        return archive.namelist()


@pytest.fixture
def built_zip(build_project: BuildProject, tmp_path: Path) -> Path:
    return tmp_path / "dist" / build_project().path


def test_two_builds_in_two_folders_have_the_same_bytes_and_the_same_manifest(
    tmp_path: Path, write_project: WriteProject
) -> None:
    """The manifest therefore names no folder of a machine."""
    built = []
    for number, folder in enumerate((tmp_path / "one", tmp_path / "another with a blank")):
        project = write_project(folder)
        for path in folder.rglob("*"):
            os.utime(path, (number, number))
            path.chmod(0o755 if number else 0o700)
        before = os.umask(0o077 if number else 0o022)
        try:
            [manifest] = build(project, [HOST], out=folder / "dist", cache=folder / "cache")
        finally:
            os.umask(before)
        built.append([(folder / "dist" / name).read_bytes() for name in (manifest.path, manifest.name)])
    assert built[0] == built[1]


def test_two_builds_of_the_real_package_are_the_same_bytes(tmp_path: Path) -> None:
    digests = set()
    kept = places.cache() / "packages"
    # One build installs its dependencies, the other uses the shared cache.
    for folder, cache in ((tmp_path / "one", tmp_path / "cache"), (tmp_path / "another", kept)):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(places.handlers(), folder / "handlers", ignore=ignored)
        shutil.copytree(package.example("rfp-analysis").folder, folder / "project", ignore=ignored)
        library = dataclasses.replace(package.library(), handlers=folder / "handlers", code=folder / "handlers")
        copied = Sources(load(folder / "project"), library)
        [manifest] = build(copied, [HOST], out=folder / "dist", cache=cache)
        digests.add(manifest.sha256)
    assert len(digests) == 1


def test_a_build_on_cached_dependencies_is_the_same_bytes_and_installs_nothing(
    build_project: BuildProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_project()
    monkeypatch.setattr(dependencies, "_install", None)
    assert build_project() == first


def test_another_lock_is_installed_afresh(
    build_project: BuildProject, project: Sources, locked: Callable[..., str]
) -> None:
    assert list(build_project().distributions) == ["six"]
    project.library.lock.write_text(locked("six", "jmespath"), encoding="utf-8")
    assert list(build_project().distributions) == ["jmespath", "six"]


def test_the_zip_holds_the_handlers_the_library_the_analyses_and_their_data(built_zip: Path) -> None:
    own = [name for name in names(built_zip) if not name.startswith(("six", "__pycache__", "analysis_jobs"))]
    assert own == [
        "api.py",
        "library/__init__.py",
        "library/__pycache__/__init__.cpython-313.pyc",
        "library/documents/__init__.py",
        "library/documents/__pycache__/__init__.cpython-313.pyc",
        "poem.py",
        "prompts/poem.txt",
    ]


def test_the_real_package_holds_the_librarys_data_files_and_not_its_tools() -> None:
    files = package.sources(package.example("rfp-analysis")).files()
    data = [path for suffix in ("sql", "toml") for path in places.handlers().rglob(f"*.{suffix}")]
    assert {"families.toml", "prices.toml"} <= {path.name for path in data}
    assert set(data) <= set(files.values())
    assert "analysis_jobs/wiring.py" in files
    assert not [name for name in files if name.startswith(("analysis_jobs/cli/", "analysis_jobs/testing/"))]


def test_the_installers_notes_and_scripts_stay_out(
    project: Sources, build_project: BuildProject, locked: Callable[..., str], tmp_path: Path
) -> None:
    project.library.lock.write_text(locked("jmespath", "six"), encoding="utf-8")
    found = names(tmp_path / "dist" / build_project().path)
    assert not [name for name in found if name.startswith("bin/")]
    forbidden = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", ".lock"}
    assert not forbidden & {name.rpartition("/")[2] for name in found}
    assert any(name.endswith("/METADATA") for name in found)


def test_entries_are_sorted_with_one_date_and_one_mode(built_zip: Path) -> None:
    with zipfile.ZipFile(built_zip) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}


def test_every_source_has_bytecode_that_is_never_checked_and_names_no_folder_of_the_builder(
    built_zip: Path,
) -> None:
    with zipfile.ZipFile(built_zip) as archive:
        sources = [name for name in archive.namelist() if name.endswith(".py")]
        for source in sources:
            folder, _, name = source.rpartition("/")
            cached = f"{folder}/" * bool(folder) + f"__pycache__/{name[:-3]}.cpython-313.pyc"
            content = archive.read(cached)
            flags = int.from_bytes(content[4:8], "little")
            assert flags == 0b01, "by hash, and not to be checked against the source"
            code = marshal.loads(content[16:])  # noqa: S302 - our own, just made
            assert isinstance(code, CodeType)
            assert code.co_filename == f"/var/task/{source}"
    assert len(sources) == 6


def test_the_manifest_says_what_the_package_is(build_project: BuildProject, tmp_path: Path) -> None:
    manifest = build_project()
    path = tmp_path / "dist" / f"poems-{HOST.name}.zip"
    content = path.read_bytes()
    written = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert written["path"] == manifest.path == path.name
    assert written["sha256"] == hashlib.sha256(content).hexdigest()
    assert base64.b64decode(written["sha256_base64"]).hex() == written["sha256"]
    assert written["architecture"] == HOST.name
    assert written["python"] == "3.13"
    assert written["version"] == f"1.2.3+{written['sha256'][:12]}"
    assert written["project"] == {"name": "poems", "version": "1.2.3", "commit": None}
    assert written["library"] == {"name": "analysis-jobs", "version": "0.1.0", "commit": "abc"}
    assert [each["name"] for each in written["declarations"]["analyses"]] == ["poem"]
    assert written["files"]["count"] == len(names(path))
    assert written["size_bytes"] == len(content)
    assert written["files"]["unzipped_bytes"] > 30_000
    assert re.fullmatch(r"1\.\d+\.\d+", written["distributions"]["six"])
    assert manifests.read(path.with_suffix(".json")) == manifest


def test_the_manifest_names_the_projects_commit_and_whether_the_package_differs_from_it(
    project: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert manifests.project_commit(project) is None
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.com")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "m")):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    folder = project.project.folder
    # Other files than those of the package do not count, for example the built package.
    (folder / "notes.txt").touch()
    (tmp_path / "elsewhere.py").touch()
    commit = manifests.project_commit(project)
    assert re.fullmatch(r"[0-9a-f]{40}", commit or "")
    (folder / "prompts" / "ode.txt").touch()
    assert manifests.project_commit(project) == f"{commit}-dirty"
    (folder / "prompts" / "ode.txt").unlink()
    (folder / "poem.py").write_text("changed = True\n", encoding="utf-8")
    assert manifests.project_commit(project) == f"{commit}-dirty"


def test_the_commit_does_not_change_the_package(build_project: BuildProject, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_project()
    monkeypatch.setattr(manifests, "project_commit", lambda _what: "another")
    second = build_project()
    assert (first.sha256, first.version) == (second.sha256, second.version)
    assert first.project.commit != second.project.commit


def test_both_of_lambdas_architectures_are_built_on_any_machine(
    project: Sources, tmp_path: Path, cache: Path, locked: Callable[..., str]
) -> None:
    project.library.lock.write_text(locked("six", "pydantic-core", "typing-extensions"), encoding="utf-8")
    built = build(project, [ARM64, X86_64], out=tmp_path / "dist", cache=cache)
    machines = {}
    for manifest in built:
        with zipfile.ZipFile(tmp_path / "dist" / manifest.path) as archive:
            library = next(name for name in archive.namelist() if name.endswith(".so"))
            # The ELF header has the machine type at this offset.
            machines[manifest.architecture] = int.from_bytes(archive.read(library)[18:20], "little")
    assert machines == {"arm64": 183, "x86_64": 62}


def test_another_python_than_the_functions_run_on_is_refused() -> None:
    with pytest.raises(PackageError, match=r"compiled by Python 3\.13, and this is 3\.14"):
        require_runtime((3, 14))


def test_the_program_builds_a_project(
    project: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(package, "library", lambda: project.library)
    (project.project.folder / "rates.csv").write_text("1", encoding="utf-8")
    text = "from library import answer\nRATES = 'rates.csv'\n"
    (project.project.folder / "poem.py").write_text(text, encoding="utf-8")
    arguments = [str(project.project.folder), "--architecture", "host"]
    assert package.main([*arguments, "--out", str(tmp_path / "dist")]) == 0
    assert (tmp_path / "dist" / f"poems-{HOST.name}.zip").exists()
    assert (tmp_path / "dist" / f"poems-{HOST.name}.json").exists()
    said = capsys.readouterr()
    assert f"poems-{HOST.name}.zip" in said.out
    assert said.err == (
        "rates.csv is not in the package, and poem.py:2 names it. If the code reads it, add it to `data` in "
        "pyproject.toml.\n"
    )
    assert package.main(arguments) == 0
    assert (project.project.folder / "dist" / f"poems-{HOST.name}.zip").exists(), "the default is in the project"


def test_the_program_says_what_is_wrong_without_a_traceback() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "analysis_jobs_dev.package", "no-such-project"],
        cwd=Path(package.__file__).parents[1],
        env={**os.environ, "PYTHONPATH": str(places.library())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1
    assert said.stderr.startswith("There is no folder no-such-project")
    assert "Traceback" not in said.stderr
