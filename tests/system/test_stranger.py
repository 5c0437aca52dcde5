"""The first hour of a team outside: an installed wheel, an empty folder, and the commands of the tutorial.

Nothing of this repository is on the path. The module comes by a git URL. The emulator's environment is the one that the
tool builds itself.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from analysis_jobs_dev.cloud.state import holder
from tests.distribution import environment
from tests.docs.pages import REPOSITORY, blocks, files_of, text_of

pytestmark = pytest.mark.system

PAGE = "docs/write/first-analysis.md"
WAIT_S = 600.0
AGREED = {"TF_CLI_ARGS_destroy": "-auto-approve"}  # Terraform asks a person
COMMANDS = "\n".join(blocks(PAGE, "sh")).splitlines()


@dataclass(frozen=True)
class Stranger:
    """Somebody with an empty folder and the wheel. `shell` runs the lines of the tutorial."""

    home: Path
    programs: Path

    @property
    def project(self) -> Path:
        return self.home / "meeting-notes"

    def environ(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON", "VIRTUAL"))}
        paths = os.pathsep.join([str(self.programs), os.environ["PATH"]])
        # The home holds the user's cache: the emulator's environment and the dependencies of packages.
        caches = {f"XDG_{name}_HOME": str(self.home / name.lower()) for name in ("CACHE", "STATE")}
        own = {"HOME": str(self.home), "PATH": paths, "MODULES": f"file://{REPOSITORY}", "COLUMNS": "120"}
        return {**kept, **caches, **own, **more}

    def run(
        self, line: str, *, folder: Path | None = None, check: bool = True, variables: Mapping[str, str] | None = None
    ) -> str:
        """Run a line that the tutorial shows."""
        assert line in COMMANDS, f"the tutorial does not show: {line}"
        ran = subprocess.run(
            ["bash", "-c", line],
            cwd=folder or self.project,
            env=self.environ(**(variables or {})),
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert ran.returncode == 0 or not check, f"{line}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout + ran.stderr

    @contextlib.contextmanager
    def local(self) -> Iterator["Running"]:
        """Run `analysis-jobs local` until the end of the block."""
        assert "analysis-jobs local" in COMMANDS
        log = self.home / "local.log"
        with (
            log.open("w") as output,
            subprocess.Popen(
                ["analysis-jobs", "local"],
                cwd=self.project,
                env=self.environ(PYTHONUNBUFFERED="1"),
                executable=str(self.programs / "analysis-jobs"),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process,
        ):
            running = Running(log, process)
            try:
                running.says("ready\n")
                yield running
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(WAIT_S)


@dataclass(frozen=True)
class Running:
    """The running command, and what it has printed."""

    log: Path
    process: subprocess.Popen[bytes]

    def says(self, text: str) -> str:
        """Wait until it has printed a text; return all that it has printed."""
        deadline = time.monotonic() + WAIT_S
        while text not in (said := self.log.read_text("utf-8")):
            assert self.process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.2)
        return said

    def exports(self) -> dict[str, str]:
        lines = [line for line in self.log.read_text("utf-8").splitlines() if line.startswith("export ")]
        return dict(shlex.split(line)[1].split("=", 1) for line in lines)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    home = tmp_path_factory.mktemp("stranger")
    try:
        python = environment(home / ".venv", "cli", "dev")
    except AssertionError as error:
        pytest.skip(f"the wheel cannot be installed with its dependencies: {error}")
    found = Stranger(home, python.parent)
    found.run('analysis-jobs init meeting-notes --module "git::$MODULES//modules/analysis-jobs"', folder=home)
    for path, content in files_of(PAGE).items():
        (found.project / path).write_text(content, "utf-8")
    return found


def test_the_first_hour(stranger: Stranger) -> None:
    assert "1 passed" in stranger.run("pytest")
    shown = re.search(r"```text\n(Result\n.*?)```", text_of(PAGE), re.DOTALL)
    assert shown
    printed = stranger.run("analysis-jobs local --demo harbour.txt")
    assert shown[1] in printed
    stranger.run("cp documents/harbour.txt documents/notes.pdf")
    assert "document_type_mismatch" in stranger.run("analysis-jobs local --demo notes.pdf", check=False)
    with_own_dependencies(stranger)
    built = stranger.run("analysis-jobs package")
    assert "meeting-notes-arm64" in built
    assert "meeting-notes-x86_64" in built
    with stranger.local() as running:
        assert "Harbour committee, autumn meeting" in job_of(stranger, running)
        assert "No changes." in stranger.run(".local/cloud/terraform.sh plan")
        change(stranger.project / "meeting_notes.py", "return job.ask(prompt, answer=Minutes)", UPPER)
        running.says("   live  meeting_notes.py: code ")
        assert f"HARBOUR COMMITTEE, AUTUMN MEETING {locked(stranger, 'httpx')}" in job_of(stranger, running)
        (stranger.project / "answers.toml").write_text(SCRIPTED, "utf-8")
        running.says("   live  answers.toml: scripted answers")
        assert "SCRIPTED" in job_of(stranger, running)
        destroyed = stranger.run(".local/cloud/terraform.sh destroy", variables=AGREED)
        assert "Destroy complete!" in destroyed
    assert holder(stranger.project / ".local" / "cloud") is None
    stranger.run("analysis-jobs local --clean")
    assert not (stranger.project / ".local" / "cloud").exists()


UPPER = """minuted = job.ask(prompt, answer=Minutes)
    return minuted.model_copy(update={"title": f"{minuted.title.upper()} {own_dependencies()}"})"""
SCRIPTED = '[[answers]]\ntool = "Minutes"\nanswer = { title = "Scripted" }\n'
OWN = '''

def own_dependencies() -> str:
    """Use a dependency of this project, and one with a compiled part."""
    import httpx
    import orjson

    return orjson.loads(orjson.dumps(httpx.__version__))
'''


def with_own_dependencies(stranger: Stranger) -> None:
    """Add httpx, and orjson, which has a compiled part, as the tutorial says."""
    [dependencies] = re.findall(r"`(dependencies = \[.*?\])`", text_of(PAGE))
    described = stranger.project / "pyproject.toml"
    text = described.read_text("utf-8")
    described.write_text(re.sub(r"^dependencies = .*$", dependencies, text, flags=re.MULTILINE), "utf-8")
    for line in COMMANDS:
        if line.startswith(("printf ", "uv pip compile")):
            stranger.run(line)
    module = stranger.project / "meeting_notes.py"
    module.write_text(module.read_text("utf-8") + OWN, "utf-8")


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def locked(stranger: Stranger, name: str) -> str:
    """Return the locked version of a dependency."""
    [version] = re.findall(rf"^{name}==(\S+)", (stranger.project / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    return str(version)


def job_of(stranger: Stranger, running: Running) -> str:
    """Submit a job with the printed variables. Return what the command prints when the job has ended."""
    line = "analysis-jobs submit meeting-notes --document documents/harbour.txt --wait"
    return stranger.run(line, variables=running.exports())
