"""Installs the locked dependencies for a target and zips them. The zip is cached for each combination of locks."""

import hashlib
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from email.parser import HeaderParser
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from uv import find_uv_bin

from analysis_jobs_dev.packager import archive, services
from analysis_jobs_dev.packager.errors import PackageError
from analysis_jobs_dev.packager.targets import RUNTIME, Target

# Large files that the library never uses: Tesseract's model for script and orientation, and Pillow's AVIF codec.
UNUSED = ("share/tessdata/osd.traineddata", "PIL/_avif.*.so", "pillow.libs/libavif-*.so*")
# Metadata that differs between installers.
INSTALLERS_NOTES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}


def zipped(
    locks: Sequence[Path], target: Target, cache: Path, aws_services: frozenset[str] = services.OF_EVERY_PACKAGE
) -> Path:
    """Return a zip of all distributions in `locks`, installed for `target`, with bytecode.

    Of boto3's service descriptions, only `aws_services` are included. The zip is cached in `cache`, under a hash of all
    its inputs. Raises `PackageError` if the locks contradict each other, or cannot be installed for the target.
    """
    made_by = b"".join(Path(module).read_bytes() for module in (__file__, archive.__file__, services.__file__))
    decides = [
        *(lock.read_bytes() for lock in locks),
        str(target).encode(),
        " ".join(sorted(aws_services)).encode(),
        platform.python_version().encode(),
        made_by,
    ]
    key = hashlib.sha256(b"\0".join(decides)).hexdigest()
    kept = cache / f"dependencies-{target.name}-{key[:16]}.zip"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            tree, fresh = Path(temporary) / "tree", Path(temporary) / "fresh.zip"
            _install(locks, target, tree)
            archive.compile_tree(tree)
            archive.write(fresh, _files(tree, aws_services))
            fresh.replace(kept)
    return kept


def distributions(package: Path) -> dict[str, str]:
    """Return the distributions in the zip `package` (name -> version), sorted by name."""
    found = {}
    with zipfile.ZipFile(package) as archived:
        for name in archived.namelist():
            if name.endswith(".dist-info/METADATA"):
                text = archived.read(name).decode("utf-8", "replace")
                metadata = HeaderParser().parsestr(text, headersonly=True)
                found[metadata["Name"].lower().replace("_", "-")] = metadata["Version"]
    return dict(sorted(found.items()))


def _install(locks: Sequence[Path], target: Target, tree: Path) -> None:
    tree.mkdir()
    platform_options = ["--python-platform", target.wheels] if target.wheels else []
    result = subprocess.run(
        [
            find_uv_bin(),
            *("pip", "install", "--quiet", "--no-deps", "--require-hashes"),
            *("--python", sys.executable, "--python-version", ".".join(map(str, RUNTIME))),
            # Wheels only: building a source distribution would run its code, and for the wrong machine.
            *("--only-binary", ":all:", *platform_options),
            *("--link-mode", "copy", "--target", str(tree)),
            *(argument for lock in locks for argument in ("--requirement", str(lock))),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        names = " and ".join(lock.name for lock in locks)
        raise PackageError(f"{names} cannot be installed for {target.name}:\n{result.stderr}")


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
