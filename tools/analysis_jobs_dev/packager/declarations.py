"""Finds what a package declares, so that the Terraform module can compare it with its settings.

The analyses are read from the finished zip, in a Python that sees nothing else. What they need at run time, such as
secrets, is found in the project's sources.
"""

import ast
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from analysis_jobs_dev.packager.errors import PackageError
from analysis_jobs_dev.packager.imports import run_probe
from analysis_jobs_dev.packager.sources import Sources
from analysis_jobs_dev.project import Project

PROBE = Path(__file__).with_name("declaration_probe.py")
# The methods of `Job` that read a secret, by the name of the variable with its ARN.
_SECRET_METHODS = {"database", "secret", "secret_json"}


@dataclass(frozen=True)
class Declarations:
    """What a package declares.

    `analyses` is what `analysis_jobs.authoring.declarations` returns. `secrets` are the names in calls such as
    `job.secret("NAME")`. `ocr_languages` are Tesseract's codes of the languages that the package can read.
    """

    analyses: list[dict[str, Any]]
    secrets: list[str]
    ocr_languages: list[str]


def read(tree: Path, what: Sources) -> list[dict[str, Any]]:
    """Return what the analyses in `tree`, the unpacked zip, declare. Raises `PackageError` if they do not load."""
    result = run_probe(PROBE, tree, list(what.project.analyses))
    if result.returncode:
        problem = result.stderr.strip().rpartition("\n")[2]
        raise PackageError(f"The analyses of {what.name} do not load: {problem}")
    found: list[dict[str, Any]] = json.loads(result.stdout)
    for analysis in found:
        for canary in analysis.get("canaries", ()):
            _require_documents(what.project, f"The canary {canary['name']} of {analysis['name']}", canary["documents"])
    return found


def _require_documents(project: Project, who: str, documents: Mapping[str, str]) -> None:
    """Raise `PackageError` for a document that is not in the project: its deployment would fail in the end."""
    for path in documents.values():
        if not (project.folder / path).is_file():
            near = get_close_matches(path, _files_near(project.folder / path, project.folder), n=1)
            advice = f" Did you mean {near[0]}?" if near else ""
            raise PackageError(f"{who} needs {path}, and the project has no such file.{advice}")


def _files_near(path: Path, folder: Path) -> list[str]:
    beside = path.parent if path.parent.is_dir() else folder
    return [each.relative_to(folder).as_posix() for each in beside.iterdir() if each.is_file()]


def secrets(sources: Mapping[str, Path]) -> list[str]:
    """Return the names of the secrets that the sources read (name in the zip -> file), sorted."""
    return sorted(secret_methods(sources))


def secret_methods(sources: Mapping[str, Path]) -> dict[str, set[str]]:
    """Return the methods of `Job` that read each secret, such as "database", by the secret's name."""
    found: dict[str, set[str]] = {}
    for path in sources.values():
        if path.suffix == ".py":
            for name, method in _secrets_in(path):
                found.setdefault(name, set()).add(method)
    return found


def ocr_languages(package: Path) -> list[str]:
    """Return the languages of Tesseract in the zip `package`, sorted."""
    with zipfile.ZipFile(package) as archive:
        paths = [PurePosixPath(name) for name in archive.namelist()]
    return sorted(path.stem for path in paths if path.match("share/tessdata/*.traineddata"))


def _secrets_in(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each secret in a source, and the method that reads it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=method, value=ast.Name(id="job")), args=[ast.Constant(value=str(name)), *_]
            ) if method in _SECRET_METHODS:
                yield name, method
