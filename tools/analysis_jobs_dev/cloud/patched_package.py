"""The package of a running local cloud with the changed files of its project, checked as a build checks a package."""

import shutil
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from analysis_jobs_dev.cloud.packages import package_of
from analysis_jobs_dev.cloud.patches import Code, bytecode_of, code_of, patch
from analysis_jobs_dev.package import sources
from analysis_jobs_dev.packager import HOST, Sources, declarations, manifest, refusals, services
from analysis_jobs_dev.packager.build import source_problems
from analysis_jobs_dev.packager.declarations import Declarations
from analysis_jobs_dev.packager.imports import require_project_importable
from analysis_jobs_dev.project import Project

PATCHED = "patched.zip"
UNPACKED = "unpacked"
# A change of these may change the dependencies or the data: the whole package is built.
_DESCRIPTIONS = {"pyproject.toml", "requirements.txt", "uv.lock"}


@dataclass(frozen=True)
class Changed:
    """A package with changed files, and what its code declares."""

    code: Code
    declarations: Declarations


class PatchedPackage:
    """The package in `folder`, into which changed files of the project are put.

    A whole build takes too long between two edits. So the library, the dependencies and their imports are not tested
    again. The project's own code is.
    """

    def __init__(self, project: Project, folder: Path, sources_of: Callable[[Project], Sources] = sources) -> None:
        self._folder = folder
        self._sources_of = sources_of
        self._name = project.name
        self._pool = ThreadPoolExecutor(2, "checks")
        self._begin(project)

    @property
    def declarations(self) -> Declarations:
        """What the code of the built package declares."""
        return manifest.read(self._package.with_suffix(".json")).declarations

    def update(self, project: Project, changed: set[Path]) -> Changed | None:
        """Put changed files into the package. Return None if none of them belongs to it.

        Raises CloudError or PackageError if a build would refuse the package. The next call tries these files again.
        """
        if any(path.name in _DESCRIPTIONS for path in changed):
            wait([self._tree])  # two must not unpack at once
            built = package_of(project, self._folder)
            self._begin(project)
            return Changed(code_of(built.file(), project.version), built.declarations)
        what = self._sources_of(project)
        files = what.project_files()
        here = {name: path for name, path in files.items() if path in changed}
        gone = {name for name in (self._built | self._files.keys()) - files.keys() if self._files.get(name, Path())}
        if not here and not gone:
            return None
        self._files |= {**here, **dict.fromkeys(gone)}
        return self._checked(what, files)

    def _begin(self, project: Project) -> None:
        """Begin with the package that has just been built."""
        self._files: dict[str, Path | None] = {}
        self._built = set(self._sources_of(project).project_files())
        # In advance: the first edit need not wait for it.
        self._tree = self._pool.submit(self._unpacked)

    def _checked(self, what: Sources, files: Mapping[str, Path]) -> Changed:
        """Write the patched zip, and test it. Raises CloudError or PackageError."""
        patched = self._folder / PATCHED
        what.files()  # refuses a name that the library has
        source_problems(what, files)
        patch(self._package, self._files, patched)
        refusals.too_large(patched, what.project.size_mb)
        services.require_carried(patched, what.aws_services, files)
        tree = self._tree.result()
        self._bring_up_to_date(tree, patched)
        analyses = self._pool.submit(declarations.read, tree, what)  # meanwhile: both mostly wait for a process
        require_project_importable(tree, what)
        declared = Declarations(
            analyses=analyses.result(),
            secrets=declarations.secrets(files),
            ocr_languages=declarations.ocr_languages(patched),
        )
        return Changed(code_of(patched, what.project.version), declared)

    @property
    def _package(self) -> Path:
        """The built package."""
        return self._folder / f"{self._name}-{HOST.name}.zip"

    def _unpacked(self) -> Path:
        """Unpack the built package, and return the folder."""
        tree = self._folder / UNPACKED
        shutil.rmtree(tree, ignore_errors=True)
        with zipfile.ZipFile(self._package) as zipped:
            zipped.extractall(tree)
        return tree

    def _bring_up_to_date(self, tree: Path, patched: Path) -> None:
        """Write the changed files of the zip `patched` into the unpacked package, and remove those that are gone."""
        names = {each for name in self._files for each in (name, bytecode_of(name)) if each}
        with zipfile.ZipFile(patched) as zipped:
            there = names & set(zipped.namelist())
            for name in there:
                zipped.extract(name, tree)
        for name in names - there:
            (tree / name).unlink(missing_ok=True)


def new_declarations(before: Declarations, now: Declarations) -> list[str]:
    """Return what the code declares now and the applied stack does not have, such as "the route POST /letters"."""
    found = []
    for label, old, new in (
        ("analysis", _of_analyses(before, "module"), _of_analyses(now, "module")),
        ("route", _of_analyses(before, "routes"), _of_analyses(now, "routes")),
        ("lane", _of_analyses(before, "lanes"), _of_analyses(now, "lanes")),
        ("model", _of_analyses(before, "model_id"), _of_analyses(now, "model_id")),
        ("secret", before.secrets, now.secrets),
    ):
        found += [f"the {label} {name}" for name in new if name not in old]
    return found


def _of_analyses(declared: Declarations, key: str) -> list[str]:
    """Return the values of a field of all analyses, each once."""
    values = [each.get(key) for each in declared.analyses]
    texts = [text for value in values for text in (value if isinstance(value, list) else [value]) if text]
    return list(dict.fromkeys(texts))
