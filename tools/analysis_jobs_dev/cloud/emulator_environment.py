"""The Python environment of MiniStack. It is separate from that of the tools, because MiniStack pins botocore.

In a checkout, `make` builds it as `.venv-cloud`. Elsewhere it is built on first use, in the user's cache folder, from
the lock `requirements/cloud.txt`. A changed lock gives a new environment.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from analysis_jobs_dev import places
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.screen import Screen
from analysis_jobs_dev.packager.targets import RUNTIME

PYTHON_VARIABLE = "ANALYSIS_JOBS_CLOUD_PYTHON"
LOCK = "cloud.txt"
READY = ".ready"
VERSION = ".".join(map(str, RUNTIME))


def interpreter(screen: Screen | None = None) -> Path:
    """Return the Python with MiniStack; build its environment if there is none.

    Raises CloudError if it cannot be built, or if the variable ANALYSIS_JOBS_CLOUD_PYTHON names a missing one.
    """
    if named := os.environ.get(PYTHON_VARIABLE):
        if not Path(named).exists():
            raise CloudError(f"{PYTHON_VARIABLE}={named} does not exist: name a Python with MiniStack, or unset it.")
        return Path(named)
    checkout = places.repository()
    if checkout and (made := checkout / ".venv-cloud" / "bin" / "python").exists():
        return made
    return built(places.requirements() / LOCK, places.cache() / "cloud", screen or Screen.silent())


def built(lock: Path, folder: Path, screen: Screen) -> Path:
    """Return the Python of the lock's environment in `folder`; build it on first use. Raises CloudError."""
    key = hashlib.sha256(f"{VERSION}\0".encode() + lock.read_bytes()).hexdigest()[:16]
    environment = folder / key
    python = environment / "bin" / "python"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # two starts at once: the second one waits for the first
        if not (environment / READY).exists():
            with screen.step("emulator") as step:
                step.say("building its environment, once")
                _build(environment, lock)
                step.say(f"built in {environment}")
            for other in folder.iterdir():
                if other.is_dir() and other != environment:
                    shutil.rmtree(other, ignore_errors=True)
    return python


def _build(environment: Path, lock: Path) -> None:
    python = environment / "bin" / "python"
    try:
        _run(_venv(environment))
        attempts = [*_uv_install(python, lock), _pip_install(python, lock)]
        for number, command in enumerate(attempts, start=1):
            try:
                _run(command)
                break
            except CloudError:
                if number == len(attempts):
                    raise
    except CloudError:
        shutil.rmtree(environment, ignore_errors=True)
        raise
    (environment / READY).touch()


def _uv() -> str | None:
    """Return the path of uv, which the extra `dev` installs."""
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - missing without the extra

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return shutil.which("uv")


def _venv(environment: Path) -> list[str]:
    if sys.version_info[:2] == RUNTIME:
        return [sys.executable, "-m", "venv", "--clear", str(environment)]
    uv, python = _uv(), shutil.which(f"python{VERSION}")
    if python:
        return [python, "-m", "venv", "--clear", str(environment)]
    if uv:
        return [uv, "venv", "--quiet", "--clear", "--seed", "--python", VERSION, str(environment)]
    raise CloudError(f"The local cloud needs Python {VERSION}, which the functions run on: install it.")


def _uv_install(python: Path, lock: Path) -> list[list[str]]:
    uv = _uv()
    return [[uv, "pip", "sync", "--quiet", "--python", str(python), "--require-hashes", str(lock)]] if uv else []


def _pip_install(python: Path, lock: Path) -> list[str]:
    """Return the command of pip: slower than uv, but a closed network may have a mirror that only pip knows."""
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    return [str(python), "-m", "pip", "install", *quiet, "--require-hashes", "--requirement", str(lock)]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise CloudError(f"The environment of MiniStack cannot be built; `{' '.join(command)}` failed:\n{said}")
