"""Zip files that are the same, byte for byte, for the same content."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from packager.errors import PackageError

# A zip cannot say an earlier date, and no other date is as clearly none.
DATE = (1980, 1, 1, 0, 0, 0)
REGULAR_FILE = 0o100644
UNIX = 3
# 6 is as small as 9 on this content, and twice as fast.
COMPRESSION = 6
# Where Lambda unpacks the zip; tracebacks show it.
TASK_ROOT = "/var/task"


def write(path: Path, files: Mapping[str, Path], *, base: Path | None = None) -> None:
    """Write the zip `path` of `files` (name in the zip -> file), on top of the zip `base`."""
    if base:
        shutil.copyfile(base, path)
    with zipfile.ZipFile(path, "a" if base else "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system = UNIX
            entry.external_attr = REGULAR_FILE << 16
            content = files[name].read_bytes()
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, COMPRESSION)
        archive.filelist.sort(key=lambda entry: entry.filename)


def compile_tree(tree: Path) -> None:
    """Put bytecode beside every source below `tree`, valid whatever the sources' dates.

    In a process of its own with nothing in it: what else a process holds in memory shows in the
    bytes that it writes. Raises PackageError where a source does not compile.
    """
    compiler = [sys.executable, "-S", "-s", "-m", "compileall", "-q", "-f"]
    paths = ["-s", str(tree), "-p", TASK_ROOT, str(tree)]
    said = subprocess.run(
        [*compiler, "--invalidation-mode", "unchecked-hash", *paths],
        env={"PATH": os.defpath, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise PackageError(f"A source does not compile:\n{said.stdout.strip()}")


def names(path: Path) -> set[str]:
    """Return the names in the zip `path`."""
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())
