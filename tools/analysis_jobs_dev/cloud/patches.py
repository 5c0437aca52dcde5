"""Puts changed files of a project into its built package. A whole build takes too long between two edits.

`patched_package` tests the result. The next start of the cloud builds the package as a whole.
"""

import base64
import hashlib
import importlib.util
import py_compile
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.packager import archive


@dataclass(frozen=True)
class Code:
    """A zip with code, its hash, and the version that results record."""

    path: Path
    sha256: str
    version: str

    @property
    def sha256_base64(self) -> str:
        """The hash, as Lambda writes it."""
        return base64.b64encode(bytes.fromhex(self.sha256)).decode()


def code_of(package: Path, project_version: str | None) -> Code:
    """Return the code in a zip."""
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    return Code(package, digest, f"{project_version or '0'}+{digest[:12]}")


def patch(package: Path, files: Mapping[str, Path | None], target: Path) -> None:
    """Write the zip `package` with changed files (name -> file, or None to remove it) to `target`.

    Raises CloudError if a source does not compile.
    """
    with tempfile.TemporaryDirectory() as temporary:
        compiled = {
            cached: _compiled(name, path, Path(temporary) / str(number))
            for number, (name, path) in enumerate(files.items())
            if (cached := bytecode_of(name))
        }
        added: dict[str, Path | None] = {**files, **compiled}
        shutil.copyfile(package, target)
        with zipfile.ZipFile(target, "a") as zipped:
            # The bytes of the old files stay in the zip. No name leads to them any more.
            for name in added.keys() & zipped.NameToInfo.keys():
                zipped.filelist.remove(zipped.NameToInfo.pop(name))
            for name, path in sorted(added.items()):
                if path is not None:
                    entry = zipfile.ZipInfo(name, archive.DATE)
                    entry.create_system = archive.UNIX
                    entry.external_attr = archive.REGULAR_FILE << 16
                    zipped.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, archive.COMPRESSION)
            zipped.comment = b""  # marks the zip as changed, if files were only removed


def bytecode_of(name: str) -> str:
    """Return the name of a source's bytecode; empty for any other file."""
    return importlib.util.cache_from_source(name) if name.endswith(".py") else ""


def _compiled(name: str, source: Path | None, target: Path) -> Path | None:
    if source is None:
        return None
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    try:
        py_compile.compile(
            str(source), str(target), f"{archive.TASK_ROOT}/{name}", doraise=True, invalidation_mode=mode
        )
    except py_compile.PyCompileError as error:
        raise CloudError(f"{source} does not compile: {error.exc_value}") from None
    return target
