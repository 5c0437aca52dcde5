"""Installs the locked dependencies for a target and zips them. The zip is cached for each set of dependencies."""

import hashlib
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from uv import find_uv_bin

from analysis_jobs_dev.packager import archive, service_data, services
from analysis_jobs_dev.packager.errors import PackageError
from analysis_jobs_dev.packager.locks import Pins
from analysis_jobs_dev.packager.targets import RUNTIME, Target

# Large files that the library never uses: Tesseract's model for script and orientation, and Pillow's AVIF codec.
UNUSED = ("share/tessdata/osd.traineddata", "PIL/_avif.*.so", "pillow.libs/libavif-*.so*")
# Metadata that differs between installers.
INSTALLERS_NOTES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
# The code that makes the zip. It is part of the cache's key.
_MADE_BY = (__file__, archive.__file__, service_data.__file__, services.__file__)


@dataclass(frozen=True)
class Dependencies:
    """The distributions of a package for one target.

    Of boto3's service descriptions, only `aws_services` are included. uv gets `index_options`, and runs in `folder`, so
    that it finds the package indexes of a project's configuration.
    """

    pins: Pins
    target: Target
    aws_services: frozenset[str] = services.OF_EVERY_PACKAGE
    index_options: tuple[str, ...] = ()
    folder: Path | None = None


def zipped(what: Dependencies, cache: Path) -> Path:
    """Return a zip of the installed dependencies, with bytecode. It is cached in `cache`, under a hash of its inputs.

    Raises `PackageError` if a distribution cannot be installed for the target.
    """
    pins, target = what.pins, what.target
    made_by = b"".join(Path(module).read_bytes() for module in _MADE_BY)
    # Not the names of files: a wheel beside the project has its hash.
    decides = [
        *(f"{pin.name}=={pin.version} {' '.join(pin.hashes)}".encode() for _, pin in sorted(pins.items())),
        str(target).encode(),
        " ".join(sorted(what.aws_services)).encode(),
        platform.python_version().encode(),
        made_by,
    ]
    key = hashlib.sha256(b"\0".join(decides)).hexdigest()
    kept = cache / f"dependencies-{target.name}-{key[:16]}.zip"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            tree, fresh = Path(temporary) / "tree", Path(temporary) / "fresh.zip"
            requirements = Path(temporary) / "requirements.txt"
            lines = [*what.index_options, *(pin.line() for _, pin in sorted(pins.items()))]
            requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
            _install(what, requirements, tree)
            service_data.lighten(tree / "botocore" / "data", what.aws_services)
            archive.compile_tree(tree)
            archive.write(fresh, _files(tree, what.aws_services))
            fresh.replace(kept)
    return kept


def distributions(package: Path) -> dict[str, str]:
    """Return the distributions in the zip `package` (name -> version), sorted by name."""
    return dict(sorted((each["Name"].lower().replace("_", "-"), each["Version"]) for each in _metadata(package)))


def required(package: Path) -> dict[str, list[Requirement]]:
    """Return the requirements of each distribution in the zip `package`, by its name."""
    return {
        each["Name"]: [Requirement(text) for text in each.get_all("Requires-Dist", [])] for each in _metadata(package)
    }


def _metadata(package: Path) -> Iterator[Message]:
    with zipfile.ZipFile(package) as archived:
        for name in archived.namelist():
            if name.endswith(".dist-info/METADATA"):
                yield HeaderParser().parsestr(archived.read(name).decode("utf-8", "replace"), headersonly=True)


def _install(what: Dependencies, requirements: Path, tree: Path) -> None:
    tree.mkdir()
    if not what.pins:
        return
    target = what.target
    platform_options = ["--python-platform", target.wheels] if target.wheels else []
    result = subprocess.run(
        [
            find_uv_bin(),
            *("pip", "install", "--quiet", "--no-deps", "--require-hashes"),
            *("--python", sys.executable, "--python-version", ".".join(map(str, RUNTIME))),
            # Wheels only: building a source distribution would run its code, and for the wrong machine.
            *("--only-binary", ":all:", *platform_options),
            *("--link-mode", "copy", "--target", str(tree), "--requirement", str(requirements)),
        ],
        cwd=what.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        names = " and ".join(sorted({pin.lock for pin in what.pins.values()}))
        raise PackageError(
            f"The dependencies in {names} cannot be installed for {target.name}. A package takes only wheels for "
            f"Python {'.'.join(map(str, RUNTIME))} on Linux with glibc 2.34 or older.\n{result.stderr.strip()}"
        )


def _files(tree: Path, aws_services: frozenset[str]) -> dict[str, Path]:
    """Return the files of an installed tree that belong in a package (name in the zip -> file)."""
    files = {}
    for path in tree.rglob("*"):
        inside = path.relative_to(tree)
        if path.is_dir() or inside.parts[0] == "bin" or inside.name == ".lock":
            continue
        if inside.parts[0].endswith(".dist-info") and inside.name in INSTALLERS_NOTES:
            continue
        if any(fnmatch(inside.as_posix(), pattern) for pattern in UNUSED):
            continue
        if services.is_unused(PurePosixPath(inside), aws_services):
            continue
        files[inside.as_posix()] = path
    return files
