"""`analysis-jobs init`: the new project is whole, and what cannot be created is refused with the rule."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from analysis_jobs_dev import commands, places, project
from analysis_jobs_dev.cloud import demo_file
from analysis_jobs_dev.environments import config
from analysis_jobs_dev.init import InitError, create, known_examples
from analysis_jobs_dev.naming import MAX_NAME
from analysis_jobs_dev.terraform_files import provider_region

FILES = {
    ".github/workflows/ci.yml",
    ".github/workflows/deploy.yml",
    ".github/workflows/drift.yml",
    ".github/workflows/package.yml",
    ".github/workflows/plan.yml",
    ".github/workflows/rollback.yml",
    ".gitignore",
    "README.md",
    "answers.toml",
    "demo.toml",
    "documents/letter.txt",
    "envs/environment.schema.json",
    "envs/local.json",
    "envs/production.json",
    "envs/staging.json",
    "infra/main.tf",
    "infra/outputs.tf",
    "infra/variables.tf",
    "infra/versions.tf",
    "meeting_notes.py",
    "prompts/meeting-notes.toml",
    "pyproject.toml",
    "tests/test_meeting_notes.py",
}


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_new_project_has_everything_under_its_own_name(tmp_path: Path) -> None:
    folder = create("meeting-notes", module="git::https://example.com/m.git//modules/analysis-jobs", within=tmp_path)
    assert folder == tmp_path / "meeting-notes"
    assert files_of(folder) == FILES
    for name in FILES:
        text = (folder / name).read_text("utf-8")
        assert not re.search(r"(?<!\$)\{\{", text), f"{name} has a placeholder left"
        assert "letter-summary" not in text
        assert "letter_summary" not in text
    assert 'source = "git::https://example.com/m.git//modules/analysis-jobs"' in (folder / "infra/main.tf").read_text()
    found = project.load(folder)
    assert (found.name, found.analyses, found.infra) == ("meeting-notes", ("meeting_notes",), folder / "infra")
    described = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    assert described["project"]["dependencies"] == [f"analysis-jobs=={places.version()}"]
    assert config.load("local", folder).stack == "meeting-notes-local"
    assert demo_file.load(folder).submit.analysis == "meeting-notes"
    assert provider_region(folder / "infra") is None, "the Region comes from envs/*.json"


@pytest.mark.parametrize("example", [None, *known_examples()])
def test_the_demo_that_the_command_suggests_has_its_document(
    example: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    commands.init("meeting-notes", example=example)
    document = capsys.readouterr().out.split("--demo ")[1].strip()
    assert (tmp_path / "meeting-notes" / document).is_file()


def test_the_name_of_each_environments_stack_is_short_enough(tmp_path: Path) -> None:
    folder = create("a" * MAX_NAME, within=tmp_path)
    names = {each.stack or "" for each in config.load_all(folder)}
    assert max(map(len, names)) <= MAX_NAME
    assert len(names) == 3


def test_the_terraform_of_a_new_project_is_formatted(tmp_path: Path) -> None:
    folder = create("meeting-notes", within=tmp_path)
    checked = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", folder], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    "name", ["Letters", "1letters", "l", "letters-", "let--ters", "letters_of", "a" * (MAX_NAME + 1), "../x", ""]
)
def test_a_name_that_breaks_the_rule_is_refused_with_the_rule(tmp_path: Path, name: str) -> None:
    with pytest.raises(InitError, match=f"2 to {MAX_NAME} small letters, digits and single hyphens"):
        create(name, within=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["worker", "json", "analysis-jobs", "class"])
def test_a_name_of_a_module_that_exists_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InitError, match=f"which is taken. Choose a longer name, such as {name}-analysis"):
        create(name, within=tmp_path)


def test_a_folder_with_files_is_refused_and_an_empty_one_is_filled(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    create("letters", within=tmp_path)
    with pytest.raises(InitError, match="exists and is not empty"):
        create("letters", within=tmp_path)


def test_an_unknown_example_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InitError, match=r"There is no example 'minimum'\. The examples are: .*minimal"):
        create("letters", example="minimum", within=tmp_path)


@pytest.mark.parametrize("example", known_examples())
def test_an_example_becomes_a_project_of_its_own(tmp_path: Path, example: str) -> None:
    if not (places.examples() or Path()).joinpath(example, "pyproject.toml").exists():
        pytest.skip(f"{example} is not a project yet")
    folder = create("own-copy", example=example, within=tmp_path)
    found = project.load(folder)
    assert (found.name, found.infra) == ("own-copy", folder / "infra")
    assert not list(folder.glob("*.tf"))
    text = "".join(path.read_text("utf-8") for path in (folder / "infra").glob("*.tf"))
    assert "../../modules" not in text
    assert 'backend "s3"' in text
    demo_file.load(folder)
    formatted = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", folder], capture_output=True, text=True, check=False
    )
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr
