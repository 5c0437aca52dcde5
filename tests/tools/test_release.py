"""A release: the tag is checked against the files, and every file of the release is built as the workflow builds it."""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import registry_layout
import release

REPOSITORY = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["version"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of this repository in which the version is ready for its release."""
    folder = tmp_path_factory.mktemp("release") / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = REPOSITORY / name
        if source.is_file() and name.partition("/")[0] not in {"tests", ".venv", ".venv-cloud"}:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name, follow_symlinks=False)
    edit(folder / "CHANGELOG.md", "## [Unreleased]\n", f"## [Unreleased]\n\n## [{VERSION}] - 2026-12-01\n")
    edit(folder / "UPGRADING.md", f"### {VERSION} (unreleased)", f"### {VERSION}")
    git(folder, "init", "--quiet")
    git(folder, "remote", "add", "origin", "https://git.example.com/acme/analysis-jobs.git")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "-m", "Release")
    return folder


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text, path
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


@pytest.fixture(scope="module")
def built(checkout: Path) -> dict[str, Path]:
    """Return the files of a release by name."""
    made = release.build(f"v{VERSION}", checkout / "dist" / "release", checkout)
    return {path.name: path for path in made}


@pytest.fixture
def small(tmp_path: Path, checkout: Path) -> Path:
    """Return a folder with what a check reads, to change one file."""
    for name in ("CHANGELOG.md", "UPGRADING.md", "pyproject.toml", release.FITS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkout / name, tmp_path / name)
    return tmp_path


def test_a_tag_that_every_file_names_can_be_released(checkout: Path) -> None:
    assert release.check(f"v{VERSION}", checkout) == VERSION


@pytest.mark.parametrize("tag", [VERSION, f"v{VERSION}-rc1", "v1", "main"])
def test_a_tag_is_a_version(tag: str, small: Path) -> None:
    with pytest.raises(release.ReleaseError, match="not a tag of a release"):
        release.check(tag, small)


@pytest.mark.parametrize(
    ("file", "before", "after", "says"),
    [
        ("pyproject.toml", f'version = "{VERSION}"', 'version = "9.9.9"', "pyproject.toml has the version 9.9.9"),
        (release.FITS, f'["{VERSION.rpartition(".")[0]}"]', '["9.9"]', f"does not name the library {VERSION}"),
        ("CHANGELOG.md", f"## [{VERSION}] - ", "## [9.9.9] - ", "the newest version in CHANGELOG.md is 9.9.9"),
        ("CHANGELOG.md", " - 2026-12-01", "", "the newest version in CHANGELOG.md is missing"),
        ("CHANGELOG.md", "## [Unreleased]\n", "## [Unreleased]\n\n- A change.\n", "still has 1 lines"),
        ("UPGRADING.md", f"### {VERSION}\n", "### 9.9.9\n", "the newest section of UPGRADING.md is 9.9.9"),
        ("UPGRADING.md", f"### {VERSION}\n", f"### {VERSION} (unreleased)\n", "UPGRADING.md is missing"),
    ],
)
def test_a_file_that_disagrees_is_named(file: str, before: str, after: str, says: str, small: Path) -> None:
    edit(small / file, before, after)
    with pytest.raises(release.ReleaseError, match=re.escape(says)):
        release.check(f"v{VERSION}", small)


def test_this_repository_is_not_released_by_accident(capsys: pytest.CaptureFixture[str]) -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
    if not release.section(changelog, "Unreleased").strip():
        pytest.skip("everything is released")
    assert release.main(["check", f"v{VERSION}"]) == 1
    assert "CHANGELOG.md" in capsys.readouterr().err


def test_a_release_has_all_its_files(built: dict[str, Path]) -> None:
    examples = {path.parent.name for path in REPOSITORY.glob("examples/*/demo.toml")}
    locks = {"package", *(path.stem for path in REPOSITORY.glob("requirements/extras/*.txt"))}
    assert built.keys() == {
        f"analysis_jobs-{VERSION}-py3-none-any.whl",
        f"terraform-aws-analysis-jobs-{VERSION}.tar.gz",
        *(f"example-{name}-{VERSION}.zip" for name in examples),
        *(f"sbom-{name}-{VERSION}.cdx.json" for name in locks),
        "SHA256SUMS",
    }


def test_the_sums_are_those_of_the_files(built: dict[str, Path]) -> None:
    lines = built["SHA256SUMS"].read_text("utf-8").splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert sums == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in built.items() if name != "SHA256SUMS"
    }


def test_the_notes_are_the_section_of_the_changelog(built: dict[str, Path]) -> None:
    notes = (built["SHA256SUMS"].parent.parent / release.NOTES).read_text("utf-8")
    assert notes.startswith("### Added\n")
    assert f"[{VERSION}]" not in notes


def test_an_sbom_names_every_package_of_its_lock(built: dict[str, Path]) -> None:
    bill = json.loads(built[f"sbom-package-{VERSION}.cdx.json"].read_text("utf-8"))
    lock = (REPOSITORY / "requirements" / "package.txt").read_text("utf-8")
    locked = re.findall(r"^([a-z0-9.-]+)==([\w.]+)", lock, re.MULTILINE)
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "analysis-jobs"
    assert bill["metadata"]["component"]["version"] == VERSION
    assert {(each["name"], each["version"]) for each in bill["components"]} == set(locked)


def test_an_sbom_is_valid(built: dict[str, Path]) -> None:
    text = built[f"sbom-package-{VERSION}.cdx.json"].read_text("utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_same_sources_give_the_same_bytes(checkout: Path, built: dict[str, Path], tmp_path: Path) -> None:
    again = {path.name: path for path in release.build(f"v{VERSION}", tmp_path / "release", checkout)}
    assert {name: path.read_bytes() for name, path in again.items()} == {
        name: path.read_bytes() for name, path in built.items()
    }


def test_an_example_is_a_project_of_its_own(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built[f"example-minimal-{VERSION}.zip"]) as archive:
        files = {name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()}
    assert {name.partition("/")[0] for name in files} == {"minimal"}
    assert {"minimal/pyproject.toml", "minimal/infra/main.tf"} <= files.keys()
    source = f"git::https://git.example.com/acme/analysis-jobs.git//modules/analysis-jobs?ref=v{VERSION}"
    assert source in files["minimal/infra/main.tf"]


def test_the_examples_need_to_know_where_the_module_is(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(release.ReleaseError, match="the remote origin is missing"):
        release.module_source(f"v{VERSION}", tmp_path)


def test_the_archive_of_the_module_is_its_tree(built: dict[str, Path], checkout: Path) -> None:
    with tarfile.open(built[f"terraform-aws-analysis-jobs-{VERSION}.tar.gz"]) as archive:
        names = archive.getnames()
    assert names == [f"terraform-aws-analysis-jobs-{VERSION}/{name}" for name in registry_layout.files(checkout)]


def test_a_build_that_fails_is_reported_with_its_command(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(release.ReleaseError, match=r"cyclonedx-py requirements .* failed"):
        release.write_sbom(tmp_path / "missing.txt", tmp_path / "bill.json", checkout)
