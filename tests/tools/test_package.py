"""A package is reproducible and complete, and its manifest describes it."""

import base64
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
from analysis_jobs_dev.packager.targets import require_runtime

WriteProject = Callable[[Path], Sources]
BuildProject = Callable[[], Manifest]


def names(manifest: Manifest) -> list[str]:
    with zipfile.ZipFile(manifest.path) as archive:
        return archive.namelist()


def test_two_builds_in_two_folders_are_the_same_bytes(tmp_path: Path, write_project: WriteProject) -> None:
    built: list[Manifest] = []
    for folder in (tmp_path / "one", tmp_path / "another with a blank"):
        project = write_project(folder)
        for path in folder.rglob("*"):
            os.utime(path, (len(built), len(built)))
            path.chmod(0o700 if built else 0o755)
        built += build(project, [HOST], out=folder / "dist", cache=folder / "cache")
    assert built[0].sha256 == built[1].sha256
    assert built[0].path != built[1].path


def test_two_builds_of_the_real_package_are_the_same_bytes(tmp_path: Path) -> None:
    real = package.sources("rfp-analysis")
    digests = set()
    kept = real.lock.parents[1] / ".local" / "cache" / "packages"
    # One build installs its dependencies, the other uses the shared cache.
    for folder, cache in ((tmp_path / "one", tmp_path / "cache"), (tmp_path / "another", kept)):
        shutil.copytree(real.handlers, folder / "handlers", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(real.analyses, folder / "analyses", ignore=shutil.ignore_patterns("__pycache__"))
        copied = Sources(real.name, folder / "handlers", folder / "analyses", real.lock)
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
    project.lock.write_text(locked("six", "jmespath"), encoding="utf-8")
    assert list(build_project().distributions) == ["jmespath", "six"]


def test_the_zip_holds_the_handlers_the_library_the_analyses_and_their_data(
    build_project: BuildProject,
) -> None:
    own = [name for name in names(build_project()) if not name.startswith(("six", "__pycache__"))]
    assert own == [
        "api.py",
        "library/__init__.py",
        "library/__pycache__/__init__.cpython-313.pyc",
        "library/documents/__init__.py",
        "library/documents/__pycache__/__init__.cpython-313.pyc",
        "poem.py",
        "prompts/poem.txt",
    ]


def test_the_real_package_holds_the_librarys_data_files() -> None:
    real = package.sources("rfp-analysis")
    data = [path for suffix in ("sql", "toml") for path in real.handlers.rglob(f"*.{suffix}")]
    assert {"families.toml", "prices.toml"} <= {path.name for path in data}
    assert set(data) <= set(real.files().values())


def test_the_installers_notes_and_scripts_stay_out(
    project: Sources, build_project: BuildProject, locked: Callable[..., str]
) -> None:
    project.lock.write_text(locked("jmespath", "six"), encoding="utf-8")
    found = names(build_project())
    assert not [name for name in found if name.startswith("bin/")]
    forbidden = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", ".lock"}
    assert not forbidden & {name.rpartition("/")[2] for name in found}
    assert any(name.endswith("/METADATA") for name in found)


def test_entries_are_sorted_with_one_date_and_one_mode(build_project: BuildProject) -> None:
    with zipfile.ZipFile(build_project().path) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}


def test_every_source_has_bytecode_that_is_never_checked_and_names_no_folder_of_the_builder(
    build_project: BuildProject,
) -> None:
    with zipfile.ZipFile(build_project().path) as archive:
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
    assert len(sources) == 5


def test_the_manifest_says_what_the_package_is(build_project: BuildProject) -> None:
    manifest = build_project()
    path = Path(manifest.path)
    content = path.read_bytes()
    written = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert path.name == f"poems-{HOST.name}.zip"
    assert written["path"] == manifest.path
    assert written["sha256"] == hashlib.sha256(content).hexdigest()
    assert base64.b64decode(written["sha256_base64"]).hex() == written["sha256"]
    assert written["architecture"] == HOST.name
    assert written["python"].startswith("3.13.")
    assert re.fullmatch(rf"\d+\.\d+\.\d+\+{written['sha256'][:12]}", written["version"])
    assert written["files"]["count"] == len(names(manifest))
    assert written["size_bytes"] == len(content)
    assert written["files"]["unzipped_bytes"] > 30_000
    assert re.fullmatch(r"1\.\d+\.\d+", written["distributions"]["six"])


def test_the_commit_does_not_change_the_package(build_project: BuildProject, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_project()
    monkeypatch.setattr(places, "commit", lambda: "another")
    second = build_project()
    assert (first.sha256, first.version) == (second.sha256, second.version)
    assert first.commit != second.commit


def test_both_of_lambdas_architectures_are_built_on_any_machine(
    project: Sources, tmp_path: Path, cache: Path, locked: Callable[..., str]
) -> None:
    project.lock.write_text(locked("six", "pydantic-core", "typing-extensions"), encoding="utf-8")
    built = build(project, [ARM64, X86_64], out=tmp_path / "dist", cache=cache)
    machines = {}
    for manifest in built:
        with zipfile.ZipFile(manifest.path) as archive:
            library = next(name for name in archive.namelist() if name.endswith(".so"))
            # The ELF header has the machine type at this offset.
            machines[manifest.architecture] = int.from_bytes(archive.read(library)[18:20], "little")
    assert machines == {"arm64": 183, "x86_64": 62}


def test_another_python_than_the_functions_run_on_is_refused() -> None:
    with pytest.raises(PackageError, match=r"compiled by Python 3\.13, and this is 3\.14"):
        require_runtime((3, 14))


def test_the_program_builds_an_example(
    project: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(places, "requirements", lambda: tmp_path / "requirements")
    monkeypatch.setattr(places, "handlers", lambda: tmp_path / "handlers")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "package.txt").write_bytes(project.lock.read_bytes())
    project.handlers.rename(tmp_path / "handlers")
    arguments = ["--example", "odes", "--analyses", str(project.analyses)]
    arguments += ["--architecture", "host", "--out", str(tmp_path / "dist")]
    assert package.main(arguments) == 0
    assert (tmp_path / "dist" / f"odes-{HOST.name}.zip").exists()
    assert (tmp_path / "dist" / f"odes-{HOST.name}.json").exists()
    assert f"odes-{HOST.name}.zip" in capsys.readouterr().out


def test_the_program_says_what_is_wrong_without_a_traceback() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "analysis_jobs_dev.package", "--example", "no-such-example"],
        cwd=Path(package.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1
    assert said.stderr.startswith("There is no folder ")
    assert "Traceback" not in said.stderr
