"""Reads the locks of a package: those of the library and that of the project. Decides which versions it contains.

A project's lock is its `uv.lock`, or a `requirements.txt` with hashes. If both the project and the library lock a
distribution, the project's version is used: the project may need it. `require_consistent` then checks every
requirement, also the library's own, so that the two never contradict each other.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker, default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import Version
from uv import find_uv_bin

from analysis_jobs_dev.packager.errors import PackageError
from analysis_jobs_dev.packager.targets import RUNTIME, Target
from analysis_jobs_dev.project import LIBRARY, Project

UV_LOCK = "uv.lock"
REQUIREMENTS = "requirements.txt"
_INDEX_OPTIONS = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index")
_HASH = re.compile(r"\s--hash[= ](\S+)")
_COMMENT = re.compile(r"(^|\s)#.*$")


@dataclass(frozen=True)
class Pin:
    """One distribution of a lock. `requirement` is what uv installs, without a marker. `lock` is the lock's name."""

    name: NormalizedName
    version: Version
    requirement: str
    hashes: tuple[str, ...]
    lock: str

    def line(self) -> str:
        """Return the requirement with its hashes, as a line of a requirements file."""
        return " ".join([self.requirement, *(f"--hash={each}" for each in self.hashes)])


type Pins = Mapping[NormalizedName, Pin]


@dataclass(frozen=True)
class Lock:
    """The text of a requirements file with hashes. `folder` is where its relative paths begin."""

    name: str
    text: str
    folder: Path

    def options(self) -> list[str]:
        """Return the lines that name package indexes."""
        return [line for line in _logical_lines(self.text) if line.split()[0].split("=")[0] in _INDEX_OPTIONS]

    def pins(self, target: Target) -> dict[NormalizedName, Pin]:
        """Return the distributions that the lock has for a target. Raises `PackageError` for other requirements."""
        found: dict[NormalizedName, Pin] = {}
        for line in _logical_lines(self.text):
            if line.split()[0].split("=")[0] not in _INDEX_OPTIONS and (pin := self._pin(line, target)):
                found[pin.name] = pin
        return found

    def _pin(self, line: str, target: Target) -> Pin | None:
        hashes = tuple(sorted(_HASH.findall(line)))
        text, _, marker = (part.strip() for part in _HASH.sub("", line).partition(" ;"))
        if marker and not Marker(marker).evaluate(environment(target)):
            return None
        if text.startswith(("-", ".", "/", "file:")):
            return self._local(text, hashes)
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise PackageError(f"{self.name} has a line that is not a requirement: {line!r}: {error}") from None
        if requirement.marker and not requirement.marker.evaluate(environment(target)):
            return None
        name = canonicalize_name(requirement.name)
        if name == LIBRARY:
            return Pin(name, _pinned(requirement) or Version("0"), text, hashes, self.name)
        if requirement.url:
            return self._wheel(requirement.url.partition("#")[0], text, hashes)
        version = _pinned(requirement)
        if version is None:
            raise PackageError(
                f"{self.name}: {requirement} names no exact version, so it is not locked. {_HOW_TO_LOCK}"
            )
        if not hashes:
            raise PackageError(f"{self.name}: {requirement} has no hash, so its content is not locked. {_HOW_TO_LOCK}")
        return Pin(name, version, f"{requirement.name}=={version}", hashes, self.name)

    def _local(self, text: str, hashes: tuple[str, ...]) -> Pin:
        path = text.removeprefix("-e ").removeprefix("--editable ").removeprefix("file://").strip()
        if text.startswith("-") and not text.startswith(("-e", "--editable")):
            raise PackageError(f"{self.name}: the option {text!r} is not supported: write the requirements themselves.")
        if not path.endswith(".whl"):
            raise PackageError(
                f"{self.name}: {path} is a local folder. A package takes wheels only, because a folder can change "
                f"without the lock. Build its wheel (`uv build --wheel {path} --out-dir wheels`), depend on that "
                'file in [tool.uv.sources], for example { path = "wheels/….whl" }, and run `uv lock`. Or move the code '
                "into the project."
            )
        at = path if Path(path).is_absolute() else f"{self.folder / path}"
        return self._wheel(path, at, hashes)

    def _wheel(self, place: str, requirement: str, hashes: tuple[str, ...]) -> Pin:
        try:
            name, version, *_ = parse_wheel_filename(place.rpartition("/")[2])
        except InvalidWheelFilename:
            raise PackageError(
                f"{self.name}: {requirement} is not a wheel. A package takes wheels only, because building one runs "
                "code on this machine. Build the wheel and depend on it, or use a release from a package index."
            ) from None
        if not hashes:
            raise PackageError(f"{self.name}: {requirement} has no hash, so its content is not locked. {_HOW_TO_LOCK}")
        return Pin(name, version, requirement, hashes, self.name)


_HOW_TO_LOCK = (
    "Use `uv lock`, which writes uv.lock, or make the file with `uv pip compile --generate-hashes pyproject.toml "
    "--output-file requirements.txt`."
)


def read(path: Path) -> Lock:
    """Return a requirements file."""
    return Lock(path.name, path.read_text(encoding="utf-8"), path.parent)


