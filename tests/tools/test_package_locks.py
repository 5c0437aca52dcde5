"""A package has the dependencies of the project's own lock, beside those of the library. Contradictions are refused."""

import dataclasses
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from uv import find_uv_bin

from analysis_jobs_dev.packager import ARM64, HOST, X86_64, Manifest, PackageError, Sources, build, locks
from analysis_jobs_dev.project import load

Locked = Callable[..., str]
Build = Callable[[], Manifest]
TABLE = '[tool.analysis-jobs]\nanalyses = ["poem"]\n'


def describe(project: Sources, *dependencies: str, more: str = "") -> Sources:
    """Give the project these dependencies."""
    listed = ", ".join(f'"{each}"' for each in dependencies)
    text = f'[project]\nname = "poems"\nversion = "1"\nrequires-python = ">=3.13"\ndependencies = [{listed}]\n'
    project.project.file.write_text(text + more + TABLE, encoding="utf-8")
    return dataclasses.replace(project, project=load(project.project.folder))


@pytest.fixture
def build_of(tmp_path: Path, cache: Path) -> Callable[[Sources], Manifest]:
    return lambda what: build(what, [HOST], out=tmp_path / "dist", cache=cache)[0]


def uv_lock(folder: Path) -> None:
    command = [find_uv_bin(), "lock", "--quiet", "--python", sys.executable, "--project", str(folder)]
    subprocess.run(command, check=True)


def test_the_projects_uv_lock_is_installed_without_its_development_group(
    project: Sources, build_of: Callable[[Sources], Manifest]
) -> None:
    what = describe(
        project, "idna", "colorama; sys_platform == 'win32'", more='[dependency-groups]\ndev = ["iniconfig"]\n'
    )
    (project.project.folder / "poem.py").write_text("import idna\n", encoding="utf-8")
    uv_lock(project.project.folder)
    assert list(build_of(what).distributions) == ["idna", "six"]


def test_requirements_with_hashes_are_installed(
    project: Sources, build_of: Callable[[Sources], Manifest], locked: Locked
) -> None:
    what = describe(project, "jmespath")
    (project.project.folder / "requirements.txt").write_text(
        f"# made by a tool\n{locked('jmespath')}", encoding="utf-8"
    )
    (project.project.folder / "poem.py").write_text("import jmespath\n", encoding="utf-8")
    assert list(build_of(what).distributions) == ["jmespath", "six"]


@pytest.mark.parametrize("target", [ARM64, X86_64], ids=lambda target: target.name)
def test_a_dependency_with_compiled_code_is_that_of_the_target(
    target: object, project: Sources, tmp_path: Path, cache: Path, locked: Locked
) -> None:
    what = describe(project, "pydantic-core")
    text = locked("pydantic-core", "typing-extensions")
    (project.project.folder / "requirements.txt").write_text(text, encoding="utf-8")
    [manifest] = build(what, [target], out=tmp_path / "dist", cache=cache)  # type: ignore[list-item]
    with zipfile.ZipFile(tmp_path / "dist" / manifest.path) as archive:
        [library] = [name for name in archive.namelist() if name.endswith(".so")]
    machine = "aarch64" if target is ARM64 else "x86_64"
    assert library == f"pydantic_core/_pydantic_core.cpython-313-{machine}-linux-gnu.so"


def test_dependencies_without_a_lock_are_refused(project: Sources, build_of: Callable[[Sources], Manifest]) -> None:
    message = r"pyproject\.toml: the dependencies httpx, idna are not locked\. Use `uv lock`, .*--generate-hashes"
    with pytest.raises(PackageError, match=message):
        build_of(describe(project, "httpx>=0.28", "idna"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("six==1.17.0\n", r"requirements\.txt: six==1\.17\.0 has no hash, .* `uv pip compile --generate-hashes"),
        ("six>=1.17.0 --hash=sha256:00\n", r"requirements\.txt: six>=1\.17\.0 names no exact version"),
        ("-r other.txt\n", r"requirements\.txt: the option '-r other\.txt' is not supported"),
        ("-e ../shared\n", r"requirements\.txt: \.\./shared is a local folder\. .*`uv build --wheel \.\./shared"),
        ("./shared\n", r"requirements\.txt: \./shared is a local folder\. A package takes wheels only"),
        ("six @ git+https://example.com/six.git@main\n", r"git\+https://example\.com/six\.git@main is not a wheel"),
        ("six @ https://example.com/six-1.0.tar.gz --hash=sha256:00\n", r"six-1\.0\.tar\.gz is not a wheel"),
        ("six == == 1\n", r"requirements\.txt has a line that is not a requirement: 'six == == 1'"),
    ],
)
def test_a_requirement_that_locks_no_content_is_refused(text: str, message: str, project: Sources) -> None:
    path = project.project.folder / "requirements.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PackageError, match=message):
        locks.read(path).pins(HOST)


def test_a_requirement_of_another_platform_is_left_out(project: Sources) -> None:
    path = project.project.folder / "requirements.txt"
    text = (
        "a==1 ; sys_platform == 'win32' --hash=sha256:00\n"
        "b==1 ; platform_machine == 'aarch64' --hash=sha256:00\n"
        "./c-1-py3-none-any.whl ; python_version < '3.13' --hash=sha256:00\n"
        "d==1 ; python_full_version >= '3.13' \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
        "--index-url https://packages.example.com/simple\n"
    )
    path.write_text(text, encoding="utf-8")
    lock = locks.read(path)
    assert (list(lock.pins(ARM64)), list(lock.pins(X86_64))) == (["b", "d"], ["d"])
    *_, pin = lock.pins(ARM64).values()
    assert pin.line() == "d==1 --hash=sha256:00 --hash=sha256:11"
    assert lock.options() == ["--index-url https://packages.example.com/simple"]


def test_a_wheel_beside_the_project_is_installed(
    project: Sources, build_of: Callable[[Sources], Manifest], tmp_path: Path
) -> None:
    """This is how a local library gets into a package."""
    wheel = project.project.folder / "wheels" / "shared-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("shared.py", "VALUE = 1\n")
        archive.writestr("shared-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: shared\nVersion: 1.0\n")
        archive.writestr("shared-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("shared-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    text = f"./wheels/{wheel.name} --hash=sha256:{digest}\n"
    (project.project.folder / "requirements.txt").write_text(text, encoding="utf-8")
    (project.project.folder / "poem.py").write_text("from shared import VALUE\n", encoding="utf-8")
    manifest = build_of(describe(project, "shared"))
    assert manifest.distributions["shared"] == "1.0"
    with zipfile.ZipFile(tmp_path / "dist" / manifest.path) as archive:
        assert "shared.py" in archive.namelist()


def pinned(project: Sources, *lines: str) -> locks.Lock:
    text = "".join(f"{line} --hash=sha256:00\n" for line in lines)
    return locks.Lock("uv.lock", text, project.project.folder)


def test_the_projects_version_of_a_shared_dependency_is_used(project: Sources) -> None:
    library = locks.Lock("package.txt", "a==1.0 --hash=sha256:00\nb==1.0 --hash=sha256:00\n", project.project.folder)
    pins = locks.merged([library], pinned(project, "a==1.5", "c==2"), HOST, "0.1.0")
    assert {name: (str(pin.version), pin.lock) for name, pin in pins.items()} == {
        "a": ("1.5", "uv.lock"),
        "b": ("1.0", "package.txt"),
        "c": ("2", "uv.lock"),
    }


def test_versions_that_contradict_each_other_are_refused_and_both_are_named(project: Sources) -> None:
    library = locks.Lock("package.txt", "boto3==1.44.8 --hash=sha256:00\n", project.project.folder)
    pins = locks.merged([library], pinned(project, "botocore==1.40.0", "idna==3"), HOST, "0.1.0")
    required = {
        "analysis-jobs": [Requirement("boto3<1.45"), Requirement("chardet; extra == 'worker'")],
        "boto3": [Requirement("botocore>=1.44.8"), Requirement("crt; extra == 'crt'")],
        "poems": [Requirement("idna>=3.10")],
    }
    with pytest.raises(PackageError) as refused:
        locks.require_consistent(pins, required, HOST, ("worker",))
    assert str(refused.value).splitlines()[1:-1] == [
        "  analysis-jobs requires chardet, and no lock has chardet",
        "  boto3 1.44.8 (package.txt) requires botocore>=1.44.8, and uv.lock has botocore 1.40.0",
        "  poems requires idna>=3.10, and uv.lock has idna 3",
    ]


def test_a_lock_with_another_version_of_the_library_is_refused(project: Sources) -> None:
    what = describe(project)
    message = r"has analysis-jobs 0\.2\.0, and this is analysis-jobs 0\.1\.0\. Run the locked version"
    with pytest.raises(PackageError, match=message):
        locks.merged([], pinned(project, "analysis-jobs==0.2.0"), HOST, "0.1.0")
    assert locks.merged([], pinned(project, "analysis-jobs==0.1.0"), HOST, "0.1.0") == {}
    text = 'version = 1\n[[package]]\nname = "analysis-jobs"\nversion = "0.2.0"\n'
    (project.project.folder / "uv.lock").write_text(text, encoding="utf-8")
    with pytest.raises(PackageError, match=rf"uv\.lock {message}"):
        locks.of_project(what.project, "0.1.0")


def test_a_uv_lock_that_cannot_be_read_is_refused(project: Sources) -> None:
    (project.project.folder / "uv.lock").write_text("version = 1\n[[package]]\nname = 1\n", encoding="utf-8")
    with pytest.raises(PackageError, match=r"uv\.lock cannot be read: "):
        locks.of_project(project.project, "0.1.0")


def test_a_member_of_a_workspace_uses_the_lock_of_the_workspace(project: Sources, tmp_path: Path) -> None:
    what = describe(project, "idna")
    workspace = '[tool.uv.workspace]\nmembers = ["project/project"]\n'
    (tmp_path / "pyproject.toml").write_text(workspace, encoding="utf-8")
    uv_lock(tmp_path)
    lock = locks.of_project(what.project, "0.1.0")
    assert lock is not None
    assert list(lock.pins(HOST)) == ["idna"]


CLIENT = ("anyio", "h11", "httpcore2", "httpx2", "idna", "truststore")


@pytest.mark.parametrize(
    ("dependencies", "expected"),
    [
        (("analysis-jobs",), []),
        (("analysis-jobs", "anyio"), ["anyio", "idna"]),
        (("analysis-jobs", "httpx2"), list(CLIENT)),
        (("analysis-jobs[client]",), list(CLIENT)),
    ],
    ids=["nobody needs it", "a part of it is the project's", "the project needs it", "the extra"],
)
def test_what_only_the_librarys_client_needs_is_left_out_unless_the_project_asks_for_it(
    dependencies: tuple[str, ...],
    expected: list[str],
    project: Sources,
    build_of: Callable[[Sources], Manifest],
    locked: Locked,
) -> None:
    base = ("six", "typing-extensions")
    project.library.lock.write_text(locked(*base), encoding="utf-8")
    (project.library.extras / "client.txt").write_text(locked(*base, *CLIENT), encoding="utf-8")
    text = locked(*CLIENT) + "analysis-jobs==0.1.0\n"
    (project.project.folder / "requirements.txt").write_text(text, encoding="utf-8")
    manifest = build_of(describe(project, *dependencies))
    assert list(manifest.distributions) == sorted([*expected, *base])
