"""The wheel of this repository, and fresh environments that it is installed in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from uv import find_uv_bin

from tests.handlers.pdfs import REPOSITORY


@cache
def wheel() -> Path:
    """Build the wheel once in this process, and return its path. Nothing is installed for it."""
    folder = mkdtemp(prefix="wheel-")
    build = f"import hatchling.build as b; print(b.build_wheel({folder!r}))"
    said = subprocess.run([sys.executable, "-c", build], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return Path(folder) / said.stdout.split()[-1]


def python(version: str) -> str | None:
    """Return a Python of this version, such as "3.11", or None: the one on the PATH, or one of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    kept = sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))
    for candidate in (shutil.which(f"python{version}"), *map(str, reversed(kept))):
        # A shim of pyenv is on the PATH even if no such Python is chosen.
        if candidate and subprocess.run([candidate, "--version"], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


def environment(folder: Path, *extras: str, python: str = sys.executable, also: Sequence[str] = ()) -> Path:
    """Create a virtual environment in `folder` with the wheel and some of its extras. Return its Python.

    `also` are more distributions. Other distributions have the versions of requirements/dev.txt.
    """
    wanted = f"{wheel()}[{','.join(extras)}]" if extras else str(wheel())
    made = folder / "bin" / "python"
    _uv("venv", "--quiet", "--no-project", "--python", python, str(folder))
    lock = REPOSITORY / "requirements" / "dev.txt"
    _uv("pip", "install", "--quiet", "--python", str(made), "--constraint", str(lock), wanted, *also)
    return made


def output(python: Path, *arguments: str, folder: Path) -> str:
    """Run the Python of an environment in `folder`, without the path of this repository. Return its output."""
    command = [str(python), "-I", *arguments]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    return said.stdout


def _uv(*arguments: str) -> None:
    # Quiet is not silent: a failure says why.
    environ = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    said = subprocess.run([find_uv_bin(), *arguments], env=environ, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
