"""Checks and builds a release. The workflow `release.yml` publishes what this writes.

    python tools/release.py check v1.2.3     compares the tag with the version, the changelog and the upgrade guide
    python tools/release.py build v1.2.3     checks, and writes the release into dist/release

The release has the wheel, the modules in the layout of a registry, a zip of each example, and an SBOM (CycloneDX) for
each lock of a deployment package. `SHA256SUMS` lists them. The release notes are the changelog's section, beside the
folder. The same commit gives the same bytes.
"""

import argparse
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import registry_layout
from analysis_jobs_dev import init

REPOSITORY = Path(__file__).resolve().parent.parent
OUTPUT = REPOSITORY / "dist" / "release"
NOTES = "release-notes.md"
FITS = "modules/package/variables.tf"  # names the library versions that the modules fit
# The earliest date of a zip. Its entries have no other date, so that the bytes depend on the contents only.
EPOCH = (1980, 1, 1, 0, 0, 0)


class ReleaseError(Exception):
    """A release that cannot be made. The message says what to change."""


def check(tag: str, repository: Path = REPOSITORY) -> str:
    """Return the version of a tag such as `v1.2.3`. Raises `ReleaseError` unless every file names it as the newest."""
    if not (parsed := re.fullmatch(r"v(\d+\.\d+\.\d+)", tag)):
        raise ReleaseError(f"{tag} is not a tag of a release: it must look like v1.2.3")
    version = parsed[1]
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if project["version"] != version:
        raise ReleaseError(f"pyproject.toml has the version {project['version']}, and the tag {version}: change one")
    if f'"{version.rpartition(".")[0]}"' not in _found(repository / FITS, r"^  library_versions = \[(.*)\]$"):
        raise ReleaseError(f"{FITS} does not name the library {version}: add its first two numbers to library_versions")
    newest = _found(repository / "CHANGELOG.md", r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$")
    if newest != version:
        raise ReleaseError(
            f'the newest version in CHANGELOG.md is {newest or "missing"}: add "## [{version}] - <date>"'
        )
    if unreleased := section((repository / "CHANGELOG.md").read_text(encoding="utf-8"), "Unreleased").strip():
        lines = len(unreleased.splitlines())
        raise ReleaseError(f'"Unreleased" of CHANGELOG.md still has {lines} lines: move them to [{version}]')
    described = _found(repository / "UPGRADING.md", r"^### (\d+\.\d+\.\d+)$")
    if described != version:
        raise ReleaseError(f'the newest section of UPGRADING.md is {described or "missing"}: add "### {version}"')
    return version


def _found(path: Path, pattern: str) -> str:
    """Return the group of the first line that matches. "" if there is none."""
    found = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def section(changelog: str, name: str) -> str:
    """Return the text below a heading of the changelog, without the links at the end. "" if there is none."""
    pattern = rf"^## \[{re.escape(name)}\][^\n]*\n(.*?)(?=^## |^\[[^\]]+\]: |\Z)"
    found = re.search(pattern, changelog, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def build(tag: str, output: Path = OUTPUT, repository: Path = REPOSITORY) -> list[Path]:
    """Write the release into `output`, replacing it. Return the files. Raises `ReleaseError`."""
    version = check(tag, repository)
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    build_wheel(output, repository)
    (output / f"{registry_layout.NAME}-{version}.tar.gz").write_bytes(registry_layout.archive(version, repository))
    source = module_source(tag, repository)
    for example in init.known_examples():
        (output / f"example-{example}-{version}.zip").write_bytes(zip_of_example(example, source))
    for lock in (repository / "requirements" / "package.txt", *sorted(repository.glob("requirements/extras/*.txt"))):
        name = "package" if lock.parent.name == "requirements" else lock.stem
        write_sbom(lock, output / f"sbom-{name}-{version}.cdx.json", repository)
    made = sorted(output.iterdir())
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in made)
    (output / "SHA256SUMS").write_text(sums, encoding="utf-8")
    notes = section((repository / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    (output.parent / NOTES).write_text(notes.strip() + "\n", encoding="utf-8")
    return [*made, output / "SHA256SUMS"]


def build_wheel(output: Path, repository: Path) -> None:
    """Write the wheel of the distribution. Its entries have the date of `EPOCH`."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(output)]
    _run(command, repository, {"SOURCE_DATE_EPOCH": "315532800"})


def write_sbom(lock: Path, path: Path, repository: Path) -> None:
    """Write the CycloneDX document of one lock, without dates and random numbers. A test validates it: that is slow."""
    tool = Path(sys.executable).with_name("cyclonedx-py")
    options = ["--no-validate", "--output-reproducible", "--output-format", "JSON", "--output-file", str(path)]
    _run([str(tool), "requirements", *options, "--pyproject", "pyproject.toml", str(lock)], repository, {})


def module_source(tag: str, repository: Path) -> str:
    """Return the source of the Terraform module at the tag, from the remote `origin`. Raises `ReleaseError`."""
    command = ["git", "remote", "get-url", "origin"]
    found = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    url = found.stdout.strip()
    if not re.match(r"(https|ssh|file)://", url):
        raise ReleaseError(
            f"the remote origin is {url or 'missing'}: the examples need its URL, with https:// or ssh://"
        )
    return f"git::{url}//modules/analysis-jobs?ref={tag}"


def zip_of_example(name: str, source: str) -> bytes:
    """Return a zip of an example as a project of its own, as `analysis-jobs init --from` makes it."""
    with tempfile.TemporaryDirectory() as within:
        folder = init.create(name, example=name, module=source, within=Path(within))
        return zip_of(folder)


def zip_of(folder: Path) -> bytes:
    """Return a zip of a folder, below the folder's own name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", EPOCH)
            entry.external_attr = path.stat().st_mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return packed.getvalue()


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ReleaseError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}".strip())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("command", choices=["check", "build"])
    parser.add_argument("tag", help="the tag of the release, such as v1.2.3")
    given = parser.parse_args(arguments)
    try:
        if given.command == "check":
            print(f"{check(given.tag)} can be released.")
        else:
            print("\n".join(path.relative_to(REPOSITORY).as_posix() for path in build(given.tag)))
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