def of_project(project: Project, library_version: str) -> Lock | None:
    """Return the lock of a project, or None if it has no dependencies of its own.

    Raises `PackageError` if dependencies are not locked, or if another version of the library is locked.
    """
    if root := _workspace(project):
        _require_version(root / UV_LOCK, library_version)
        return Lock(UV_LOCK, _exported(project), project.folder)
    path = project.folder / REQUIREMENTS
    if path.is_file():
        return read(path)
    if project.requirements:
        names = ", ".join(requirement.name for requirement in project.requirements)
        raise PackageError(f"{project.file}: the dependencies {names} are not locked. {_HOW_TO_LOCK}")
    return None


def merged(library: Iterable[Lock], project: Lock | None, target: Target, library_version: str) -> Pins:
    """Return the distributions of a package. The project's versions replace those of the library.

    Raises `PackageError` if two locks of the library contradict each other, or if the project's lock has another
    version of the library.
    """
    pins: dict[NormalizedName, Pin] = {}
    for lock in library:
        for name, pin in lock.pins(target).items():
            known = pins.setdefault(name, pin)
            if known.version != pin.version:
                raise PackageError(
                    f"{known.lock} has {name} {known.version}, and {pin.lock} has {name} {pin.version}: lock again."
                )
    if project:
        own = project.pins(target)
        locked = own.pop(LIBRARY, None)
        if locked and locked.version not in {Version("0"), Version(library_version)}:
            raise _other_library(project.name, str(locked.version), library_version)
        pins |= own
    return pins


def require_consistent(
    pins: Pins, required: Mapping[str, Iterable[Requirement]], target: Target, extras: Iterable[str] = ()
) -> None:
    """Raise `PackageError` if a requirement is missing or has another version.

    `required` maps the name of the distribution that requires something to its requirements. The message names both
    versions and both locks.
    """
    here = environment(target)
    problems = []
    for by, requirements in sorted(required.items()):
        for requirement in requirements:
            marker = requirement.marker
            if marker and not any(marker.evaluate({**here, "extra": extra}) for extra in ("", *extras)):
                continue
            pin = pins.get(canonicalize_name(requirement.name))
            who = pins.get(canonicalize_name(by))
            asks = f"{by} {who.version} ({who.lock})" if who else by
            wanted = f"{requirement.name}{requirement.specifier}"
            if pin is None:
                problems.append(f"{asks} requires {wanted}, and no lock has {requirement.name}")
            elif not requirement.specifier.contains(pin.version, prereleases=True):
                problems.append(f"{asks} requires {wanted}, and {pin.lock} has {pin.name} {pin.version}")
    if problems:
        lines = "\n".join(f"  {problem}" for problem in dict.fromkeys(problems))
        raise PackageError(
            f"The locked versions contradict each other:\n{lines}\nChange the versions in the project's "
            "dependencies, and lock again: `uv lock`."
        )


def environment(target: Target) -> dict[str, str]:
    """Return the values of the markers on a target."""
    if target.wheels is None:
        return {key: str(value) for key, value in default_environment().items()}
    python = ".".join(map(str, RUNTIME))
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": "aarch64" if target.name == "arm64" else "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }


def _exported(project: Project) -> str:
    """Return what `uv.lock` has for the project's own dependencies, without the library and what only it needs."""
    command = [
        *(
            find_uv_bin(),
            "export",
            "--quiet",
            "--frozen",
            "--no-dev",
            "--no-emit-project",
            "--no-header",
            "--no-annotate",
        ),
        *("--project", str(project.folder), "--prune", LIBRARY, "--python", sys.executable, "--no-python-downloads"),
    ]
    result = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    if result.returncode:
        raise PackageError(f"{project.folder / UV_LOCK} cannot be read: {result.stderr.strip()}")
    return result.stdout


def _workspace(project: Project) -> Path | None:
    """Return the folder with the project's `uv.lock`: its own, or that of the uv workspace that it belongs to."""
    for folder in (project.folder, *project.folder.parents):
        if (folder / UV_LOCK).is_file():
            if folder == project.folder:
                return folder
            described = folder / "pyproject.toml"
            if described.is_file() and "[tool.uv.workspace]" in described.read_text(encoding="utf-8"):
                return folder
    return None


def _require_version(lock: Path, library_version: str) -> None:
    packages = tomllib.loads(lock.read_text(encoding="utf-8")).get("package", [])
    found = [each["version"] for each in packages if each.get("name") == LIBRARY and "version" in each]
    if found and Version(found[0]) != Version(library_version):
        raise _other_library(lock.name, found[0], library_version)


def _other_library(lock: str, locked: str, running: str) -> PackageError:
    return PackageError(
        f"{lock} has analysis-jobs {locked}, and this is analysis-jobs {running}. Run the locked version (`uv sync`, "
        "then `uv run analysis-jobs package`), or lock this one: `uv lock --upgrade-package analysis-jobs`."
    )


def _pinned(requirement: Requirement) -> Version | None:
    specifiers = list(requirement.specifier)
    if len(specifiers) == 1 and specifiers[0].operator in {"==", "==="} and "*" not in specifiers[0].version:
        return Version(specifiers[0].version)
    return None


def _logical_lines(text: str) -> list[str]:
    """Return the lines of a requirements file, joined where a backslash ends one, without comments."""
    lines = (_COMMENT.sub("", line).rstrip() for line in text.splitlines())
    joined = "\n".join(lines).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip()]
