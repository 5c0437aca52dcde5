"""A running local cloud takes changed files in. It shows what is refused, and the last good version stays live."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs_dev.cloud import reload
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.local_cloud import LocalCloud
from analysis_jobs_dev.cloud.patched_package import PatchedPackage
from analysis_jobs_dev.cloud.patches import Code
from analysis_jobs_dev.cloud.reload import Reloader, files_of
from analysis_jobs_dev.cloud.screen import Screen
from analysis_jobs_dev.packager import HOST, Sources, build
from analysis_jobs_dev.project import load

PROMPT = "prompts/poem.txt"


@dataclass
class Cloud:
    """Records what is put into service. `broken` is the error of the prompts, or of the answers."""

    folder: Path
    connection: object = None
    broken: Exception | None = None
    calls: list[str] = field(default_factory=list)

    @property
    def stand_in(self) -> "Cloud":
        return self

    def load_answers(self, answers: list[Path]) -> None:
        self._called(f"answers {len(answers)}")

    def put_prompts(self) -> None:
        self._called("prompts")

    def apply_at_next_start(self) -> None:
        pass

    def _called(self, what: str) -> None:
        if self.broken:
            raise self.broken
        self.calls.append(what)


@dataclass
class Running:
    """The project of a running cloud."""

    sources: Sources
    cloud: Cloud
    reloader: Reloader
    text: io.StringIO

    def edit(self, name: str, text: str) -> str:
        """Write a file, and return what the screen says about it."""
        path = self.sources.project.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        self.text.seek(0)
        self.text.truncate()
        self.reloader.check()
        return self.text.getvalue()


@pytest.fixture
def running(project: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    cloud = Cloud(tmp_path / "cloud")
    (project.project.folder / "answers.toml").write_text("", "utf-8")
    build(project, [HOST], out=cloud.folder / reload.PACKAGES)
    sources_of: Callable[..., Sources] = partial(Sources, library=project.library)
    monkeypatch.setattr(reload, "PatchedPackage", partial(PatchedPackage, sources_of=sources_of))

    def update(_: object, code: Code) -> bool:
        cloud.calls.append(f"code {code.version}")
        return True

    monkeypatch.setattr(reload, "update", update)
    text = io.StringIO()
    screen = Screen(Console(file=text, width=200))
    found = load(project.project.folder)
    return Running(project, cloud, Reloader(found, cast("LocalCloud", cloud), screen, files_of(found)), text)


def test_a_changed_source_is_put_into_service(running: Running) -> None:
    said = running.edit("poem.py", "from library import answer\nLINES = 4\n")
    [code] = running.cloud.calls
    assert said.startswith(f"   live  poem.py: {code} (")


def test_what_the_packager_refuses_is_shown_and_nothing_is_put_into_service(running: Running) -> None:
    said = running.edit("poem.py", "import metre\n")
    assert said.startswith("  error  poem.py: The package of poems does not import:")
    assert "No module named 'metre'" in said
    assert "is development code" in running.edit("poem.py", "import pytest\n")
    assert running.cloud.calls == []
    assert "   live  poem.py" in running.edit("poem.py", "from library import answer\n")


def test_a_prompt_beside_refused_code_waits_for_it(running: Running) -> None:
    (running.sources.project.folder / PROMPT).write_text("Write two.", "utf-8")
    assert "  error  poem.py, prompts/poem.txt" in running.edit("poem.py", "import metre\n")
    assert running.cloud.calls == []


@pytest.mark.parametrize("name", [PROMPT, "answers.toml"])
@pytest.mark.parametrize("error", [CloudError("not TOML"), ConfigurationError("not a prompt")])
def test_a_broken_prompt_or_answer_is_shown(running: Running, name: str, error: Exception) -> None:
    running.cloud.broken = error
    assert running.edit(name, "x") == f"  error  {name}: {error}\n"
    assert running.cloud.calls == []


def test_an_edit_during_the_start_is_brought_in(running: Running) -> None:
    running.reloader.seen = {path: (0, 0) for path in running.reloader.seen if path.name == "poem.py"} | {
        path: about for path, about in running.reloader.seen.items() if path.name != "poem.py"
    }
    assert running.reloader.check()
    assert len(running.cloud.calls) == 1


def test_a_route_that_the_stack_does_not_have_needs_another_start(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def new(*_: Any) -> list[str]:
        return ["the route POST /poems"]

    monkeypatch.setattr(reload, "new_declarations", new)
    said = running.edit("poem.py", "LINES = 4\n")
    assert "start `analysis-jobs local` again for the route POST /poems" in said


@pytest.mark.parametrize("name", ["main.tf", "envs/local.json"])
def test_a_changed_setting_needs_another_start(running: Running, name: str) -> None:
    assert running.edit(name, "{}") == f"restart  {name}: start `analysis-jobs local` again to apply it\n"
    assert running.cloud.calls == []
    assert running.edit("envs/staging.json", "{}") == ""
